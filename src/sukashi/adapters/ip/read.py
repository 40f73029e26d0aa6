"""Reading an IP-Adapter: one file with the projection and the keys and values, and a folder with the image encoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sukashi.nets.clip_vision import CLIPVision, CLIPVisionConfig
from sukashi.nets.ip_adapter import FullProjection, KeysValues, Projection, Resampler
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.components import weight_files
from sukashi.weights.configs import TEXT_INERT, Reader, layers_of
from sukashi.weights.errors import CheckpointError
from sukashi.weights.files import read_json
from sukashi.weights.kinds import kind_of
from sukashi.weights.names import Place
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import TensorFile, open_tensors

VISION_INERT = {**TEXT_INERT, "model_type": ("clip_vision_model", "clip"), "num_channels": (3,)}
FACE = r"^image_proj\.(perceiver_resampler\.|proj\.0\.weight$)"


def vision_config(json: Mapping[str, Any]) -> CLIPVisionConfig:
    """``image_encoder/config.json`` -> ``CLIPVisionConfig``."""
    read = Reader(json, "image encoder config", VISION_INERT)
    config = CLIPVisionConfig(
        **layers_of(read, 768, 12),
        size=read.whole("image_size", 224),
        patch=read.whole("patch_size", 32),
        projection_dim=read.whole("projection_dim", 512),
    )
    read.finish()
    return config


def vision_places(name: str) -> list[Place]:
    """Transformers keeps our names."""
    return [Place(name)]


def read_vision(folder: Path, hold: Hold) -> tuple[CLIPVision, PartReport]:
    """The image encoder of an ``image_encoder/`` folder. Raises ``CheckpointError`` or ``ConfigError``."""
    files, notes = weight_files(folder, hold.variant)
    config = vision_config(read_json(folder / "config.json"))
    net = empty(lambda: CLIPVision(config))
    ignore = r"position_ids$|^text_model\.|^text_projection\.|^logit_scale$"
    file = open_tensors(*files)
    return net, assemble(net, file, vision_places, part="image_encoder", hold=hold, ignore=ignore, notes=notes)


class AdapterNets(nn.Module):
    """What an adapter's file holds: ``image_proj``, and ``ip_adapter`` by the numbers 1, 3, 5 ... of the attentions."""

    def __init__(self, projection: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.image_proj = projection
        self.ip_adapter = nn.ModuleDict(layers)


def read_adapter(path: Path, hold: Hold) -> tuple[AdapterNets, PartReport]:
    """The networks of an IP-Adapter's file (.safetensors or .bin). All sizes are read from its header.

    Raises ``CheckpointError`` for another kind of file and for the FaceID adapters, which need a face recogniser.
    """
    file = open_tensors(path)
    if not any(name.startswith("ip_adapter.") for name in file):
        raise CheckpointError(
            f"{path} is no IP-Adapter (no ip_adapter...): it is {kind_of(file) or 'of no known kind'}"
        )
    build = projection_of(file)
    numbers = sorted({int(m[1]) for name in file if (m := re.match(r"ip_adapter\.(\d+)\.", name))})
    shapes = {str(k): file[f"ip_adapter.{k}.to_k_ip.weight"].shape for k in numbers}
    net = empty(lambda: AdapterNets(build(), {k: KeysValues(wide, own) for k, (own, wide) in shapes.items()}))
    return net, assemble(net, file, vision_places, part="ip_adapter", hold=hold)


def projection_of(file: TensorFile) -> Callable[[], nn.Module]:
    """How to build the projection that a file has: plain, "plus" or "full"."""
    own = {name.removeprefix("image_proj."): s.shape for name, s in file.items() if name.startswith("image_proj.")}
    if "proj.weight" in own:
        (wide, embed), dim = own["proj.weight"], own["norm.weight"][0]
        return lambda: Projection(embed, dim, wide // dim)
    if "proj.3.weight" in own and own["proj.0.weight"][0] == own["proj.0.weight"][1]:
        dim, embed = own["proj.2.weight"]
        return lambda: FullProjection(embed, dim)
    if "latents" in own:
        (_, tokens, width), embed, dim = own["latents"], own["proj_in.weight"][1], own["proj_out.weight"][0]
        layers = len([name for name in own if re.fullmatch(r"layers\.\d+\.0\.to_q\.weight", name)])
        heads = own["layers.0.0.to_q.weight"][0] // 64
        return lambda: Resampler(embed, dim, tokens, width, layers, heads)
    face = any(re.search(FACE, name) for name in file)
    kind = "a FaceID IP-Adapter, which needs a face recogniser" if face else "an IP-Adapter of an unknown kind"
    raise CheckpointError(f"{file.where} is {kind}; the plain, plus and full ones for CLIP pictures are supported")
