"""Normalisation and SiLU in Triton: against torch's own, on a CPU by Triton's interpreter where Triton is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from sukashi.fast import ops
from sukashi.fast.choice import Tools
from sukashi.fast.normalising import GroupNorm, channels_last
from sukashi.fast.twin import twin
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)
CHECK = """
import torch
from torch.nn import functional as F
from sukashi.fast import triton_norm
triton_norm.AT_ONCE = 2  # more tiles than are added up at a time
cases = [((2, 80, 11, 13), 8, torch.float32, 1e-6), ((1, 24, 3, 5), 3, torch.bfloat16, 1e-2)]
for shape, groups, dtype, limit in cases:
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(s).to(dtype) for s in (shape, shape[1:2], shape[1:2]))
    x = x + 4  # far from zero, where a careless variance loses its digits
    for silu in (False, True):
        found = triton_norm.group_norm(x, groups, weight, bias, 1e-6, silu=silu)
        expected = F.group_norm(x.double(), groups, weight.double(), bias.double(), 1e-6)
        expected = F.silu(expected) if silu else expected
        error = ((found - expected).abs().max() / expected.abs().max()).item()
        assert error < limit, (shape, dtype, silu, error)
        assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
print("right")
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed (pip install triton)")
def test_by_the_interpreter() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "right", done.stderr


def with_torch(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, *, silu: bool) -> Tensor:
    """What the kernel computes, by torch, channels last as it leaves it."""
    out = torch.nn.functional.group_norm(x, groups, weight, bias, eps)
    out = torch.nn.functional.silu(out) if silu else out
    return out.contiguous(memory_format=torch.channels_last)


def test_networks_with_it_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []

    def counted(*given: Tensor, silu: bool, **named: Tensor) -> Tensor:
        called.append(silu)
        return with_torch(*given, silu=silu, **named)  # type: ignore[arg-type, misc]

    monkeypatch.setattr(ops, "group_norm", counted)
    net = UNet(SMALL).eval().requires_grad_(False)
    vae = VAE(VAEConfig(channels=(16, 32), resnets=1, groups=4, scale=1.0)).eval().requires_grad_(False)
    given = (torch.randn(2, 4, 9, 7), torch.tensor([500.0, 3.0]), torch.randn(2, 7, 24))
    z = torch.randn(1, 4, 6, 9)
    with torch.no_grad():
        expected, decoded = net(*given), vae.decode(z)
        for each in (net, vae):
            channels_last(each)
        torch.testing.assert_close(twin(net, Tools(fused=True))(*given), expected, atol=2e-5, rtol=1e-4)
        norms = sum(isinstance(layer, torch.nn.GroupNorm) for layer in net.modules())
        assert len(called) == norms and called.count(False) == norms - called.count(True) == 1 + 4
        torch.testing.assert_close(twin(vae, Tools(fused=True)).decode(z), decoded, atol=2e-5, rtol=1e-4)
    x = torch.randn(2, 8, 4, 4, requires_grad=True)
    GroupNorm(2, 8)(x).sum().backward()  # gradients take torch's own
    assert x.grad is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernel itself needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_on_a_gpu(dtype: torch.dtype) -> None:
    assert ops.problem("fused normalisation", dtype) == ""
    for shape, groups in (((2, 320, 64, 64), 32), ((1, 128, 512, 512), 32), ((2, 2560, 8, 8), 32), ((1, 12, 1, 1), 3)):
        x, weight, bias = (torch.randn(s, device="cuda").to(dtype) for s in (shape, shape[1:2], shape[1:2]))
        found = ops.group_norm(x + 4, groups, weight, bias, 1e-6, silu=True)
        expected = with_torch((x + 4).double(), groups, weight.double(), bias.double(), 1e-6, silu=True)
        assert (found - expected).abs().max() < 2 * ops.TOLERANCE[dtype] * expected.abs().max()
