"""The moving average of what trains, and how it takes the place of the weights for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from sukashi.train.run import follow


class Average(nn.Module):
    """A copy of ``trained`` that follows them with ``decay``; with a decay of 0 it is empty and nothing happens.

    Polyak & Juditsky 1992; the decay begins lower and rises with the step, as in diffusers' ``EMAModel``.
    """

    def __init__(self, trained: nn.ParameterList, decay: float) -> None:
        super().__init__()
        self.decay, self._live = decay, [trained]  # in a list, so that it is not a part of this module
        self.copies = nn.ParameterList(
            nn.Parameter(p.detach().clone(), requires_grad=False) for p in (trained if decay else ())
        )

    def follow(self, step: int) -> None:
        """One step towards the weights as they are now."""
        if self.decay:
            follow(self.copies, self._live[0], step, self.decay)

    def swap(self) -> None:
        """Exchange weights and average; done twice, all is as it was."""
        for own, live in zip(self.copies, self._live[0] if self.decay else (), strict=True):
            own.data, live.data = live.data, own.data

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the average as its weights inside the block."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
