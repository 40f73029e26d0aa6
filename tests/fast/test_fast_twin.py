"""A network and its twin: the same numbers, plain when it must be, and never out of date."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import sukashi
from sukashi.fast import attention, convolution, ops, residual
from sukashi.fast.attention import Attention
from sukashi.fast.budget import Budget
from sukashi.fast.choice import Machine, Tools, choose
from sukashi.fast.convolution import Convolution
from sukashi.fast.twin import Quick, twin
from sukashi.guidance.attention import watched
from sukashi.nets.controlnet import ControlNet, ControlNetConfig
from sukashi.nets.shallow import with_modules
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)
Inputs = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def net() -> UNet:
    torch.manual_seed(0)
    return UNet(SMALL).eval().requires_grad_(False)


@pytest.fixture(params=[(8, 8), (9, 7)], ids=str)
def inputs(request: pytest.FixtureRequest) -> Inputs:
    torch.manual_seed(1)
    return torch.randn(2, 4, *request.param), torch.tensor([500.0, 3.0]), torch.randn(2, 7, 24)


@pytest.fixture
def everything_pays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Winograd and enlarging at any size."""
    monkeypatch.setattr(convolution, "WINOGRAD_AREA", 16)
    monkeypatch.setattr(convolution, "WINOGRAD_WIDTH", 8)
    monkeypatch.setattr(residual, "TOKENS", 30)
    monkeypatch.setattr(attention, "LARGE", 16)
    monkeypatch.setattr(attention, "PORTION", 20)
    yield


def close(a: Tensor, b: Tensor) -> None:
    assert ((a - b).abs().max() / b.abs().max()).item() < 3e-5


@pytest.mark.parametrize("one", ["winograd", "packed", "enlarging", "words", "linear", "lean", "chunked"])
@pytest.mark.usefixtures("everything_pays")
def test_each_technique_gives_the_same_numbers(net: UNet, inputs: Inputs, one: str) -> None:
    tools = Tools(packed=one == "enlarging", winograd=one == "lean")
    setattr(tools, one, True)
    close(twin(net, tools)(*inputs), net(*inputs))


