"""A taught model as a diffusers folder, loaded again and compared; ``sukashi convert`` makes one file of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sukashi.weights.errors import CheckpointError
from sukashi.weights.hub import FACTS
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Parts
from sukashi.weights.save import save_folder
from sukashi.weights.tensors import write_json


def write_model(folder: Path, parts: Parts, dtype: torch.dtype, habits: Mapping[str, Any]) -> Path:
    """Write the whole model, every network in ``dtype``; CheckpointError where it is not read again as it was written.

    The folder takes the place of an older one at once. ``habits`` are the settings that suit the model.
    """
    save_folder(parts, folder, dtype=dtype, overwrite=True)
    write_json(folder / FACTS, {"defaults": dict(habits)}, overwrite=True)
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
