"""What a method tells the loop: the networks as they are while they learn, what trains, how it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from sukashi.families import Family
from sukashi.train.data.examples import Examples
from sukashi.train.methods.config import Config
from sukashi.weights.parts import Parts


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the files say of their making."""

    method: str
    model: str
    family: Family
    config: Config
    examples: Examples
    steps: int = 0
    trigger: str = ""  # what to say for it
    habits: Mapping[str, Any] = field(default_factory=dict)  # settings that suit the model


Write = Callable[[Path, Facts], list[Path]]
"""(folder, facts) -> the files written there, each loaded again and compared."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A method made ready.

    ``trained`` are the weights of the U-Net that the optimiser moves, by name, ``trained_text`` those of the text
    encoders. ``caption`` turns the caption of a picture into what is said, given a random number in [0, 1).
    """

    parts: Parts
    trained: Mapping[str, nn.Parameter]
    trained_text: Mapping[str, nn.Parameter]
    write: Write
    caption: Callable[[str, float], str] = lambda caption, chance: caption
    notes: tuple[str, ...] = ()

    @property
    def everything(self) -> list[nn.Parameter]:
        """All that trains."""
        return [*self.trained.values(), *self.trained_text.values()]
