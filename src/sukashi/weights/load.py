"""One door for every kind of model on disk or on the hub."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch

from sukashi.families import Family, family_named
from sukashi.weights.errors import NotThereError
from sukashi.weights.folder import load_folder
from sukashi.weights.parts import Hold, Parts, Request

Source = str | PathLike[str]


def load_parts(
    source: Source,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    variant: str | None = None,
    offline: bool = False,
    prediction_type: str | None = None,
    vae: Source | None = None,
    text_encoder: Source | Sequence[Source] | None = None,
    vocabulary: Source | None = None,
    family: Family | str | None = None,
) -> Parts:
    """Load a diffusers folder, a single file, or a hub id (``org/name``, ``org/name@revision``, ``org/name/file``).

    ``dtype`` None keeps what is stored (no copy on the CPU). ``variant`` picks "fp16" or other files of a folder.
    ``prediction_type`` overrules all evidence. ``vae`` and ``text_encoder`` (one, or one per encoder) come instead of
    the model's own: a folder, a file or a hub id. ``vocabulary`` is a tokenizer's folder. ``family`` says what a single
    file is, instead of having it recognised. With ``offline`` nothing is fetched.

    Raises ``CheckpointError``, ``ConfigError``, ``PickleError`` or ``HubError``, each naming the place and the value.
    """
    hold = Hold(dtype, device, variant)
    path, notes = locally(source, variant=variant, offline=offline)
    encoders = [text_encoder] if isinstance(text_encoder, str | PathLike) else text_encoder or []
    extras = [locally(s, variant=variant, offline=offline) for s in ([vae] if vae else []) + list(encoders)]
    notes = (*notes, *(note for _, more in extras for note in more))
    paths = [p for p, _ in extras]
    request = Request(
        source=str(source),
        hold=hold,
        prediction_type=prediction_type,
        vae=paths[0] if vae else None,
        text_encoders=paths[1:] if vae else paths,
        vocabulary=Path(vocabulary).expanduser() if vocabulary else None,
        offline=offline,
        notes=notes,
    )
    if path.is_dir():
        return load_folder(path, request)
    from sukashi.weights.single_file import load_single_file

    return load_single_file(path, request, family_named(family) if isinstance(family, str) else family)


def locally(source: Source, *, variant: str | None = None, offline: bool = False) -> tuple[Path, tuple[str, ...]]:
    """The folder or file that ``source`` means, fetched where it is a hub id, and notes about it."""
    path = Path(source).expanduser()
    if path.exists():
        return path, ()
    from sukashi.weights.hub import fetch_model, hub_name

    name = hub_name(str(source)) if isinstance(source, str) else None
    if name is None or (path.parent.is_dir() and path.suffix):
        raise NotThereError(f"{source}: no such file or folder, and not a hub id (org/name)")
    return fetch_model(name, variant=variant, offline=offline)
