"""Pickles are read as data: whatever they ask for beyond tensors and containers is refused before it is called."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from sukashi.weights.errors import CheckpointError, PickleError
from sukashi.weights.pickle_reader import open_pickle, read_pickle
from sukashi.weights.tensors import is_pickle, open_tensors


class Call:
    """An object whose pickle says: call this with that."""

    def __init__(self, function, *args) -> None:
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def same(a, b) -> bool:
    if isinstance(b, torch.Tensor):
        return torch.equal(a, b.detach()) and a.dtype == b.dtype and a.stride() == b.stride()
    if isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    if isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(value, path: Path, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMATS
def test_everything_a_checkpoint_holds_comes_back_equal(tmp_path, zipped):
    base = torch.randn(4, 6)
    value = {
        "float": base,
        "transposed": base.t(),
        "part": base[1:3, 2:],
        "half": base.half(),
        "brain": base.bfloat16(),
        "double": base.double(),
        "counts": torch.arange(5),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(2.5),
        "weight": torch.nn.Parameter(base),
        "ordered": OrderedDict([("b", 1), ("a", [1.5, "x", None, True, b"y", (1, 2), {3}])]),
        "size": base.shape,
    }
    found = read_pickle(save(value, tmp_path / "x.pt", zipped))
    assert same(found, value)
    assert found["float"].untyped_storage().data_ptr() == found["transposed"].untyped_storage().data_ptr()
    assert not found["weight"].requires_grad


def test_eight_bit_floats_come_back(tmp_path):
    value = {"x": torch.randn(4).to(torch.float8_e4m3fn)}
    found = read_pickle(save(value, tmp_path / "x.pt"))["x"]
    assert found.dtype == torch.float8_e4m3fn and torch.equal(found.float(), value["x"].float())


@FORMATS
@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch {}",), "system"),
        (eval, ("open({!r}, 'w')",), "eval"),
        (exec, ("open({!r}, 'w')",), "exec"),
        (open, ("{}", "w"), "open"),
        (getattr, ("", "join"), "getattr"),
        (torch.load, ("{}",), "load"),
        (torch.nn.Linear, (2, 2), "Linear"),
    ],
)
def test_a_malicious_pickle_is_refused_by_name_and_runs_nothing(tmp_path, zipped, function, args, name):
    mark = tmp_path / "was_here"
    args = tuple(a.format(str(mark)) if isinstance(a, str) else a for a in args)
    path = save({"state_dict": {"w": torch.zeros(1), "x": Call(function, *args)}}, tmp_path / "x.ckpt", zipped)
    with pytest.raises(PickleError, match=rf"x\.ckpt: the pickle asks for [\w.]+\.{name}, .* refused"):
        open_tensors(path)
    assert not mark.exists()
    if name in ("system", "eval", "exec", "open"):  # the sample is a real one: an ordinary unpickler runs it
        torch.load(path, weights_only=False)
        assert mark.exists()


def archive(path: Path, program: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/data/0", b"\0" * 8)
    return path


@pytest.mark.parametrize(
    "program",
    [
        b"cposix\nsystem\n(S'true'\ntR.",  # protocol 0, by GLOBAL
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # by STACK_GLOBAL
        b"(S'true'\nios\nsystem\n.",  # by INST
        b"(cos\nsystem\nS'true'\no.",  # by OBJ
        b"\x80\x02\x82\x01.",  # by a number of the extension registry
        b"\x80\x02cos\nsystem\n.",  # not even called
    ],
)
def test_every_way_of_naming_a_function_is_closed(tmp_path, program):
    with pytest.raises((PickleError, CheckpointError)):
        read_pickle(archive(tmp_path / "x.pt", program))


def test_a_pickle_cannot_change_what_the_reader_is_made_of(tmp_path):
    for name in ("ctorch\nFloatStorage\n", "ctorch._utils\n_rebuild_tensor_v2\n", "ccollections\nOrderedDict\n"):
        program = b"\x80\x02" + name.encode() + b"N}X\x04\0\0\0callK\x01s\x86b."  # BUILD with (None, {"call": 1})
        with pytest.raises(PickleError, match="tries to change"):
            read_pickle(archive(tmp_path / "x.pt", program))
    assert same(read_pickle(save({"x": torch.ones(2)}, tmp_path / "y.pt")), {"x": torch.ones(2)})


def storage(count: int, size: str, stride: str, offset: int = 0) -> bytes:
    """A pickle of one tensor over the storage 0, which has 8 bytes, with any claim about its shape."""
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK"
        + bytes([count])
        + b"tQ"
        + f"I{offset}\n(I{size}\nt(I{stride}\nt".encode()
        + b"I00\nNtR."
    )


def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path):
    good = read_pickle(archive(tmp_path / "x.pt", storage(2, "2", "1")))
    assert torch.equal(good, torch.zeros(2))
    claims = [(2, "3", "1", 0), (2, "2", "9", 0), (2, "2", "1", 1), (2, "2", "-1", 0), (9, "9", "1", 0)]
    for bad in (storage(*claim) for claim in claims):
        with pytest.raises(CheckpointError):
            read_pickle(archive(tmp_path / "x.pt", bad))


def test_classes_of_trainers_become_empty_objects(tmp_path):
    name = "pytorch_lightning.callbacks.model_checkpoint"
    program = (
        b"\x80\x02}(X\x09\0\0\0callbacks}c" + name.encode() + b"\nModelCheckpoint\n}X\x04\0\0\0bestK\x01ss"
        b"X\x05\0\0\0epochK\x07u."
    )
    value = read_pickle(archive(tmp_path / "x.ckpt", program))
    assert value["epoch"] == 7
    (key,) = value["callbacks"]
    assert key.__name__ == "ModelCheckpoint" and key.__module__.startswith("sukashi")
    with pytest.raises(PickleError, match=r"pytorch_lightning\.trainer\.Trainer"):
        read_pickle(archive(tmp_path / "x.ckpt", b"\x80\x02cpytorch_lightning.trainer\nTrainer\n."))


def test_damaged_files_are_said_to_be_damaged(tmp_path):
    whole = save({"x": torch.ones(100)}, tmp_path / "x.pt").read_bytes()
    for cut in (10, 200, len(whole) - 30):
        (tmp_path / "y.pt").write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match=r"y\.pt"):
            read_pickle(tmp_path / "y.pt")
    legacy = save({"x": torch.ones(100)}, tmp_path / "x.pt", zipped=False).read_bytes()
    (tmp_path / "y.pt").write_bytes(legacy[:-30])
    with pytest.raises(CheckpointError, match="cut short"):
        read_pickle(tmp_path / "y.pt")
    (tmp_path / "y.pt").write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(CheckpointError, match="the magic number is another one"):
        read_pickle(tmp_path / "y.pt")
    with zipfile.ZipFile(tmp_path / "y.pt", "w") as file:
        file.writestr("m/code/main.py", "")
    with pytest.raises(CheckpointError, match="this is TorchScript, not a file of tensors"):
        read_pickle(tmp_path / "y.pt")


def test_state_dicts_and_nested_names(tmp_path):
    value = {"state_dict": {"a.b": torch.ones(1), "n": 3}, "global_step": 5, "optimizer": {"m": torch.zeros(9)}}
    stored, text = open_pickle(save(value, tmp_path / "x.ckpt"))
    assert list(stored) == ["a.b"] and torch.equal(stored["a.b"].read(), torch.ones(1))
    assert text == {"global_step": "5", "n": "3"}
    stored, text = open_pickle(save({"string_to_param": {"*": torch.ones(2, 3)}, "name": "x"}, tmp_path / "e.pt"))
    assert {k: s.shape for k, s in stored.items()} == {"string_to_param.*": (2, 3)} and text == {"name": "x"}
    with pytest.raises(CheckpointError, match="holds a list, not named tensors"):
        open_pickle(save([1, 2], tmp_path / "l.pt"))


def test_a_pickle_is_known_by_its_first_bytes_whatever_its_name(tmp_path):
    path = save({"x": torch.ones(2)}, tmp_path / "model.weights")
    assert is_pickle(path)
    assert torch.equal(open_tensors(path)["x"].read(), torch.ones(2))
    buffer = io.BytesIO()
    torch.save({"x": torch.ones(2)}, buffer)
    (tmp_path / "fake.safetensors").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="a pickle of torch under another name"):
        open_tensors(tmp_path / "fake.safetensors")  # a name that promises safety keeps it


def test_tensors_of_a_zip_archive_are_mapped(tmp_path):
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux says what is mapped")
    path = save({"x": torch.ones(1000)}, tmp_path / "x.pt")
    x = read_pickle(path)["x"]
    spans = [line.split()[0].split("-") for line in maps.read_text().splitlines() if line.endswith(str(path))]
    assert any(int(a, 16) <= x.data_ptr() < int(b, 16) for a, b in spans)


def test_real_files_of_other_people(shared_data):
    paths = [p for ending in ("*.pt", "*.bin") for p in sorted(shared_data.rglob(ending))]
    assert len(paths) > 15
    for path in paths:
        assert same(read_pickle(path), torch.load(path, weights_only=True, map_location="cpu")), path
