"""What copies of weights may take, and what is given back for them."""

from __future__ import annotations

from mmap import PAGESIZE
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from sukashi.fast import budget
from sukashi.fast.budget import LEAST, Budget, budget_of, put_aside
from sukashi.fast.choice import Tools
from sukashi.fast.convolution import Convolution
from sukashi.fast.twin import twin
from sukashi.pages import in_files, page_out, untouched
from sukashi.weights.assemble import ready


def read(path: Path) -> torch.Tensor:
    """A convolution's weight as loading maps it."""
    save_file({"weight": torch.randn(96, 96, 3, 3)}, path)
    with safe_open(path, framework="pt") as file:
        weight: torch.Tensor = file.get_tensor("weight")
    return weight


def resident(weight: torch.Tensor) -> float:
    """The share of its pages that are in memory."""
    start, count = -(-weight.data_ptr() // PAGESIZE) * PAGESIZE, weight.nbytes // PAGESIZE - 1
    with open("/proc/self/pagemap", "rb") as file:
        file.seek(start // PAGESIZE * 8)
        flags = np.frombuffer(file.read(count * 8), dtype=np.uint64)
    return float((flags >> np.uint64(63)).mean())


def test_mapped_files_are_told_from_memory(tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("only Linux says what is mapped")
    weight = read(tmp_path / "a.safetensors")
    before = weight.clone()
    assert in_files([before, weight, before]) == weight.nbytes
    assert not in_files([before]) and not in_files([torch.empty(3, device="meta")])
    page_out(weight)
    assert torch.equal(weight, before)


def test_what_was_written_into_a_mapped_weight_is_not_lost(tmp_path: Path) -> None:
    if not Path("/proc/self/pagemap").exists():
        pytest.skip("only Linux says which pages were written to")
    weight = read(tmp_path / "a.safetensors")
    start, count = -(-weight.data_ptr() // PAGESIZE) * PAGESIZE, weight.nbytes // PAGESIZE - 1
    assert weight.sum().isfinite() and untouched(start, count)
    weight.view(-1)[weight.numel() // 2] = 7
    expected = weight.clone()
    assert not untouched(start, count)
    page_out(weight)
    assert torch.equal(weight, expected)


def test_a_network_that_waits_gives_its_memory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/pagemap").exists():
        pytest.skip("only Linux says which pages were written to")
    of_file, written = nn.Conv2d(96, 96, 3), nn.Conv2d(96, 96, 3)
    of_file.weight, written.weight = (nn.Parameter(read(tmp_path / f"{name}.safetensors")) for name in "ab")
    with torch.no_grad():
        written.weight[50] = 7
    expected = [of_file.weight.detach().clone(), written.weight.detach().clone()]

    put_aside(of_file)
    assert resident(of_file.weight) == 1.0  # too small to be worth it
    monkeypatch.setattr(budget, "ASIDE", 0)
    put_aside(of_file)
    put_aside(written)
    assert resident(of_file.weight) < 0.1 and resident(written.weight) == 1.0
    assert torch.equal(of_file.weight, expected[0]) and torch.equal(written.weight, expected[1])


def test_memory_that_is_no_file_is_not_untouched() -> None:
    weight = torch.randn(PAGESIZE)
    assert not untouched(-(-weight.data_ptr() // PAGESIZE) * PAGESIZE, 2)


@pytest.mark.parametrize("from_file", [True, False])
def test_a_packed_weight_takes_the_place_of_pages_of_a_file(tmp_path: Path, from_file: bool) -> None:
    weight = read(tmp_path / "a.safetensors") if from_file else torch.randn(96, 96, 3, 3)
    if from_file and not in_files([weight]):
        pytest.skip("only Linux says what is mapped")
    net = nn.Sequential(nn.Conv2d(96, 96, 3, padding=1)).requires_grad_(False)
    net[0].weight = nn.Parameter(weight, requires_grad=False)
    tools = Tools(packed=True)
    quick = twin(net, tools)
    assert isinstance(quick[0], Convolution)
    x = torch.randn(1, 96, 4, 4)
    assert torch.allclose(quick(x), net(x), atol=1e-3)
    assert tools.budget.taken == (0 if from_file else weight.nbytes)


def test_what_was_converted_leaves_its_file(tmp_path: Path) -> None:
    if not Path("/proc/self/pagemap").exists():
        pytest.skip("only Linux says which pages were written to")
    weight = read(tmp_path / "a.safetensors")
    expected = weight.clone()
    assert ready(weight, torch.float32, "cpu") is weight and resident(weight) == 1.0
    assert torch.equal(ready(weight, torch.float64, "cpu"), expected.double())
    assert resident(weight) < 0.1
    assert torch.equal(weight, expected)


def test_the_limit_goes_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        large, small = nn.Linear(2**15, 2**15, bias=False), nn.Linear(8, 8)
    assert budget_of(small).limit == LEAST
    assert budget_of(large).limit == 2**32 // 2  # it lies in no file
    with monkeypatch.context() as patch:
        patch.setattr(budget, "in_files", lambda weights: 2**31)  # half of it does
        assert budget_of(large).limit == 2**31 // 8 + 2**31 // 2
    with monkeypatch.context() as patch:
        patch.setattr(budget.sys, "platform", "darwin")  # where nobody says what lies in files
        assert budget_of(large).limit == 2**32 // 8
    monkeypatch.setattr(budget, "free_memory", lambda: 1000)
    little = Budget(800)
    assert not little.take(600) and little.note
    assert little.take(500)
    assert not Budget(800).take(900, needed=False) and not Budget(800).note
