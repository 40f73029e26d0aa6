"""Charts as SVG or PNG, drawn by matplotlib (``pip install sukashi[plot]``); the same bytes for the same numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sukashi.weights.tensors import write_atomically

SUFFIXES = (".svg", ".png")


@dataclass(frozen=True)
class Line:
    """Points joined by a line; None is a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    marker: str = ""  # as matplotlib writes it


@dataclass(frozen=True)
class Panel:
    """One chart."""

    title: str
    x_name: str
    y_name: str
    lines: Sequence[Line]
    log: bool = False  # of y


def chart(panels: Sequence[Panel], kind: str = "svg") -> bytes:
    """Panels, two beside one another, in one picture. Raises ImportError, saying what to install, and ValueError."""
    if f".{kind}" not in SUFFIXES:
        raise ValueError(f"a chart is written as {' or '.join(SUFFIXES)}, not .{kind}")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("charts need matplotlib: pip install 'sukashi[plot]'") from error
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    with rc_context({"svg.hashsalt": "sukashi", "svg.fonttype": "path"}):
        figure = Figure(figsize=(5.4 * columns, 3.6 * rows), layout="constrained")
        for k, panel in enumerate(panels, 1):
            axes = figure.add_subplot(rows, columns, k)
            for line in panel.lines:
                y = [math.nan if value is None else value for value in line.y]
                axes.plot(line.x, y, marker=line.marker, label=line.name, linewidth=1.4, markersize=4)
            axes.set(title=panel.title, xlabel=panel.x_name, ylabel=panel.y_name)
            axes.grid(True, alpha=0.3)
            if panel.log:
                axes.set_yscale("log")
        drawn = [(axes, line, str(line.get_label())) for axes in figure.axes for line in axes.get_lines()]
        often = {name: line for _, line, name in drawn if sum(name == other for _, _, other in drawn) > 1}
        for axes in {id(axes): axes for axes, _, name in drawn if name not in often}.values():
            if len(axes.get_lines()) > 1:
                axes.legend(fontsize="small")
        if often:
            figure.legend(list(often.values()), list(often), loc="outside lower center", fontsize="small")
        out = io.BytesIO()
        figure.savefig(out, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return out.getvalue()


def write_chart(panels: Sequence[Panel], path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a chart as the suffix of ``path`` says, whole or not at all.

    Raises FileExistsError where there is a file already and not ``overwrite``, and what ``chart`` raises.
    """
    path = Path(path)
    data = chart(panels, path.suffix.lower().lstrip("."))
    write_atomically(path, lambda file: file.write(data), overwrite=overwrite)
    return path
