"""One network from a folder of its own (config and weights) or, for a VAE or text encoder, from a file of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.weights import names
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.configs import text_config, unet_config, vae_config
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import open_tensors

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
VAE_IGNORED = r"^(first_stage_model\.)?(loss\.|model_ema\.)|^(global_step|epoch)$"


def read_json(path: Path) -> dict[str, Any]:
    """A config file; raises ``ConfigError`` where it is absent or no json object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not json ({error})") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: a {type(value).__name__} where an object was expected")
    return value


def weight_names(variant: str | None) -> list[str]:
    """Names a weight file may have, best first: safetensors before pickles, whole before sharded (an index)."""
    dot = f".{variant}" if variant else ""
    found = []
    for ending in ("safetensors", "bin"):
        for stem in STEMS:
            index = f"{stem}.{ending}.index"
            found += [f"{stem}{dot}.{ending}", f"{index}{dot}.json"]
            if variant:
                found += [f"{stem}{dot}.{ending}.index.json", f"{stem}.{ending}{dot}.index.json"]
    return found


def choose_weights(names_there: set[str], variant: str | None, where: object) -> tuple[str, str | None]:
    """The weight file (or index) to take among ``names_there``, and a note where it is not quite what was asked for."""
    for name in weight_names(variant):
        if name in names_there:
            return name, None
    note = f"{where} has no variant {variant!r}; the plain files are used" if variant else None
    for name in weight_names(None):
        if name in names_there:
            return name, note
    for other in sorted({m[1] for n in names_there if (m := re.fullmatch(r"\w+\.(\w+)\.(safetensors|bin)", n))}):
        for name in weight_names(other):
            if name in names_there:
                return (
                    name,
                    f"{where} has no {'variant ' + repr(variant) if variant else 'plain files'}; {name} is used",
                )
    there = ", ".join(sorted(names_there)) or "nothing"
    raise CheckpointError(f"{where}: no weights; it holds {there}; looked for {', '.join(weight_names(variant))}")


def shards(index: Path) -> tuple[Path, ...]:
    """The files that an index json speaks of; they lie next to it."""
    files = sorted({str(name) for name in read_json(index).get("weight_map", {}).values()})
    for name in files:
        if Path(name).name != name:
            raise CheckpointError(f"{index}: the shard {name!r} is not a file next to its index")
    if not files:
        raise CheckpointError(f"{index}: an index without a weight_map")
    return tuple(index.parent / name for name in files)


def weight_files(folder: Path, variant: str | None) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The weight files of one component and notes about the choice. Raises ``CheckpointError`` where there are none."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    name, note = choose_weights({p.name for p in folder.iterdir() if p.is_file()}, variant, folder)
    path = folder / name
    return (shards(path) if name.endswith(".json") else (path,)), (note,) if note else ()


def at(folder: Path, read: Any, *args: object) -> Any:
    """Read ``folder``/config.json by ``read``; an error also says which file."""
    path = folder / "config.json"
    try:
        return read(read_json(path), *args)
    except ConfigError as error:
        raise ConfigError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def read_unet_config(folder: Path) -> UNetConfig:
    """The config of a ``unet/`` folder."""
    return at(folder, unet_config)


def read_vae_config(folder: Path, row: VAEConfig | None = None) -> VAEConfig:
    """The config of a ``vae/`` folder; ``row`` fills what old ones leave out."""
    return at(folder, vae_config, row)


def read_text_config(folder: Path) -> CLIPTextConfig:
    """The config of a ``text_encoder/`` folder."""
    return at(folder, text_config)


def unet_from_folder(folder: Path, config: UNetConfig, hold: Hold) -> tuple[UNet, PartReport]:
    """The U-Net of a ``unet/`` folder."""
    files, notes = weight_files(folder, hold.variant)
    unet = empty(lambda: UNet(config))
    return unet, assemble(unet, open_tensors(*files), names.folder_unet_places, part="unet", hold=hold, notes=notes)


def vae_from_folder(folder: Path, row: VAEConfig, hold: Hold) -> tuple[VAE, PartReport]:
    """The autoencoder of a ``vae/`` folder."""
    config = read_vae_config(folder, row)
    files, notes = weight_files(folder, hold.variant)
    vae = empty(lambda: VAE(config))
    return vae, assemble(vae, open_tensors(*files), names.folder_vae_places, part="vae", hold=hold, notes=notes)


def text_from_folder(folder: Path, hold: Hold, part: str = "text_encoder") -> tuple[CLIPText, PartReport]:
    """The text encoder of a ``text_encoder/`` folder."""
    config = read_text_config(folder)
    files, notes = weight_files(folder, hold.variant)
    text = empty(lambda: CLIPText(config))
    report = assemble(
        text,
        open_tensors(*files),
        names.folder_text_places,
        part=part,
        hold=hold,
        ignore=names.TEXT_IGNORED,
        notes=notes,
    )
    return text, report


def load_vae(source: Path, row: VAEConfig, hold: Hold) -> tuple[VAE, PartReport]:
    """An autoencoder that comes by itself: a pipeline folder, a ``vae/`` folder, or a file (names of LDM or ours)."""
    if source.is_dir():
        return vae_from_folder(source if (source / "config.json").exists() else source / "vae", row, hold)
    file = open_tensors(source)
    if any(name.startswith("encoder.down_blocks.") for name in file):
        places: names.Places = names.folder_vae_places
    elif "first_stage_model.encoder.conv_in.weight" in file:
        file, places = file.under("first_stage_model."), names.vae_places(row)
    elif "encoder.down.0.block.0.conv1.weight" in file:
        places = names.vae_places(row, prefix="")
    else:
        raise CheckpointError(f"{source} holds no autoencoder of Stable Diffusion (no encoder.down...)")
    vae = empty(lambda: VAE(row))
    return vae, assemble(vae, file, places, part="vae", hold=hold, ignore=VAE_IGNORED)


def load_text(source: Path, config: CLIPTextConfig, hold: Hold, part: str) -> tuple[CLIPText, PartReport]:
    """A text encoder by itself: a pipeline folder, an encoder's folder, or a file (transformers or OpenCLIP names)."""
    if source.is_dir():
        return text_from_folder(source if (source / "config.json").exists() else source / part, hold, part)
    file = open_tensors(source)
    open_clip = "transformer.resblocks.0.ln_1.weight" in file
    places = names.open_clip_places("") if open_clip else names.folder_text_places
    text = empty(lambda: CLIPText(config))
    ignore = names.TEXT_IGNORED + "|" + names.open_clip_ignored("", config)
    return text, assemble(text, file, places, part=part, hold=hold, ignore=ignore)


def components(folder: Path) -> Mapping[str, Any]:
    """``model_index.json``, or what can be told from the subfolders where there is none."""
    index = folder / "model_index.json"
    if index.exists():
        return read_json(index)
    return {p.name: [None, p.name] for p in sorted(folder.iterdir()) if p.is_dir()}
