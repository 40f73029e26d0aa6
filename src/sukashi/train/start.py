"""Begin an autoencoder as a thumbnail: the latent is the picture shrunk, the decoder enlarges it again.

An untrained autoencoder of factor 8 spends its first thousand steps on finding out that a latent cell should hold the
colour of its pixels. Here it knows that from the start and only has to learn details. Every residual branch begins at
zero, so that the path from end to end is linear; constants of +-STEADY next to each colour keep the group norms, which
would take the colour's mean away, almost linear too. The two output convolutions are fitted by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.vae import VAE, Downsample, Resnet, Upsample

STEADY = 1.5
LOUD = 4.0  # latents are this much larger than colours, so that their noise is small
COLOURS, PLUS, MINUS = (0, 4, 8), (1, 5, 9), (2, 6, 10)  # channels of red, green, blue and the constants beside them
KEPT = (*COLOURS, *PLUS, *MINUS)
NARROWEST = 12  # channels that this needs at every level


@torch.no_grad()
def thumbnail_start(vae: VAE, image: Tensor, *, log_variance: float = -6.0) -> None:
    """Set the weights of ``vae`` so that it shrinks and enlarges; ``image`` (B, 3, H, W) is a sample of pictures.

    ``log_variance`` is that of the noise on the latents. Raises ValueError when a level has too few channels.
    """
    if min(vae.config.channels) < NARROWEST:
        raise ValueError(f"a thumbnail start needs {NARROWEST} channels at every level, not {vae.config.channels}")
    for module in vae.modules():
        if isinstance(module, Resnet):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(bias_of(module.conv2))
            if module.widens:
                keep(module.conv_shortcut, KEPT)
        elif isinstance(module, Downsample):
            keep(module.conv, KEPT, ((0, 0, 0.25), (0, 1, 0.25), (1, 0, 0.25), (1, 1, 0.25)))
        elif isinstance(module, Upsample):
            keep(module.conv, KEPT)
    for convolution in (vae.encoder.conv_in, vae.decoder.conv_in):
        keep(convolution, ())
        for k in range(3):
            convolution.weight[COLOURS[k], k, 1, 1] = 1
            bias_of(convolution)[[PLUS[k], MINUS[k]]] = torch.tensor([STEADY, -STEADY])
    for norm in (vae.encoder.conv_norm_out, vae.decoder.conv_norm_out):
        norm.bias[list(KEPT)] = STEADY  # where SiLU is nearly a straight line
    n = vae.config.latent_channels
    for convolution in (vae.quant_conv, vae.post_quant_conv):
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(bias_of(convolution))
        for k in range(n):
            convolution.weight[k, k] = 1
    bias_of(vae.quant_conv)[n:] = log_variance

    small = F.avg_pool2d(image, vae.config.factor)
    fit(vae.encoder.conv_out, before_last(vae.encoder, image), LOUD * small)
    fit(vae.decoder.conv_out, before_last(vae.decoder, vae.post_quant_conv(vae.posterior(image)[0])), image)


def keep(convolution: nn.Conv2d, channels: Sequence[int], taps: Sequence[tuple[int, int, float]] = ()) -> None:
    """Pass ``channels`` through unchanged (or through ``taps``: row, column, weight); the constants go nowhere else."""
    weight, middle = convolution.weight, convolution.kernel_size[0] // 2
    if weight.shape[1] > NARROWEST:
        weight[:, [*PLUS, *MINUS]] = 0
    weight[list(KEPT)] = 0
    bias_of(convolution)[list(KEPT)] = 0
    for channel in channels:
        for row, column, share in taps or ((middle, middle, 1.0),):
            weight[channel, channel, row, column] = share


def before_last(half: nn.Module, x: Tensor) -> Tensor:
    """What the last convolution of an encoder or decoder sees, for input x."""
    seen: list[Tensor] = []
    last = half.conv_out
    assert isinstance(last, nn.Conv2d)
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    half(x)
    hook.remove()
    return seen[0]


def fit(convolution: nn.Conv2d, seen: Tensor, wanted: Tensor) -> None:
    """Least squares for the middle tap: ``seen`` (B, C, h, w) -> ``wanted`` (B, D, h, w), the first D outputs."""
    rows = seen.permute(0, 2, 3, 1).flatten(0, 2).double()
    rows = torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)
    goal = wanted.permute(0, 2, 3, 1).flatten(0, 2).double()
    ridge = 1e-4 * len(rows) * torch.eye(rows.shape[1], dtype=rows.dtype)
    found = torch.linalg.solve(rows.T @ rows + ridge, rows.T @ goal).float()
    outputs = goal.shape[1]
    convolution.weight[:outputs] = 0
    convolution.weight[:outputs, :, 1, 1] = found[:-1].T
    bias_of(convolution)[:outputs] = found[-1]


def bias_of(layer: nn.Conv2d) -> Tensor:
    """The bias that every convolution here has."""
    assert layer.bias is not None
    return layer.bias