@pytest.mark.usefixtures("everything_pays")
def test_what_bfloat16_gets_gives_the_same_numbers_and_is_used(
    net: UNet, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, real = list[int](), attention.chunked
    monkeypatch.setattr(attention, "chunked", lambda q, k, v: sizes.append(k.shape[2]) or real(q, k, v))
    close(twin(net, Tools(chunked=True, lean=True))(*inputs), net(*inputs))
    assert sizes and min(sizes) >= attention.LARGE


def test_words_are_kept_to_the_bit(net: UNet, inputs: Inputs) -> None:
    quick, expected = twin(net, Tools(words=True)), net(*inputs)
    for _ in range(2):
        assert torch.equal(quick(*inputs), expected)
    inputs[2].mul_(2)  # the same tensor, other numbers
    assert torch.equal(quick(*inputs), net(*inputs))


def test_what_is_kept_is_dropped_with_the_prompt(net: UNet, inputs: Inputs) -> None:
    tools = Tools(words=True)
    x, t, context = inputs
    twin(net, tools)(x, t, context.clone())
    assert not tools.told.made


def test_the_autoencoder(monkeypatch: pytest.MonkeyPatch, everything_pays: None) -> None:
    vae = VAE(VAEConfig(channels=(16, 32), resnets=1, groups=4, scale=1.0)).eval().requires_grad_(False)
    quick, z = Quick()(vae), torch.randn(1, 4, 6, 9)
    close(quick.decode(z), vae.decode(z))
    image = torch.randn(1, 3, 12, 18)
    close(quick.encode(image), vae.encode(image))


def test_a_control_network(inputs: Inputs, everything_pays: None) -> None:
    config = ControlNetConfig(**{**vars(SMALL), "hint_channels": (4, 8)})
    control, picture = (
        ControlNet(config).eval().requires_grad_(False),
        torch.rand(2, 3, *inputs[0].shape[2:]).repeat(1, 1, 2, 2),
    )
    for weight in control.parameters():
        weight.normal_(0, 0.1)
    for found, expected in zip(Quick()(control)(*inputs, picture), control(*inputs, picture), strict=True):
        close(found, expected)


def test_a_network_stays_as_it_was(net: UNet, inputs: Inputs) -> None:
    before = {name: type(module) for name, module in net.named_modules()}
    Quick()(net)(*inputs)
    assert {name: type(module) for name, module in net.named_modules()} == before


def test_changed_weights_are_seen(net: UNet, inputs: Inputs) -> None:
    quick = Quick()
    quick(net)(*inputs)
    for change in (lambda w: w.mul_(1.5), lambda w: setattr(w, "data", w.data * 0.5)):
        change(net.mid_block.resnets[0].conv1.weight)
        change(net.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_k.weight)
        close(quick(net)(*inputs), net(*inputs))
    net.load_state_dict({name: 1.1 * weight for name, weight in net.state_dict().items()}, assign=True)
    close(quick(net)(*inputs), net(*inputs))


def test_replaced_layers_and_functions_are_seen(net: UNet, inputs: Inputs) -> None:
    quick = Quick()
    quick(net)(*inputs)
    net.conv_out = nn.Conv2d(32, 4, 3, padding=1).requires_grad_(False)
    close(quick(net)(*inputs), net(*inputs))
    layer = net.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    layer.attend = lambda q, k, v: torch.zeros_like(q)  # type: ignore[method-assign]
    close(quick(net)(*inputs), net(*inputs))


def test_hooks_get_the_plain_network(net: UNet, inputs: Inputs) -> None:
    quick, seen = Quick(), []
    assert quick(net) is not net
    hook = net.mid_block.resnets[0].conv1.register_forward_hook(lambda *_: seen.append(1))
    quick(net)(*inputs)
    hook.remove()
    assert seen == [1]
    assert quick(net) is not net


def test_attention_maps_are_the_same(net: UNet, inputs: Inputs) -> None:
    plain: dict[str, Tensor] = {}
    fast: dict[str, Tensor] = {}
    watched(net, plain.__setitem__)(*inputs)
    out = Quick()(watched(net, fast.__setitem__))(*inputs)
    assert plain.keys() == fast.keys()
    assert all(torch.allclose(plain[name], fast[name], atol=1e-6) for name in plain)
    close(out, net(*inputs))


def test_layers_of_others_are_left_alone(net: UNet) -> None:
    class Mine(nn.Conv2d):
        pass

    mine = Mine(32, 4, 3, padding=1)
    other = Quick()(with_modules(net, {"conv_out": mine}))
    assert other.conv_out is mine
    assert isinstance(other.conv_in, Convolution)


def test_gradients_take_the_plain_path(net: UNet, inputs: Inputs) -> None:
    x = inputs[0].clone().requires_grad_()
    Quick()(net)(x, *inputs[1:]).sum().backward()
    assert x.grad is not None
    mine = inputs[0].clone().requires_grad_()
    net(mine, *inputs[1:]).sum().backward()
    assert mine.grad is not None
    close(x.grad, mine.grad)


def test_a_missing_operation_falls_back_and_says_so(net: UNet, inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> Tensor:
        raise AttributeError("no such operation")

    monkeypatch.setattr(ops, "pack_convolution", gone)
    ops.problem.cache_clear()
    try:
        quick = Quick()
        close(quick(net)(*inputs), net(*inputs))
        assert "packed convolution" in quick.notes[0] and "no such operation" in quick.notes[0]
    finally:
        ops.problem.cache_clear()


def test_an_operation_with_other_numbers_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "linear", lambda x, w, b: torch.zeros(2, 5, 16))
    ops.problem.cache_clear()
    try:
        assert "off by" in ops.problem("oneDNN linear", torch.float32)
    finally:
        ops.problem.cache_clear()


@pytest.mark.usefixtures("everything_pays")
def test_without_memory_the_layers_are_plain(net: UNet, inputs: Inputs) -> None:
    tools = Tools(winograd=True, packed=True, enlarging=True, budget=Budget(1))
    close(twin(net, tools)(*inputs), net(*inputs))
    assert tools.budget.taken == 0
    assert "no memory for" in tools.budget.note


def test_the_choice() -> None:
    cpu, zen3 = torch.device("cpu"), Machine(capability="AVX2", amd=True, bf16=False)
    zen5, intel = (Machine(capability="AVX512", amd=amd, bf16=True) for amd in (True, False))
    assert choose(cpu, torch.float32, zen3).winograd and not choose(cpu, torch.float32, zen3).linear
    assert choose(cpu, torch.float32, zen5).linear or ops.problem("oneDNN linear", torch.float32)
    assert not choose(cpu, torch.float32, intel).linear
    brain = choose(cpu, torch.bfloat16, zen5)
    assert brain.chunked and brain.lean and not brain.winograd and not choose(cpu, torch.float32, zen5).chunked
    gpu = choose(torch.device("cuda"), torch.float16)
    assert gpu.words and gpu.backends and not gpu.eighths and not gpu.winograd
    assert gpu.fused == (not gpu.notes)
    assert choose(torch.device("mps"), torch.float16).names == ["keys and values of the prompt once per run"]


def test_threads_share_a_twin(net: UNet, inputs: Inputs) -> None:
    quick, expected, wrong = Quick(), net(*inputs), []

    def work(seed: int) -> None:
        context = torch.randn(2, 7, 24, generator=torch.Generator().manual_seed(seed))
        for _ in range(5):
            found = quick(net)(inputs[0], inputs[1], context)
            if not torch.allclose(found, net(inputs[0], inputs[1], context), atol=1e-4):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    close(quick(net)(*inputs), expected)
    assert isinstance(quick(net).down_blocks[0].attentions[0].transformer_blocks[0].attn2, Attention)


def test_a_picture_with_and_without() -> None:
    on, off = sukashi.load("kirie", device="cpu"), sukashi.load("kirie", device="cpu", fast=False)
    a, again, b = (pipe("a red circle", seed=3, steps=3) for pipe in (on, on, off))
    assert torch.equal(a.latents, again.latents)
    close(a.latents, b.latents)
    assert "fast" not in on.loading and off.loading["fast"] == "off"
    assert a.record()["loading"] == {"device": "cpu", "dtype": "float32"}
