"""A diffusers folder: model_index.json and one subfolder per component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sukashi.families import Family, family_like
from sukashi.weights.components import (
    components,
    load_text,
    load_vae,
    read_text_config,
    read_unet_config,
    read_vae_config,
    text_from_folder,
    unet_from_folder,
    vae_from_folder,
)
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.files import read_json
from sukashi.weights.parts import LoadReport, Parts, Request
from sukashi.weights.prediction import prediction_type_named
from sukashi.weights.vocabulary import find_vocabulary, folder_vocabularies, open_tokenizers

ENCODERS = ("text_encoder", "text_encoder_2")
USED = {"unet", "vae", "tokenizer", "tokenizer_2", "scheduler", "low_res_scheduler", *ENCODERS}


def present(index: Mapping[str, Any]) -> list[str]:
    """The components that a model_index.json names and does not set to null."""
    return [k for k, v in index.items() if isinstance(v, Sequence) and not isinstance(v, str) and v[-1] is not None]


def is_model_folder(path: Path) -> bool:
    """Whether ``path`` looks like a diffusers folder."""
    return (path / "model_index.json").is_file() or (path / "unet" / "config.json").is_file()


def read_family(folder: Path, prediction_type: str | None = None) -> tuple[Family, str]:
    """The family of a folder with the configs it really has, and what decided its prediction type; no weights are read.

    Raises ``ConfigError`` for configs that we do not fully implement.
    """
    index = components(folder)
    there = present(index)
    if "unet" not in there:
        raise ConfigError(f"{folder} names no unet; it has {', '.join(there) or 'no components'}")
    encoders = [name for name in ENCODERS if name in there]
    unet = read_unet_config(folder / "unet")
    scheduler_path = folder / "scheduler" / "scheduler_config.json"
    scheduler = read_json(scheduler_path) if scheduler_path.exists() else {}
    predicts, evidence = scheduler.get("prediction_type"), "scheduler_config.json says so"
    if scheduler and predicts is None:
        predicts, evidence = "epsilon", "the default, scheduler_config.json does not say"
    if prediction_type:
        predicts, evidence = prediction_type, "the argument"
    row = family_like(unet, encoders=len(encoders), predicts=predicts or "epsilon")
    if predicts is None:
        predicts, evidence = row.predicts, "the default of its family: the folder has no scheduler"
    predicts = prediction_type_named(predicts)
    vae = read_vae_config(folder / "vae", row.vae) if (folder / "vae" / "config.json").exists() else row.vae
    low = folder / "low_res_scheduler" / "scheduler_config.json"
    size = read_json(folder / "unet" / "config.json").get("sample_size")
    family = replace(
        row,
        unet=unet,
        vae=vae,
        text=tuple(
            read_text_config(folder / name) if (folder / name / "config.json").exists() else config
            for name, config in zip(encoders, row.text, strict=True)
        ),
        scheduler={**(scheduler or row.scheduler), "prediction_type": predicts},
        low_res_scheduler=read_json(low) if low.exists() else row.low_res_scheduler,
        max_noise_level=int(index.get("max_noise_level", row.max_noise_level)),
        zero_empty_prompt=bool(index.get("force_zeros_for_empty_prompt", row.zero_empty_prompt)),
        size=size * vae.factor if isinstance(size, int) else row.size,
    )
    return family, evidence


def load_folder(folder: Path, request: Request) -> Parts:
    """Load a whole diffusers folder; a VAE or text encoders of the request replace the folder's own.

    Raises ``ConfigError``, ``CheckpointError`` or ``PickleError`` as the reading of configs and weights does.
    """
    if not is_model_folder(folder):
        holds = ", ".join(sorted(p.name for p in folder.iterdir())[:10]) or "nothing"
        raise CheckpointError(f"{folder} is no diffusers folder: no model_index.json, no unet/; it holds {holds}")
    hold = request.hold
    family, evidence = read_family(folder, request.prediction_type)
    there = present(components(folder))
    encoders = [name for name in ENCODERS if name in there]
    unet, unet_report = unet_from_folder(folder / "unet", family.unet, hold)
    if request.vae:
        vae, vae_report = load_vae(request.vae, family.vae, hold)
    else:
        vae, vae_report = vae_from_folder(folder / "vae", family.vae, hold)
    texts = [
        load_text(request.text_encoders[i], family.text[i], hold, name)
        if i < len(request.text_encoders)
        else text_from_folder(folder / name, hold, name)
        for i, name in enumerate(encoders)
    ]
    family = replace(family, vae=vae.config, text=tuple(text.config for text, _ in texts))
    vocabularies, words = None if request.vocabulary else folder_vocabularies(folder, encoders), None
    if vocabularies is None:
        vocabularies, words = find_vocabulary(family, beside=folder, named=request.vocabulary, offline=request.offline)
    unused = ", ".join(sorted(set(there) - USED))
    report = LoadReport.of(
        request,
        family,
        evidence,
        (unet_report, vae_report, *(report for _, report in texts)),
        notes=[note for note in (unused and f"not loaded: {unused}", words) if note],
    )
    return Parts(family, unet, vae, tuple(text for text, _ in texts), open_tokenizers(vocabularies), report)
