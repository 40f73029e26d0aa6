"""Where the caption of a picture comes from: a file beside it, a line of metadata, its folder's name, or the prompt."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

BESIDE = (".caption", ".txt")  # Kohya's own default and the habit of everybody else; the first that is there is taken
METADATA = ("metadata.jsonl", "metadata.csv")  # Hugging Face datasets, "imagefolder"
COLUMNS = ("text", "caption", "prompt")


class Told(NamedTuple):
    """A caption and, in words, where it came from."""

    text: str
    source: str


def beside(picture: Path, notes: list[str]) -> Told | None:
    """The caption in the file with the picture's name and one of :data:`BESIDE`; None where there is none.

    As in Kohya's sd-scripts the first line counts; what is left out is noted. Raises ValueError naming a file that is
    empty or no text.
    """
    found = [path for path in (picture.with_suffix(suffix) for suffix in BESIDE) if path.is_file()]
    if not found:
        return None
    if len(found) > 1:
        notes.append(f"{found[1]} is left out: {found[0].name} comes first")
    lines = [line.strip() for line in read_text(found[0]).splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{found[0]} is empty; the first line is the caption of {picture.name}")
    if len(lines) > 1:
        notes.append(f"{found[0]} has {len(lines)} lines: the first is the caption")
    return Told(lines[0], found[0].name)


def metadata(folder: Path, column: str | None = None) -> dict[str, Told] | None:
    """Captions by file name from metadata.jsonl or metadata.csv of ``folder``; None where there is neither.

    ``column`` is the field with the caption; None takes "text", "caption" or "prompt". Raises ValueError naming the
    file and line of what can not be understood.
    """
    path = next((folder / name for name in METADATA if (folder / name).is_file()), None)
    if path is None:
        return None
    found = {}
    for number, row in _rows(path):
        where = f"{path}, line {number}"
        if not isinstance(row.get("file_name"), str):
            raise ValueError(f'{where} names no picture: a line is {{"file_name": "a.png", "text": "its caption"}}')
        named = next((name for name in ([column] if column else COLUMNS) if name in row), None)
        if named is None:
            fields = ", ".join(key for key in row if key != "file_name") or "none"
            raise ValueError(f"{where} has no field {column or ' or '.join(map(repr, COLUMNS))}; its fields: {fields}")
        if not isinstance(row[named], str) or not row[named].strip():
            raise ValueError(f"{where}: the caption of {row['file_name']} is {row[named]!r}; a text is accepted")
        if row["file_name"] in found:
            raise ValueError(f"{where} names {row['file_name']} a second time")
        found[row["file_name"]] = Told(row[named].strip(), f"{path.name}, line {number}")
    if not found:
        raise ValueError(f"{path} is empty; a line for each picture is expected")
    return found


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    text = read_text(path)
    if path.suffix == ".csv":
        return [(number, dict(row)) for number, row in enumerate(csv.DictReader(text.splitlines()), 2)]
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number} is no JSON: {error.msg} at character {error.pos}") from None
        if not isinstance(row, dict):
            raise ValueError(f'{path}, line {number} is no {{"file_name": ..., "text": ...}} but {line.strip()[:40]}')
        found.append((number, row))
    return found


def read_text(path: Path) -> str:
    """UTF-8, with or without the mark that Windows puts first; raises ValueError naming the file otherwise."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.object[error.start]:#x} at {error.start}") from None
