"""The files of a model's folder: configs, and which of several weight files to take. No torch is needed here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sukashi.weights.errors import CheckpointError, ConfigError

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


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
