"""The quickest right kernel is taken, and the choice is made once per kind of shape; linear layers in float8."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import sukashi
from sukashi.fast import backends, eighths, ops
from sukashi.fast.backends import OWN, Backends, Choice, measure
from sukashi.fast.choice import Tools
from sukashi.fast.twin import twin
from sukashi.nets.unet import UNet, UNetConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=32, groups=8, resnets=1
)


def qkv(tokens: int = 16, keys: int = 16, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return tuple(torch.randn(2, 2, n, 8).to(dtype) for n in (tokens, keys, keys))  # type: ignore[return-value]


def clock(times: dict[str, float]) -> Callable[..., float]:
    """Seconds by the order in which kernels are tried."""
    names = iter(times)
    return lambda call, device: times[next(names)]


def test_the_quickest_that_works_is_taken() -> None:
    found = measure(*qkv(), clock({OWN: 3.0, "flash": 2.0, "math": 1.0}))
    assert found.name == "math" and set(found.seconds) == {OWN, "flash", "math"}
    assert set(found.refused) == {"cudnn", "efficient"} and "math (torch's choice 3e+03 ms" in str(found)
    assert measure(*qkv(), clock({OWN: 1.0, "flash": 0.99, "math": 2.0})).name == OWN  # not worth it


def test_a_kernel_with_other_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    attend = backends.attend
    monkeypatch.setattr(backends, "attend", lambda name, *given: attend(name, *given) * (1.01 if name == "math" else 1))
    found = measure(*qkv(), clock({OWN: 3.0, "flash": 2.0}))
    assert found.name == "flash" and "off by" in found.refused["math"]


def test_measured_once_per_kind_of_shape_and_used() -> None:
    asked: list[int] = []

    def by_math(q: Tensor, k: Tensor, v: Tensor) -> Choice:
        asked.append(q.shape[2])
        return Choice("math", {}, {})

    best = Backends(by_math)
    for tokens, keys, dtype in ((16, 16, torch.float32), (15, 16, torch.float32), (16, 77, torch.bfloat16)):
        q, k, v = qkv(tokens, keys, dtype)
        expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
        assert (best(q, k, v) - expected).abs().max() < (1e-5 if dtype == torch.float32 else 2e-2)
    assert asked == [16, 16]
    net = UNet(SMALL).eval().requires_grad_(False)
    given = (torch.randn(2, 4, 8, 8), torch.tensor([500.0, 3.0]), torch.randn(2, 7, 32))
    torch.testing.assert_close(twin(net, Tools(backends=best))(*given), net(*given), atol=1e-5, rtol=1e-4)
    assert asked[2:] == [64, 64, 16, 16]  # to pixels and to words, at two sizes


def test_the_doctor_can_say_what_was_chosen() -> None:
    found = backends.usual(torch.device("cpu"), torch.float32, {"tiny": (1, 2, 16, 16, 8)})
    assert " ms" in found["tiny"]


def test_linear_layers_in_float8_are_near() -> None:
    torch.manual_seed(0)
    x, net = torch.randn(2, 9, 32), torch.nn.Linear(32, 48)
    x[0, 0] *= 1000  # a row that would leave the others no digits if all had one scale
    quick = eighths.eighths("a.transformer_blocks.0.ff", net.requires_grad_(False), Tools())
    assert quick is not None
    error = ((quick(x) - net(x)).norm(dim=-1) / net(x).norm(dim=-1)).max()
    assert 1e-4 < error < 0.06
    assert eighths.eighths("time_embedding.linear_1", net, Tools()) is None
    rows, scale = eighths.scaled(torch.tensor([[0.0, 0.0], [1e6, 1.0]]))
    assert rows.dtype == torch.float8_e4m3fn and (rows.float() * scale)[0].eq(0).all()
    net.weight.mul_(2)
    assert torch.equal(quick.made()[0].float(), eighths.scaled(net.weight)[0].float())
    assert quick.made()[1].equal(eighths.scaled(net.weight)[1])


def test_the_error_of_a_network_is_measured() -> None:
    torch.manual_seed(0)
    net = UNet(SMALL).eval().requires_grad_(False)
    quick = twin(net, Tools(eighths=True))
    assert sum(isinstance(layer, eighths.Linear) for layer in quick.modules()) >= 20
    assert 1e-3 < eighths.error(net, quick, cells=8) < 0.1
    assert eighths.error(net, net, cells=8) == 0
    given = (torch.randn(1, 4, 8, 8), torch.tensor([500.0]), torch.randn(1, 7, 32))
    assert torch.equal(eighths.prepare(quick)(*given), twin(net, Tools(eighths=True))(*given))


def test_float8_is_refused_where_it_brings_nothing() -> None:
    with pytest.raises(ValueError, match="GPUs with float8 matrix units, not for cpu"):
        sukashi.load("kirie", device="cpu", fp8=True)
    with pytest.raises(ValueError, match="offload moves networks to another device"):
        sukashi.load("kirie", device="cpu", offload=True)
    with pytest.raises(ValueError, match="compile cannot be had with fast=False"):
        sukashi.load("kirie", device="cpu", compile=True, fast=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="float8 products need a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_float8_on_a_gpu(dtype: torch.dtype) -> None:
    if torch.cuda.get_device_capability() < (9, 0):
        pytest.skip("float8 products by rows need compute capability 9.0")
    assert ops.problem("float8 product", dtype) == ""
    net = UNet(SMALL).eval().requires_grad_(False).to("cuda", dtype)
    assert eighths.error(net, twin(net, Tools(eighths=True)), cells=8) < 0.1
