"""From a name or a path to a pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sukashi import kirie
from sukashi.fast.quickening import check, quicken, without_overflow
from sukashi.pipeline import Pipeline
from sukashi.places import words as embeddings_there
from sukashi.weights.hub import FACTS
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Parts


def best_device() -> str:
    """The accelerator that torch can use here, else "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def usual_dtype(device: str | torch.device) -> torch.dtype:
    """float16 on a CUDA device, float32 elsewhere: a CPU computes float16 slowly, and mps loses pictures to NaN."""
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32


def load(
    model: str | Path = "kirie",
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    fast: bool = True,
    compile: bool = False,
    fp8: bool = False,
    offload: bool = False,
    **options: Any,
) -> Pipeline:
    """Load a model: "kirie" (shipped inside the package), a folder, a single file, or a hub id.

    ``device`` None takes the best there is, ``dtype`` None what is usual there (``usual_dtype``). ``fast`` False
    computes as ``nets/`` reads, with torch's documented functions alone (see ``sukashi.fast``). ``compile`` puts the
    networks through torch.compile; ``fp8`` computes linear layers of the U-Net in float8, which is not exact, on GPUs
    that have it; ``offload`` keeps networks in main memory until they are used (docs/gpu.md). ``options`` go to
    ``sukashi.weights.load.load_parts``: variant, offline, prediction_type, vae, vocabulary. What was found, and on
    what evidence, is in ``pipe.parts.report``. Raises CheckpointError or ConfigError with the names that do not fit,
    FileNotFoundError for what is not there.
    """
    device = torch.device(device or best_device())
    ours = str(model) == "kirie"
    source = kirie.path() if ours else model
    dtype = dtype or usual_dtype(device)
    chosen = {"compile": compile, "fp8": fp8, "offload": offload}
    if any(chosen.values()) and not fast:
        raise ValueError(f"{' and '.join(k for k, v in chosen.items() if v)} cannot be had with fast=False")
    check(device, dtype, **chosen)
    parts = load_parts(source, device="cpu" if offload else device, dtype=dtype, **options)
    parts = without_overflow(parts, device) if fast else parts
    words: dict[str, Any] = {"unknown_words": kirie.unknown_words} if ours else {}
    how = record(device, dtype, {**options, **chosen}) | ({} if fast else {"fast": "off"})
    pipe = Pipeline(parts, defaults(parts), name=str(model), loading=how, **words)
    pipe.words = embeddings_there()
    if fast:
        quicken(pipe, device, **chosen)
    return pipe


def record(device: torch.device, dtype: torch.dtype, options: Mapping[str, Any]) -> dict[str, Any]:
    """How a model was loaded, as JSON values: what must be known to load it so again."""
    given = {key: value for key, value in options.items() if value not in (None, False) and key != "offline"}
    plain = {
        key: [str(v) for v in value] if isinstance(value, list | tuple) else str(value) for key, value in given.items()
    }
    return {"device": str(device), "dtype": str(dtype).removeprefix("torch."), **plain}


def defaults(parts: Parts) -> dict[str, Any]:
    """Settings that suit a model: those of its own ``sukashi.json``, else the field's habits for its family.

    The file lies beside ``model_index.json``, on disk or on the hub, and says {"defaults": {"steps": 20, ...}}.
    """
    values = {"width": parts.family.size, "height": parts.family.size, "steps": 30, "guidance": 7.5}
    unet = next((Path(part.source) for part in parts.report.parts if part.name == "unet"), Path())
    facts = next((folder / FACTS for folder in unet.parents if (folder / "model_index.json").is_file()), None)
    if facts and facts.is_file():
        values |= json.loads(facts.read_text())["defaults"]
    return values
