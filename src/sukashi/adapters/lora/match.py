"""The layers of a model that a file is for; whatever finds no layer is said, and is an error unless allowed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from sukashi.adapters.lora.cloneofsimo import numbered
from sukashi.adapters.lora.formulas import Change
from sukashi.adapters.lora.layers import tensors_of
from sukashi.adapters.lora.names import Target, table
from sukashi.adapters.lora.read import LoraFile
from sukashi.nets.unet import UNet
from sukashi.rich import AsText
from sukashi.weights.embeddings import Embedding
from sukashi.weights.errors import CheckpointError

BASES = {768: "SD 1.x", 1024: "SD 2.x", 2048: "SDXL"}  # by the width of the context that cross-attention reads
WRITTEN = {  # what ss_base_model_version and modelspec.architecture begin with
    "sd_v1": "SD 1.x",
    "stable-diffusion-v1": "SD 1.x",
    "sd_v2": "SD 2.x",
    "stable-diffusion-v2": "SD 2.x",
    "sdxl": "SDXL",
    "stable-diffusion-xl": "SDXL",
    "flux": "Flux",
    "sd3": "SD 3",
    "stable-diffusion-3": "SD 3",
}
OTHERS = {  # names of layers that only another kind of model has
    "Flux": r"double_blocks|single_blocks|single_transformer_blocks",
    "SD 3": r"joint_blocks|context_block",
    "a transformer model (SD 3, Flux, ...)": r"^(lora_)?transformer[._]",
    "SDXL": r"^lora_te[12]_|^text_encoder_2\.",
    "Stable Cascade": r"^lora_prior_",
}
NOT_HERE = {*OTHERS, *WRITTEN.values()} - {*BASES.values()}


@dataclass(frozen=True)
class LoraReport(AsText):
    """What was found in a file, and what of it is for the model; ``str()`` of it is for people."""

    source: str
    kinds: tuple[str, ...]  # "LoRA", "LoCon", "LoHa", ...
    layouts: tuple[str, ...]
    base: str | None  # the family it was made for
    matched: Mapping[str, int]  # layers by part of the model
    total: int  # layers in the file
    tensors: int  # in the file
    ranks: tuple[int, ...]
    alphas: tuple[float, ...]  # none where the file has no alpha: the scale is then 1
    unmatched: tuple[str, ...] = ()  # names of tensors that found no layer and were left out
    words: tuple[str, ...] = ()
    few: str = ""  # of a few-step LoRA: how it is sampled

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {count}" for part, count in self.matched.items())
        facts = [f"matched {sum(self.matched.values())} of {self.total} layers ({parts}), {self.tensors} tensors"]
        facts += [f"rank {numbers(self.ranks)}"] if self.ranks else []
        facts += [f"alpha {numbers(self.alphas)}"] if self.alphas else ["no alpha (scale 1)"]
        facts += [f"{len(self.unmatched)} tensors left out ({first_few(self.unmatched)})"] if self.unmatched else []
        facts += [f"brings the words {', '.join(self.words)}"] if self.words else []
        facts += [self.few] if self.few else []
        kinds = " and ".join(self.kinds) + (f" ({' and '.join(self.layouts)} names)" if self.layouts else "")
        return f"{self.source}: {kinds} for {self.base or 'an unknown family'}: {', '.join(facts)}"


@dataclass(frozen=True)
class Lora:
    """A file whose layers have been found in a model: changes by part ("unet", ...) and path."""

    changes: Mapping[str, Mapping[str, Change]]
    words: tuple[Embedding, ...]
    report: LoraReport


def match(file: LoraFile, nets: Mapping[str, nn.Module], *, strict: bool = True) -> Lora:
    """Find the layers; with ``strict`` every tensor of the file must be for one of them.

    Raises ``CheckpointError`` for a file of another family, naming it, and for tensors without a layer or of the wrong
    shape, naming the first few (all in ``unexpected`` and ``misshaped``); without ``strict`` those are left out and
    reported, and only a file of which nothing fits is refused.
    """
    refuse_other_families(file, nets)
    known = table(nets)
    if any(re.fullmatch(r"(unet|text_encoder):\d+", name) for name in file.layers):
        known |= numbered(nets, {name: c.shape for name, c in file.layers.items() if c.shape})
    changes: dict[str, dict[str, Change]] = defaultdict(dict)
    unmatched, misshaped = list(file.unknown), list[str]()
    for name, change in file.layers.items():
        target = known.get(name)
        if target is None or target.path in changes[target.part]:
            unmatched += file.tensors[name]
        elif problem := misfit(change, layer_of(nets, target)):
            misshaped.append(f"{name}: {problem}")
            unmatched += file.tensors[name] if not strict else ()
        else:
            changes[target.part][target.path] = change
    matched = {part: len(found) for part, found in changes.items() if found}
    if (strict and (unmatched or misshaped)) or not matched:
        allowed = "; strict=False leaves out what does not fit" if matched else ""
        raise CheckpointError(
            f"{file.source}: {sum(matched.values())} of {len(file.layers)} layers of this LoRA fit the model{allowed}",
            unexpected=unmatched,
            misshaped=misshaped,
        )
    return Lora(dict(changes), file.words, report_of(file, matched, unmatched))


def layer_of(nets: Mapping[str, nn.Module], target: Target) -> nn.Module:
    """The layer itself."""
    return nets[target.part].get_submodule(target.path)


def misfit(change: Change, layer: nn.Module) -> str | None:
    """Why a change cannot be one of this layer, or None; no number is computed."""
    weight = torch.empty(tensors_of(layer)[0].shape, device="meta")
    try:
        change.on("meta").delta(weight)
    except ValueError as error:
        return f"{error} where the weight is {tuple(weight.shape)}"
    bias = change.factors.get("bias")
    if bias is not None and bias.numel() != len(weight):
        return f"a bias of {bias.numel()} numbers where there are {len(weight)} outputs"
    return None


def report_of(file: LoraFile, matched: Mapping[str, int], unmatched: Iterable[str]) -> LoraReport:
    """The facts of the file and of what was found."""
    kinds = Counter(change.name for change in file.layers.values())
    return LoraReport(
        source=file.source,
        kinds=tuple(kinds),
        layouts=file.layouts,
        base=base_of(file),
        matched=matched,
        total=len(file.layers),
        tensors=sum(map(len, file.tensors.values())) + len(file.unknown),
        ranks=tuple(sorted({change.rank for change in file.layers.values() if change.rank})),
        alphas=tuple(sorted({change.alpha for change in file.layers.values() if change.alpha is not None})),
        unmatched=tuple(unmatched),
        words=tuple(word.token for word in file.words),
    )


def context_width(file: LoraFile) -> int | None:
    """The width of the context that the file's cross-attention reads; None where it changes none."""
    for name, change in file.layers.items():
        if re.search(r"attn2[._](processor[._])?to_[kv]$", name) and (shape := change.shape):
            return shape[1]
    numbered_ones = (change.shape for name, change in file.layers.items() if name.startswith("unet:"))
    return next((shape[1] for shape in numbered_ones if shape and shape[1] in BASES), None)


