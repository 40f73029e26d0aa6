"""What one call of a U-Net attends to: which rows of its batch are which words, and their maps.

Rows are told from their contexts, so that it holds for any guidance; those of one picture of B are B apart.
Letters: B pictures, R rows of the batch, T rows of the context, K of them that are no padding, N cells of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sukashi.guidance.attention import map_size
from sukashi.guidance.strength import strength
from sukashi.pipeline import Pipeline
from sukashi.prompts.given import MARK
from sukashi.prompts.reading import scenes_of
from sukashi.run import Run
from sukashi.watch.maps import SIDES, Maps
from sukashi.watch.words import Spelling


class Heard(NamedTuple):
    """A text of a run with its context (T, D)."""

    spelling: Spelling
    context: Tensor


class Told(NamedTuple):
    """What a row of a batch is about."""

    picture: int
    side: str  # one of SIDES
    spelling: Spelling
    kept: Tensor  # (K,) the places of what is no padding
    padding: Tensor  # (T - K,) the others

    @property
    def key(self) -> tuple[int, str, str]:
        """What it is counted by."""
        return self.picture, self.side, self.spelling.text


class Pictures:
    """The maps of B pictures in the course of one run, and which rows of a batch are what."""

    def __init__(self, pipe: Pipeline, run: Run, keep: str) -> None:
        self.keep, self.width = keep, pipe.parts.text_encoders[0].config.width
        size = (run.x.shape[2], run.x.shape[3])
        self.maps = [Maps(tokenizer=pipe.parts.tokenizers[0], size=size, keep=keep) for _ in run.requests]
        self.texts: list[dict[str, set[str]]] = []  # of each picture: side -> what it says in the course of the run
        for asked in run.requests:
            scenes = scenes_of([asked.prompt], [asked.negative_prompt], asked.emphasis, len(run))
            wanted = {voice.text or "" for scene in scenes for voice in scene.wanted[0]}
            self.texts.append({"positive": wanted, "negative": {scene.unwanted[0] or "" for scene in scenes}})
        for maps, said in zip(self.maps, self.texts, strict=True):
            given = [side for side, texts in said.items() if any(map(MARK.fullmatch, texts))]
            maps.notes.extend(f"the {side} prompt was given as embeddings: it has no words, no maps" for side in given)
        self.asked: tuple[Tensor, Tensor] | None = None  # (x, t) of the last call
        self.counted: set[tuple[int, str, str]] = set()  # (picture, side, text) that it was about
        self.known: tuple[Tensor | None, list[Told | None]] = (None, [])

    def call(self, step: int, heard: Sequence[Heard], x: Tensor, t: Tensor, context: Tensor) -> Call:
        """The U-Net is asked about x (R, C, H, W) with a context (R, T, D)."""
        pictures = len(self.maps)
        now = (x[:pictures].detach().clone(), t[:1].detach().clone())
        if self.asked is None or not all(torch.equal(a, b) for a, b in zip(now, self.asked, strict=True)):
            self.asked, self.counted = now, set()
        if self.known[0] is not context:
            self.known = (context, self.rows(heard, context))
        fresh = {r: told for r, told in enumerate(self.known[1]) if told and told.key not in self.counted}
        return Call(self, step, fresh, (x.shape[2], x.shape[3]))

    def rows(self, heard: Sequence[Heard], context: Tensor) -> list[Told | None]:
        """What each row of a context (R, T, D) is; None where it is neither side, as outside the window of a negative.

        Where both sides say the same, the first in a batch is the unwanted one, and one alone is the prompt.
        """
        pictures, taken = len(self.maps), set[tuple[int, str]]()
        found: list[Told | None] = []
        for r, row in enumerate(context):
            picture = r % pictures
            spelling = self.recognised(heard, row)
            sides = [side for side, texts in self.texts[picture].items() if spelling and spelling.text in texts]
            if len(sides) == 2:
                first = len(context) > pictures and (picture, "negative") not in taken
                sides = ["negative" if first else "positive"]
            taken |= {(picture, side) for side in sides}
            if not spelling or not sides:
                found.append(None)
                continue
            places = (torch.tensor(p, dtype=torch.int64, device=row.device) for p in (spelling.kept, spelling.padding))
            found.append(Told(picture, sides[0], spelling, *places))
        return found

    def recognised(self, heard: Sequence[Heard], row: Tensor) -> Spelling | None:
        """The text whose context (T, D) a row (T', D) begins with, in the columns of the first text encoder.

        Behind it there may be image tokens; the columns of SDXL's second encoder may be those of another text.
        """
        for one in heard:
            known = one.context[:, : self.width]
            if len(known) <= len(row) and torch.equal(known.to(row), row[: len(known), : self.width]):
                return one.spelling
        return None


class Call:
    """One call of the U-Net: its maps are kept apart until it is known that its output is finite."""

    def __init__(self, pictures: Pictures, step: int, rows: Mapping[int, Told], size: tuple[int, int]) -> None:
        self.pictures, self.step, self.rows, self.size = pictures, step, rows, size
        self.layers: dict[int, dict[str, Tensor]] = {r: {} for r in rows}  # row -> layer -> (heads, K + 1, h, w)
        self.strengths: list[Tensor] = []  # (R,) of each layer
        self.weighs = pictures.keep != "sum" and {told.side for told in rows.values()} == set(SIDES)
        self.seen: set[str] = set()

    def see(self, name: str, probabilities: Tensor) -> None:
        """Attention (R, heads, N, T) of a layer; a layer's second in one call is a guidance's own and is left out."""
        if name in self.seen or not self.rows:
            return
        self.seen.add(name)
        h, w = map_size(probabilities.shape[2], *self.size)
        for r, told in self.rows.items():
            seen = probabilities[r].transpose(1, 2)  # (heads, T, N)
            rest = seen.index_select(1, told.padding).sum(dim=1, keepdim=True)
            columns = torch.cat([seen.index_select(1, told.kept), rest], dim=1)  # (heads, K + 1, N)
            self.layers[r][name] = columns.reshape(*columns.shape[:2], h, w)
        if self.weighs and "mid_block" not in name and self.size[0] < 8 * h:
            self.strengths.append(strength(probabilities, (h, w), self.size))

    def finish(self) -> None:
        """The call is over and valid: add it to the maps."""
        total = torch.stack(self.strengths).sum(dim=0).tolist() if self.strengths else []
        for r, told in self.rows.items():
            maps = self.pictures.maps[told.picture]
            self.pictures.counted.add(told.key)
            maps.sheet(told.side, told.spelling).add(self.step, self.layers[r], self.size, self.pictures.keep)
            if total:
                seen = maps.strengths[self.step]
                seen[told.side] = seen.get(told.side, 0.0) + total[r]
