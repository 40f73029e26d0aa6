"""A LoRA by its name: a path, a name as in ``<lora:name:1>``, a folder or a hub id; and the hash that A1111 writes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sukashi.places import find
from sukashi.weights.tensors import is_pickle

USUAL = (
    "pytorch_lora_weights.safetensors",
    "adapter_model.safetensors",
    "pytorch_lora_weights.bin",
    "adapter_model.bin",
)


def find_lora(name: str | Path, folders: Sequence[Path] | None = None) -> Path:
    """The file that ``name`` means among the known folders (``sukashi.places.trees``); nothing is fetched.

    Raises FileNotFoundError, with the nearest names, or ValueError when several files have that name.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return in_folder(path)
    return find("LoRA", str(name), folders)


def fetch_lora(source: str | Path, *, weight_name: str | None = None, offline: bool = False) -> Path:
    """The same, and a hub id (``org/name`` or ``org/name/file.safetensors``), fetched where it is not cached.

    ``weight_name`` is the file in a folder or repository.
    """
    from sukashi.weights.hub import HubName, fetch_files, hub_name

    path = Path(source).expanduser()
    if path.is_dir():
        return path / weight_name if weight_name else in_folder(path)
    hub: HubName | None = None if path.exists() else hub_name(str(source))
    try:
        return find_lora(source)
    except FileNotFoundError:
        if hub is None:
            raise
    wanted = [name for name in (weight_name or hub.file,) if name] or list(USUAL)
    folder = fetch_files(hub.repo, wanted, offline=offline)
    return in_folder(folder, wanted)


def in_folder(folder: Path, names: Sequence[str] = USUAL) -> Path:
    """The LoRA's file in a folder, by the names that trainers give it."""
    if there := next((folder / name for name in names if (folder / name).is_file()), None):
        return there
    raise FileNotFoundError(f"{folder} has none of the files {', '.join(names)}")


def lora_hash(path: Path) -> str:
    """The first 12 digits that A1111 writes as "Lora hashes": sha256 of a safetensors file after its header."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if path.suffix == ".safetensors" or not is_pickle(path):
            file.seek(8 + int.from_bytes(file.read(8), "little"))
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:12]
