"""Prompts mixed as numbers: what the U-Net is told lies between what several prompts say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning

PARALLEL = 1e-4  # radians; below it an arc is as good as straight


def blend(told: Conditioning | Sequence[Conditioning], weights: Sequence[float], method: str = "lerp") -> Conditioning:
    """One conditioning between several: (n, T, D) of n prompts in one batch, or n of them, -> (1, T, D) or (B, T, D).

    The weights are divided by their sum, as compel's ``.blend`` does. 'lerp': the weighted mean of context and pooled
    output. 'slerp': along the arc between two prompts, token by token (Shoemake 1985, "Animating rotation with
    quaternion curves"), so that the vectors between keep their length. The rest is told as the first prompt has it.
    Raises ValueError for other counts of weights, for weights that sum to 0, for contexts of different lengths (encode
    the prompts in one call: that pads them), and for a slerp of more or fewer than two.
    """
    each = one_by_one(told) if isinstance(told, Conditioning) else list(told)
    total = sum(weights)
    if len(weights) != len(each) or not each:
        raise ValueError(f"{len(each)} prompts and {len(weights)} weights to blend: as many are needed, one at least")
    if total == 0:
        raise ValueError(f"the weights {list(weights)} sum to 0: nothing to blend")
    if method not in ("lerp", "slerp"):
        raise ValueError(f"the blending method is {method!r}; accepted are lerp, slerp")
    if method == "slerp" and len(each) != 2:
        raise ValueError(f"slerp goes from one prompt to another; {len(each)} were given")
    lengths = sorted({one.context.shape[1] for one in each})
    if len(lengths) > 1:
        raise ValueError(f"prompts of {' and '.join(map(str, lengths))} tokens cannot be blended: encode them together")
    parts = [weight / total for weight in weights]

    def mix(tensors: Sequence[Tensor]) -> Tensor:
        if method == "slerp":
            return slerp(tensors[0], tensors[1], parts[1])
        return torch.stack([part * tensor for part, tensor in zip(parts, tensors, strict=True)]).sum(dim=0)

    pooled = [one.pooled for one in each if one.pooled is not None]
    return replace(each[0], context=mix([one.context for one in each]), pooled=mix(pooled) if pooled else None)


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The vector (..., D) a part t of the way along the arc from a to b: sin((1-t) w)/sin w a + sin(t w)/sin w b."""
    x, y = a.double(), b.double()
    cos = torch.nn.functional.cosine_similarity(x, y, dim=-1, eps=1e-12)[..., None].clamp(-1, 1)
    angle = torch.acos(cos)  # (..., 1)
    straight = (angle < PARALLEL) | (torch.pi - angle < PARALLEL)  # opposite ones have no one arc between them
    sin = torch.where(straight, torch.ones_like(angle), angle.sin())
    arc = torch.sin((1 - t) * angle) / sin * x + torch.sin(t * angle) / sin * y
    return torch.where(straight, (1 - t) * x + t * y, arc).to(a.dtype)


def one_by_one(told: Conditioning) -> list[Conditioning]:
    """A batch (B, T, D) as B conditionings (1, T, D)."""
    return [mapped(told, lambda tensor, i=i: tensor[i : i + 1]) for i in range(len(told.context))]  # type: ignore[misc]


def repeated(told: Conditioning, count: int) -> Conditioning:
    """A conditioning of one picture, (1, T, D), for ``count`` pictures; one of as many already is left as it is.

    Raises ValueError for another number of them.
    """
    have = len(told.context)
    if have == count:
        return told
    if have != 1:
        raise ValueError(f"prompt embeddings for {have} pictures cannot be used for {count}")
    return mapped(told, lambda tensor: tensor.expand(count, *tensor.shape[1:]))


def mapped(told: Conditioning, change: Callable[[Tensor], Tensor]) -> Conditioning:
    """Every tensor of a conditioning, changed alike."""
    values = {f.name: getattr(told, f.name) for f in fields(told)}
    return Conditioning(**{name: None if v is None else change(v) for name, v in values.items()})  # type: ignore[arg-type]
