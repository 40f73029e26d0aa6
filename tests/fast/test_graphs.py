"""Graphs are kept by shape, fed with copies, and never out of date; on a GPU, the same bits as without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import sukashi
from sukashi.fast.graphs import Graphs, with_graphs
from sukashi.nets.unet import UNet, UNetConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)


def question(device: str = "cpu", size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.randn(2, 4, size, size, device=device),
        torch.full((2,), 500.0, device=device),
        torch.randn(2, 7, 24, device=device),
    )


def test_graphs_by_shape() -> None:
    recorded: list[int] = []

    def record(net: nn.Module, given: dict[str, Tensor]) -> object:
        recorded.append(1)
        out = torch.empty_like(given["x"])  # a replay writes into the same tensor
        return lambda: out.copy_(net(**given))

    net = UNet(SMALL).eval().requires_grad_(False)
    quick, kept = Graphs(record, "cpu"), []  # type: ignore[arg-type]
    with torch.no_grad():
        for size in (8, 8, 6, 8):
            asked = question(size=size)
            kept.append((quick(net)(*asked, noise_level=None, residuals=()), net(*asked)))
        assert all(torch.equal(found, expected) for found, expected in kept)
        assert len(recorded) == 2
        net.conv_out.weight.data = net.conv_out.weight.data * 2
        asked = question()
        assert torch.equal(quick(net)(*asked), net(*asked))
        assert len(recorded) == 3
        asked = question()
        residuals = [torch.zeros(1)] * (len(SMALL.skips) + 1)
        assert torch.equal(quick(net)(*asked, residuals=residuals), net(*asked))
        assert len(recorded) == 3
    hook = net.register_forward_hook(lambda *_: None)
    assert quick(net) is net
    hook.remove()


def test_a_cpu_has_none() -> None:
    with pytest.raises(ValueError, match="need a CUDA device"):
        with_graphs(sukashi.load("kirie", device="cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")
def test_the_same_bits_on_a_gpu() -> None:
    net = UNet(SMALL).eval().requires_grad_(False).cuda()
    quick = Graphs()
    with torch.no_grad():
        for _ in range(3):
            asked = question("cuda")
            assert torch.equal(quick(net)(*asked), net(*asked))
