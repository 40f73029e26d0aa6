"""One report of all stages: the goals with what was measured, then the tables as they are, and a plot of the ratios."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers import Found, ratios

TABLES = ("demo", "bench", "full/bench", "overhead/bench", "peers-*")  # files in build, without their ending


class Goal(NamedTuple):
    """What should be: a sentence, its bound, and how it is found among the reports of the stages."""

    name: str
    least: bool  # the bound is the least that should be, or the most
    bound: float
    find: Callable[[Path], list[float]]

    def row(self, folder: Path) -> dict[str, Any]:
        """What was measured; None where it was not."""
        found = self.find(folder)
        middle = statistics.median(found) if found else None
        reached = None if middle is None else (middle >= self.bound if self.least else middle <= self.bound)
        sign = "at least" if self.least else "at most"
        facts = {"goal": self.name, "bound": f"{sign} {self.bound:g}", "measured": middle, "reached": reached}
        return facts | {"least": min(found, default=None), "most": max(found, default=None)}


def peers(stage: str, name: str, key: str = "seconds", *, ours_first: bool = False) -> Callable[[Path], list[float]]:
    """Ratios of a peer to us turn by turn in one report; with ``ours_first`` of us to the peer."""

    def find(folder: Path) -> list[float]:
        file = folder / f"peers-{stage}.json"
        if not file.is_file():
            return []
        found: Found = json.loads(file.read_text(encoding="utf-8"))["found"]
        return [1 / r if ours_first else r for r in ratios(found, name, key)]

    return find


def small(name: str, within: str = "") -> Callable[[Path], list[float]]:
    """The ratio of us to the other side in a row of ``python -m benchmarks``, with ``--out`` in a folder ``within``."""

    def find(folder: Path) -> list[float]:
        file = folder / within / "bench.json"
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.is_file() else []
        return [row["ratio"] for row in rows if row["name"] == name]

    return find


UNET, ONE = "unet-float32-64", "one more step, tiny"
GOALS = (
    Goal("U-Net step, SD 1.5, 512 pixels, float32: diffusers / ours", True, 1.5, peers(UNET, "diffusers")),
    Goal("the same, torch.compile / ours", True, 1.0, peers(UNET, "diffusers compiled")),
    Goal("the same, OpenVINO / ours", True, 1.0, peers(UNET, "openvino")),
    Goal("U-Net step in bfloat16: diffusers / ours", True, 1.4, peers("unet-bfloat16-64", "diffusers")),
    Goal("the same, OpenVINO / ours", True, 1.0, peers("unet-bfloat16-64", "openvino")),
    Goal("VAE decode, 512 pixels, float32: diffusers / ours", True, 1.6, peers("vae-float32-64", "diffusers")),
    Goal("the same, OpenVINO / ours", True, 1.0, peers("vae-float32-64", "openvino")),
    Goal(
        "step of a whole picture, 256 pixels: stable-diffusion.cpp / ours",
        True,
        1.0,
        peers("picture-float32-32", "stable-diffusion.cpp"),
    ),
    *(
        Goal(f"{ONE}, {size} pixels{how}: ours / diffusers", False, 0.6, small(f"{ONE}, {size} pixels{how}", stage))
        for how, stage in (("", ""), (", compile=True", "overhead"))
        for size in (128, 32)
    ),
    Goal("import: ours / torch alone", False, 1.25, small("the same, beside torch alone")),
    Goal("load to first step: ours / diffusers", False, 0.6, peers(UNET, "diffusers", "start", ours_first=True)),
    Goal("peak memory of a step: ours / diffusers", False, 1.0, peers(UNET, "diffusers", "peak", ours_first=True)),
)


def report(folder: Path, left_out: Sequence[str] = ()) -> str:
    """Write bench-report.md, .json and .png into ``folder``; gives the goals in Markdown."""
    rows = [goal.row(folder) for goal in GOALS]
    lines = ["| goal | bound | measured | reached |", "| --- | --- | ---: | --- |"]
    for row in rows:
        value = "not measured"
        if row["measured"] is not None:
            value = f"{row['measured']:.2f} ({row['least']:.2f} to {row['most']:.2f})"
        reached = {True: "yes", False: "**no**", None: "-"}[row["reached"]]
        lines.append(f"| {row['goal']} | {row['bound']} | {value} | {reached} |")
    goals = "\n".join([*lines, *(f"\nLeft out: {why}" for why in left_out)]) + "\n"
    tables = [path for pattern in TABLES for path in sorted(folder.glob(f"{pattern}.md"))]
    whole = [f"# Measured\n\n{goals}", *(f"## {path.stem}\n\n{path.read_text(encoding='utf-8')}" for path in tables)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench-report.md").write_text("\n".join(whole), encoding="utf-8")
    data = {
        path.relative_to(folder).with_suffix("").as_posix(): json.loads(path.with_suffix(".json").read_text())
        for path in tables
    }
    written = {"goals": rows, "left out": list(left_out), "stages": data}
    (folder / "bench-report.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    plot(rows, folder / "bench-report.png")
    return goals


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Every goal that was measured, as a multiple of its bound; to the right of 1 is better. Needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    drawn = [row for row in rows if row["measured"]]
    figure = Figure(figsize=(9, 0.45 * len(drawn) + 1), layout="constrained")
    axes = figure.add_subplot()
    for k, (row, goal) in enumerate((row, goal) for row, goal in zip(rows, GOALS, strict=True) if row in drawn):
        parts = [
            row[key] / goal.bound if goal.least else goal.bound / row[key] for key in ("measured", "least", "most")
        ]
        axes.barh(k, parts[0], color="tab:green" if row["reached"] else "tab:red")
        axes.plot([min(parts[1:]), max(parts[1:])], [k, k], color="black")
    axes.set_yticks(range(len(drawn)), [f"{row['goal']} ({row['bound']})" for row in drawn])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("as a multiple of the bound, the right way round: 1 reaches it")
    axes.invert_yaxis()
    figure.savefig(path, dpi=120)
