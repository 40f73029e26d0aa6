"""From a U-Net to a denoiser: what is asked, how the answer is read, and classifier-free guidance.

A denoiser is a function ``(x, level) -> Prediction``. Everything that steers a picture is such a function wrapped
around another; samplers see nothing else. Letters: B batch, C channels, H W latent height and width, T text tokens,
D width of a text token.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from sukashi.diffusion.types import Denoise, Level, Prediction

UNetLike = Callable[..., Tensor]
PREDICTS = ("epsilon", "v_prediction", "sample", "edm")


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """Everything a U-Net is told besides the latent and the time."""

    context: Tensor  # (B, T, D) prompt
    extra: Tensor | None = None  # (B, C', H, W) channels beside the latent: mask + image, depth, low-res image
    noise_level: Tensor | None = None  # (B,) x4 upscaler
    pooled: Tensor | None = None  # (B, P) SDXL
    sizes: Tensor | None = None  # (B, 6), refiner (B, 5): SDXL
    guidance: Tensor | None = None  # (B, G) LCM
    acted_on: Tensor | None = None  # (B,) bool, in main memory: where adapters act that leave negative prompts alone

    def __add__(self, other: Conditioning) -> Conditioning:
        """Stack two conditionings into one batch, self first."""
        pairs = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        joined: dict[str, Any] = {name: None if a is None else torch.cat([a, b]) for name, (a, b) in pairs.items()}
        return Conditioning(**joined)


def ask(unet: UNetLike, x: Tensor, level: Level, given: Conditioning) -> Tensor:
    """Run the U-Net on x (B, C, H, W); the answer comes back in the precision of x, whatever the network has."""
    inputs = x if given.extra is None else torch.cat([x, given.extra.to(x)], dim=1)
    t = torch.full((len(x),), level.t, device=x.device)
    asked: dict[str, Any] = {name: getattr(given, name) for name in ("noise_level", "pooled", "sizes", "guidance")}
    if given.acted_on is not None:  # only a U-Net with adapters around it is asked so
        asked |= {"acted_on": given.acted_on, "step": level.t}
    return unet(inputs, t, given.context, **asked).to(x.dtype)


def read(out: Tensor, x: Tensor, level: Level, predicts: str, **parts: Tensor) -> Prediction:
    """Turn the U-Net's output into (x0, eps), with x = alpha x0 + sigma eps.

    'epsilon': out = eps (Ho et al. 2020, arXiv:2006.11239, eq. 11); 'v_prediction': out = alpha eps - sigma x0 = v
    (Salimans & Ho 2022, arXiv:2202.00512, app. D); 'sample': out = x0; 'edm': out = -v (``edm.py`` says why). Raises
    ValueError for another ``predicts``, and for 'epsilon' at a level without signal, where eps = x tells nothing of x0.
    """
    a, s = level.alpha, level.sigma
    if predicts in ("v_prediction", "edm"):
        out = -out if predicts == "edm" else out
        return Prediction(a * x - s * out, a * out + s * x, parts)
    if predicts == "sample":
        return Prediction(out, (x - a * out) / s, parts)
    if predicts != "epsilon":
        raise ValueError(f"unknown prediction type {predicts!r}; known: {', '.join(PREDICTS)}")
    if a == 0:
        raise ValueError(
            "an epsilon model cannot start from a level without signal (zero terminal SNR needs v_prediction)"
        )
    return Prediction((x - s * out) / a, out, parts)


def plain(unet: UNetLike, predicts: str, given: Conditioning) -> Denoise:
    """The U-Net told one thing, without guidance."""
    return lambda x, level: read(ask(unet, x, level, given), x, level, predicts)


def guided(
    unet: UNetLike,
    predicts: str,
    wanted: Conditioning,
    unwanted: Conditioning | None,
    scale: float,
    rescale: float = 0.0,
) -> Denoise:
    """Classifier-free guidance: out = out_unwanted + s (out_wanted - out_unwanted), both in one batch, unwanted first.

    Ho & Salimans 2022, arXiv:2207.12598, eq. 6 reads (1 + w) out_wanted - w out_unwanted: **s = 1 + w**. ``unwanted``
    is the empty prompt, or the negative prompt in its place; the U-Net cannot tell which is which. ``scale`` 1 leaves
    ``wanted`` alone and 0 leaves ``unwanted`` alone: then one branch is computed, not two. ``rescale`` in 0..1 mixes in
    the output brought to the standard deviation of the wanted one (Lin et al. 2023, arXiv:2305.08891, sec. 3.4,
    eq. 15-16). ``parts`` of the prediction are the raw outputs by name: 'unwanted', 'wanted'.
    """
    if unwanted is None or scale == 1:
        return plain(unet, predicts, wanted)
    if scale == 0:
        return plain(unet, predicts, unwanted)
    both = unwanted + wanted

    def denoise(x: Tensor, level: Level) -> Prediction:
        out_u, out_w = ask(unet, torch.cat([x, x]), level, both).chunk(2)
        out = out_u + scale * (out_w - out_u)
        if rescale:
            out = rescaled(out, out_w, rescale)
        return read(out, x, level, predicts, unwanted=out_u, wanted=out_w)

    return denoise


def rescaled(out: Tensor, out_w: Tensor, factor: float) -> Tensor:
    """``factor`` of the way from ``out`` to ``out`` with the standard deviation of ``out_w``, picture by picture."""
    std, std_w = out.flatten(1).std(dim=1), out_w.flatten(1).std(dim=1)
    matched = out * (std_w / std)[:, None, None, None]
    return factor * matched + (1 - factor) * out


def embed_guidance(scale: float, dim: int, count: int) -> Tensor:
    """The guidance scale as an LCM U-Net is told it: waves (count, dim) of 1000 w, w = scale - 1, sines first.

    Luo et al. 2023, arXiv:2310.04378, sec. 4.1. Such a model needs no second branch.
    """
    freqs = torch.exp(torch.arange(dim // 2) * (-math.log(10_000) / (dim // 2 - 1)))
    angles = 1000 * (scale - 1) * freqs
    return torch.cat([angles.sin(), angles.cos()]).expand(count, -1)
