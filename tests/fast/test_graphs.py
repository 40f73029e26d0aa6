"""Graphs are kept by shape, fed with copies, and never out of date; on a GPU, the same bits as without."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sukashi
from sukashi.diffusion.denoiser import Conditioning, guided
from sukashi.diffusion.types import Level
from sukashi.fast import graphs
from sukashi.fast.choice import Tools
from sukashi.fast.graphs import Call, Graphs, Tensors
from sukashi.fast.twin import Quick
from sukashi.guidance.attention import watched
from sukashi.nets.unet import UNet, UNetConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)
LEVELS = [
    Level(t=900.0, alpha=0.2, sigma=0.98),
    Level(t=400.0, alpha=0.8, sigma=0.6),
    Level(t=90.0, alpha=0.96, sigma=0.28),
]


def question(device: str = "cpu", size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.randn(2, 4, size, size, device=device),
        torch.full((2,), 500.0, device=device),
        torch.randn(2, 7, 24, device=device),
    )


class Recorder:
    """In the place of a GPU: a replay computes from the tensors that were recorded, into the same ones every time."""

    def __init__(self) -> None:
        self.recorded = 0

    def __call__(self, call: Call) -> Call:
        self.recorded += 1
        out = call()

        def replay() -> Tensors:
            for name, value in call().items():
                out[name].copy_(value)
            return out

        return replay


class Words(Quick):
    """Twins with what a GPU has of ``fast`` that a CPU can do exactly."""

    def tools(self, net: nn.Module) -> Tools:
        return Tools(words=True, told=self.told)


@pytest.fixture
def net() -> UNet:
    torch.manual_seed(0)
    return UNet(SMALL).eval().requires_grad_(False)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def quick(recorder: Recorder) -> Graphs:
    return Graphs(Words(), recorder, "cpu")


def told(seed: int, count: int = 1) -> Conditioning:
    return Conditioning(context=torch.randn(count, 7, 24, generator=torch.Generator().manual_seed(seed)))


def test_a_graph_per_shape_from_the_second_call_on(net: UNet, quick: Graphs, recorder: Recorder) -> None:
    kept = []
    plain = quick.inner(net)
    with torch.no_grad():
        for size in (8, 8, 6, 8, 6, 8):
            asked = question(size=size)
            kept.append((quick(net)(*asked, noise_level=None, residuals=()), plain(*asked)))
    assert all(torch.equal(found, expected) for found, expected in kept)  # and no later call wrote into them
    assert recorder.recorded == 2 and quick.notes == []


def test_changed_weights_make_a_new_graph(net: UNet, quick: Graphs, recorder: Recorder) -> None:
    asked = question()
    with torch.no_grad():
        for change in (lambda w: w.mul_(1), lambda w: w.mul_(2), lambda w: setattr(w, "data", w.data * 2)):
            change(net.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_k.weight)
            for _ in range(3):
                assert torch.equal(quick(net)(*asked), quick.inner(net)(*asked))
    assert recorder.recorded == 3


def test_what_runs_without_a_graph(net: UNet, quick: Graphs, recorder: Recorder) -> None:
    asked = question()
    residuals = [torch.zeros(1)] * (len(SMALL.skips) + 1)
    for _ in range(3):
        with torch.no_grad():
            quick(net)(*asked, residuals=residuals)
            quick(watched(net, lambda *_: None))(*asked)
        quick(net)(*asked)  # gradients may be wanted
    hook = net.register_forward_hook(lambda *_: None)
    assert quick(net) is net
    hook.remove()
    assert recorder.recorded == 0


@pytest.mark.parametrize(("scale", "rescale"), [(7.5, 0.0), (3.0, 0.7), (1.0, 0.0), (0.0, 0.0)])
def test_a_guided_step_is_one_graph(net: UNet, quick: Graphs, recorder: Recorder, scale: float, rescale: float) -> None:
    for run in range(3):  # other prompts in the same graph
        how = ("v_prediction", told(10 + run), told(20 + run), scale, rescale)
        plain = guided(quick.inner(net), *how)
        whole = quick.whole(net, plain, how)
        with torch.no_grad():
            for level in LEVELS:
                x = torch.randn(1, 4, 8, 8)
                found, expected = whole(x, level), plain(x, level)
                assert torch.equal(found.x0, expected.x0) and torch.equal(found.eps, expected.eps)
                assert found.parts.keys() == expected.parts.keys()
                assert all(torch.equal(found.parts[name], expected.parts[name]) for name in expected.parts)
    assert recorder.recorded == 1


def test_a_prompt_that_changes_in_place_is_heard(net: UNet, quick: Graphs) -> None:
    x, t, context = question()
    with torch.no_grad():
        for _ in range(4):
            assert torch.equal(quick(net)(x, t, context), quick.inner(net)(x, t, context))
            context.mul_(-1.5)


def test_channels_beside_the_latent_take_the_plain_way(net: UNet, quick: Graphs) -> None:
    plain: Any = lambda x, level: None  # noqa: E731
    how = (
        "epsilon",
        replace(told(1), extra=torch.zeros(1, 5, 8, 8)),
        replace(told(2), extra=torch.zeros(1, 5, 8, 8)),
        7.5,
        0.0,
    )
    assert quick.whole(net, plain, how) is plain


def test_a_replay_that_differs_by_a_bit_is_not_used(net: UNet) -> None:
    def wrong(call: Call) -> Call:
        return lambda: {name: value + 1e-6 if value.is_floating_point() else value for name, value in call().items()}

    def failing(call: Call) -> Call:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    for broken, said in ((wrong, "out is not the same to the bit"), (failing, "operation not permitted")):
        quick, asked = Graphs(Words(), broken, "cpu"), question()
        with torch.no_grad():
            for _ in range(3):
                assert torch.equal(quick(net)(*asked), quick.inner(net)(*asked))
        assert len(quick.notes) == 1 and said in quick.notes[0]


def test_overflow_is_left_to_the_guard(net: UNet, quick: Graphs) -> None:
    how = ("epsilon", told(1), told(2), 7.5, 0.0)
    seen: list[Level] = []

    def plain(x: Tensor, level: Level) -> Any:
        seen.append(level)
        return guided(quick.inner(net), *how)(x, level)

    whole = quick.whole(net, plain, how)
    with torch.no_grad():
        for x in (torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.full((1, 4, 8, 8), torch.inf)):
            whole(x, LEVELS[1])
        whole(torch.randn(1, 4, 8, 8), LEVELS[2])
    assert len(seen) == 3  # the first, the recorded one, and the one that was not finite


def test_graphs_are_freed(net: UNet, quick: Graphs, recorder: Recorder) -> None:
    with torch.no_grad():
        for size in range(2, 2 + 2 * (graphs.KEPT + 1), 2):
            for _ in range(2):
                quick(net)(*question(size=size))
    assert len(quick.made) == graphs.KEPT
    quick.clear()
    assert not quick.made
    with torch.no_grad():
        for _ in range(2):
            quick(net)(*question())
    del net
    assert recorder.recorded


def test_a_pipeline_draws_the_same_bits(recorder: Recorder) -> None:
    plain = sukashi.load("kirie", device="cpu", fast=False)
    pipe, quick = copy.copy(plain), Graphs(Words(), recorder, "cpu")
    pipe.quick, pipe.whole_step = quick, quick.whole
    asks: list[dict[str, Any]] = [{"prompt": "a red hat"}, {"prompt": "a blue hat", "negative_prompt": "snow"}]
    for asked in (*asks, {"prompt": "a (red:1.2) hat"}):
        found, expected = (each(**asked, seed=1, steps=3) for each in (pipe, plain))
        assert torch.equal(found.latents, expected.latents) and found.notes == expected.notes
    assert recorder.recorded == 1 and quick.notes == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_the_same_bits_on_a_gpu(net: UNet, dtype: torch.dtype) -> None:
    net = net.to("cuda", dtype)
    quick = Graphs(Quick())
    guide: Callable[[int], Conditioning] = lambda seed: Conditioning(context=told(seed).context.to("cuda", dtype))  # noqa: E731
    for run in range(2):
        how = ("epsilon", guide(run), guide(9 + run), 7.5, 0.0)
        inner: Callable[..., Tensor] = lambda x, *more, **named: quick.inner(net)(x.to(dtype), *more, **named)  # noqa: E731
        plain = guided(inner, *how)
        whole = quick.whole(net, plain, how)
        with torch.no_grad():
            for level in LEVELS:
                x = torch.randn(1, 4, 8, 8, device="cuda")
                assert torch.equal(whole(x, level).x0, plain(x, level).x0)
    assert len(quick.made) == 1 and quick.notes == []
    assert isinstance(net, nn.Module)
