"""``python -m sukashi.lab.negatives --out DIR``: measure, or go on measuring, and write the table and the curve."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sukashi.kirie.canvas import PARTS
from sukashi.lab.heads import HEADS
from sukashi.lab.negatives.measure import PROMPTS, Look, Seen, run
from sukashi.lab.negatives.table import draw_curve, plain, rows, table
from sukashi.lab.probe import Probe, load_probe
from sukashi.loading import load


def looking(probe: Probe) -> Look:
    """The probe as what finds glasses: its answer about the figure, and its map of parts."""

    def look(images: Tensor) -> Seen:
        with torch.no_grad():
            answers = probe(images * 2 - 1)
        has = answers.heads["glasses"].softmax(dim=1)[:, HEADS["glasses"].index("yes")]
        part = answers.maps["part"].argmax(dim=1)  # (B, 32, 32)
        fine = images.shape[2] // part.shape[1]
        place = (part == PARTS.index("glasses")).repeat_interleave(fine, dim=1).repeat_interleave(fine, dim=2)
        return Seen(has, place)

    return look


def main(words: Sequence[str] | None = None) -> None:
    """Run the experiment as asked on the command line."""
    parser = argparse.ArgumentParser(prog="python -m sukashi.lab.negatives", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go; again: go on")
    parser.add_argument("--model", default="kirie", help="a model of kirie's world (default: kirie)")
    parser.add_argument(
        "--prompts", type=int, default=len(PROMPTS), help=f"how many (default and most: {len(PROMPTS)})"
    )
    parser.add_argument("--seeds", type=int, default=10, help="pictures of every prompt (default 10)")
    parser.add_argument("--steps", type=int, default=10, help="steps of DDIM (default 10)")
    parser.add_argument("--device", help="cpu, cuda (default: the best there is)")
    args = parser.parse_args(words)
    pipe, probe = load(args.model, device=args.device), load_probe()
    look = looking(probe.to(pipe.device))
    lines = run(pipe, look, args.out, prompts=PROMPTS[: args.prompts], seeds=args.seeds, steps=args.steps, say=print)
    found, facts = rows(lines), lines[0]["facts"]
    text = table(found, facts)
    (args.out / "negatives.md").write_text(text)
    (args.out / "negatives.json").write_text(json.dumps({**facts, "rows": [plain(row) for row in found]}, indent=1))
    draw_curve(found, args.steps, args.out / "negatives.png")
    print(text)


if __name__ == "__main__":
    main()
