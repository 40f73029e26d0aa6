"""Reading a T2I-Adapter: a diffusers folder, or a file with the names of diffusers or of the original (TencentARC)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sukashi.nets.t2i_adapter import Kind, T2IAdapter, T2IConfig
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.components import weight_files
from sukashi.weights.configs import Reader
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.files import read_json
from sukashi.weights.names import Place, Places
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import TensorFile, open_tensors

PIXELS = {64: (1, 8), 192: (3, 8), 256: (1, 16), 768: (3, 16)}  # numbers a cell -> (channels, pixels per cell)
KINDS = ("full_adapter", "full_adapter_xl", "light_adapter")


def t2i_config(json: Mapping[str, Any]) -> T2IConfig:
    """``config.json`` of a T2I-Adapter's folder -> ``T2IConfig``."""
    if (name := json.get("_class_name", "T2IAdapter")) != "T2IAdapter":
        raise ConfigError(f"_class_name = {name!r} is not supported here; accepted: T2IAdapter")
    read = Reader(json, "T2I-Adapter config", {})
    if (kind := read.take("adapter_type", "full_adapter")) not in KINDS:
        raise read.refuse("adapter_type", kind, ", ".join(KINDS))
    config = T2IConfig(
        kind=kind,
        picture_channels=read.whole("in_channels", 3),
        channels=tuple(read.take("channels", (320, 640, 1280, 1280))),
        resnets=read.whole("num_res_blocks", 2),
        factor=read.whole("downscale_factor", 8),
    )
    read.finish()
    return config


def is_t2i(file: TensorFile) -> bool:
    """Whether the names in a file are those of a T2I-Adapter."""
    return any(re.match(r"(adapter\.)?body\.\d+\.(block1|in_conv|resnets)\b", name) for name in file)


def config_of_file(file: TensorFile) -> T2IConfig:
    """The config of a file without a json, all of it from the header."""
    names = {re.sub(r"^adapter\.", "", name): stored for name, stored in file.items()}
    blocks = {int(m[1]) for name in names if (m := re.match(r"body\.(\d+)\.", name))}
    if any("down_opt" in name for name in names):
        raise CheckpointError(f"{file.where} is a T2I-Adapter that halves by convolutions; those are not supported")
    light = "body.0.out_conv.weight" in names
    first = names["body.0.in_conv.weight" if light else "conv_in.weight"].shape[1]
    if first not in PIXELS:
        raise CheckpointError(
            f"{file.where} is a T2I-Adapter that takes {first} numbers for each cell; known are {tuple(PIXELS)}"
        )
    picture_channels, factor = PIXELS[first]
    if light:
        widths = [names[f"body.{k}.out_conv.weight"].shape[0] for k in sorted(blocks)][:-1]
        resnets = len([n for n in names if re.match(r"body\.0\.(body|resnets)\.\d+\.block1\.weight", n)])
    elif "body.0.resnets.0.block1.weight" in names:
        widths = [names[f"body.{k}.resnets.0.block1.weight"].shape[0] for k in sorted(blocks)]
        resnets = len([n for n in names if re.match(r"body\.0\.resnets\.\d+\.block1\.weight", n)])
    else:  # the original numbers residual blocks in one row, for four resolutions
        resnets = len(blocks) // 4
        widths = [names[f"body.{k}.block1.weight"].shape[0] for k in sorted(blocks)[::resnets]]
    kind: Kind = "light_adapter" if light else "full_adapter_xl" if factor == 16 else "full_adapter"
    return T2IConfig(
        kind=kind, picture_channels=picture_channels, channels=tuple(widths), resnets=resnets, factor=factor
    )


def t2i_places(config: T2IConfig) -> Places:
    """Where files keep our tensors: under our names, without their first word, or under the original's."""

    def original(name: str) -> str:
        if config.kind == "light_adapter":
            return re.sub(r"\.resnets\.", ".body.", name)
        if match := re.fullmatch(r"body\.(\d+)\.(?:resnets\.(\d+)|in_conv)\.(.+)", name):
            number = config.resnets * int(match[1]) + int(match[2] or 0)
            return f"body.{number}.{match[3] if match[2] else 'in_conv.' + match[3]}"
        return name

    def places(name: str) -> list[Place]:
        short = name.removeprefix("adapter.")
        return [Place(name), Place(short), Place(original(short)), Place("adapter." + original(short))]

    return places


def read_t2i(path: Path, hold: Hold) -> tuple[T2IAdapter, PartReport]:
    """A T2I-Adapter from its folder or file. Raises ``CheckpointError`` or ``ConfigError`` with what does not fit."""
    if path.is_dir():
        files, notes = weight_files(path, hold.variant)
        file, config = open_tensors(*files), t2i_config(read_json(path / "config.json"))
    else:
        file, notes = open_tensors(path), ()
        config = config_of_file(file)
    net = empty(lambda: T2IAdapter(config))
    return net, assemble(net, file, t2i_places(config), part="t2i_adapter", hold=hold, notes=notes)
