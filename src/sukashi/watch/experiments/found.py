"""What an experiment found: a labelled sheet of pictures, a table, and everything as JSON."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from sukashi.metadata.picture import save_picture
from sukashi.tasks.grids import layout
from sukashi.watch.plots import Panel, chart
from sukashi.weights.tensors import write_atomically, write_json


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of an experiment. ``rows`` are lines of a table, all with the same columns."""

    name: str
    title: str  # one sentence: what was done
    facts: Mapping[str, Any]  # model, prompt, seed, ...: JSON values
    rows: Sequence[Mapping[str, Any]]  # JSON values
    pictures: Sequence[Sequence[Image.Image]]  # rows of a sheet, all equally long
    above: Sequence[str] = ()  # over the columns
    beside: Sequence[str] = ()  # before the rows
    charts: Sequence[Panel] = ()
    notes: Sequence[str] = field(default=())

    def picture(self) -> Image.Image:
        """The sheet."""
        largest = max(max(picture.size) for row in self.pictures for picture in row)
        flat = [enlarged(picture, largest) for row in self.pictures for picture in row]
        above = list(self.above) or [""] * len(self.pictures[0])
        axes = [("prompt", above), ("prompt", list(self.beside))]  # an axis of that name is labelled by its values
        return layout(flat, axes if len(self.beside) > 1 else axes[:1])

    def table(self) -> str:
        """The rows as text, under the title; facts and notes below."""
        heads = list(self.rows[0]) if self.rows else []
        cells = [heads, *([shown(row[head]) for head in heads] for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(heads))]
        words = [any(isinstance(row[head], str) for row in self.rows) for head in heads]
        lines = [self.title]
        for line in cells:
            sized = zip(line, widths, words, strict=True)
            lines.append("  ".join(c.ljust(w) if word else c.rjust(w) for c, w, word in sized).rstrip())
        lines.append(", ".join(f"{key} {shown(value)}" for key, value in self.facts.items()))
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """JSON values, without the pictures; what is not finite is null."""
        values = {"name": self.name, "title": self.title, "facts": dict(self.facts), "rows": [*map(dict, self.rows)]}
        return jsonable(values | {"notes": list(self.notes)})

    def files(self, folder: str | Path) -> list[Path]:
        """The names that ``save`` writes to."""
        suffixes = (".png", ".json", *([".svg"] if self.charts else []))
        return [Path(folder) / f"{self.name}{suffix}" for suffix in suffixes]

    def save(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write NAME.png, NAME.json, and NAME.svg where there are charts and matplotlib is installed.

        Raises FileExistsError where one of them is there already and not ``overwrite``; then nothing is written.
        """
        paths = self.files(folder)
        refuse(paths, overwrite)
        save_picture(self.picture(), paths[0], overwrite=overwrite)
        write_json(paths[1], self.to_dict(), overwrite=overwrite)
        if self.charts:
            try:
                data = chart(self.charts)
            except ImportError:
                return paths[:2]
            write_atomically(paths[2], lambda file: file.write(data), overwrite=overwrite)
        return paths

    def _repr_html_(self) -> str:
        """For notebooks."""
        out = io.BytesIO()
        self.picture().save(out, "PNG")
        data = base64.b64encode(out.getvalue()).decode()
        alt = html.escape(self.title, quote=True)
        return f'<img alt="{alt}" src="data:image/png;base64,{data}"><pre>{html.escape(self.table())}</pre>'


def refuse(paths: Sequence[Path], overwrite: bool) -> None:
    """Raises FileExistsError for the first of ``paths`` that is there, unless it may be replaced."""
    for path in paths:
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; --overwrite (overwrite=True) replaces it")


def enlarged(picture: Image.Image, side: int) -> Image.Image:
    """A small picture, such as a latent, with every pixel as a square, so that it is nearly ``side`` pixels large."""
    by = side // max(picture.size)
    large = picture.resize((picture.width * by, picture.height * by), Image.Resampling.NEAREST) if by > 1 else picture
    return large.convert("RGB")


def shown(value: Any) -> str:
    """A value for people."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def jsonable(value: Any) -> Any:
    """The same without NaN and infinity, which JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, (list, tuple)) else value


def dumps(found: Found) -> str:
    """One line of JSON."""
    return json.dumps(found.to_dict(), allow_nan=False)
