"""Reading a ControlNet: a diffusers folder, or a file with the names of diffusers or of the original (cldm)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from sukashi.families import FAMILIES
from sukashi.nets.controlnet import ControlNet, ControlNetConfig
from sukashi.nets.unet import UNetConfig
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.components import weight_files
from sukashi.weights.configs import unet_config
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.files import read_json
from sukashi.weights.names import Place, Places, Rule, rename, unet_rules
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import TensorFile, open_tensors

PREFIX = "control_model."
OTHERS = {  # other things that are called ControlNet, and how their names give them away
    "a ControlNet-LoRA (Control-LoRA), which holds differences to a checkpoint": r"^lora_controlnet$",
    "a ControlNet kept as its difference to a checkpoint": r"^difference$",
    "a ControlNet-Union": r"^(task_embedding|transformer_layes\.|spatial_ch_projs|control_add_embedding)",
    "a ControlNet-LLLite": r"^lllite_",
    "a ControlNet-XS": r"ctrl_to_base|base_to_ctrl|enc_zero_convs",
    "a ControlNet for Flux or Stable Diffusion 3": r"^((single_)?transformer_blocks|controlnet_blocks)\.\d",
}
CONTROL_KEYS = (
    "conditioning_channels",
    "conditioning_embedding_out_channels",
    "controlnet_conditioning_channel_order",
    "global_pool_conditions",
)


def as_controlnet(unet: UNetConfig, **changes: Any) -> ControlNetConfig:
    """The config of a copy of such a U-Net; it sees the plain latent, whatever else the U-Net is told."""
    own = {field.name: getattr(unet, field.name) for field in fields(UNetConfig)}
    return ControlNetConfig(**{**own, "in_channels": 4, "guidance_dim": 0, **changes})


def controlnet_config(json: Mapping[str, Any]) -> ControlNetConfig:
    """``controlnet/config.json`` -> ``ControlNetConfig``; a key or a value that we do not implement is refused."""
    name = json.get("_class_name", "ControlNetModel")
    if name != "ControlNetModel":
        raise ConfigError(f"_class_name = {name!r} is not supported here; accepted: ControlNetModel")
    order = json.get("controlnet_conditioning_channel_order", "rgb")
    if order not in ("rgb", "bgr"):
        raise ConfigError(f"controlnet_conditioning_channel_order = {order!r}; accepted: 'rgb', 'bgr'")
    middle = json.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    if middle not in ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D"):
        raise ConfigError(f"mid_block_type = {middle!r}; accepted: 'UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'")
    rest = {key: value for key, value in json.items() if key not in (*CONTROL_KEYS, "mid_block_type", "_class_name")}
    unet = unet_config(rest)
    return as_controlnet(
        unet,
        in_channels=unet.in_channels,
        mid_depth=unet.mid_depth if middle.endswith("CrossAttn") else 0,
        picture_channels=json.get("conditioning_channels", 3),
        hint_channels=tuple(json.get("conditioning_embedding_out_channels") or (16, 32, 96, 256)),
        bgr=order == "bgr",
        pooled_residuals=bool(json.get("global_pool_conditions", False)),
    )


def control_rules(config: ControlNetConfig) -> list[Rule]:
    """The original's names: LDM's for the copy, a few of its own beside."""
    last = 4 * len(config.hint_channels) - 2  # convolutions and activations are numbered in one row
    return [
        (r"controlnet_cond_embedding\.conv_in\.", "input_hint_block.0."),
        (r"controlnet_cond_embedding\.blocks\.(\d+)\.", lambda m: f"input_hint_block.{2 * int(m[1]) + 2}."),
        (r"controlnet_cond_embedding\.conv_out\.", f"input_hint_block.{last}."),
        (r"controlnet_down_blocks\.(\d+)\.", lambda m: f"zero_convs.{m[1]}.0."),
        (r"controlnet_mid_block\.", "middle_block_out.0."),
        *unet_rules(config),
    ]


def cldm_places(config: ControlNetConfig, prefix: str) -> Places:
    """Where a file with the original's names keeps our tensors."""
    rules = control_rules(config)
    return lambda name: [Place(prefix + rename(name, rules))]


