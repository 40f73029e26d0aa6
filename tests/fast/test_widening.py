"""Half precision where the processor has no units for it: the same answers, rounded less, and nothing else changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sukashi
from sukashi.adapters.lora.formulas import KINDS, Change
from sukashi.adapters.lora.layers import AdaptedConv, AdaptedLinear
from sukashi.fast import choice
from sukashi.fast.choice import Machine, choose
from sukashi.fast.twin import Quick, twin
from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.controlnet import ControlNet, ControlNetConfig
from sukashi.nets.shallow import twin_of, with_modules
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig

CPU, OLD = torch.device("cpu"), Machine(capability="AVX2", amd=True, bf16=False, f16=False)
SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)
TEXT = CLIPTextConfig(vocab_size=50, width=24, mlp_width=48, layers=2, heads=2, positions=9, eos_token_id=49)
HALVES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)


@pytest.fixture(autouse=True)
def old_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without units for half precision."""
    monkeypatch.setattr(choice, "this_machine", lambda: OLD)


def made(kind: Callable[[], nn.Module], dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    return kind().eval().requires_grad_(False).to(dtype)


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def asked(net: Any, call: Callable[[Any, Callable[[Tensor], Tensor]], Tensor], dtype: torch.dtype) -> tuple[float, ...]:
    """How far the twin and the plain network are from float64, as a part of its largest value."""
    cast = lambda x: x.to(dtype)  # noqa: E731
    fast = twin(net, choose(CPU, dtype))
    found, plain = call(fast, cast), call(net, cast)
    assert found.dtype == plain.dtype == dtype
    exact = call(net.double(), lambda x: cast(x).double())
    return tuple(((x.double() - exact).abs().max() / exact.abs().max()).item() for x in (found, plain))


CALLS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "U-Net": (
        lambda: UNet(SMALL),
        lambda net, to: net(to(random(2, 4, 8, 8)), torch.tensor([500.0, 3.0]), to(random(2, 7, 24))),
    ),
    "ControlNet": (
        lambda: ControlNet(ControlNetConfig(**{**vars(SMALL), "hint_channels": (4, 8)})),
        lambda net, to: net(
            to(random(2, 4, 8, 8)), torch.tensor([500.0, 3.0]), to(random(2, 7, 24)), to(random(2, 3, 16, 16))
        )[0],
    ),
    "decoder": (
        lambda: VAE(VAEConfig(channels=(32, 64), resnets=1)),
        lambda net, to: net.decode(to(random(1, 4, 8, 8))),
    ),
    "encoder": (
        lambda: VAE(VAEConfig(channels=(32, 64), resnets=1)),
        lambda net, to: net.encode(to(random(1, 3, 16, 16)), random(1, 4, 8, 8, seed=2)),
    ),
    "text encoder": (lambda: CLIPText(TEXT), lambda net, to: net(torch.tensor([[3, 4, 5, 49]])).last),
}


@HALVES
@pytest.mark.parametrize("name", CALLS)
def test_it_is_nearer_to_float64_than_half_precision(name: str, dtype: torch.dtype) -> None:
    kind, call = CALLS[name]
    found, plain = asked(made(kind, dtype), call, dtype)
    assert found < plain
    assert found <= {torch.bfloat16: 4e-3, torch.float16: 6e-4}[dtype]  # half a unit in the last place


@HALVES
def test_layers_of_adapters_are_widened_too(dtype: torch.dtype) -> None:
    net = made(lambda: UNet(SMALL), dtype)
    block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    conv = "down_blocks.0.resnets.0.conv1"
    linear = twin_of(net.get_submodule(block), AdaptedLinear)
    linear.keep([(Change(KINDS[0], {"down": random(4, 32), "up": random(32, 4, seed=2)}, scale=1.0), 0.7)])
    other = twin_of(net.get_submodule(conv), AdaptedConv)
    other.keep([(Change(KINDS[0], {"down": random(4, 32, 3, 3), "up": random(32, 4, 1, 1)}, scale=0.1), 0.7)])
    found, plain = asked(with_modules(net, {block: linear, conv: other}), CALLS["U-Net"][1], dtype)
    assert found < plain


def test_a_gradient_is_that_of_the_plain_network() -> None:
    net = made(lambda: UNet(SMALL), torch.bfloat16)
    x = random(1, 4, 8, 8).bfloat16()
    told = torch.tensor([500.0]), random(1, 7, 24).bfloat16()
    found = []
    for one in (twin(net, choose(CPU, torch.bfloat16)), net):
        given = x.clone().requires_grad_()
        one(given, *told).float().square().mean().backward()
        found.append(given.grad)
    assert found[0] is not None and torch.equal(*found)


def test_the_network_stays_what_it_was() -> None:
    net = made(lambda: UNet(SMALL), torch.bfloat16)
    kinds, before = [type(module) for module in net.modules()], {n: x.clone() for n, x in net.state_dict().items()}
    CALLS["U-Net"][1](Quick()(net), lambda x: x.bfloat16())
    assert [type(module) for module in net.modules()] == kinds
    for name, tensor in net.state_dict().items():
        assert tensor.dtype == before[name].dtype and torch.equal(tensor, before[name])


def test_inputs_are_let_go_of() -> None:
    net = made(CALLS["encoder"][0], torch.bfloat16)
    fast = twin(net, choose(CPU, torch.bfloat16))
    for dtype in (torch.bfloat16, torch.float32):
        image = random(1, 3, 16, 16).to(dtype)
        fast.encode(image)
        gone = weakref.ref(image)
        del image
        assert gone() is None


def test_where_there_are_units_nothing_is_widened() -> None:
    new = Machine(capability="AVX512", amd=False, bf16=True, f16=True)
    assert not any(choose(CPU, dtype, new).wide for dtype in (torch.float32, torch.bfloat16, torch.float16))
    assert not choose(CPU, torch.float32, OLD).wide
    assert choose(CPU, torch.float16, OLD).wide and choose(CPU, torch.bfloat16, OLD).wide


@HALVES
def test_a_picture_in_half_precision(dtype: torch.dtype) -> None:
    exact = sukashi.load("kirie")("a cat", steps=4, seed=1)
    found = sukashi.load("kirie", dtype=dtype)("a cat", steps=4, seed=1)
    name = str(dtype)[6:]
    assert f"no units for {name} on this processor: each layer computes in float32" in found.notes
    assert (found.latents.float() - exact.latents).abs().max() < 0.2
