"""Scenes in a run: the right words at every call of every sampler, and AND as the sum it stands for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.names import resolve
from sukashi.diffusion.noise import per_picture
from sukashi.diffusion.types import Level, Prediction
from sukashi.guidance.composed import composed
from sukashi.guidance.switch import switch
from sukashi.prompts.script import script
from sukashi.prompts.told import Told, tell, texts_of

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SAMPLERS = ["euler", "euler_a", "heun", "dpm2", "dpmpp_2m", "dpmpp_sde", "ddim", "pndm", "plms", "unipc", "lms"]


def encode(texts: tuple[str | None, ...]) -> Conditioning:
    """A text as its letters' sum."""
    numbers = [float(sum(map(ord, text or ""))) for text in texts]
    return Conditioning(context=torch.tensor(numbers)[:, None, None])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_words_change_at_their_step(sampler: str) -> None:
    n, plan = 8, resolve(sampler, None, SD)
    levels = plan.levels(n)
    told = tell(script(["[a:b:3]"], [None], n), levels, encode)
    calls: list[tuple[float, str]] = []

    def said(text: str):
        def denoise(x: Tensor, level: Level) -> Prediction:
            calls.append((level.sigma, text))
            return Prediction(x * 0.5, x)

        return denoise

    names = {ord("a"): "a", ord("b"): "b"}
    denoise = switch([(one.lowest, said(names[int(one.wanted[0][0].context)])) for one in told])
    noise = per_picture([0], (4, 4, 4), "cpu", torch.device("cpu"))
    for _ in plan.run(denoise, noise() * plan.start_scale(levels), levels, noise):
        pass
    assert {text for _, text in calls} == {"a", "b"}
    for sigma, text in calls:  # the third step begins at levels[2] and ends at levels[3]
        assert text == ("a" if sigma > levels[3].sigma else "b"), (sampler, sigma)
    first = [text for sigma, text in calls if any(sigma == level.sigma for level in levels[:3])]
    assert first.count("a") >= 3 and "b" not in first


def test_each_text_is_encoded_once() -> None:
    asked: list[tuple[str | None, ...]] = []
    scenes = script(["[a|b] c", "d"], [None, "n"], 6)

    def noted(texts: tuple[str | None, ...]) -> Conditioning:
        asked.append(texts)
        return encode(texts)

    told = tell(scenes, resolve("euler", None, SD).levels(6), noted)
    assert asked == [("a c", "d"), (None, "n"), ("b c", "d")]
    assert len(told) == 6 and all(one.alone for one in told) and told[-1].lowest == 0
    assert texts_of(scenes) == ["a c", "d", "b c", "n"]


def unet(x: Tensor, t: Tensor, context: Tensor, **named: object) -> Tensor:
    """Something that depends on everything."""
    return torch.sin(x + context[:, :1, :1, None] * 0.01 + t[:, None, None, None] / 1000)


def test_and_is_the_sum_by_hand() -> None:
    (told,) = tell(script(["a AND b:0.6 AND c:-1"], ["n"], 4), resolve("euler", None, SD).levels(4), encode)
    assert not told.alone and [weight for _, weight in told.wanted] == [1.0, 0.6, -1.0]
    x, level = torch.randn(1, 4, 4, 4), Level(500.0, 0.6, 0.8)
    out = composed(unet, "epsilon", told.wanted, told.unwanted, 7.0)(x, level).eps
    a, b, c, u = (unet(x, torch.tensor([500.0]), encode((text,)).context) for text in "abcn")
    assert torch.allclose(out, u + 7.0 * ((a - u) + 0.6 * (b - u) - (c - u)), atol=1e-5)


def test_pictures_of_a_batch_have_their_own_weights() -> None:
    (told,) = tell(script(["a AND b:0.6", "c"], [None] * 2, 4), resolve("euler", None, SD).levels(4), encode)
    assert isinstance(told, Told) and isinstance(told.wanted[1][1], Tensor)
    x, level = torch.randn(2, 4, 4, 4), Level(500.0, 0.6, 0.8)
    out = composed(unet, "epsilon", told.wanted, told.unwanted, 7.0)(x, level).eps
    t = torch.tensor([500.0])
    for k, voices in enumerate([{"a": 1.0, "b": 0.6}, {"c": 1.0}]):
        u = unet(x[k : k + 1], t, encode((None,)).context)
        alone = sum(w * (unet(x[k : k + 1], t, encode((text,)).context) - u) for text, w in voices.items())
        assert torch.allclose(out[k : k + 1], u + 7.0 * alone, atol=1e-5)
