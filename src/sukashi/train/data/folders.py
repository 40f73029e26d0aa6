"""Folders of training pictures as the field has them, read into examples; every choice is noted.

- flat, as DreamBooth has it: pictures side by side, one instance prompt for all, or a caption beside each;
- Kohya: a folder that holds folders named ``10_sks dog``: every epoch shows their pictures ten times, and "sks dog" is
  the caption where none lies beside the picture (sd-scripts, ``docs/train_README``; a folder without a number is left
  out, and said so);
- imagefolder: ``metadata.jsonl`` (or ``.csv``) beside the pictures, a line for each.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sukashi.opening import open_picture
from sukashi.train.data.captions import BESIDE, METADATA, Told, beside, metadata
from sukashi.train.data.examples import Example, Examples

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
NUMBERED = re.compile(r"(\d+)_(.*)")
LAYOUTS = "pictures, or folders named like '10_sks dog' that hold pictures"


class Found(NamedTuple):
    """What one folder holds."""

    examples: list[Example]
    layout: str
    notes: list[str]


def read_examples(
    folder: str | Path,
    *,
    prompt: str | None = None,
    column: str | None = None,
    repeats: int | None = None,
    class_folder: str | Path | None = None,
    class_prompt: str | None = None,
) -> Examples:
    """The pictures of ``folder`` to learn, and of ``class_folder`` to keep what the model knew.

    ``prompt`` is the caption of pictures that have none, ``column`` the field of metadata with the caption, ``repeats``
    how often an epoch shows each (None: what the folders' names say, else once). Every picture is read to its end.
    Raises FileNotFoundError, NotADirectoryError, and ValueError naming the first file that is in the way.
    """
    found = read_folder(Path(folder).expanduser(), prompt=prompt, column=column, repeats=repeats)
    examples, notes = found.examples, [f"{folder}: {found.layout}", *found.notes]
    if class_folder is not None:
        kept = read_folder(Path(class_folder).expanduser(), prompt=class_prompt, column=column, prior=True)
        examples, notes = [*examples, *kept.examples], [*notes, f"{class_folder}: {kept.layout}", *kept.notes]
    return Examples(examples, notes)


def read_folder(
    folder: Path,
    *,
    prompt: str | None = None,
    column: str | None = None,
    repeats: int | None = None,
    prior: bool = False,
) -> Found:
    """One folder in whichever layout it has; see :func:`read_examples`."""
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist; a folder with {LAYOUTS} is expected")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a folder with {LAYOUTS} is expected")
    pictures, numbered, others = inventory(folder)
    if pictures and numbered:
        raise ValueError(
            f"{folder} is mixed: {pictures[0].name} lies beside the folder {numbered[0].name!r}; either pictures or "
            "numbered folders are accepted"
        )
    if numbered and (described := next((folder / name for name in METADATA if (folder / name).is_file()), None)):
        raise ValueError(f"{folder} is mixed: {described.name} lies beside the folder {numbered[0].name!r}")
    if not pictures and not numbered:
        raise ValueError(_nothing(folder, others))
    notes = [f"{path} is left out: its name does not begin with a number and '_'" for path in others if path.is_dir()]
    if not numbered:
        told, notes_of = _captions(folder, pictures, prompt, column)
        notes += notes_of
        return Found(_examples(told, repeats or _own_number(folder, notes), prior), _layout(folder, pictures), notes)
    examples = []
    for inner in numbered:
        count, words = _number(inner)
        inside = [path for path in inventory(inner).pictures]
        if not inside:
            raise ValueError(f"{inner} holds no picture ({', '.join(PICTURES)})")
        told, notes_of = _captions(inner, inside, words or prompt, column, named=bool(words))
        examples += _examples(told, repeats or count, prior)
        notes += notes_of
    return Found(examples, f"Kohya's layout, {len(numbered)} numbered folders", notes)


class Inventory(NamedTuple):
    """Pictures, numbered folders, and the rest of one folder, each in the order of their names; no hidden files."""

    pictures: list[Path]
    numbered: list[Path]
    others: list[Path]


def inventory(folder: Path) -> Inventory:
    """What lies in ``folder`` itself."""
    found = Inventory([], [], [])
    for path in sorted(folder.iterdir(), key=_natural):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            (found.numbered if NUMBERED.fullmatch(path.name) else found.others).append(path)
        else:
            (found.pictures if path.suffix.lower() in PICTURES else found.others).append(path)
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    """'2.png' before '10.png'."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name.lower())]


def _nothing(folder: Path, others: list[Path]) -> str:
    if not others:
        return f"{folder} is empty; {LAYOUTS} are expected"
    holding = next((path for path in others if path.is_dir() and inventory(path).pictures), None)
    if holding:
        return (
            f"{folder} holds no picture itself, and the name of {holding.name!r} does not begin with a number; call it "
            f"'10_{holding.name}' (10 times an epoch), or name {holding} itself"
        )
    return f"{folder} holds no picture ({', '.join(PICTURES)}) but {others[0].name}; {LAYOUTS} are expected"


def _layout(folder: Path, pictures: list[Path]) -> str:
    described = next((name for name in METADATA if (folder / name).is_file()), None)
    return f"{len(pictures)} pictures with {described}" if described else f"{len(pictures)} pictures side by side"


def _number(folder: Path) -> tuple[int, str]:
    match = NUMBERED.fullmatch(folder.name)
    assert match
    if int(match[1]) < 1:
        raise ValueError(f"{folder}: {match[1]} repeats; a number from 1 on is accepted")
    return int(match[1]), match[2].strip()


def _own_number(folder: Path, notes: list[str]) -> int:
    """A folder '10_sks dog' that is named itself, and not the one around it, still says how often."""
    if not NUMBERED.fullmatch(folder.absolute().name):
        return 1
    count, _ = _number(folder.absolute())
    notes.append(f"{count} repeats, as the name {folder.absolute().name!r} says")
    return count


def _captions(
    folder: Path, pictures: list[Path], prompt: str | None, column: str | None, *, named: bool = False
) -> tuple[list[tuple[Path, Told]], list[str]]:
    """Each picture with its caption: from metadata, from beside it, or else ``prompt``."""
    notes: list[str] = []
    if (rows := metadata(folder, column)) is not None:
        by_name = {path.name: path for path in pictures}
        if missing := next((name for name in rows if name not in by_name), None):
            raise ValueError(f"{rows[missing].source} of {folder} names {missing}, which is not there")
        left = [path for path in pictures if path.name not in rows]
        notes += [f"{len(left)} pictures without a line of metadata are left out, as {left[0]}"] if left else []
        return [(by_name[name], told) for name, told in rows.items()], notes
    fallback = Told(prompt, f"the name of {folder.name!r}" if named else "the prompt") if prompt else None
    told = []
    for path in pictures:
        said = beside(path, notes) or fallback
        if said is None:
            raise ValueError(
                f"{path} has no caption: write one into {path.with_suffix('.txt').name}, or give a prompt for all"
            )
        told.append((path, said))
    names = {path.stem for path in pictures}
    alone = [path for path in inventory(folder).others if path.suffix in BESIDE and path.stem not in names]
    notes += [f"{len(alone)} captions have no picture, as {alone[0]}"] if alone else []
    return told, notes


def _examples(told: list[tuple[Path, Told]], repeats: int, prior: bool) -> list[Example]:
    for path, _ in told:
        open_picture(path)  # to its end: what is damaged is named now, and not in the middle of the night
    return [Example(path, text, source, repeats, prior) for path, (text, source) in told]
