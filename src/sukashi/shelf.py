"""The models on this machine, found where the common tools keep theirs; of their weights only headers are read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sukashi import kirie
from sukashi.weights.components import weight_files
from sukashi.weights.folder import is_model_folder, read_family
from sukashi.weights.prediction import decide
from sukashi.weights.single_file import marks, recognise
from sukashi.weights.tensors import open_tensors

CHECKPOINTS = (".safetensors", ".ckpt")
IN_TREES = ("models/Stable-diffusion", "models/checkpoints", "models/diffusers")  # A1111, ComfyUI, both
HOMES = ("stable-diffusion-webui", "ComfyUI")  # in the home folder, unless the user says otherwise
DEEP = 4  # folders below a place


@dataclass(frozen=True)
class Found:
    """One model. ``family`` is None for what cannot be loaded; ``note`` then says why."""

    name: str  # what ``sukashi.load`` and ``--model`` take
    path: Path
    kind: str  # "folder" or "single file"
    where: str
    family: str | None
    predicts: str | None  # None: only a call would tell
    size: int  # bytes
    note: str = ""


def look(folders: Iterable[str | Path] = (), environment: Mapping[str, str] = os.environ) -> Iterator[Found]:
    """Every model: kirie, the Hugging Face cache, the trees of A1111 and ComfyUI, and the ``folders``.

    Without ``folders`` the trees are looked for in this folder and in the home folder. Raises FileNotFoundError for a
    named folder that is not there.
    """
    given = [Path(folder).expanduser() for folder in folders]
    for folder in given:
        if not folder.exists():
            raise FileNotFoundError(f"{folder}: no such folder")
    if (shipped := kirie.path()).is_dir():
        yield folder_found(shipped, "kirie", "inside the package")
    yield from in_cache(cache_folder(environment))
    for tree in given or [t for t in (Path(), *(Path.home() / home for home in HOMES)) if is_tree(t)]:
        yield from in_tree(tree)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps what it fetched, by the variables that it reads."""
    if cache := environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache).expanduser()
    general = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(environment.get("HF_HOME") or f"{general}/huggingface").expanduser() / "hub"


def in_cache(cache: Path) -> Iterator[Found]:
    """Models of the Hugging Face cache: the snapshot that "main" points to, else the latest."""
    for repo in sorted(cache.glob("models--*--*")):
        name = repo.name.removeprefix("models--").replace("--", "/")
        main = repo / "refs" / "main"
        snapshot = repo / "snapshots" / main.read_text(encoding="utf-8").strip() if main.is_file() else None
        if snapshot is None or not snapshot.is_dir():
            snapshot = max(repo.glob("snapshots/*"), key=lambda path: path.stat().st_mtime, default=None)
        if snapshot is not None and is_model_folder(snapshot):
            yield folder_found(snapshot, name, "Hugging Face cache")
        elif snapshot is not None:
            for path in sorted(p for p in snapshot.iterdir() if p.suffix in CHECKPOINTS and p.is_file()):
                found = file_found(path, f"{name}/{path.name}", "Hugging Face cache")
                if found.family:  # the cache holds all kinds of models; only ours are of interest
                    yield found


def is_tree(folder: Path) -> bool:
    """Whether A1111 or ComfyUI keeps its models in ``folder``."""
    return any((folder / place).is_dir() for place in IN_TREES)


def in_tree(folder: Path) -> Iterator[Found]:
    """Models of an A1111 or ComfyUI tree, or anywhere in an ordinary folder."""
    if folder.is_file():
        yield file_found(folder, str(folder), str(folder.parent))
        return
    places = [folder / place for place in IN_TREES if (folder / place).is_dir()] or [folder]
    for place in [*places, *more_places(folder / "extra_model_paths.yaml")]:
        yield from in_folder(place)


def in_folder(folder: Path, depth: int = 0) -> Iterator[Found]:
    """Models of a folder and its subfolders; a model's own folders are not searched."""
    if is_model_folder(folder):
        yield folder_found(folder, str(folder), str(folder.parent))
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return  # not ours to read
    for entry in entries:
        if entry.suffix in CHECKPOINTS and entry.is_file() and not entry.stem.endswith(".vae"):
            yield file_found(entry, str(entry), str(folder))
        elif entry.is_dir() and depth < DEEP and not entry.name.startswith("."):
            yield from in_folder(entry, depth + 1)


def more_places(yaml: Path) -> list[Path]:
    """The checkpoint folders that ComfyUI's ``extra_model_paths.yaml`` names: ``base_path`` and ``checkpoints``."""
    if not yaml.is_file():
        return []
    places, base = [], yaml.parent
    lines = [re.sub(r"(^|\s)#.*", "", line).rstrip() for line in yaml.read_text(encoding="utf-8").splitlines()]
    block = -1  # the indentation of a "checkpoints: |" whose lines follow
    for line in filter(None, lines):
        indent, (key, _, value) = len(line) - len(line.lstrip()), line.strip().partition(":")
        value = value.strip().strip("\"'")
        if 0 <= block < indent:
            places.append(base / line.strip())
            continue
        block = -1
        if indent == 0:
            base = yaml.parent
        elif key == "base_path":
            base = yaml.parent / Path(value).expanduser()
        elif key == "checkpoints" and value in ("|", ">", "|-", ">-"):
            block = indent
        elif key == "checkpoints" and value:
            places.append(base / value)
    return [place for place in places if place.is_dir()]


def folder_found(folder: Path, name: str, where: str) -> Found:
    """A diffusers folder, by its configs."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        family, _ = read_family(folder)
    except (ValueError, OSError, KeyError) as error:
        return Found(name, folder, "folder", where, None, None, size, first_line(error))
    return Found(name, folder, "folder", where, family.title, family.predicts, size)


def file_found(path: Path, name: str, where: str) -> Found:
    """A single file, by the names and shapes in its header."""
    size = path.stat().st_size
    try:
        file = open_tensors(path)
        family = recognise(file)
        verdict = decide(family, names=marks(file), metadata=file.metadata, path=path)
    except (ValueError, OSError, KeyError) as error:
        return Found(name, path, "single file", where, None, None, size, first_line(error).removeprefix(f"{path} "))
    if verdict is None and family.name.startswith("sd2"):
        return Found(name, path, "single file", where, family.title.partition(" (")[0], None, size)
    predicts = verdict.predicts if verdict else family.predicts
    return Found(name, path, "single file", where, family.title, predicts, size)


def first_line(error: Exception) -> str:
    """The first line of a message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def fingerprint(path: Path) -> str | None:
    """sha256[:10] of a single file, or of the U-Net's file in a folder; None where that is in several pieces."""
    if path.is_dir():
        files, _ = weight_files(path / "unet", None)
        if len(files) != 1:
            return None
        path = files[0]
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:10]
