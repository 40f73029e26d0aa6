"""The models on this machine, found where the common tools keep theirs; of their weights only headers are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sukashi import kirie
from sukashi.adapters.lora.find import lora_hash
from sukashi.adapters.lora.match import BASES, base_of
from sukashi.adapters.lora.read import content, read_lora
from sukashi.places import PICKLES, SAFE, places, trees, weights_in
from sukashi.weights.components import weight_files
from sukashi.weights.embeddings import FAMILIES, family_of, read_embedding
from sukashi.weights.errors import CheckpointError
from sukashi.weights.folder import is_model_folder, read_family
from sukashi.weights.kinds import kind_of
from sukashi.weights.prediction import decide
from sukashi.weights.single_file import marks, recognise
from sukashi.weights.tensors import TensorFile, open_tensors

CACHE = "Hugging Face cache"
SHORT = {  # kinds of file as the list calls them; of all others nothing can be done here
    "a LoRA": "LoRA",
    "a textual inversion embedding": "embedding",
    "an IP-Adapter": "IP-Adapter",
    "a ControlNet": "ControlNet",
    "a T2I-Adapter": "T2I-Adapter",
    "an autoencoder (load it with vae=...)": "VAE",
    "an upscaler": "upscaler",
    "a text encoder": "text encoder",
}
KINDS = ("folder", "single file", *SHORT.values())
CACHED = ("learned_embeds.bin", "pytorch_lora_weights.bin")  # the pickles that are worth opening in the cache


@dataclass(frozen=True)
class Found:
    """One file or folder. What cannot be used is not ``usable``; ``note`` then says why."""

    name: str  # what ``sukashi.load`` and ``--model`` take; of a LoRA what ``--lora`` takes
    path: Path
    kind: str  # "folder", "single file", "LoRA", "embedding", "ControlNet", "VAE", "upscaler", ...
    where: str
    family: str | None  # None: the header does not tell
    predicts: str | None  # None: only a call would tell
    size: int  # bytes
    note: str = ""
    usable: bool = True


def look(folders: Iterable[str | Path] = (), environment: Mapping[str, str] = os.environ) -> Iterator[Found]:
    """Every model: kirie, the Hugging Face cache, the trees of A1111 and ComfyUI, and the ``folders``.

    Without ``folders`` those of SUKASHI_FOLDERS are taken, else the trees in this folder and in the home folder. Raises
    FileNotFoundError for a named folder that is not there.
    """
    given = trees(folders, environment)
    if (shipped := kirie.path()).is_dir():
        yield folder_found(shipped, "kirie", "inside the package")
    yield from in_cache(cache_folder(environment))
    for tree in given:
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
            yield folder_found(snapshot, name, CACHE)
        elif snapshot is not None:
            for path in (p for p in sorted(snapshot.iterdir()) if p.suffix in SAFE or p.name in CACHED):
                found = file_found(path, f"{name}/{path.name}", CACHE)
                if found.usable and found.kind != "text encoder":  # the cache holds all kinds of models
                    yield found


def in_tree(folder: Path) -> Iterator[Found]:
    """What is in an A1111 or ComfyUI tree, or anywhere in an ordinary folder."""
    if folder.is_file():
        yield file_found(folder, str(folder), str(folder.parent))
    for place in [place for _, place in places(folder)] or [folder]:
        yield from in_folder(place)


def in_folder(folder: Path) -> Iterator[Found]:
    """What is in a folder and its subfolders; a model's own folders are not searched."""
    for path in weights_in(folder, is_model_folder):
        if path.is_dir():
            yield folder_found(path, str(path), str(path.parent))
        else:
            yield file_found(path, str(path), str(path.parent))


def folder_found(folder: Path, name: str, where: str) -> Found:
    """A diffusers folder, by its configs."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        family, _ = read_family(folder)
    except (ValueError, OSError, KeyError) as error:
        return Found(name, folder, "folder", where, None, None, size, first_line(error), usable=False)
    return Found(name, folder, "folder", where, family.title, family.predicts, size)


def file_found(path: Path, name: str, where: str) -> Found:
    """A file, by the names and shapes in its header."""
    size = path.stat().st_size
    try:
        kind, family, predicts, note = facts_of(path)
    except (ValueError, OSError, KeyError) as error:
        note = first_line(error).removeprefix(f"{path} ").removeprefix(f"{path}: ")
        return Found(name, path, "single file", where, None, None, size, note, usable=False)
    name = name if kind not in ("LoRA", "embedding") or where == CACHE else path.stem
    return Found(name, path, kind, where, family, predicts, size, note)


def facts_of(path: Path) -> tuple[str, str | None, str | None, str]:
    """Kind, family, what is predicted, and a note. Raises ValueError for what cannot be used, saying what it is."""
    if path.suffix.lower() in PICKLES and kind_of(content(path)[0]) == "a LoRA":
        return lora_facts(path)  # also those that are a bare list
    file = open_tensors(path)
    kind = kind_of(file)
    if kind == "a LoRA":
        return lora_facts(path)
    vectors = len(file) == 1 and all(stored.shape[-1:] in FAMILIES for stored in file.values())  # under any name
    if kind == "a textual inversion embedding" or (kind is None and vectors):
        word = read_embedding(path)
        return "embedding", family_of(word.widths), None, f"the word {word.token}, {word.count} vectors"
    if kind in SHORT:
        return SHORT[kind], family_by_context(file), None, ""
    family = recognise(file)
    verdict = decide(family, names=marks(file), metadata=file.metadata, path=path)
    if verdict is None and family.name.startswith("sd2"):
        return "single file", family.title.partition(" (")[0], None, ""
    return "single file", family.title, verdict.predicts if verdict else family.predicts, ""


def lora_facts(path: Path) -> tuple[str, str | None, str | None, str]:
    """The same of a LoRA; its note says how many layers of what kind."""
    file = read_lora(path)
    kinds = " and ".join(dict.fromkeys(change.name for change in file.layers.values()))
    return "LoRA", base_of(file), None, f"{kinds}, {len(file.layers)} layers"


def family_by_context(file: TensorFile) -> str | None:
    """The family of a network with cross-attention, by the width of what that reads."""
    widths = (stored.shape[1] for name, stored in file.items() if name.endswith("attn2.to_k.weight"))
    return BASES.get(next(widths, 0))


def first_line(error: Exception) -> str:
    """The first line of a message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def fingerprint(path: Path, kind: str = "single file") -> str | None:
    """The digits of a file that A1111 writes, of a folder those of its U-Net's file; None where there is not one.

    sha256[:10]; of a LoRA the 12 digits that leave the header out.
    """
    if kind == "LoRA":
        return lora_hash(path)
    if path.is_dir():
        try:
            files, _ = weight_files(path / "unet", None)
        except CheckpointError:  # configs without weights
            return None
        if len(files) != 1:
            return None
        path = files[0]
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:10]
