"""Prompts in a pipeline: what is drawn, what is recorded, and that a plain prompt goes the plain way."""

from __future__ import annotations

import itertools
import sys

import pytest
import torch

import sukashi
from sukashi.diffusion.denoiser import guided
from sukashi.diffusion.noise import per_picture
from sukashi.guidance.composed import composed
from sukashi.pipeline import Pipeline
from sukashi.prompts.blend import blend
from sukashi.settings import Settings
from sukashi.tasks import infotext, replay
from tiny_models import tiny_model

LONG = "a red hat on a cat at the sea, " * 30  # 300 tokens and more


def pipeline(family: str = "sd1") -> Pipeline:
    parts = tiny_model(family)
    size = parts.family.size
    return Pipeline(parts, dict(width=size // 2, height=size // 2, steps=2, guidance=4.0), name=f"tiny {family}")


def latents(pipe: Pipeline, prompt, **options) -> torch.Tensor:
    return pipe(prompt, seed=3, **options).latents


def test_a_plain_prompt_enters_nothing_of_ours() -> None:
    pipe, entered = pipeline(), set()
    sys.setprofile(lambda frame, event, _: entered.add(frame.f_code.co_filename))
    try:
        latents(pipe, "a cat, 12:30")
    finally:
        sys.setprofile(None)
    assert not [name for name in entered if "sukashi/prompts/" in name or "/lark/" in name]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_weights_change_the_picture_and_none_takes_the_text_as_it_stands(family: str) -> None:
    pipe = pipeline(family)
    modes = ("a1111", "no-norm", "comfy", "ignore", "none")
    drawn = {mode: latents(pipe, "a (cat:1.6)", emphasis=mode) for mode in modes}
    for one, other in itertools.combinations(modes, 2):
        assert not torch.equal(drawn[one], drawn[other]), (one, other)
    assert torch.allclose(drawn["ignore"], latents(pipe, "a cat"), atol=1e-4)
    assert torch.allclose(drawn["none"], latents(pipe, r"a \(cat:1.6\)"), atol=1e-4)
    assert pipe("a (cat:1.6)", seed=1).notes == ["weights (a1111): 1.6 on 'cat'"]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("negative", [None, "dog", LONG])
def test_long_prompts_run(family: str, negative: str | None) -> None:
    pipe = pipeline(family)
    result = pipe(LONG, negative_prompt=negative, seed=1, steps=1)
    assert result.notes[0].endswith(" chunks of 75 tokens") and result.latents.isfinite().all()
    cut = pipe(LONG, negative_prompt=negative, seed=1, steps=1, truncate=True)
    assert cut.notes[0].startswith("the prompt is longer than 77 tokens; cut off: ")
    assert not torch.equal(cut.latents, result.latents)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_short_prompt_is_padded_to_a_long_negative_one(family: str) -> None:
    short = pipeline(family)("a cat", negative_prompt=LONG, seed=1, steps=1)
    assert short.notes[0].endswith(" chunks of 75 tokens") and short.latents.isfinite().all()


def test_long_prompts_run_on_kirie() -> None:
    pipe = sukashi.load("kirie", device="cpu")
    result = pipe("a girl with glasses eating pizza, " * 40, seed=1, steps=2)
    assert result.notes[0].endswith(" chunks of 46 tokens") and result.latents.isfinite().all()


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "ddim"])
def test_a_prompt_that_changes_is_two_runs_in_one(sampler: str) -> None:
    pipe, options = pipeline(), {"sampler": sampler, "steps": 4, "seed": 3}
    changed = list(pipe.steps("a [cat:dog:2] (at)", **options))
    first, second = (list(pipe.steps(f"a {word} (at)", **options)) for word in ("cat", "dog"))
    assert torch.equal(changed[0].x_next, first[0].x_next)
    x = changed[2].x
    level = changed[2].now
    wanted, unwanted = pipe.encode_prompt("a dog (at)"), pipe.encode_prompt("")
    by_hand = guided(pipe.unet, pipe.published.schedule.predicts, wanted, unwanted, 4.0)(x, level)
    assert torch.allclose(changed[2].prediction.eps, by_hand.eps, atol=1e-5) or sampler in ("heun", "dpmpp_2m")
    assert not torch.equal(changed[-1].x_next, first[-1].x_next)
    assert not torch.equal(changed[-1].x_next, second[-1].x_next)


