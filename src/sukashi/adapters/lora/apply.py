"""A model with LoRAs: beside the model it comes from (on the fly, or merged), or merged into it and taken out again.

W' = W + sum over the LoRAs of factor * dW; every dW is that of the unchanged W, so their order does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch import nn

from sukashi.adapters.lora.layers import Tensors, Weighted, adapted, merged, set_tensors, tensors_of
from sukashi.adapters.lora.match import Lora, match
from sukashi.adapters.lora.names import Target
from sukashi.adapters.lora.read import read_lora
from sukashi.adapters.words import with_words
from sukashi.nets.clip import CLIPText
from sukashi.nets.shallow import with_modules
from sukashi.nets.unet import UNet
from sukashi.rich import AsText
from sukashi.weights.errors import CheckpointError
from sukashi.weights.parts import Parts


@dataclass(frozen=True)
class Use:
    """A LoRA and the user's factors for the U-Net and for the text encoders (None: the same).

    ``rank`` uses only the first so many of its ranks (A1111's ``dyn``).
    """

    lora: Lora
    unet: float = 1.0
    text: float | None = None
    rank: int | None = None

    def factor(self, part: str) -> float:
        """The factor for a part of the model."""
        return self.unet if part == "unet" or self.text is None else self.text


def nets_of(parts: Parts) -> dict[str, nn.Module]:
    """The networks that a LoRA may change, by name."""
    texts = {f"text_encoder{'_2' * i}": net for i, net in enumerate(parts.text_encoders)}
    return {"unet": parts.unet, **texts}


def open_lora(path: str | Path, parts: Parts, *, strict: bool = True) -> Lora:
    """Read a file and find its layers in a model; raises what ``read_lora`` and ``match`` raise."""
    return match(read_lora(path), nets_of(parts), strict=strict)


def with_loras(parts: Parts, uses: Sequence[Use], *, merge: bool = False) -> Parts:
    """A model with LoRAs that shares all other tensors with ``parts``, which stays as it was; threads may run both.

    On the fly the files' factors are all the memory it needs; with ``merge`` the changed layers get weights of their
    own (as much as they have in ``parts``) and each step is as fast as without. Words that come with the files are
    added. A factor of 0 leaves its part of the model alone, to the bit.

    Raises ``CheckpointError`` for factors that are not finite, ValueError for a word that exists.
    """
    nets, found, make = nets_of(parts), collected(uses), merged if merge else adapted
    for part, net in nets.items():
        layers = {t.path: make(net.get_submodule(t.path), own) for t, own in found.items() if t.part == part}
        nets[part] = with_modules(net, layers) if layers else net
    unet, *texts = nets.values()
    changed = replace(parts, unet=cast("UNet", unet), text_encoders=tuple(cast("list[CLIPText]", texts)))
    words = [word for use in uses for word in use.lora.words]
    return with_words(changed, words) if words else changed


def collected(uses: Sequence[Use]) -> dict[Target, list[Weighted]]:
    """The changes of every layer with their factors."""
    found: dict[Target, list[Weighted]] = defaultdict(list)
    for use in uses:
        for part, changes in use.lora.changes.items():
            for path, change in changes.items() if use.factor(part) else ():
                if not all(bool(f.isfinite().all()) for f in change.factors.values()):
                    raise CheckpointError(f"{use.lora.report.source}: {path} holds numbers that are not finite")
                found[Target(part, path)].append((change.cut(use.rank), use.factor(part)))
    return found


@dataclass(frozen=True)
class Merged(AsText):
    """What ``merge`` replaced; ``bytes`` is the memory that the kept weights need."""

    kept: tuple[tuple[nn.Module, Tensors], ...]

    @property
    def bytes(self) -> int:
        """The memory of the original weights, which are kept as they are."""
        return sum(t.nbytes for _, tensors in self.kept for t in tensors if t is not None)

    def __str__(self) -> str:
        return f"{len(self.kept)} layers merged; {self.bytes / 1e6:.1f} MB of original weights kept for unmerging"


def merge(parts: Parts, uses: Sequence[Use]) -> Merged:
    """Merge LoRAs into the model itself, for everyone who uses it; ``unmerge`` puts back the very same tensors.

    Not while another thread draws with it: a run would see both. ``with_loras(..., merge=True)`` has no such danger.
    """
    nets, kept = nets_of(parts), list[tuple[nn.Module, Tensors]]()
    for target, changes in collected(uses).items():
        layer = nets[target.part].get_submodule(target.path)
        kept.append((layer, tensors_of(layer)))
        set_tensors(layer, tensors_of(merged(layer, changes)))
    return Merged(tuple(kept))


def unmerge(done: Merged) -> None:
    """Take merged LoRAs out: bit for bit, since the original tensors were kept. The last merge goes first."""
    for layer, tensors in reversed(done.kept):
        set_tensors(layer, tensors)
