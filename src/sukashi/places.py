"""Where files of each kind lie: the trees of A1111 and ComfyUI in place, and what ``extra_model_paths.yaml`` adds."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

IN_TREES: Mapping[str, tuple[str, ...]] = {  # A1111's folders, then ComfyUI's
    "checkpoint": ("models/Stable-diffusion", "models/checkpoints", "models/diffusers"),
    "LoRA": ("models/Lora", "models/LyCORIS", "models/loras"),
    "embedding": ("embeddings", "models/embeddings"),
    "VAE": ("models/VAE", "models/vae"),
    "ControlNet": (
        "models/ControlNet",
        "extensions/sd-webui-controlnet/models",
        "models/controlnet",
        "models/t2i_adapter",
    ),
    "IP-Adapter": ("models/ipadapter",),
    "upscaler": ("models/ESRGAN", "models/RealESRGAN", "models/SwinIR", "models/DAT", "models/upscale_models"),
    "image encoder": ("models/clip_vision",),
    "text encoder": ("models/text_encoder", "models/text_encoders", "models/clip"),
}
IN_YAML = {  # the keys of extra_model_paths.yaml
    "checkpoints": "checkpoint",
    "diffusers": "checkpoint",
    "loras": "LoRA",
    "embeddings": "embedding",
    "vae": "VAE",
    "controlnet": "ControlNet",
    "t2i_adapter": "ControlNet",
    "ipadapter": "IP-Adapter",
    "upscale_models": "upscaler",
    "clip_vision": "image encoder",
    "clip": "text encoder",
    "text_encoders": "text encoder",
}
SAFE, PICKLES = (".safetensors", ".ckpt"), (".pt", ".bin", ".pth")
EXTRA = "extra_model_paths.yaml"
HOMES = ("stable-diffusion-webui", "ComfyUI")  # in the home folder, unless the user says otherwise
VARIABLE = "SUKASHI_FOLDERS"  # names other trees or folders instead, separated as PATH is
DEEP = 4  # folders below a place


def trees(folders: Iterable[str | Path] = (), environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders to look in: those given, else those of SUKASHI_FOLDERS, else the trees here and in the home folder.

    Raises FileNotFoundError for a folder that is named but not there.
    """
    given = [Path(folder).expanduser() for folder in folders]
    given = given or [Path(f).expanduser() for f in environment.get(VARIABLE, "").split(os.pathsep) if f]
    for folder in given:
        if not folder.exists():
            raise FileNotFoundError(f"{folder}: no such folder")
    return given or [tree for tree in (Path(), *(Path.home() / home for home in HOMES)) if is_tree(tree)]


def is_tree(folder: Path) -> bool:
    """Whether A1111 or ComfyUI keeps its models in ``folder``."""
    return any((folder / place).is_dir() for places in IN_TREES.values() for place in places if "/" in place)


def places(tree: Path) -> list[tuple[str, Path]]:
    """The folders of a tree with the kind that belongs there; none for an ordinary folder."""
    inside = [(kind, tree / name) for kind, names in IN_TREES.items() for name in names] if is_tree(tree) else []
    found = [(kind, place) for kind, place in [*inside, *more_places(tree / EXTRA)] if place.is_dir()]
    once = {place.resolve(): (kind, place) for kind, place in reversed(found)}  # VAE and vae may be one folder
    return list(once.values())[::-1]


def more_places(path: Path) -> list[tuple[str, Path]]:
    """The folders that ComfyUI's ``extra_model_paths.yaml`` names, with their kinds.

    Raises ValueError for a file that is not such a yaml.
    """
    if not path.is_file():
        return []
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not yaml ({str(error).splitlines()[0]})") from None
    sections = value.values() if isinstance(value, dict) else [value]
    found = []
    for section in sections:
        if not isinstance(section, dict):
            raise ValueError(f"{path}: a section with base_path and folders is expected, not {section!r}")
        base = path.parent / Path(str(section.get("base_path") or "")).expanduser()
        found += [(IN_YAML[k], base / line) for k, lines in section.items() if k in IN_YAML for line in listed(lines)]
    return found


def listed(value: Any) -> list[str]:
    """The folders of one key: a line, several lines, or a list."""
    lines = value if isinstance(value, list) else str(value or "").splitlines()
    return [text for line in lines if (text := str(line).strip())]


def files(kind: str, folders: Sequence[Path]) -> Iterator[Path]:
    """The files where those of this kind lie; of an ordinary folder all files."""
    for tree in folders:
        there = places(tree)
        for place in [p for k, p in there if k == kind] if there else [tree]:
            yield from weights_in(place)


def words() -> dict[str, Path]:
    """The textual inversions in the known trees by the names of their files, which prompts may use."""
    try:
        return {path.stem: path for path in files("embedding", [tree for tree in trees() if is_tree(tree)])}
    except (FileNotFoundError, ValueError):  # a folder of SUKASHI_FOLDERS is gone, a yaml cannot be read
        return {}


def weights_in(folder: Path, whole: Callable[[Path], bool] = lambda _: False, depth: int = 0) -> Iterator[Path]:
    """The weight files of a folder and its subfolders, in the order of their names.

    A folder that is ``whole`` is given as it is, and not searched.
    """
    if whole(folder):
        yield folder
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return  # not ours to read
    for entry in entries:
        if entry.suffix.lower() in (*SAFE, *PICKLES) and entry.is_file():
            yield entry
        elif entry.is_dir() and depth < DEEP and not entry.name.startswith("."):
            yield from weights_in(entry, whole, depth + 1)


def find(kind: str, name: str, folders: Sequence[Path] | None = None) -> Path:
    """The file that ``name`` means: a path, or a file's name without its ending among those of this kind.

    Raises FileNotFoundError, with the nearest names, when there is none, ValueError when several have that name.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    folders = trees() if folders is None else folders
    there = list(files(kind, folders))
    wanted = path.with_suffix("").as_posix() if path.suffix.lower() in (*SAFE, *PICKLES) else path.as_posix()
    for letters in (str, str.lower):  # as written, else in any case
        found = [file for file in there if letters(wanted) in map(letters, names_of(file))]
        if len(found) > 1:
            raise ValueError(
                f"{name!r} names {len(found)} files: {', '.join(map(str, found[:3]))}; say which by its path"
            )
        if found:
            return found[0]
    near = difflib.get_close_matches(wanted, [file.stem for file in there], 3)
    guess = f"; near it: {', '.join(near)}" if near else ""
    where = f"{len(there)} files in {', '.join(map(str, folders))}{guess}"
    nowhere = "no folders of A1111 or ComfyUI are known here (SUKASHI_FOLDERS names some)"
    raise FileNotFoundError(f"no {kind} is called {name!r}; {where if folders else nowhere}")


def names_of(file: Path) -> list[str]:
    """What a file may be called: its stem, or that with the folders before it ("styles/ink")."""
    parts = file.with_suffix("").parts
    return ["/".join(parts[-n:]) for n in range(1, min(len(parts), DEEP) + 1)]
