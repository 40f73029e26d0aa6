"""A taught model as a diffusers folder, loaded again and compared; ``sukashi convert`` makes one file of it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from sukashi.weights.errors import CheckpointError
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Parts
from sukashi.weights.save import save_folder


def write_model(folder: Path, parts: Parts, dtype: torch.dtype) -> Path:
    """Write the whole model, every network in ``dtype``; CheckpointError where it is not read again as it was written.

    The folder takes the place of an older one at once.
    """
    save_folder(parts, folder, dtype=dtype, overwrite=True)
    again = load_parts(folder)
    pairs: list[tuple[nn.Module, nn.Module]] = [(parts.unet, again.unet), (parts.vae, again.vae)]
    pairs += zip(parts.text_encoders, again.text_encoders, strict=True)
    for ours, read in pairs:
        found = read.state_dict()
        for name, tensor in ours.state_dict().items():
            wanted = tensor.detach().cpu().to(dtype) if tensor.is_floating_point() else tensor.cpu()
            if not torch.equal(found[name], wanted):
                raise CheckpointError(f"{folder}: {name} is not read again as it was written")
    return folder
