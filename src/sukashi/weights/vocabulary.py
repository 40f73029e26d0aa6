"""Where a model's words come from: its own folder, a folder the user names, the HF cache or hub, or an extra package.

A single-file checkpoint has no vocabulary in it. All Stable Diffusion models but tiny ones share CLIP's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sukashi.families import Family
from sukashi.weights.errors import CheckpointError, HubError

if TYPE_CHECKING:
    from sukashi.nets.tokenizer import Tokenizer

CLIP_REPO = "openai/clip-vit-large-patch14"
CLIP_SIZE = 49408
EMBEDDED = "sukashi.tokenizers"  # metadata: the files of tokenizers, as json
FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
SUBFOLDERS = ("tokenizer", "tokenizer_2", "")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer that is still on disk. ``folder`` None stands for the package instant-clip-tokenizer.

    ``pad`` is the token that prompts are filled up with; None leaves that to the folder's own files.
    """

    folder: Path | None
    pad: str | None = None
    files: tuple[tuple[str, str], ...] = ()  # names and contents, where they came in the header of a checkpoint

    def open(self) -> Tokenizer:
        """Read it, with the padding of its own files."""
        from sukashi.nets.tokenizer import Tokenizer

        if self.files:
            with TemporaryDirectory() as folder:
                for name, text in self.files:
                    (Path(folder) / Path(name).name).write_text(text, encoding="utf-8")
                return Tokenizer.from_folder(folder)
        return Tokenizer.from_instant_clip() if self.folder is None else Tokenizer.from_folder(self.folder)


def has_vocabulary(folder: Path) -> bool:
    """Whether ``folder`` holds a tokenizer: ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``."""
    there = {name for name in FILES if (folder / name).is_file()}
    return "tokenizer.json" in there or {"vocab.json", "merges.txt"} <= there


def vocabulary_in(folder: Path) -> Path | None:
    """The tokenizer's folder: ``folder`` itself, or ``tokenizer`` or ``tokenizer_2`` in it."""
    return next((folder / name for name in SUBFOLDERS if has_vocabulary(folder / name)), None)


def named_vocabulary(folder: Path) -> Path:
    """The vocabulary that the user named; raises ``CheckpointError`` where that folder has none."""
    found = vocabulary_in(folder.parent if folder.is_file() else folder)
    if found is None:
        raise CheckpointError(f"{folder} holds no vocabulary: neither tokenizer.json nor vocab.json and merges.txt")
    return found


def find_vocabulary(
    family: Family, *, beside: Path, named: Path | None = None, offline: bool = False
) -> tuple[tuple[Vocabulary, ...], str]:
    """A vocabulary for each text encoder of a model without one, and where it was found.

    In order: the folder ``named``, a folder ``beside`` the file, the HF cache or hub, instant-clip-tokenizer. Raises
    ``CheckpointError`` naming all three ways when there is none.
    """
    if named:
        where = named_vocabulary(named)
        return each(family, Vocabulary(where)), f"the vocabulary in {where}"
    if where_beside := vocabulary_in(beside):
        return each(family, Vocabulary(where_beside)), f"the vocabulary in {where_beside}, beside the file"
    if family.text[0].vocab_size < CLIP_SIZE:
        raise CheckpointError(
            f"this model has a vocabulary of {family.text[0].vocab_size} words, not CLIP's {CLIP_SIZE}, and none lies "
            f"beside it: name the folder of its tokenizer (vocabulary=...)"
        )
    from sukashi.weights.hub import fetch_files

    try:
        cached = fetch_files(CLIP_REPO, FILES, offline=offline)
        if has_vocabulary(cached):
            return each(family, Vocabulary(cached)), f"the vocabulary of {CLIP_REPO}"
    except HubError:
        pass
    if find_spec("instant_clip_tokenizer"):
        return each(family, Vocabulary(None)), "the vocabulary in the package instant-clip-tokenizer"
    raise CheckpointError(
        "a single file holds no words for its text encoder: put a tokenizer folder (vocab.json and merges.txt, or "
        f"tokenizer.json) beside it or name one (vocabulary=...), or let {CLIP_REPO} be fetched from the hub, or "
        "pip install 'sukashi[clip]'"
    )


def each(family: Family, vocabulary: Vocabulary) -> tuple[Vocabulary, ...]:
    """The same words for every encoder, filled up as the family does."""
    return tuple(replace(vocabulary, pad=pad) for pad in family.pad)


def folder_vocabularies(folder: Path, encoders: list[str]) -> tuple[Vocabulary, ...] | None:
    """The tokenizers of a diffusers folder, one per encoder; None where it has not all of them."""
    folders = [folder / name.replace("text_encoder", "tokenizer") for name in encoders]
    return tuple(Vocabulary(path) for path in folders) if all(map(has_vocabulary, folders)) else None


def embedded_vocabularies(metadata: Mapping[str, str], family: Family) -> tuple[Vocabulary, ...] | None:
    """The tokenizers that ``convert`` wrote into a checkpoint's header, as it does where they are not CLIP's."""
    if EMBEDDED not in metadata:
        return None
    found = tuple(Vocabulary(None, files=tuple(files.items())) for files in json.loads(metadata[EMBEDDED]))
    return found if len(found) == len(family.text) else None


def open_tokenizers(vocabularies: tuple[Vocabulary, ...]) -> tuple[Tokenizer, ...]:
    """Read them, each vocabulary once, and have them pad as they should."""
    opened: dict[Vocabulary, Tokenizer] = {}
    tokenizers = []
    for vocabulary in vocabularies:
        words = replace(vocabulary, pad=None)
        if words not in opened:
            opened[words] = words.open()
        tokenizer = opened[words]
        pads = vocabulary.pad in (None, tokenizer.settings.pad)
        tokenizers.append(tokenizer if pads else tokenizer.with_pad(str(vocabulary.pad)))
    return tuple(tokenizers)
