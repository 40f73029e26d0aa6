"""Torch's pickled files (``.ckpt``, ``.pt``, ``.bin``) read as data: nothing in them is ever run.

A pickle is a little program that may call anything by name. This reader knows the few names that make tensors and
plain containers, each mapped to a function of ours; some harmless names of training frameworks become empty objects;
any other name stops the reading with a ``PickleError`` before anything is called. Both of torch's formats are read: the
zip archive (since 1.6), whose tensors are mapped into memory, and the older sequence of pickles.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

import torch
from torch import Tensor

from sukashi.weights.errors import CheckpointError, PickleError
from sukashi.weights.tensors import Stored

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
DTYPES = {str(d).removeprefix("torch."): d for d in (*STORAGES.values(), torch.float8_e4m3fn, torch.float8_e5m2)}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


class Allowed:
    """A name that a pickle may use. Not the thing itself, so that a pickle cannot change ours by setting attributes."""

    __slots__ = ("call", "name", "value")

    def __init__(self, name: str, call: Callable[..., Any] | None, value: object = None) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "call", call)
        object.__setattr__(self, "value", value)

    name: str
    call: Callable[..., Any] | None
    value: Any

    def __call__(self, *args: Any) -> Any:
        """Do what the pickle asks for, if it is a function."""
        if self.call is None:
            raise PickleError(f"the pickle calls {self.name}, which is not a function")
        return self.call(*args)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise PickleError(f"the pickle tries to change {self.name}")

    def __setstate__(self, state: object) -> NoReturn:
        raise PickleError(f"the pickle tries to change {self.name}")


class Inert:
    """Stands for an object of a training framework: it takes whatever it is given and does nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> Inert:
        """Accept any arguments."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Forget the item."""

    def append(self, value: object) -> None:
        """Forget the value."""

    def extend(self, values: object) -> None:
        """Forget the values."""


class ParameterDict(dict[str, Any]):
    """Stands for torch's, which the first textual inversions are kept in: the parameters in its state."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the parameters and nothing else."""
        self.update(state.get("_parameters") or {})


# Classes found in the checkpoints of trainers, beside the weights; they are never imported.
INERT = {
    "argparse Namespace",
    "numpy dtype",
    "numpy ndarray",
    "numpy.core.multiarray _reconstruct",
    "numpy.core.multiarray scalar",
    "numpy._core.multiarray _reconstruct",
    "numpy._core.multiarray scalar",
    "omegaconf.base ContainerMetadata",
    "omegaconf.base Metadata",
    "omegaconf.dictconfig DictConfig",
    "omegaconf.listconfig ListConfig",
    "omegaconf.nodes AnyNode",
    "pytorch_lightning.callbacks.early_stopping EarlyStopping",
    "pytorch_lightning.callbacks.model_checkpoint ModelCheckpoint",
    "pytorch_lightning.utilities.parsing AttributeDict",
    "torch device",
    "typing Any",
}


def rebuild(flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    """A tensor as a view of its storage; torch checks that it stays within it."""
    return flat.as_strided(size, stride, offset)


def rebuild_typed(flat: Tensor, offset: int, size: Any, stride: Any, grad: object, hooks: object, dtype: Any) -> Tensor:
    """The same where the storage is bytes and the type is said apart."""
    return rebuild(flat.view(dtype.value), offset, size, stride)


def as_bytes(text: str, encoding: str) -> bytes:
    """Bytes, which old pickles write as text in Latin-1."""
    return text.encode("latin-1" if encoding in ("latin1", "latin-1") else "utf-8")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_codecs encode": as_bytes,
    "collections OrderedDict": OrderedDict,
    "collections defaultdict": lambda *_: {},
    "torch Size": lambda sizes=(): torch.Size(sizes),
    "torch._utils _rebuild_tensor": rebuild,
    "torch._utils _rebuild_tensor_v2": rebuild,
    "torch._utils _rebuild_tensor_v3": rebuild_typed,
    "torch._utils _rebuild_parameter": lambda data, *_: data,
    "torch._utils _rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor _rebuild_from_type_v2": lambda make, kind, args, state: make(*args),
    "torch.nn.parameter Parameter": lambda data, *_: data,
    **{f"{m} {t.__name__}": t for m in ("builtins", "__builtin__") for t in (set, frozenset, dict, list, tuple)},
    **{f"{m} {t.__name__}": t for m in ("builtins", "__builtin__") for t in (int, float, complex, bool, slice)},
    **{f"{m} bytearray": lambda *_: b"" for m in ("builtins", "__builtin__")},
}


def lookup(module: str, name: str) -> object:
    """What a name in a pickle stands for; raises ``PickleError`` for any name that is not listed here."""
    full = f"{module} {name}"
    if full in FUNCTIONS:
        return Allowed(full, FUNCTIONS[full])
    if module in ("torch", "torch.storage", "torch.cuda") and name in STORAGES:
        return Allowed(full, None, STORAGES[name])
    if module == "torch" and name in DTYPES:
        return Allowed(full, None, DTYPES[name])
    if full == "torch Tensor":
        return Allowed(full, None)
    if full == "torch.nn.modules.container ParameterDict":
        return type(name, (ParameterDict,), {})  # a class of its own, which the pickle may spoil
    if full in INERT:
        return type(name, (Inert,), {})
    raise PickleError(f"the pickle asks for {module}.{name}, which is neither a tensor nor a plain container: refused")