def base_of(file: LoraFile) -> str | None:
    """The family that a file is for: by its shapes, by its names, by what it says of itself."""
    if width := context_width(file):
        return BASES.get(width, f"a model with a context of width {width}")
    names = [*file.layers, *file.unknown]
    if other := next((other for other, mark in OTHERS.items() if any(re.search(mark, n) for n in names)), None):
        return other
    for key in ("ss_base_model_version", "modelspec.architecture"):
        said = file.metadata.get(key, "").lower()
        if base := next((base for start, base in WRITTEN.items() if said.startswith(start)), None):
            return base
    return None


def refuse_other_families(file: LoraFile, nets: Mapping[str, nn.Module]) -> None:
    """Raise ``CheckpointError`` where the file says clearly that it is for another kind of model."""
    unet, width = nets.get("unet"), context_width(file)
    if width and isinstance(unet, UNet) and width != (has := unet.config.context_dim):
        this = BASES.get(has, "another one")
        raise CheckpointError(
            f"{file.source} is a LoRA for {base_of(file)} (context width {width}); this model is {this} ({has})"
        )
    base = base_of(file)
    if width is None and base in NOT_HERE:
        raise CheckpointError(f"{file.source} is a LoRA for {base}, which is not a kind of model known here")
    if width is None and base == "SDXL" and "text_encoder_2" not in nets:
        raise CheckpointError(f"{file.source} is a LoRA for SDXL; this model has one text encoder")


def first_few(names: Iterable[str]) -> str:
    """The first three of several names."""
    there = list(names)
    return ", ".join(there[:3]) + (", ..." if len(there) > 3 else "")


def numbers(values: Iterable[float]) -> str:
    """Distinct numbers for people: "4", "4 to 64"."""
    there = sorted(values)
    return f"{there[0]:g}" if len(there) == 1 else f"{there[0]:g} to {there[-1]:g}"
