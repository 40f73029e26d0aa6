"""Files of cloneofsimo's first LoRA trainer: layers have no names, only numbers in the order of that model's modules.

The order is that of diffusers before 0.13: all blocks down, all up, then the middle; in a transformer block first
attention, GEGLU, cross-attention. Of the text encoder: key, value, query, output of each layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from torch import nn

from sukashi.adapters.lora.layers import tensors_of
from sukashi.adapters.lora.names import Target
from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import TransformerBlock

PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
TEXT_PROJECTIONS = ("k_proj", "v_proj", "q_proj", "out_proj")


def numbered(nets: Mapping[str, nn.Module], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Target]:
    """The layer behind each name "unet:0", "text_encoder:0", ... of a file.

    ``shapes`` are (output, input) of the file's pairs; with and without GEGLU are tried, and the order that fits them
    all is taken. Names of a part that fits in no order are left out.
    """
    found: dict[str, Target] = {}
    for part in ("unet", "text_encoder"):
        names = sorted((n for n in shapes if n.startswith(f"{part}:")), key=lambda n: int(n.partition(":")[2]))
        for paths in orders(nets[part]) if names and part in nets else ():
            sizes = [tuple(tensors_of(nets[part].get_submodule(path))[0].shape) for path in paths]
            if sizes == [shapes[name] for name in names]:
                found |= {name: Target(part, path) for name, path in zip(names, paths, strict=True)}
                break
    return found


def orders(net: nn.Module) -> Iterator[list[str]]:
    """Lists of paths that a file may mean."""
    if isinstance(net, CLIPText):
        places = product(range(net.config.layers), TEXT_PROJECTIONS)
        yield [f"text_model.encoder.layers.{i}.self_attn.{name}" for i, name in places]
        return
    blocks = [path for path, module in net.named_modules() if isinstance(module, TransformerBlock)]
    blocks.sort(key=lambda path: ("down_blocks", "up_blocks", "mid_block").index(path.partition(".")[0]))  # stable
    for between in ([], ["ff.net.0.proj"]):
        inside = [*(f"attn1.{p}" for p in PROJECTIONS), *between, *(f"attn2.{p}" for p in PROJECTIONS)]
        yield [f"{block}.{layer}" for block in blocks for layer in inside]
