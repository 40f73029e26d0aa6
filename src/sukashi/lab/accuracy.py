"""How often the probe is right about drawings, whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sukashi.kirie.canvas import OWNER, PARTS
from sukashi.lab.drawings import Drawings, answers, chunks, targets, windows_of
from sukashi.lab.heads import HEADS, UNKNOWN, numbers
from sukashi.lab.probe import Probe
from sukashi.lab.views import WHOLE, look

SOUGHT = ("glasses", "hat", "scarf", "food")
Right = dict[str, tuple[int, int]]  # name -> how many right, of how many


@torch.inference_mode()
def accuracies(probe: Probe, drawings: Drawings) -> Right:
    """Right answers of every head on every view of every drawing, right cells of the maps, and overlaps of parts.

    An overlap is of cells that show a part and are said to show it, among those of which either holds.
    """
    right = {name: [0, 0] for name in [*HEADS, "part cells", "shape cells", *(f"{part}, overlap" for part in SOUGHT)]}
    for which in chunks(len(drawings.scenes)):
        ships = (drawings.labels[which] % OWNER == PARTS.index("ship")).sum((1, 2)).tolist()
        views = [(k, w, ship) for k, ship in zip(which, ships, strict=True) for w in windows_of(drawings.scenes[k])]
        windows = [window for _, window, _ in views]
        read = probe(look(drawings.image([k for k, _, _ in views]), windows, drawings.pixels.shape[1]))
        wanted = torch.tensor([numbers(answers(drawings.scenes[k], window, ship)) for k, window, ship in views])
        for column, name in enumerate(HEADS):
            asked = wanted[:, column] != UNKNOWN
            right[name][0] += int((read.heads[name].argmax(1) == wanted[:, column])[asked].sum())
            right[name][1] += int(asked.sum())
        truth = targets(drawings, [k for k, _, _ in views], [WHOLE] * len(views), windows).maps
        for name, cells in (("part cells", "part"), ("shape cells", "shape")):
            asked = truth[cells] != UNKNOWN
            right[name][0] += int((read.maps[cells].argmax(1) == truth[cells])[asked].sum())
            right[name][1] += int(asked.sum())
        for part in SOUGHT:
            said, true = (cells == PARTS.index(part) for cells in (read.maps["part"].argmax(1), truth["part"]))
            right[f"{part}, overlap"][0] += int((said & true).sum())
            right[f"{part}, overlap"][1] += int((said | true).sum())
    return {name: (hits, total) for name, (hits, total) in right.items()}


def table(columns: Mapping[str, Right]) -> list[str]:
    """Lines of a table: one row per head, one column per set."""
    names = list(next(iter(columns.values())))
    lines = [f"{'':<18}" + "".join(f"{name:>24}" for name in columns)]
    for name in names:
        cells = []
        for found in columns.values():
            hits, total = found[name]
            cells.append(f"{hits / total:>12.2%} of {total:<8}" if total else f"{'-':>24}")
        lines.append(f"{name:<18}" + "".join(cells))
    return lines
