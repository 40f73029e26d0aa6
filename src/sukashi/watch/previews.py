"""Looking at latents before they are finished: by one matrix, by a tiny decoder, or by the whole autoencoder.

A preview is a function from latents (B, C, h, w) to images (B, 3, H, W) in [0, 1]. A matrix gives one pixel for each
cell and takes microseconds; TAESD and the autoencoder give whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sukashi.watch import factors

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

Preview = Callable[[Tensor], Tensor]
KINDS = ("linear", "vae", "none")


def preview(pipe: Pipeline, kind: str | Path = "linear", notes: list[str] | None = None) -> Preview | None:
    """What shows the latents of a pipeline's model: 'linear', 'vae', 'none' (None), or the file or folder of a TAESD.

    Where no numbers are known for the model's autoencoder, 'linear' fits them first; that is said in ``notes``. Raises
    ValueError for another word, FileNotFoundError and CheckpointError for a decoder that cannot be used.
    """
    said = [] if notes is None else notes
    if kind == "none":
        return None
    if kind == "vae":
        return lambda latents: pipe.vae_decode(latents.to(pipe.device, pipe.dtype), said).cpu()
    if kind != "linear":
        return tiny(kind, pipe.vae.config.factor, pipe.vae.config.latent_channels)
    found = factors.known(pipe.vae)
    if found is None:
        found = factors.fit(pipe.vae)
        said.append(f"previews: no colours are published for this autoencoder; {found.source} (R2 {found.r2})")
    return found


def tiny(source: str | Path, factor: int = 8, channels: int = 4) -> Preview:
    """The decoder of a TAESD (diffusers' AutoencoderTiny) from a file or a folder.

    Raises FileNotFoundError where there is none, ValueError for a file of something else.
    """
    from sukashi.nets.vae import VAEConfig
    from sukashi.weights.components import tiny_file, tiny_vae
    from sukashi.weights.parts import Hold

    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"{source} is not there; a preview is {', '.join(KINDS)}, or the file of a TAESD decoder"
        )
    file = tiny_file(path)
    if file is None:
        raise ValueError(f"{source} holds no TAESD decoder (no decoder.layers.0.weight)")
    if factor != 8:
        raise ValueError(f"{source} decodes latents of 8 pixels a cell; this model has {factor}")
    row = VAEConfig(latent_channels=channels)
    net: nn.Module = tiny_vae(file, row, Hold())[0]

    def show(latents: Tensor) -> Tensor:
        with torch.no_grad():
            images: Tensor = net.decode(latents.detach().float().cpu())  # type: ignore[operator]
        return (images / 2 + 0.5).clamp(0, 1)

    return show
