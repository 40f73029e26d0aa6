"""A loaded model written back: as a diffusers folder, or as one file with the names of CompVis and Stability."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sukashi.families import FAMILIES, Family
from sukashi.weights import names
from sukashi.weights.configs import text_json, unet_json, vae_json
from sukashi.weights.parts import Parts
from sukashi.weights.single_file import CONFIGS, text_prefix
from sukashi.weights.tensors import Writable, write_json, write_safetensors
from sukashi.weights.vocabulary import CLIP_SIZE, EMBEDDED

MODEL_SPEC = "1.0.1"
FORMAT = {"_diffusers_version": "0.30.0"}  # whose format of a folder we write; diffusers looks at it


def encoder_names(family: Family) -> list[str]:
    """The subfolders of the text encoders; the refiner has only the second of SDXL's two."""
    second = len(family.text) == 1 and family.unet.pooled_dim
    return ["text_encoder_2"] if second else ["text_encoder", "text_encoder_2"][: len(family.text)]


def stored_as(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    """The type a tensor is written in: only floating ones are converted."""
    return dtype if dtype and tensor.is_floating_point() else tensor.dtype


def own_names(net: nn.Module, dtype: torch.dtype | None) -> dict[str, Writable]:
    """A network's tensors under our names, which are those of a folder."""
    return {
        name: Writable(tuple(t.shape), stored_as(t, dtype), partial(t.to, stored_as(t, dtype)))
        for name, t in net.state_dict().items()
    }


def single_names(net: nn.Module, places: names.Places, dtype: torch.dtype | None) -> dict[str, Writable]:
    """A network's tensors under the names of a single file; query, key and value may have to be joined there."""
    groups: dict[str, dict[int, tuple[names.Touch, Tensor]]] = {}
    for name, tensor in net.state_dict().items():
        place = places(name)[0]
        order = names.FUSED.index(place.touch) if place.touch in names.FUSED else 0
        groups.setdefault(place.name, {})[order] = place.touch, tensor

    def join(write: Any, tensors: Sequence[Tensor], to: torch.dtype) -> Tensor:
        return write([t.to(to) for t in tensors])

    result = {}
    for name, group in groups.items():
        touch, tensors = group[0][0], [group[i][1] for i in sorted(group)]
        to = stored_as(tensors[0], dtype)
        shape = touch.write([torch.empty(t.shape, device="meta") for t in tensors]).shape
        result[name] = Writable(tuple(shape), to, partial(join, touch.write, tensors, to))
    return result


def save_folder(parts: Parts, folder: Path, *, dtype: torch.dtype | None = None, overwrite: bool = False) -> None:
    """Write a diffusers folder; it appears whole or not at all.

    ``dtype`` None keeps what the model is held in. Raises ``FileExistsError`` where ``folder`` exists and ``overwrite``
    is False.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} exists already; it is replaced only when asked for (overwrite)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        write_folder(parts, made, dtype)
        mask = os.umask(0)  # mkdtemp makes private folders
        os.umask(mask)
        made.chmod(0o777 & ~mask)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            os.replace(folder, old / "old")
            os.replace(made, folder)
            shutil.rmtree(old)
        else:
            os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_folder(parts: Parts, folder: Path, dtype: torch.dtype | None) -> None:
    """Every component of a diffusers folder into an empty one."""
    family, encoders = parts.family, encoder_names(parts.family)
    metadata = {"format": "pt"}  # transformers insists on it
    for part, net in (("unet", parts.unet), ("vae", parts.vae)):
        write_safetensors(folder / part / "diffusion_pytorch_model.safetensors", own_names(net, dtype), metadata)
    write_json(folder / "unet" / "config.json", unet_json(family.unet, family.size // family.vae.factor) | FORMAT)
    write_json(folder / "vae" / "config.json", vae_json(family.vae, family.size) | FORMAT)
    for name, text, tokenizer in zip(encoders, parts.text_encoders, parts.tokenizers, strict=True):
        write_safetensors(folder / name / "model.safetensors", own_names(text, dtype), metadata)
        held = dtype or next(text.parameters()).dtype
        config = text_json(text.config) | {"torch_dtype": str(held).removeprefix("torch.")}
        write_json(folder / name / "config.json", config)
        tokenizer.save(folder / name.replace("text_encoder", "tokenizer"))
    write_json(folder / "scheduler" / "scheduler_config.json", dict(family.scheduler))
    if family.low_res_scheduler:
        write_json(folder / "low_res_scheduler" / "scheduler_config.json", dict(family.low_res_scheduler))
    write_json(folder / "model_index.json", model_index(family))


def model_index(family: Family) -> dict[str, Any]:
    """``model_index.json``: the pipeline class and the class of each component."""
    encoders = encoder_names(family)
    index: dict[str, Any] = {"_class_name": family.pipeline, **FORMAT}
    if family.unet.pooled_dim:
        index |= {"force_zeros_for_empty_prompt": family.zero_empty_prompt}
        index |= {"text_encoder": [None, None], "tokenizer": [None, None]}
        if family.pipeline == FAMILIES["sdxl-refiner"].pipeline:
            index |= {"requires_aesthetics_score": family.size_numbers == 5}
    else:
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    if family.name == "sd2-depth":
        index.pop("safety_checker")
        index |= {"depth_estimator": [None, None]}
    if family.low_res_scheduler:
        index |= {"low_res_scheduler": ["diffusers", family.low_res_scheduler["_class_name"]]}
        index |= {"max_noise_level": family.max_noise_level, "watermarker": [None, None]}
    for name, config in zip(encoders, family.text, strict=True):
        index[name] = ["transformers", text_json(config)["architectures"][0]]
        index[name.replace("text_encoder", "tokenizer")] = ["transformers", "CLIPTokenizer"]
    return index | {
        "scheduler": ["diffusers", family.scheduler.get("_class_name", "PNDMScheduler")],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def save_single_file(
    parts: Parts, path: Path, *, dtype: torch.dtype | None = None, title: str | None = None, overwrite: bool = False
) -> None:
    """Write one ``.safetensors`` file that AUTOMATIC1111, ComfyUI, diffusers and this library load.

    Its header says what it is (ModelSpec) and carries our configs, so that a model of any size comes back as it was.
    Raises ``FileExistsError`` where there is a file and ``overwrite`` is False.
    """
    family = parts.family
    tensors = single_names(parts.unet, names.unet_places(family.unet), dtype)
    tensors |= single_names(parts.vae, names.vae_places(family.vae), dtype)
    for i, (text, style) in enumerate(zip(parts.text_encoders, family.text_names, strict=True)):
        prefix = text_prefix(family, i, style)
        places = names.clip_places(prefix) if style == "clip" else names.open_clip_places(prefix)
        tensors |= single_names(text, places, dtype)
    tensors |= marks(family)
    metadata = single_metadata(parts, title or Path(path).stem)
    write_safetensors(Path(path), tensors, metadata, overwrite=overwrite)


def marks(family: Family) -> dict[str, Writable]:
    """Empty tensors by which ComfyUI and others know v-prediction and zero-SNR where the family does not imply them."""
    if family.predicts != "v_prediction" or FAMILIES[family.name].predicts == "v_prediction":
        return {}
    names_there = ["v_pred", "ztsnr"] if family.scheduler.get("rescale_betas_zero_snr") else ["v_pred"]
    return {name: Writable((0,), torch.float32, partial(torch.empty, 0)) for name in names_there}


def single_metadata(parts: Parts, title: str) -> Mapping[str, str]:
    """ModelSpec (what every tool can show) and our own configs."""
    family = parts.family
    size = family.size // family.vae.factor
    configs = {
        "family": family.name,
        "unet": unet_json(family.unet, size),
        "vae": vae_json(family.vae, family.size),
        "text": [text_json(config) for config in family.text],
        "scheduler": dict(family.scheduler),
        "low_res_scheduler": dict(family.low_res_scheduler) if family.low_res_scheduler else None,
        "size": family.size,
        "max_noise_level": family.max_noise_level,
        "zero_empty_prompt": family.zero_empty_prompt,
    }
    metadata = {
        "format": "pt",
        "modelspec.sai_model_spec": MODEL_SPEC,
        "modelspec.architecture": family.architecture,
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": title,
        "modelspec.resolution": f"{family.size}x{family.size}",
        "modelspec.prediction_type": {"v_prediction": "v"}.get(family.predicts, family.predicts),
        CONFIGS: json.dumps(configs, ensure_ascii=False),
    }
    if any(config.vocab_size < CLIP_SIZE for config in family.text):
        metadata[EMBEDDED] = json.dumps([tokenizer_files(t) for t in parts.tokenizers], ensure_ascii=False)
    return metadata


def tokenizer_files(tokenizer: Any) -> dict[str, str]:
    """The files of a tokenizer's folder, by name."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder)
        return {p.name: p.read_text(encoding="utf-8") for p in sorted(Path(folder).iterdir())}
