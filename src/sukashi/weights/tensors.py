"""Named tensors in files: opened by their headers, mapped into memory when asked for, written one by one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sukashi.weights.errors import CheckpointError, NotThereError

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
DTYPE_CODES = {dtype: code for code, dtype in DTYPES.items()}
PICKLES = (".ckpt", ".pt", ".bin", ".pth")


class Stored(NamedTuple):
    """What a header says of one tensor, and how to have it (memory-mapped where the format allows)."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]


class TensorFile(Mapping[str, Stored]):
    """The tensors of one or several files by name, and the text that came with them."""

    def __init__(self, paths: tuple[Path, ...], stored: Mapping[str, Stored], metadata: Mapping[str, str]) -> None:
        self.paths, self.stored, self.metadata = paths, stored, metadata

    def __getitem__(self, name: str) -> Stored:
        return self.stored[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def under(self, *prefixes: str) -> TensorFile:
        """Only the tensors whose names begin with one of ``prefixes``."""
        return TensorFile(self.paths, {k: v for k, v in self.stored.items() if k.startswith(prefixes)}, self.metadata)

    @property
    def where(self) -> str:
        """The files, for messages."""
        return str(self.paths[0]) + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")


def open_tensors(*paths: str | Path) -> TensorFile:
    """Open ``.safetensors`` files, or pickles read by an allow-list, as one; only headers are read now.

    Raises ``CheckpointError`` for a file that is damaged or of another kind, ``PickleError`` for a pickle that wants
    more than tensors.
    """
    stored: dict[str, Stored] = {}
    metadata: dict[str, str] = {}
    for path in map(Path, paths):
        if not path.is_file():
            raise NotThereError(f"{path}: no such file")
        if path.suffix == ".safetensors" or not is_pickle(path):
            part, text = open_safetensors(path)
        else:
            from sukashi.weights.pickle_reader import open_pickle

            part, text = open_pickle(path)
        stored |= part
        metadata |= text
    return TensorFile(tuple(map(Path, paths)), stored, metadata)


def is_pickle(path: Path) -> bool:
    """By what the file begins with: a zip archive (torch since 1.6) or a bare pickle, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def read_header(path: Path) -> dict[str, dict[str, object]]:
    """The json at the front of a safetensors file; raises ``CheckpointError`` where there is none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(path.stat().st_size - 8, 100_000_000):
            raise CheckpointError(f"{path} {what_instead(path)}")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise CheckpointError(f"{path}: the safetensors header is not json ({error})") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the safetensors header is a {type(header).__name__}, not an object")
    return header


def what_instead(path: Path) -> str:
    """What a file is that does not begin as a safetensors file does."""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if not start:
        return "is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not a model: the download went wrong"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of git-lfs, not the file itself: fetch that with git lfs pull"
    if is_pickle(path):
        return "is a pickle of torch under another name: call it .pt or .ckpt"
    return "is neither a safetensors file nor a pickle of torch (or it is cut short)"


def open_safetensors(path: Path) -> tuple[dict[str, Stored], dict[str, str]]:
    """Tensors and metadata of one file. ``read()`` gives a view of the mapped file: no bytes are copied on the CPU."""
    header = read_header(path)
    metadata = {k: str(v) for k, v in header.pop("__metadata__", {}).items()}
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error} (cut short or damaged?)") from None

    def stored(name: str, entry: Mapping[str, object]) -> Stored:
        if (code := str(entry["dtype"])) not in DTYPES:
            raise CheckpointError(f"{path}: {name} is stored as {code}; known are {', '.join(DTYPES)}")
        shape = entry["shape"]
        assert isinstance(shape, list)  # safe_open has checked the header
        return Stored(tuple(shape), DTYPES[code], lambda: file.get_tensor(name))  # type: ignore[no-untyped-call]  # the library has no annotations

    return {name: stored(name, entry) for name, entry in header.items()}, metadata


class Writable(NamedTuple):
    """A tensor to be written: what the header says, and how to have it when its turn comes."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    make: Callable[[], Tensor]


def to_be_written(tensor: Tensor) -> Writable:
    """A tensor that is at hand."""
    return Writable(tuple(tensor.shape), tensor.dtype, lambda: tensor)


def write_safetensors(
    path: Path, tensors: Mapping[str, Writable], metadata: Mapping[str, str] | None = None, *, overwrite: bool = False
) -> None:
    """Write a safetensors file; only one tensor is in memory at a time, and a file that stops half-way never appears.

    Raises ``FileExistsError`` where there is a file and ``overwrite`` is False.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    # widest numbers first, as the format's own writer does, so that every tensor is aligned
    order = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    end = 0
    for name, (shape, dtype, _) in order:
        begin, end = end, end + dtype.itemsize * torch.Size(shape).numel()
        header[name] = {"dtype": DTYPE_CODES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)

    def write(file: IO[bytes]) -> None:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, (shape, dtype, make) in order:
            tensor = make().detach().to("cpu").contiguous()
            if tuple(tensor.shape) != shape or tensor.dtype != dtype:
                raise CheckpointError(
                    f"{name}: {tuple(tensor.shape)} {tensor.dtype} to write, announced {shape} {dtype}"
                )
            file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)

    write_atomically(path, write, overwrite=overwrite)


def write_atomically(path: Path, write: Callable[[IO[bytes]], object], *, overwrite: bool = False) -> None:
    """Call ``write`` with a file next to ``path`` and move it there when it is whole."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; it is replaced only when asked for (overwrite)")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        mask = os.umask(0)  # mkstemp makes private files; a model is readable like any other file
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object, *, overwrite: bool = False) -> None:
    """Write a config file, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()), overwrite=overwrite)


def floats(names: Iterable[Stored]) -> set[torch.dtype]:
    """The floating types among ``names``."""
    return {stored.dtype for stored in names if stored.dtype.is_floating_point}