def same_name(name: str) -> Sequence[Place]:
    """A diffusers folder keeps a ControlNet under our names."""
    return [Place(name)]


def refuse_others(file: TensorFile) -> None:
    """Raise ``CheckpointError`` for a relative of the ControlNet that is not implemented, by its name."""
    for kind, mark in OTHERS.items():
        if any(re.search(mark, name) for name in file):
            raise CheckpointError(f"{file.where} is {kind}; that kind is not supported, a whole ControlNet is")


def is_controlnet(file: TensorFile) -> bool:
    """Whether the names in a file are those of a ControlNet, or of something that is called one."""
    marks = (r"^(control_model\.)?(input_hint_block\.0|zero_convs\.0)", r"^controlnet_", *OTHERS.values())
    return any(re.search(mark, name) for name in file for mark in marks)


def read_controlnet(path: Path, hold: Hold, like: UNetConfig | None = None) -> tuple[ControlNet, PartReport]:
    """A ControlNet from its folder or file.

    ``like`` is the U-Net it is for: a file does not say its number of heads, so that its family has to be known.
    Without it the families SD 1.x, SD 2.x and SDXL are told apart by the width of their text.
    Raises ``CheckpointError`` or ``ConfigError`` with what does not fit.
    """
    if path.is_dir():
        files, notes = weight_files(path, hold.variant)
        file = open_tensors(*files)
        refuse_others(file)
        config = controlnet_config(read_json(path / "config.json"))
        places: Places = same_name
    else:
        file, notes = open_tensors(path), ()
        refuse_others(file)
        beside = path.parent / "config.json"
        theirs = "controlnet_mid_block.weight" in file
        if theirs and beside.is_file() and "Control" in str(read_json(beside).get("_class_name")):
            config = controlnet_config(read_json(beside))
        else:
            config = config_of_file(file, path, like)
        if config.pooled_residuals:
            notes = ("its residuals are averaged over the picture, as those of the shuffle ControlNet are",)
        prefix = PREFIX if any(name.startswith(PREFIX) for name in file) else ""
        file = file.under(PREFIX) if prefix else file
        places = same_name if theirs else cldm_places(config, prefix)
    net = empty(lambda: ControlNet(config))
    return net, assemble(net, file, places, part="controlnet", hold=hold, notes=notes)


def config_of_file(file: TensorFile, path: Path, like: UNetConfig | None) -> ControlNetConfig:
    """The config that a file without a json has: of its family, the hint's widths read from its header."""
    context = next((s.shape[1] for n, s in file.items() if n.endswith("attn2.to_k.weight")), 0)
    rows = [FAMILIES[name].unet for name in ("sd1", "sd2", "sdxl")]
    unet = next((u for u in ([like] if like else []) + rows if u.context_dim == context), None)
    if unet is None:
        known = ", ".join(str(u.context_dim) for u in rows)
        raise CheckpointError(
            f"{file.where} is a ControlNet for a text of width {context}; known are {known} (SD 1.x, SD 2.x, SDXL)"
        )
    return as_controlnet(unet, **picture_side(file), pooled_residuals="shuffle" in path.stem.lower())


def picture_side(file: TensorFile) -> dict[str, Any]:
    """How a file's network sees its picture: the widths of the convolutions that count, under either kind of names."""
    ours = ["conv_in", *[f"blocks.{k}" for k in range(1, 20, 2)]]
    names = [f"controlnet_cond_embedding.{name}.weight" for name in ours]
    names += [f"{prefix}input_hint_block.{k}.weight" for prefix in ("", PREFIX) for k in range(0, 40, 4)]
    shapes = [file[name].shape for name in names if name in file]
    return {"picture_channels": shapes[0][1], "hint_channels": tuple(shape[0] for shape in shapes)}
