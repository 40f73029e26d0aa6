"""One network from a folder of its own (config and weights) or, for a VAE or text encoder, from a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.taesd import TAESD
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.weights import names
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.configs import text_config, unet_config, vae_config
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.files import choose_weights, read_json, shards
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import TensorFile, open_tensors

VAE_IGNORED = r"^(first_stage_model\.)?(loss\.|model_ema\.)|^(global_step|epoch)$"


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
    """An autoencoder that comes by itself: a pipeline folder, a ``vae/`` folder, or a file (names of LDM or ours).

    TAESD's tiny one is known by its layers, in a file or a folder, and stands in for the model's own.
    """
    if (tiny := tiny_file(source)) is not None:
        return tiny_vae(tiny, row, hold)
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


def tiny_file(source: Path) -> TensorFile | None:
    """The tensors of an AutoencoderTiny (diffusers' names) at ``source``, None for anything else."""
    if source.is_dir():
        config = source / "config.json"
        if not config.is_file() or read_json(config).get("_class_name") != "AutoencoderTiny":
            return None
        source = next(iter(sorted(source.glob("*.safetensors"))), source)
    if not source.is_file():
        return None
    file = open_tensors(source)
    return file if "decoder.layers.0.weight" in file else None


def tiny_vae(file: TensorFile, row: VAEConfig, hold: Hold) -> tuple[VAE, PartReport]:
    """TAESD in the place of a VAE: it is called the same. Raises CheckpointError for latents of another size."""
    if row.factor != 8:
        raise CheckpointError(f"{file.where} decodes latents of 8 pixels a cell; this model has {row.factor}")
    net = empty(lambda: TAESD(row.latent_channels))
    note = "the autoencoder is TAESD, a tiny one: quick, and less exact"
    report = assemble(net, file, lambda name: (names.Place(name),), part="vae", hold=hold, notes=(note,))
    return cast("VAE", net), report


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
