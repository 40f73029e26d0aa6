"""The captions of a training set as token ids, several wordings of each picture, made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sukashi.train.pictures import CHUNK, Pictures

Encode = Callable[[Sequence[str]], Tensor]  # captions -> ids (B, T)


class Labels(NamedTuple):
    """Token ids: ``ids`` (N, K, T) of K wordings for N pictures, ``silent`` (T,) of the empty caption."""

    ids: Tensor
    silent: Tensor

    def draw(self, which: Tensor, forget: float, g: torch.Generator) -> Tensor:
        """One wording (B, T) for each picture of ``which`` (B,); a share ``forget`` of them is left empty."""
        b, device = len(which), which.device
        wording = torch.randint(self.ids.shape[1], (b,), generator=g, device=device)
        ids = self.ids[which, wording].long()
        dropped = torch.rand(b, generator=g, device=device) < forget
        return torch.where(dropped[:, None], self.silent.long(), ids)

    def to(self, device: torch.device | str) -> Labels:
        """The same on another device."""
        return Labels(self.ids.to(device), self.silent.to(device))


def label(pictures: Pictures, encode: Encode, *, wordings: int, salt: str) -> Labels:
    """Word every picture ``wordings`` times; another ``salt`` words them differently."""
    rows = []
    for first in range(0, len(pictures), CHUNK):
        which = range(first, min(first + CHUNK, len(pictures)))
        texts = [text for k in range(wordings) for text in pictures.captions(which, f"caption {salt} {k}")]
        rows.append(encode(texts).to(torch.int16).reshape(wordings, len(which), -1).transpose(0, 1))
    return Labels(torch.cat(rows), encode([""])[0].to(torch.int16))
