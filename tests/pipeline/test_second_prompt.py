"""Two prompts for SDXL's two text encoders."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sukashi.diffusion.denoiser import Conditioning
from sukashi.pipeline import Pipeline
from sukashi.text import encode
from tiny_models import tiny_model

SEEDS = [3, 4]


def pipeline(family: str) -> Pipeline:
    parts = tiny_model(family)
    return Pipeline(parts, dict(width=64, height=64, steps=2, guidance=4.0, sampler="ddim"), name=f"tiny {family}")


def told(pipe: Pipeline, first: str, second: str) -> Conditioning:
    """Two pictures' conditioning, by the encoders alone (held against diffusers' in tests/compat)."""
    parts = pipe.parts
    both = encode(parts.tokenizers, parts.text_encoders, [first] * 2, [second] * 2, hidden="penultimate")
    return replace(pipe.encode_prompt([first] * 2), context=both.context, pooled=both.pooled)


def test_each_encoder_reads_its_own() -> None:
    pipe = pipeline("sdxl")
    result = pipe(["a cat"] * 2, negative_prompt="rain", prompt_2="a dog", negative_prompt_2="snow", seed=3)
    with torch.no_grad():
        wanted, unwanted = told(pipe, "a cat", "a dog"), told(pipe, "rain", "snow")
    by_hand = pipe.denoise(pipe.get_latents(64, 64, seeds=SEEDS), wanted, unwanted)
    torch.testing.assert_close(result.latents, by_hand, rtol=0, atol=1e-6)
    assert result.record()["settings"]["prompt_2"] == "a dog"
    alone = pipe(["a cat"] * 2, negative_prompt="rain", seed=3)
    assert (result.latents - alone.latents).abs().max() > 1e-4


def test_a_second_prompt_like_the_first_changes_nothing() -> None:
    pipe = pipeline("sdxl")
    one, two = pipe("a (cat:1.2)", seed=3), pipe("a (cat:1.2)", prompt_2="a (cat:1.2)", seed=3)
    assert torch.equal(one.latents, two.latents)


def test_a_long_second_prompt_lengthens_the_first() -> None:
    pipe = pipeline("sdxl")
    run = pipe.steps("a cat", prompt_2="a dog and a cat, " * 30, seed=3)
    assert len([*run]) == 2


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("sd1", {"prompt_2": "a dog"}, "one text encoder"),
        ("sdxl-refiner", {"negative_prompt_2": "a dog"}, "negative_prompt_2 is 'a dog'"),
        ("sdxl", {"prompt_2": "a [dog:cat:0.5]"}, "stay the same"),
        ("sdxl", {"prompt_2": "a dog AND a cat"}, "stay the same"),
        ("sdxl", {"prompt_2": "a dog <lora:ink:1>"}, "named in the first prompt"),
    ],
)
def test_what_cannot_be_told(family: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pipeline(family).steps("a cat", **options)
