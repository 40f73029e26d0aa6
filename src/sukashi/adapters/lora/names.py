"""What files call the layers of a model: tables made by walking the model itself, nothing is guessed.

Every layer with a weight has a name in each of the spellings in use: diffusers' path with dots or underscores, LDM's
path of the same layer (weights/names.py), a prefix for the part of the model. A file's name is looked up, never parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from torch import nn

from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.weights.names import rename, unet_rules

LAYERS = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)
DOTTED_UNET = ("unet.", "", "base_model.model.", "unet.base_model.model.", "base_model.model.unet.")
UNDERSCORED_UNET = ("lora_unet_", "lycoris_", "lycoris_unet_")
LDM_UNET = ("diffusion_model.", "model.diffusion_model.")
OLD_ATTENTION = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}  # diffusers 0.15 to 0.17


class Target(NamedTuple):
    """One layer of a model: "unet", "text_encoder" or "text_encoder_2", and the path within it."""

    part: str
    path: str


def layers(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules of every layer whose weight can be changed."""
    return ((path, module) for path, module in net.named_modules() if isinstance(module, LAYERS))


def table(nets: Mapping[str, nn.Module]) -> dict[str, Target]:
    """Every name that a file may have for a layer of these networks (by part), the likely ones winning."""
    found: dict[str, Target] = {}
    alone = sum(isinstance(net, CLIPText) for net in nets.values()) == 1
    for part, net in nets.items():
        if isinstance(net, UNet):
            named = unet_names(net)
        elif isinstance(net, CLIPText):
            named = text_names(net, part, alone=alone)
        else:
            raise TypeError(f"{part} is a {type(net).__name__}; a LoRA can change a U-Net and text encoders")
        for name, path in named:
            found.setdefault(name, Target(part, path))
    return found


def unet_names(net: UNet) -> Iterator[tuple[str, str]]:
    """Pairs of a name and our path."""
    rules = unet_rules(net.config)
    for path, _ in layers(net):
        for spelt in diffusers_spellings(path):
            yield from ((prefix + spelt, path) for prefix in DOTTED_UNET)
        ldm = rename(f"{path}.weight", rules).removesuffix(".weight")
        yield from ((prefix + ldm, path) for prefix in LDM_UNET)
        for spelt in (path, ldm):
            yield from ((prefix + spelt.replace(".", "_"), path) for prefix in UNDERSCORED_UNET)


def diffusers_spellings(path: str) -> Sequence[str]:
    """The path, and for a projection of attention the name it had as a processor (diffusers 0.12 to 0.20)."""
    block, _, layer = path.rpartition(".attn")
    if not block or ".to_" not in layer:
        return [path]
    number, _, projection = layer.partition(".")
    return [path, f"{block}.attn{number}.processor.{projection.removesuffix('.0')}"]


def text_names(net: CLIPText, part: str, *, alone: bool) -> Iterator[tuple[str, str]]:
    """Pairs of a name and our path, for the only text encoder (``alone``), or one of two."""
    second = part == "text_encoder_2"
    number = "2" if second else "1"
    dotted = [f"{part}.", f"{part}.base_model.model.", f"text_encoders.{clip_of(net)}.transformer."]
    underscored = [f"lora_te{number}_", f"lycoris_te{number}_"]
    single = f"conditioner.embedders.{int(number) - 1}.transformer."
    if alone:
        dotted += ["text_encoder.", "text_encoder_2.", "", "base_model.model.", "cond_stage_model.transformer."]
        underscored += ["lora_te_", "lycoris_te_"]
    for path, _ in layers(net):
        for spelt in text_spellings(path):
            yield from ((prefix + spelt, path) for prefix in [*dotted, single])
            yield from ((prefix + spelt.replace(".", "_"), path) for prefix in underscored)


def text_spellings(path: str) -> list[str]:
    """The path, without ``text_model.`` (transformers 5), and the names of attention's old LoRA layers."""
    spelt = [path, path.removeprefix("text_model.")]
    block, _, layer = path.rpartition(".")
    if block.endswith("self_attn"):
        spelt.append(f"{block}.{OLD_ATTENTION[layer]}")
    return list(dict.fromkeys(spelt))


def clip_of(net: CLIPText) -> str:
    """What ComfyUI calls a text encoder of this width."""
    return {1024: "clip_h", 1280: "clip_g"}.get(net.config.width, "clip_l")
