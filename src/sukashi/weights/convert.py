"""One kind of model file into another: folder <-> single file, and from one number type to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sukashi.rich import AsText
from sukashi.weights.errors import ConfigError
from sukashi.weights.load import Source, load_parts
from sukashi.weights.parts import LoadReport
from sukashi.weights.save import save_folder, save_single_file

DTYPES = {
    "fp16": torch.float16,
    "float16": torch.float16,
    "half": torch.float16,
    "bf16": torch.bfloat16,
    "bfloat16": torch.bfloat16,
    "fp32": torch.float32,
    "float32": torch.float32,
}


@dataclass(frozen=True)
class Converted(AsText):
    """What was written, and what was loaded for it."""

    path: Path
    kind: str  # "folder" or "single file"
    report: LoadReport

    def __str__(self) -> str:
        return f"{self.report}\n  written: {self.path} ({self.kind})"


def dtype_named(name: str | torch.dtype) -> torch.dtype:
    """The number type that ``name`` means ("fp16", "bf16", "fp32" and their long forms)."""
    if isinstance(name, torch.dtype):
        return name
    if name.lower() not in DTYPES:
        raise ConfigError(f"number type {name!r} is not known; accepted: {', '.join(DTYPES)}")
    return DTYPES[name.lower()]


def convert(
    source: Source,
    target: Source,
    *,
    dtype: str | torch.dtype | None = None,
    overwrite: bool = False,
    **loading: Any,
) -> Converted:
    """Write ``source`` (folder, file, hub id) to ``target``: a single file if that ends in .safetensors, else a folder.

    Every tensor of the networks is kept; what the file holds beside them (EMA copies, a safety checker) is in the
    report's ``ignored``. ``loading`` are options of ``load_parts``. What exists is replaced only with ``overwrite``.

    Raises ``FileExistsError``, ``ConfigError`` for a target of another kind, and what ``load_parts`` raises.
    """
    target = Path(target).expanduser()
    if target.exists() and not overwrite:  # said before a long reading, and again when writing
        raise FileExistsError(f"{target} exists already; it is replaced only when asked for (overwrite)")
    if target.suffix in (".ckpt", ".pt", ".bin", ".pth"):
        raise ConfigError(f"{target}: pickles are read but never written; name a .safetensors file or a folder")
    single = target.suffix == ".safetensors"
    kind = "single file" if single else "folder"
    if target.exists() and target.is_dir() == single:
        raise ConfigError(f"{target} is a {'folder' if single else 'file'}: a {kind} does not replace it")
    parts = load_parts(source, **loading)
    save = save_single_file if single else save_folder
    save(parts, target, dtype=dtype_named(dtype) if dtype else None, overwrite=overwrite)
    return Converted(target, kind, parts.report)
