"""A script, encoded: what the U-Net is told down to which noise level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Level
from sukashi.guidance.switch import ending
from sukashi.prompts.script import Scene

Texts = tuple[str | None, ...]  # one for every picture
Change = Callable[[Conditioning], Conditioning]


@dataclass(frozen=True)
class Told:
    """What holds while the noise level is at or above ``lowest``; of the wanted, several where AND divides a prompt."""

    lowest: float  # a Level's sigma, 0..1
    wanted: list[tuple[Conditioning, float | Tensor]]  # the weight of each voice; (B, 1, 1, 1) where pictures differ
    unwanted: Conditioning
    last: int = 0  # the step, counted from 1, that it holds to

    @property
    def alone(self) -> bool:
        """Whether there is one voice, of weight 1."""
        return len(self.wanted) == 1 and not isinstance(self.wanted[0][1], Tensor) and self.wanted[0][1] == 1

    def mapped(self, wanted: Change, unwanted: Change | None = None) -> Told:
        """The same with every conditioning changed, the unwanted one in its own way where there is one."""
        changed = [(wanted(given), weight) for given, weight in self.wanted]
        return replace(self, wanted=changed, unwanted=(unwanted or wanted)(self.unwanted))


def tell(scenes: Sequence[Scene], levels: Sequence[Level], encode: Callable[[Texts], Conditioning]) -> list[Told]:
    """Encode the scenes of a run with these levels, every text once; ``encode`` takes one text for each picture."""
    known: dict[Texts, Conditioning] = {}

    def encoded(texts: Texts) -> Conditioning:
        if texts not in known:
            known[texts] = encode(texts)
        return known[texts]

    told = []
    for scene in scenes:
        spoken = []
        for those in zip(*scene.wanted, strict=True):  # the k-th voice of every picture
            given = encoded(tuple(voice.text for voice in those))
            spoken.append((given, _weight([voice.weight for voice in those], given)))
        told.append(Told(ending(levels, scene.last), spoken, encoded(scene.unwanted), scene.last))
    return told


def _weight(weights: list[float], given: Conditioning) -> float | Tensor:
    """One number where all pictures agree."""
    if len(set(weights)) == 1:
        return weights[0]
    return given.context.new_tensor(weights).float()[:, None, None, None]


def texts_of(scenes: Sequence[Scene]) -> list[str]:
    """Every text that is said in the course of a run, once."""
    said = [voice.text for scene in scenes for those in scene.wanted for voice in those]
    said += [text for scene in scenes for text in scene.unwanted]
    return list(dict.fromkeys(text for text in said if text is not None))
