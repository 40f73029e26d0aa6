"""Loading a model as diffusers does, and the pipeline object with its parts.

``from_pretrained`` and ``from_single_file`` are ``sukashi.weights.load.load_parts`` with the arguments people know; the
parts are put behind views that are called like diffusers' and transformers' classes.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from sukashi.compat.basics import Config, say_once
from sukashi.compat.images import VaeImageProcessor
from sukashi.compat.lora import Loaded, Loras
from sukashi.compat.models import AutoencoderKL, UNet2DConditionModel, shipped
from sukashi.compat.scheduler import Scheduler
from sukashi.compat.schedulers import scheduler_of
from sukashi.compat.text_models import view_of
from sukashi.compat.tokenizer import CLIPTokenizer
from sukashi.compat.verbs import Verbs
from sukashi.families import family_like
from sukashi.weights.load import load_parts
from sukashi.weights.parts import LoadReport, Parts
from sukashi.weights.save import save_folder

P = TypeVar("P", bound="DiffusionPipeline")
# parts of diffusers' pipelines that are never here
ABSENT = ("safety_checker", "feature_extractor", "image_encoder", "depth_estimator", "watermarker")
NO_EFFECT = {
    "use_safetensors": "safetensors files are taken where there are some",
    "low_cpu_mem_usage": "weights are always mapped, never copied twice",
    "device_map": "the model is loaded to the CPU; move it with .to(device)",
    "cache_dir": "the cache of huggingface_hub is used; HF_HUB_CACHE moves it",
    "token": "huggingface_hub's own login is used; HF_TOKEN sets it",
    "force_download": "what is in the cache is taken",
    "resume_download": "downloads are always resumed",
    "original_config": "a yaml beside the checkpoint is read; prediction_type says what a U-Net predicts",
    "load_safety_checker": "there is no safety checker here",
}


class DiffusionPipeline(Verbs, Loras):
    """A pipeline of parts. Load one by ``from_pretrained``: the class that fits the model is found."""

    part_names: ClassVar[tuple[str, ...]] = ("vae", "text_encoder", "tokenizer", "unet", "scheduler", *ABSENT[:3])
    flags: ClassVar[Mapping[str, Any]] = {}  # config keys that are not parts, with their defaults
    optional: ClassVar[tuple[str, ...]] = ()  # parts that some models of this kind do not have
    _classes: ClassVar[dict[str, type[DiffusionPipeline]]] = {}

    vae: Any
    unet: Any
    tokenizer: Any
    text_encoder: Any

    def __init_subclass__(cls) -> None:
        if cls.__name__.endswith("Pipeline"):
            cls._classes[cls.__name__] = cls

    def __init__(self, **parts: Any) -> None:
        flags = {key: parts.pop(key, default) for key, default in self.flags.items()}
        if unknown := set(parts) - {*self.part_names}:
            raise TypeError(f"{type(self).__name__} has no parts {sorted(unknown)}; it has {self.part_names}")
        if missing := {*self.part_names} - {*ABSENT, *self.optional} - set(parts):
            raise TypeError(f"{type(self).__name__} needs {', '.join(sorted(missing))}")
        for name in self.part_names:
            setattr(self, name, parts.get(name))
        self._flags, self._loras = flags, Loaded()
        self.name_or_path = ""
        self.report: LoadReport | None = None  # what was loaded, from where, and on what evidence
        self.image_processor = VaeImageProcessor(self.vae_scale_factor)

    # ---------------------------------------------------------------------------------------------- loading

    @classmethod
    def from_pretrained(
        cls: type[P],
        pretrained_model_name_or_path: str | Path,
        *,
        torch_dtype: torch.dtype | str | None = None,
        dtype: torch.dtype | str | None = None,
        variant: str | None = None,
        revision: str | None = None,
        subfolder: str | None = None,
        local_files_only: bool = False,
        prediction_type: str | None = None,
        requires_safety_checker: bool = False,
        **others: Any,
    ) -> P:
        """Load "kirie", a folder or a hub id, to the CPU; in float32 unless ``torch_dtype`` (or ``dtype``) is given.

        Any part may be given: ``scheduler=...``, ``vae=...``, ``unet=...``. ``safety_checker=None`` is always so.
        Raises TypeError for an argument that is not known, and what ``load_parts`` raises.
        """
        source = str(pretrained_model_name_or_path)
        if revision and not Path(source).expanduser().exists():
            source = f"{source}@{revision}"
        source = f"{source}/{subfolder}" if subfolder else source
        given = cls._sift(others)
        parts = load_parts(
            shipped(source),
            dtype=dtype_of(torch_dtype or dtype),
            variant=variant,
            offline=local_files_only,
            prediction_type=prediction_type,
        )
        return cls._of(parts, given, str(pretrained_model_name_or_path))

    @classmethod
    def from_single_file(
        cls: type[P],
        pretrained_model_link_or_path: str | Path,
        *,
        torch_dtype: torch.dtype | str | None = None,
        dtype: torch.dtype | str | None = None,
        config: str | Path | None = None,
        local_files_only: bool = False,
        prediction_type: str | None = None,
        **others: Any,
    ) -> P:
        """Load one file: a path, ``org/name/file.safetensors``, or the address of such a file on the hub.

        ``config`` is a folder with a tokenizer (or a whole model) to take the vocabulary from. The kind of the model is
        found from its tensors.
        """
        source = str(pretrained_model_link_or_path)
        if link := re.match(r"https?://[^/]+/([^/]+/[^/]+)/(?:blob|resolve)/([^/]+)/(.+?)(?:\?.*)?$", source):
            source = f"{link[1]}@{link[2]}/{link[3]}"
        folder = Path(config).expanduser() if config else None
        if folder and not folder.is_dir():
            say_once(f"config={config!r} is not a folder here and has no effect: the file's own tensors say what it is")
            folder = None
        given = cls._sift(others)
        parts = load_parts(
            source,
            dtype=dtype_of(torch_dtype or dtype),
            offline=local_files_only,
            prediction_type=prediction_type,
            vocabulary=folder,
        )
        return cls._of(parts, given, str(pretrained_model_link_or_path))

    @classmethod
    def from_pipe(cls: type[P], pipeline: DiffusionPipeline, **parts: Any) -> P:
        """A pipeline of this class over the parts of another, with some replaced."""
        return cls(**{name: value for name, value in pipeline.components.items() if name in cls.part_names} | parts)

    @classmethod
    def _sift(cls, others: dict[str, Any]) -> dict[str, Any]:
        """The parts among the other arguments; what has no effect is said, what is not known is a TypeError."""
        every = {name for known in (cls, *cls._classes.values()) for name in (*known.part_names, *known.flags)}
        if unknown := set(others) - every - set(NO_EFFECT):
            raise TypeError(f"unknown argument {', '.join(map(repr, sorted(unknown)))}; parts are {sorted(every)}")
        for name in others.keys() & NO_EFFECT.keys():
            if others[name] is not None:
                say_once(f"{name}={others[name]!r} has no effect here: {NO_EFFECT[name]}")
        return {name: value for name, value in others.items() if name in every}

    @classmethod
    def _of(cls: type[P], parts: Parts, given: Mapping[str, Any], name: str) -> P:
        """The pipeline of loaded parts, of this class or, for ``DiffusionPipeline``, of the class that fits."""
        wanted = parts.family.pipeline
        chosen: Any = cls._classes.get(wanted) if cls is DiffusionPipeline else cls
        if chosen is None:
            raise ValueError(f"{name} is for a {wanted}, which is not here; there are {', '.join(cls._classes)}")
        found = components_of(parts)
        if {*found, *chosen.optional} - set(given) != {*chosen.part_names} - {*ABSENT} - set(given):
            raise ValueError(f"{name} is for a {wanted}, not for a {chosen.__name__}: it has {', '.join(found)}")
        facts = {
            "max_noise_level": parts.family.max_noise_level,
            "requires_aesthetics_score": parts.family.size_numbers == 5,
            "force_zeros_for_empty_prompt": parts.family.zero_empty_prompt,
        }
        found |= {flag: value for flag, value in facts.items() if flag in chosen.flags}
        for part in ABSENT:
            if given.get(part) is not None:
                say_once(f"{part} has no effect here: pictures are not looked at")
        made = chosen(**found | {key: value for key, value in given.items() if key not in ABSENT and value is not None})
        made.name_or_path, made.report = name, parts.report
        for note in parts.report.notes:
            if note.startswith("the vocabulary "):  # found where it was named or is expected: ``report`` tells
                continue
            if note.removeprefix("not loaded: ") in given:  # loaded by the pipeline's own class
                continue
            warnings.warn(f"{name}: {note}", UserWarning, stacklevel=4)
        return made

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write a folder that this library and diffusers load; one that exists is replaced."""
        nets = [self.text_encoder, getattr(self, "text_encoder_2", None)]
        words = [self.tokenizer, getattr(self, "tokenizer_2", None)]
        encoders = tuple(view.net for view in nets if view is not None)
        config = {k: v for k, v in self.scheduler.config.items() if k != "_use_default_values"}
        family = family_like(self.unet.net.config, encoders=len(encoders), predicts=config["prediction_type"])
        family = replace(
            family,
            unet=self.unet.net.config,
            vae=self.vae.net.config,
            text=tuple(net.config for net in encoders),
            scheduler=config,
            size=self.unet.config.sample_size * self.vae_scale_factor,
            zero_empty_prompt=bool(self._flags.get("force_zeros_for_empty_prompt", family.zero_empty_prompt)),
        )
        report = self.report or LoadReport(self.name_or_path, family.name, family.predicts, "the scheduler", ())
        tokenizers = tuple(view.core for view in words if view is not None)
        parts = Parts(family, self.unet.net, self.vae.net, encoders, tokenizers, report)
        save_folder(parts, Path(save_directory), overwrite=True)

    # ---------------------------------------------------------------------------------------------- the parts

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler. Any scheduler object may be assigned, also one of diffusers: its config is read."""
        return self._scheduler

    @scheduler.setter
    def scheduler(self, value: Any) -> None:
        self._scheduler = scheduler_of(value)

    @property
    def components(self) -> dict[str, Any]:
        """The parts by name; those that are absent are None."""
        return {name: getattr(self, name) for name in self.part_names}

    @property
    def config(self) -> Config:
        """Library and class of each part, and what else is known of the model."""
        parts = {name: described(part) for name, part in self.components.items()}
        return Config({**parts, **self._flags, "_class_name": type(self).__name__, "_name_or_path": self.name_or_path})

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(dict(sorted(self.config.items())), indent=2)}\n"

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent cell and side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def device(self) -> torch.device:
        """Where the U-Net is."""
        return torch.device(self.unet.device)

    @property
    def dtype(self) -> torch.dtype:
        """What the U-Net computes in."""
        found: torch.dtype = self.unet.dtype
        return found

    def to(
        self: P,
        *places: Any,
        torch_device: torch.device | str | None = None,
        torch_dtype: torch.dtype | None = None,
        dtype: torch.dtype | None = None,
    ) -> P:
        """Move all networks to a device, cast them to a dtype, or both, in any order; returns the pipeline itself."""
        wanted = [place for place in (*places, torch_device, torch_dtype or dtype) if place is not None]
        for part in self.components.values():
            if isinstance(part, nn.Module):
                for place in wanted:
                    part.to(place)
        return self


def components_of(parts: Parts) -> dict[str, Any]:
    """Loaded parts behind their views, by the names that diffusers has for them."""
    size = parts.family.size
    found: dict[str, Any] = {
        "vae": AutoencoderKL(parts.vae, size),
        "unet": UNet2DConditionModel(parts.unet, size // parts.vae.config.factor),
        "scheduler": scheduler_of(parts.scheduler),
    }
    if parts.family.low_res_scheduler:
        found["low_res_scheduler"] = scheduler_of(parts.family.low_res_scheduler)
    for i, (net, tokenizer) in enumerate(zip(parts.text_encoders, parts.tokenizers, strict=True)):
        end = "_2" if i or parts.family.size_numbers == 5 else ""  # SDXL's refiner has the second alone
        found |= {f"text_encoder{end}": view_of(net), f"tokenizer{end}": CLIPTokenizer(tokenizer)}
    return found


def described(part: Any) -> tuple[str | None, str | None]:
    """Library and class of a part; this library's classes are in ``sukashi.compat``."""
    if part is None:
        return None, None
    module = type(part).__module__
    return "sukashi.compat" if module.startswith("sukashi.compat") else module.split(".")[0], type(part).__name__


def dtype_of(name: torch.dtype | str | None) -> torch.dtype | None:
    """A dtype by itself or by name; None is float32, "auto" (None in the result) what the files hold."""
    if name is None or name == "auto":
        return torch.float32 if name is None else None
    found = getattr(torch, name, None) if isinstance(name, str) else name
    if not isinstance(found, torch.dtype):
        raise ValueError(f"torch_dtype is {name!r}; a torch.dtype, its name or 'auto' is accepted")
    return found
