"""Strictness: any missing, unexpected or mis-shaped tensor is named; and nothing is copied that need not be."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from sukashi.families import FAMILIES
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.weights import names
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.errors import CheckpointError
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Hold
from sukashi.weights.save import save_folder, save_single_file
from sukashi.weights.tensors import Stored, TensorFile, open_tensors, to_be_written, write_safetensors
from tiny_models import tensors, tiny_model


def in_memory(state: dict[str, torch.Tensor]) -> TensorFile:
    stored = {k: Stored(tuple(t.shape), t.dtype, lambda t=t: t) for k, t in state.items()}
    return TensorFile((Path("memory.safetensors"),), stored, {})


def test_removing_any_one_key_of_a_u_net_is_an_error_that_names_it():
    small = {"channels": (4, 8), "depth": (1, 0), "heads": (2, 2), "cross_only": (False, False)}
    config = UNetConfig(**small, resnets=1, context_dim=8, groups=2)
    net, state = empty(lambda: UNet(config)), dict(UNet(config).state_dict())
    assert len(state) > 100
    for name in state:
        left = in_memory({k: t for k, t in state.items() if k != name})
        with pytest.raises(CheckpointError) as caught:
            assemble(net, left, names.folder_unet_places, part="unet")
        assert (caught.value.missing, caught.value.unexpected, caught.value.misshaped) == ((name,), (), ())
        assert name in str(caught.value)
        assert f"{len(state) - 1} of {len(state)} tensors fit" in str(caught.value)


@pytest.mark.parametrize("name", FAMILIES)
def test_removing_a_key_of_a_single_file_is_an_error_that_names_it_as_the_file_would(tmp_path, name):
    path = tmp_path / "model.safetensors"
    save_single_file(tiny_model(name), path)
    file = open_tensors(path)
    whole = {k: to_be_written(stored.read().clone()) for k, stored in file.items()}
    for gone in random.Random(0).sample(sorted(whole), 6):
        write_safetensors(path, {k: v for k, v in whole.items() if k != gone}, file.metadata, overwrite=True)
        with pytest.raises(CheckpointError, match=gone.replace(".", r"\.")):
            load_parts(path)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_removing_or_bending_a_tensor_of_a_folder_is_an_error(tmp_path, part):
    save_folder(tiny_model("sd1"), tmp_path / "m")
    (path,) = (tmp_path / "m" / part).glob("*.safetensors")
    whole = {k: to_be_written(s.read().clone()) for k, s in open_tensors(path).items()}
    names_there = sorted(whole)
    gone, bent = names_there[0], names_there[-1]
    bad = torch.zeros(3, 5, 7)
    state = {k: v for k, v in whole.items() if k not in (gone, bent)} | {bent: to_be_written(bad)}
    write_safetensors(path, state | {"stranger.weight": to_be_written(bad)}, overwrite=True)
    with pytest.raises(CheckpointError) as caught:
        load_parts(tmp_path / "m")
    assert caught.value.missing == (gone,)
    assert caught.value.unexpected == ("stranger.weight",)
    (misshaped,) = caught.value.misshaped
    assert misshaped.startswith(f"{bent} (3, 5, 7) where {bent} is")
    assert part in str(caught.value) and str(path) in str(caught.value)


def test_an_error_shows_ten_names_of_each_kind_and_keeps_all():
    error = CheckpointError("x", missing=[f"m{i}" for i in range(12)], unexpected=["u"])
    ten = ", ".join(f"m{i}" for i in range(10))
    assert str(error).splitlines() == ["x", f"  missing (12): {ten}, ...", "  unexpected (1): u"]
    assert len(error.missing) == 12


def test_networks_are_frozen_and_in_inference_mode(tmp_path):
    save_folder(tiny_model("sdxl"), tmp_path / "m")
    parts = load_parts(tmp_path / "m")
    for net in (parts.unet, parts.vae, *parts.text_encoders):
        assert not net.training
        assert not any(p.requires_grad or p.is_meta for p in net.parameters())


def mapped(path: Path) -> list[tuple[int, int]]:
    """The address ranges at which this process has a file mapped."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux says what is mapped")
    spans = [line.split()[0].split("-") for line in maps.read_text().splitlines() if line.endswith(str(path))]
    return [(int(a, 16), int(b, 16)) for a, b in spans]


def test_no_copy_is_made_of_tensors_that_are_right_already(tmp_path):
    save_single_file(tiny_model("sd2"), tmp_path / "m.safetensors")
    save_folder(tiny_model("sd2"), tmp_path / "m")
    for source in (tmp_path / "m.safetensors", tmp_path / "m"):
        parts = load_parts(source)
        file = source if source.is_file() else source / "unet" / "diffusion_pytorch_model.safetensors"
        spans = mapped(file.resolve())
        inside = [any(a <= t.data_ptr() < b for a, b in spans) for t in parts.unet.state_dict().values()]
        assert inside and all(inside)
    half = load_parts(tmp_path / "m", dtype=torch.float16)
    assert half.unet.conv_in.weight.dtype == torch.float16
    assert not any(a <= half.unet.conv_in.weight.data_ptr() < b for a, b in mapped(tmp_path / "m" / "unet"))


def test_changing_a_loaded_model_does_not_change_its_file(tmp_path):
    save_single_file(tiny_model("sd1"), tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").read_bytes()
    parts = load_parts(tmp_path / "m.safetensors")
    for tensor in tensors(parts).values():
        tensor.add_(1)
    assert (tmp_path / "m.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("stored", "asked", "held"),
    [
        (torch.float16, None, torch.float16),
        (torch.bfloat16, None, torch.bfloat16),
        (torch.float64, None, torch.float32),
        (torch.float8_e4m3fn, None, torch.float32),
        (torch.float32, torch.bfloat16, torch.bfloat16),
    ],
)
def test_number_types(stored, asked, held):
    unet = tiny_model("sd1").unet
    state = {k: t.to(stored) for k, t in unet.state_dict().items()}
    net = empty(lambda: UNet(unet.config))
    report = assemble(net, in_memory(state), names.folder_unet_places, part="unet", hold=Hold(dtype=asked))
    assert {p.dtype for p in net.parameters()} == {held} == {report.dtype}
    expected = state["conv_in.weight"].to(held)
    assert torch.equal(net.conv_in.weight, expected)
    assert report.matched == report.total == len(state)
    short = str(stored).removeprefix("torch.")
    assert (f"{short} -> " in str(report)) == (stored != held)


def test_mixed_number_types_are_held_in_the_one_that_fits_all():
    unet = tiny_model("sd1").unet
    state = {k: t.half() if i % 2 else t for i, (k, t) in enumerate(unet.state_dict().items())}
    net = empty(lambda: UNet(unet.config))
    report = assemble(net, in_memory(state), names.folder_unet_places, part="unet")
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert report.stored == "float16, float32"


def test_nothing_is_initialised_that_has_no_memory(monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("torch imports its compiler for this: seconds")

    monkeypatch.setattr(torch.nn.init, "_no_grad_normal_", never)
    monkeypatch.setattr(torch.nn.init, "_no_grad_uniform_", never)
    net = empty(lambda: torch.nn.Sequential(torch.nn.Embedding(4, 2), torch.nn.Linear(2, 2), torch.nn.LayerNorm(2)))
    assert all(p.is_meta and not p.requires_grad for p in net.parameters())
    with pytest.raises(AssertionError):
        torch.nn.Embedding(4, 2)  # outside of it everything is as ever
