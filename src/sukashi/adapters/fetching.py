"""Where an adapter is: a path, a name in the known folders, or a hub id of its own kind of repository."""

from __future__ import annotations

from pathlib import Path

from sukashi.places import find
from sukashi.weights.load import Source, locally

CONTROL = ("config.json", "diffusion_pytorch_model{}.safetensors")
PICKLED = ("diffusion_pytorch_model{}.bin",)
ENCODER = ("image_encoder/config.json", "image_encoder/model.safetensors")


def adapter_path(source: Source, kind: str, *, variant: str | None = None, offline: bool = False) -> Path:
    """The file or folder that ``source`` means; ``kind`` is "ControlNet" or "IP-Adapter" as ``places`` has them.

    A hub id is ``org/name`` (a diffusers folder of one control network) or ``org/name/file``. Raises FileNotFoundError
    for a name that is nowhere, HubError for what cannot be fetched.
    """
    path = Path(source).expanduser()
    if path.exists():
        return path
    if isinstance(source, str) and "/" not in source:
        return find(kind, source)
    from sukashi.weights.hub import fetch_files, hub_name

    hub = hub_name(str(source))
    if hub is None or hub.file or kind != "ControlNet":
        return locally(source, variant=variant, offline=offline)[0]
    dot = f".{variant}" if variant else ""
    for name in CONTROL:
        folder = fetch_files(hub.repo, [name.format(dot)], offline=offline)
    if not (folder / CONTROL[1].format(dot)).is_file():
        folder = fetch_files(hub.repo, [name.format(dot) for name in PICKLED], offline=offline)
    return folder


def encoder_of_hub(source: Source, *, offline: bool = False) -> Path | None:
    """The image encoder beside an adapter's file on the hub (``org/name/models/file``); None for what is no such id."""
    from sukashi.weights.hub import fetch_files, hub_name

    hub = None if Path(source).expanduser().exists() else hub_name(str(source))
    if hub is None or not hub.file:
        return None
    inside = Path(hub.file).parent
    for name in ENCODER:
        folder = fetch_files(hub.repo, [(inside / name).as_posix()], offline=offline)
    found = folder / inside / "image_encoder"
    return found if (found / "config.json").is_file() else None
