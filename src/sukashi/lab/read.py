"""Pictures in, what they show out: the probe's answers in the words of the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sukashi.kirie.canvas import PARTS, SIZE
from sukashi.kirie.palette import SHAPE
from sukashi.kirie.scene import SHAPES, SIZES, Shape
from sukashi.lab.heads import FIGURE, PICTURE
from sukashi.lab.probe import GRID, Answers, Probe
from sukashi.lab.views import LEFT, RIGHT, WHOLE, look

CLOSE = 0.2  # cells whose votes for a shape's middle are closer than this, in half pictures, are of one shape
FEWEST = 4  # cells of a shape


@dataclass(frozen=True)
class Reading:
    """What one picture shows.

    ``picture`` answers the questions of ``heads.PICTURE``. ``figure`` answers those of ``heads.FIGURE`` about the only
    figure, ``left`` and ``right`` about each of two; which of them mean something, ``picture["kind"]`` says.
    ``parts`` (15, 32, 32) is the probability that each cell shows each part (``canvas.PARTS``).
    """

    picture: dict[str, str]
    figure: dict[str, str]
    left: dict[str, str]
    right: dict[str, str]
    shapes: tuple[Shape, ...]
    parts: Tensor
    features: Tensor  # (D,)

    def where(self, part: str) -> Tensor:
        """The cells (32, 32) that show a part; raises ValueError for a part that does not exist."""
        if part not in PARTS:
            raise ValueError(f"there is no part {part!r}; known: {', '.join(PARTS)}")
        return self.parts.argmax(0) == PARTS.index(part)


@torch.inference_mode()
def read(probe: Probe, image: Tensor) -> list[Reading]:
    """Read pictures (B, 3, H, W) in [-1, 1], each square and as small or large as one likes."""
    whole, left, right = (probe(look(image, [window] * len(image), SIZE)) for window in (WHOLE, LEFT, RIGHT))
    picture, parts = _words(whole, PICTURE), whole.maps["part"].softmax(1)
    figures = [_words(view, FIGURE) for view in (whole, left, right)]
    return [
        Reading(
            picture=picture[b],
            figure=figures[0][b],
            left=figures[1][b],
            right=figures[2][b],
            shapes=find_shapes({name: scores[b] for name, scores in whole.maps.items()}),
            parts=parts[b],
            features=whole.features[b],
        )
        for b in range(len(image))
    ]


def _words(view: Answers, asked: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The likeliest answer to each question about each picture."""
    best = {name: view.heads[name].argmax(1).tolist() for name in asked}
    return [{name: asked[name][best[name][b]] for name in asked} for b in range(len(view.features))]


def find_shapes(maps: dict[str, Tensor]) -> tuple[Shape, ...]:
    """Shapes from the probe's maps (choices, 32, 32): every cell of a shape votes for where its middle is."""
    cells = (maps["part"].argmax(0) == PARTS.index("shape")).nonzero()  # (N, 2) rows and columns
    middles = (cells.flip(1) + 0.5) / GRID * 2 - 1 + maps["offset"][:, cells[:, 0], cells[:, 1]].T  # (N, 2) x and y
    groups: list[list[int]] = []
    for k, middle in enumerate(middles):
        near = [g for g in groups if (middles[g].mean(0) - middle).norm() < CLOSE]
        near[0].append(k) if near else groups.append([k])
    return tuple(_shape(maps, cells[g], middles[g]) for g in groups if len(g) >= FEWEST)


def _shape(maps: dict[str, Tensor], cells: Tensor, middles: Tensor) -> Shape:
    def vote(name: str) -> int:
        return int(maps[name][:, cells[:, 0], cells[:, 1]].log_softmax(0).sum(1).argmax())

    x, y = ((middles.mean(0) + 1) * SIZE / 2).tolist()
    kind, colour, size = SHAPES[vote("shape")], list(SHAPE)[vote("colour")], SIZES[vote("size")]
    return Shape(kind=kind, colour=colour, size=size, x=x, y=y)