def test_a_change_after_or_before_the_run_is_none() -> None:
    pipe = pipeline()
    assert torch.equal(latents(pipe, "a [cat:dog:9]"), latents(pipe, "a cat"))
    assert torch.equal(latents(pipe, "a [cat:dog:0]"), latents(pipe, "a dog"))


def test_and_equals_the_sum_by_hand() -> None:
    pipe = pipeline()
    drawn = latents(pipe, "a cat AND a dog:0.5", negative_prompt="at", sampler="euler")
    plan = pipe.plan(Settings(sampler="euler"))
    levels = plan.levels(2)
    noise = per_picture([3], pipe.latent_shape(*pipe.size), "cpu", pipe.device)
    wanted = [(pipe.encode_prompt("a cat"), 1.0), (pipe.encode_prompt("a dog"), 0.5)]
    denoise = composed(pipe.unet, pipe.published.schedule.predicts, wanted, pipe.encode_prompt("at"), 4.0)
    with torch.no_grad():
        *_, last = plan.run(denoise, noise() * plan.start_scale(levels), levels, noise)
    assert torch.allclose(drawn, last.x_next, atol=1e-5)


def test_every_picture_of_a_batch_is_as_if_alone() -> None:
    pipe = pipeline()
    prompts = ["a [cat|dog]", "a (cat:1.4) AND dog:0.3", "at", LONG]
    together = pipe.steps(prompts, seed=5, steps=2)
    *_, last = together
    for k, prompt in enumerate(prompts):
        alone = pipe(f"{prompt}", seed=5 + k, steps=2).latents
        if prompt == LONG:  # the others are padded to its chunks
            assert torch.allclose(last.x_next[k : k + 1], alone, atol=1e-3)
    two = list(pipe.steps(prompts[:3], seed=5, steps=2))[-1].x_next
    for k, prompt in enumerate(prompts[:3]):
        assert torch.allclose(two[k : k + 1], pipe(prompt, seed=5 + k, steps=2).latents, atol=1e-3), prompt


def test_embeddings_in_the_place_of_words() -> None:
    pipe = pipeline("sdxl")
    told, no = pipe.encode_prompt("a cat"), pipe.encode_prompt("dog")
    assert torch.equal(latents(pipe, told, negative_prompt="dog"), latents(pipe, "a cat", negative_prompt="dog"))
    assert torch.equal(latents(pipe, told, negative_prompt=no), latents(pipe, "a cat", negative_prompt="dog"))
    mixed = blend(pipe.encode_prompt(["a cat", LONG]), [1, 1], "slerp")
    result = pipe(mixed, seed=3, count=2)
    assert len(result.images) == 2 and result.latents.isfinite().all()
    with pytest.raises(ValueError, match="was drawn from prompt embeddings"):
        replay(result.record(), pipe)


def test_records_are_complete() -> None:
    pipe = pipeline()
    result = pipe("a (cat:1.3) [at:on:.5] AND dog", seed=1, emphasis="no-norm", truncate=True)
    again = replay(result.record(), pipe)
    assert torch.equal(again.latents, result.latents)
    assert "Emphasis: No norm" in infotext(result) and "Emphasis" not in infotext(pipe("a (cat)", seed=1))
    with pytest.raises(ValueError, match="emphasis is 'loud'; accepted are a1111, no-norm, comfy, ignore, none"):
        Settings(emphasis="loud")
