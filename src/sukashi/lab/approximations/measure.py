"""Every prompt drawn in every way with one seed, compared with the exact picture, and read by the probe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sukashi.kirie.canvas import SIZE
from sukashi.lab.approximations.ways import EXACT, OTHER, Way, told, ways
from sukashi.lab.approximations.work import asking, counted
from sukashi.lab.evaluate import Plan, Question, questions, to_image
from sukashi.lab.negatives.measure import fingerprint
from sukashi.lab.probe import FOLD, Probe
from sukashi.lab.read import read
from sukashi.lab.score import judge
from sukashi.lab.views import WHOLE, look
from sukashi.pipeline import Pipeline
from sukashi.tasks.comparing import compare

SALT, APART, SHOWN = "approximations", 1_000_000, 6
SAME = 100.0  # dB that equal pictures are given


def run(
    pipe: Pipeline,
    probe: Probe,
    folder: Path,
    *,
    prompts: int = 20,
    steps: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure so many prompts; one line of ``folder/approximations.jsonl`` each, so that it can go on.

    Raises ValueError when the folder holds lines of another model or of other steps.
    """
    steps = steps or int(pipe.defaults["steps"])
    rows = ways(steps)
    facts = {"model": pipe.name, "weights": fingerprint(pipe), "steps": steps, "guidance": pipe.defaults["guidance"]}
    facts |= {"sampler": pipe.published.sampler, "rows": [told(way) for way in rows]}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "approximations.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if any(line["facts"] != facts for line in lines):
        raise ValueError(f"{file} was measured with another model or other settings; name another folder")
    asked = questions(Plan(prompts=max(prompts, 2), held_out=False, salt=SALT))[:prompts]
    if len(lines) < len(asked):
        per_picture = operations(pipe, asked[0].prompt, rows, steps)
        for scale in (1.0, 2.0):  # what is made at the first call with one picture and with two is no part of any row
            pipe(asked[0].prompt, seed=0, steps=1, guidance=scale)
    for k in range(len(lines), len(asked)):
        found, pictures = one(pipe, probe, asked[k], k, rows, steps)
        for measured, counts in zip(found, per_picture, strict=True):
            measured["operations"] = counts * measured["pictures"]
        if k < SHOWN:
            for row, picture in zip(rows, pictures, strict=True):
                path = folder / "pictures" / f"{k}-{rows.index(row)}.png"
                path.parent.mkdir(exist_ok=True)
                picture.save(path)
        lines.append({"facts": facts, "prompt": asked[k].prompt, "rows": found})
        with file.open("a") as out:
            out.write(json.dumps(lines[-1]) + "\n")
        say(f"{k + 1} of {len(asked)}: {asked[k].prompt}")
    return lines[: len(asked)]


def operations(pipe: Pipeline, prompt: str, rows: Sequence[Way], steps: int) -> list[float]:
    """Operations of the U-Net for each picture that it is asked about, by row, from one run of each.

    Of rows whose runs differ, those that leave out guidance, every asked picture costs the same.
    """
    found = []
    for way in rows:
        with counted(pipe) as (twin, work):
            run = twin.steps(prompt, **{"seed": 0, "steps": steps, **way.asked})
            for _ in run:
                pass
        found.append(work.operations / work.pictures)
    return found


def one(
    pipe: Pipeline, probe: Probe, question: Question, k: int, rows: Sequence[Way], steps: int
) -> tuple[list[dict[str, Any]], list[Image.Image]]:
    """One prompt in every way: what was found in each, in the order of ``rows``, and the pictures."""
    pictures: dict[int, Image.Image] = {}
    found: dict[int, dict[str, Any]] = {}
    order = [*range(k % len(rows), len(rows)), *range(k % len(rows))]  # nobody is always first
    for r in order:
        twin, work = asking(pipe)
        seed = k + APART * (rows[r].name == OTHER)
        start = time.process_time()
        result = twin(question.prompt, **{"seed": seed, "steps": steps, **rows[r].asked})
        found[r] = {"cpu": time.process_time() - start, "pictures": work.pictures}
        pictures[r] = result.images[0]
    exact = next(r for r, way in enumerate(rows) if way.name == EXACT)
    images = to_image([pictures[r] for r in range(len(rows))])
    apart = feature_distance(probe, images, images[exact : exact + 1])
    for r, reading in enumerate(read(probe, images)):
        right = [holds for _, holds in judge(question.claims, reading)]
        psnr = min(compare(pictures[r], pictures[exact]).psnr, SAME)
        found[r] |= {"psnr": psnr, "distance": float(apart[r]), "right": sum(right), "claims": len(right)}
    return [found[r] for r in range(len(rows))], [pictures[r] for r in range(len(rows))]


@torch.inference_mode()
def feature_distance(probe: Probe, a: Tensor, b: Tensor) -> Tensor:
    """How far pictures (B, 3, H, W) in [-1, 1] are apart to the probe: (B,), 0 where they are equal.

    The distance of Zhang et al. 2018, arXiv:1801.03924, eq. 1 (LPIPS), with the three levels of our probe in the place
    of an ImageNet network and all its weights w = 1: the features of every cell are scaled to length one, their squared
    difference is averaged over cells, and the levels are added up. It compares with nobody else's numbers.
    """
    x, y = (look(one, [WHOLE] * len(one), SIZE) for one in (a, b))
    x, y = (torch.nn.functional.pixel_unshuffle(one, FOLD) for one in (x, y))
    total = torch.zeros(len(a))
    for level in probe.levels:
        x, y = level(x), level(y)
        u, v = (one / one.norm(dim=1, keepdim=True).clamp(min=1e-10) for one in (x, y))
        total = total + (u - v).square().sum(1).mean((1, 2))
    return total
