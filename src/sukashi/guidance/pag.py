"""PAG: away from what the U-Net sees when its self-attention looks nowhere else."""

from __future__ import annotations

from torch import Tensor

from sukashi.guidance.rule import Rule, Said
from sukashi.nets.shallow import Attend, Net, attentions, with_attend
from sukashi.nets.unet import Attention


def perturbed(unet: Net, layers: str) -> Net:
    """The U-Net with the identity for self-attention map in some layers, out = to_out(v), sharing all weights.

    ``layers`` are parts of layer names, joined by '+': 'mid', 'up_blocks.1+mid', 'attn1' for all. Raises ValueError
    for one that no self-attention layer has.
    """
    wanted, names = layers.split("+"), list(attentions(unet, to_text=False))
    for part in wanted:
        if not part or not any(part in name for name in names):
            raise ValueError(f"pag: no self-attention in layers {part!r}; the layers are {', '.join(names) or 'none'}")

    def identity(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return v

    def replaced(name: str, layer: Attention) -> Attend | None:
        return identity if any(part in name for part in wanted) else None

    return with_attend(unet, replaced, to_text=False)


def away_from_perturbed(rule: Rule, scale: float) -> Rule:
    """Perturbed-attention guidance (Ahn et al. 2024, arXiv:2403.17377, eq. 12): out = rule + p (c - c_perturbed)."""

    def away(said: Said) -> Tensor:
        return rule(said) + scale * (said.outs["wanted"] - said.outs["perturbed"])

    return away
