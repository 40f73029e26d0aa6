"""What is compiled gives the same numbers, or is not used; with torch's own compiler in a test that takes long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sukashi.fast.compiled import Compiled
from sukashi.fast.twin import Quick
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)
GIVEN = (torch.randn(2, 4, 8, 8), torch.tensor([500.0, 3.0]), torch.randn(2, 7, 24))


@pytest.fixture
def net() -> UNet:
    torch.manual_seed(0)
    return UNet(SMALL).eval().requires_grad_(False)


def test_it_is_compiled_once_and_used(net: UNet) -> None:
    made: list[Any] = []

    def compile(call: Any, device: torch.device) -> Any:
        made.append(call)
        return lambda *inputs, **named: call(*inputs, **named) + 1e-6

    quick = Compiled(Quick(), compile)
    vae = VAE(VAEConfig(channels=(16, 32), resnets=1, groups=4, scale=1.0)).eval().requires_grad_(False)
    z = torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(quick(net)(*GIVEN), net(*GIVEN) + 1e-6, atol=2e-5, rtol=0)
            torch.testing.assert_close(quick(vae).decode(z), vae.decode(z) + 1e-6, atol=2e-5, rtol=0)
    assert len(made) == 2 and made[0] is net and quick.notes == []
    assert quick(vae).config is vae.config
    hook = net.register_forward_hook(lambda *_: None)
    assert quick(net) is net
    hook.remove()


@pytest.mark.parametrize("broken", ["raises", "wrong"])
def test_what_fails_is_said_and_the_network_runs_as_it_is(net: UNet, broken: str) -> None:
    calls: list[int] = []

    def compile(call: Any, device: torch.device) -> Any:
        def run(*inputs: Any, **named: Any) -> Tensor:
            calls.append(1)
            if broken == "raises":
                raise KeyError("no C++ compiler\nhere")
            out: Tensor = 1.1 * call(*inputs, **named)
            return out

        return run

    quick = Compiled(Quick(), compile)
    with torch.no_grad():
        for _ in range(2):
            assert torch.equal(quick(net)(*GIVEN), quick.inner(net)(*GIVEN))
    assert len(calls) == 1 and len(quick.notes) == 1
    assert ("C++ compiler" if broken == "raises" else "off by") in quick.notes[0]


@pytest.mark.slow
def test_the_compiler_of_torch(net: UNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    quick = Compiled(Quick())
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(quick(net)(*GIVEN), net(*GIVEN), atol=1e-4, rtol=1e-4)
    assert quick.notes == [] and any(tmp_path.rglob("*"))
