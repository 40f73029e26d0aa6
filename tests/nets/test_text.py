"""Prompts to conditioning, against the encode_prompt of diffusers' pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.text import encode, hidden_layer
from sukashi.weights.configs import text_config

diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
LONG = "a very long prompt, " * 16 + "with its tail"


@pytest.fixture(scope="module")
def vocabulary(shared_data: Path) -> Path:
    return shared_data / "1_clip_tokenizer" / "tiny_random_clip"


def encoders(width: int, projection: int | None, seed: int) -> tuple[CLIPText, nn.Module]:
    torch.manual_seed(seed)
    kind = "CLIPTextModelWithProjection" if projection else "CLIPTextModel"
    config = transformers.CLIPTextConfig(
        vocab_size=1000, hidden_size=width, intermediate_size=40, num_hidden_layers=4, num_attention_heads=2,
        projection_dim=projection or 512, eos_token_id=2, hidden_act="gelu",
    )  # fmt: skip
    theirs = getattr(transformers, kind)(config).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.2)
    ours = CLIPText(text_config({**config.to_dict(), "architectures": [kind]})).eval()
    named = theirs.state_dict()
    ours.load_state_dict({k if k.startswith("text_") else f"text_model.{k}": t for k, t in named.items()})
    return ours, theirs


def sd_pipeline(tokenizer: Any, encoder: nn.Module) -> Any:
    parts = dict.fromkeys(("vae", "unet", "scheduler", "safety_checker", "feature_extractor"))
    if not hasattr(encoder, "text_model"):  # clip_skip of diffusers 0.42 needs it, transformers 5 has it no more
        object.__setattr__(encoder, "text_model", encoder)
    return diffusers.StableDiffusionPipeline(
        tokenizer=tokenizer, text_encoder=encoder, requires_safety_checker=False, **parts
    )


def test_like_stable_diffusion(vocabulary: Path) -> None:
    ours, theirs = encoders(16, None, seed=1)
    tokenizer = Tokenizer.from_folder(vocabulary)
    pipe = sd_pipeline(transformers.CLIPTokenizer.from_pretrained(vocabulary), theirs)
    prompts = ["a small red cat", "", LONG]
    for skip, theirs_skip in ((1, None), (1, 0), (2, 1), (3, 2)):
        with torch.no_grad():
            expected, _ = pipe.encode_prompt(prompts, "cpu", 1, False, clip_skip=theirs_skip)
            told = encode([tokenizer], [ours], prompts, clip_skip=skip)
        assert told.context.shape == (3, 77, 16) and told.pooled is None
        assert (told.context - expected).abs().max() <= 1e-6
        assert told.layers == ((5 - skip, 4),)
    assert told.cut[0][:2] == ("", "") and told.cut[0][2].endswith("with its tail")
    assert told.notes[0].startswith("the prompt is longer than 77 tokens; cut off: ")
    assert told.notes[1] == "using hidden layer 2 of 4"
    assert tokenizer.encode(LONG)[: 75 + 9] == [
        *told.ids[0][2, 1:-1].tolist(), *tokenizer.encode(told.cut[0][2])[:9]
    ]  # fmt: skip
    assert encode([tokenizer], [ours], ["cat"]).notes == []


def sdxl_pipeline(tokenizer: Any, first: nn.Module | None, second: nn.Module, zeros: bool = True) -> Any:
    parts = dict.fromkeys(("vae", "unet", "scheduler"))
    return diffusers.StableDiffusionXLPipeline(
        text_encoder=first, tokenizer=tokenizer if first else None, text_encoder_2=second, tokenizer_2=tokenizer,
        force_zeros_for_empty_prompt=zeros, add_watermarker=False, **parts,
    )  # fmt: skip


@pytest.mark.parametrize("refiner", [False, True])
def test_like_sdxl(vocabulary: Path, refiner: bool) -> None:
    one, their_one = encoders(16, None, seed=1)
    two, their_two = encoders(24, 20, seed=2)
    tokenizer = Tokenizer.from_folder(vocabulary)
    theirs = transformers.CLIPTokenizer.from_pretrained(vocabulary)
    pipe = sdxl_pipeline(theirs, None if refiner else their_one, their_two)
    prompts = ["a small red cat", "dog", LONG]
    ours = ([tokenizer], [two]) if refiner else ([tokenizer] * 2, [one, two])
    for skip, their_skip in ((1, None), (2, 1)):
        with torch.no_grad():
            expected, _, pooled, _ = pipe.encode_prompt(
                prompts, device="cpu", do_classifier_free_guidance=False, clip_skip=their_skip
            )
            told = encode(*ours, prompts, clip_skip=skip, hidden="penultimate")
        assert told.context.shape == (3, 77, 24 if refiner else 40) and told.pooled is not None
        assert (told.context - expected).abs().max() <= 1e-6
        assert (told.pooled - pooled).abs().max() <= 1e-6
    with torch.no_grad():
        told = encode(*ours, [None, "", "cat"], hidden="penultimate", zero_none=True)
        plain = encode(*ours, [None, "", "cat"], hidden="penultimate")
        _, zeros, _, pooled_zeros = pipe.encode_prompt("x", device="cpu", negative_prompt=None)
        _, empty, _, pooled_empty = pipe.encode_prompt("x", device="cpu", negative_prompt="")
    assert told.pooled is not None and plain.pooled is not None
    assert torch.equal(told.context[:1], zeros) and torch.equal(told.pooled[:1], pooled_zeros)
    for said in (told.context[1:2], plain.context[:1]):
        assert (said - empty).abs().max() <= 1e-6
    assert (told.pooled[1:2] - pooled_empty).abs().max() <= 1e-6
    assert torch.equal(told.context[2], plain.context[2])
    assert told.notes == [] and told.layers == ((3, 4),) * len(ours[1])


def test_two_prompts_for_two_encoders(vocabulary: Path) -> None:
    one, their_one = encoders(16, None, seed=1)
    two, their_two = encoders(24, 20, seed=2)
    tokenizer = Tokenizer.from_folder(vocabulary)
    pipe = sdxl_pipeline(transformers.CLIPTokenizer.from_pretrained(vocabulary), their_one, their_two)
    with torch.no_grad():
        expected, _, pooled, _ = pipe.encode_prompt("a cat", "a dog", device="cpu", do_classifier_free_guidance=False)
        told = encode([tokenizer] * 2, [one, two], ["a cat"], ["a dog"], hidden="penultimate")
    assert (told.context - expected).abs().max() <= 1e-6
    assert told.pooled is not None and (told.pooled - pooled).abs().max() <= 1e-6
    with pytest.raises(ValueError, match="1 prompts for the first text encoder but 2 for the second"):
        encode([tokenizer] * 2, [one, two], ["a cat"], ["a dog", "x"], hidden="penultimate")


def test_clip_skip_beyond_the_layers(vocabulary: Path) -> None:
    ours, _ = encoders(16, None, seed=1)
    assert [hidden_layer(ours, skip) for skip in (1, 2, 5)] == [4, 3, 0]
    assert hidden_layer(ours, 1, "penultimate") == 3
    for skip in (0, 6):
        with pytest.raises(ValueError, match=f"clip_skip is {skip}"):
            encode([Tokenizer.from_folder(vocabulary)], [ours], ["a"], clip_skip=skip)
