"""The networks of a model, or of a family without weights, looked at block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from sukashi.families import Family, family_named
from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.watch.blocks import Block, blocks
from sukashi.weights.parts import Parts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

NETWORKS = ("unet", "vae", "text")


def blocks_of(
    pipe: Pipeline, part: str = "unet", *, width: int = 0, height: int = 0, depth: int = 2, repeat: int = 4
) -> list[Block]:
    """Blocks of a loaded model: 'unet', 'vae' (its encoder and decoder) or 'text', for a picture of so many pixels.

    They are run ``repeat`` times, and the quickest counts.
    The U-Net is asked as guidance asks it, two at a time. Raises ValueError for another part or size.
    """
    size = (width or pipe.size[0], height or pipe.size[1])
    pipe.latent_shape(*size)  # refuses sizes that are not whole cells
    place: dict[str, Any] = {"device": pipe.device, "dtype": pipe.dtype}
    return looked_at(pipe.parts, part, size, pipe.tokens, place, depth, repeat)


def blocks_of_family(name: str, part: str = "unet", *, size: int = 0, depth: int = 2) -> list[Block]:
    """The same for a family of checkpoints, without weights: shapes and parameters, no times.

    ``size`` is that of the picture in pixels, by default what the family was trained at. Raises ConfigError for a
    family that does not exist, ValueError for a size that is not whole cells.
    """
    family = family_named(name)
    pixels = size or family.size
    if pixels < family.vae.factor or pixels % family.vae.factor:
        raise ValueError(f"--size is {pixels}; a multiple of {family.vae.factor} is accepted")
    with torch.device("meta"):
        empty = Empty(family)
    return looked_at(empty, part, (pixels, pixels), 77, {"device": "meta", "dtype": torch.float32}, depth, 1)


class Empty:
    """The networks of a family, as wide as they are and without weights."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.unet, self.vae = UNet(family.unet), VAE(family.vae)
        self.text_encoders = tuple(CLIPText(config) for config in family.text)


def looked_at(
    parts: Parts | Empty,
    part: str,
    pixels: tuple[int, int],
    tokens: int,
    place: dict[str, Any],
    depth: int,
    repeat: int,
) -> list[Block]:
    """Run one part on zeros, made at ``place`` (device and dtype), and see."""
    if part not in NETWORKS:
        raise ValueError(f"there is no {part!r} to show; accepted: {', '.join(NETWORKS)}")
    width, height = (side // parts.vae.config.factor for side in pixels)
    how = {"depth": depth, "repeat": repeat}
    if part == "unet":
        return blocks(parts.unet, asking(parts, height, width, tokens, place), **how)
    if part == "vae":
        place = place | {"dtype": next(parts.vae.parameters()).dtype}
        image = torch.zeros(1, 3, pixels[1], pixels[0], **place)
        z = torch.zeros(1, parts.vae.config.latent_channels, height, width, **place)
        return blocks(parts.vae, lambda vae: (cast("VAE", vae).encode(image), cast("VAE", vae).decode(z)), **how)
    ids = torch.zeros(2, tokens, dtype=torch.long, device=place["device"])
    found = []
    for k, net in enumerate(parts.text_encoders):
        some = blocks(net, lambda text: text(ids), **how)
        for block in some if len(parts.text_encoders) > 1 else ():
            block.name = f"{'text_encoder' if k == 0 else f'text_encoder_{k + 1}'}.{block.name}".rstrip(".")
        found += some
    return found


def asking(parts: Parts | Empty, h: int, w: int, tokens: int, new: dict[str, Any]) -> Callable[[nn.Module], Tensor]:
    """A question to the U-Net of a model, about zeros: two pictures, and everything it wants to be told."""
    config, numbers = parts.unet.config, parts.family.size_numbers
    x, t = torch.zeros(2, config.in_channels, h, w, **new), torch.full((2,), 500.0, device=new["device"])
    context, told = torch.zeros(2, tokens, config.context_dim, **new), dict[str, Any]()
    if config.noise_levels:
        told["noise_level"] = torch.zeros(2, dtype=torch.long, device=new["device"])
    if config.pooled_dim:
        told["pooled"] = torch.zeros(2, config.pooled_dim - numbers * config.size_dim, **new)
        told["sizes"] = torch.zeros(2, numbers, device=new["device"])
    if config.guidance_dim:
        told["guidance"] = torch.zeros(2, config.guidance_dim, **new)

    def run(unet: nn.Module) -> Tensor:
        return unet(x, t, context, **told)

    return run