class Unpickler(pickle.Unpickler):
    """The pickle machine with only our names in it. ``storage(dtype, key, count)`` gives the bytes of a tensor."""

    def __init__(self, file: IO[bytes], storage: Callable[[torch.dtype, str, int], Tensor]) -> None:
        super().__init__(file, encoding="utf-8", errors="surrogateescape")
        self.storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """Called by the machine for every name."""
        return lookup(module, name)

    def persistent_load(self, pid: Any) -> Tensor:
        """Called by the machine for every storage: ("storage", kind, key, place, count[, view])."""
        tag, kind, key, _, count, *view = pid
        known = isinstance(kind, Allowed) and isinstance(kind.value, torch.dtype)
        if tag not in ("storage", b"storage") or not known:
            raise PickleError(f"the pickle refers to {tag!r}, which is not a storage of numbers: refused")
        flat = self.storage(kind.value, str(key), int(count))
        if view and view[0] is not None:  # old files: a storage that is a part of another one
            _, start, length = view[0]
            return flat[start : start + length]
        return flat


def read_pickle(path: str | Path) -> Any:
    """The object in a torch file, made of dicts, lists, numbers, strings and tensors; nothing in the file is run.

    Tensors of a zip archive are mapped, not read. Raises ``PickleError`` naming what was refused, ``CheckpointError``
    for a damaged file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return read_archive(path) if zipped else read_legacy(path)
    except (PickleError, CheckpointError) as error:
        raise type(error)(f"{path}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # the pickle machine raises whatever a damaged program makes it raise
        raise CheckpointError(f"{path} is damaged or not a file of torch ({type(error).__name__}: {error})") from None


def read_archive(path: Path) -> Any:
    """Torch's zip archive: ``*/data.pkl`` and one ``*/data/KEY`` per storage."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        main = next((name for name in entries if name.rpartition("/")[2] == "data.pkl"), None)
        if main is None:
            kind = "TorchScript" if any("/code/" in name for name in entries) else "a zip archive without data.pkl"
            raise CheckpointError(f"this is {kind}, not a file of tensors")
        root = main.removesuffix("data.pkl")
        order = entries.get(f"{root}byteorder")
        if order and archive.read(order) != b"little":
            raise CheckpointError("its numbers are big-endian, which is not supported")
        mapped = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=path.stat().st_size)
        made: dict[str, Tensor] = {}

        def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
            if key not in made:
                info = entries[f"{root}data/{key}"]
                length = count * dtype.itemsize
                if length > info.file_size:
                    raise CheckpointError(f"the storage {key} has {info.file_size} bytes where {length} are needed")
                if info.compress_type == zipfile.ZIP_STORED:
                    begin = data_offset(path, info)
                    made[key] = torch.empty(0, dtype=dtype).set_(mapped[begin : begin + length])
                else:
                    made[key] = torch.frombuffer(bytearray(archive.read(info)), dtype=dtype, count=count)
            return made[key]

        with archive.open(main) as file:
            return Unpickler(file, storage).load()


def data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry begin in the file: after its local header, whose two last numbers are lengths."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = struct.unpack("<4s5H3I2H", file.read(30))
    return info.header_offset + 30 + int(header[-2]) + int(header[-1])


def read_legacy(path: Path) -> Any:
    """Torch before 1.6: pickles of a magic number, a version, the machine, the object, the keys; then the storages."""
    size = path.stat().st_size
    made: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        if count * dtype.itemsize > size:
            raise CheckpointError(f"the storage {key} is to have {count} numbers, more than the file")
        if key not in made:
            made[key] = torch.empty(count, dtype=dtype)
        return made[key]

    with path.open("rb") as file:
        if Unpickler(file, storage).load() != LEGACY_MAGIC or Unpickler(file, storage).load() != LEGACY_PROTOCOL:
            raise CheckpointError("not a file of torch (the magic number is another one)")
        if not Unpickler(file, storage).load().get("little_endian", True):
            raise CheckpointError("its numbers are big-endian, which is not supported")
        value = Unpickler(file, storage).load()
        for key in Unpickler(file, storage).load():
            count = int.from_bytes(file.read(8), "little")
            flat = made.get(str(key))
            if flat is None or len(flat) != count:
                raise CheckpointError(f"the storage {key} has {count} numbers where the object says otherwise")
            if count and file.readinto(flat.view(torch.uint8).numpy().data) != count * flat.itemsize:
                raise CheckpointError("cut short")
    return value


def open_pickle(path: Path) -> tuple[dict[str, Stored], dict[str, str]]:
    """The tensors of a torch file by name, and its other plain values as text.

    A checkpoint of a trainer keeps its weights under "state_dict"; only those count then. Names of nested dicts are
    joined by a dot.
    """
    value = read_pickle(path)
    text: dict[str, str] = {}
    while isinstance(value, Mapping) and isinstance(value.get("state_dict"), Mapping):
        text |= {str(k): str(v) for k, v in value.items() if isinstance(v, str | int | float)}
        value = value["state_dict"]
    if isinstance(value, Tensor):
        value = {"": value}
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, not named tensors")
    stored = {}
    for name, item in flatten(value):
        if isinstance(item, Tensor):
            stored[name] = Stored(tuple(item.shape), item.dtype, lambda item=item: item)  # type: ignore[misc]
        elif isinstance(item, str | int | float):
            text[name] = str(item)
    return stored, text


def flatten(value: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of nested dicts."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from flatten(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
