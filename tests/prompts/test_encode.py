"""Weighted prompts of any length, against formulas written out with transformers' ids and our plain encoder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sukashi.prompts.encode import encode_prompts
from sukashi.text import context_of, encode_text, hidden_layer
from sukashi.weights.parts import Parts
from tiny_models import tiny_model

PROMPT = "a (cat:1.5) at [[the]] (red (hat))"
WORDS = [("a", 1.0), ("cat", 1.5), ("at", 1.0), ("the", 1 / 1.21), ("red", 1.1), ("hat", 1.21)]
LONG = "a red hat, on a cat at sea, " * 20


def mean_kept(z: Tensor, w: Tensor, empty: Tensor) -> Tensor:
    return z * w * (z.mean() / (z * w).mean())


FORMULAS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "a1111": mean_kept,
    "no-norm": lambda z, w, empty: z * w,
    "comfy": lambda z, w, empty: (z - empty) * w + empty,
    "ignore": lambda z, w, empty: z,
}


def by_hand(parts: Parts, rows: list[list[tuple[str, float]]], mode: str, skip: int) -> tuple[Tensor, Tensor]:
    """Words with weights, one list for every chunk -> context (1, n 77, D) and the pooled output of the first chunk."""
    contexts, pooled = [], []
    for tokenizer, encoder in zip(parts.tokenizers, parts.text_encoders, strict=True):
        layer, said = hidden_layer(encoder, skip, parts.family.hidden), []
        for words in [[], *rows]:
            ids, weights = [tokenizer.bos], [1.0]
            for word, weight in words:
                ids += tokenizer.encode(word)
                weights += [weight] * (len(ids) - len(weights))
            ids += [tokenizer.eos] + [tokenizer.pad] * (76 - len(ids))
            weights += [1.0] * (77 - len(weights))
            states = encoder(torch.tensor([ids]))
            z = context_of(encoder, states, layer, parts.family.hidden)
            said.append((z, torch.tensor(weights)[None, :, None], states.pooled))
        empty = said[0][0]
        contexts.append(torch.cat([FORMULAS[mode](z, w, empty) for z, w, _ in said[1:]], dim=1))
        pooled.append(said[1][2])
    return torch.cat(contexts, dim=-1), pooled[-1]


@pytest.mark.parametrize("mode", FORMULAS)
@pytest.mark.parametrize(("family", "skip"), [("sd1", 1), ("sd1", 2), ("sd2", 1), ("sdxl", 1), ("sdxl-refiner", 1)])
def test_weights_follow_the_formula(mode: str, family: str, skip: int) -> None:
    parts = tiny_model(family)
    told = encode_prompts(parts, [PROMPT], emphasis=mode, clip_skip=skip)
    expected, pooled = by_hand(parts, [WORDS], mode, skip)
    assert told.context.shape == expected.shape
    assert (told.context - expected).abs().max() <= 2e-6 * expected.abs().max()
    if family.startswith("sdxl"):
        assert torch.allclose(told.pooled, pooled, atol=1e-6)
    else:
        assert told.pooled is None
    if mode != "ignore":
        plain = encode_prompts(parts, [PROMPT], emphasis="ignore", clip_skip=skip)
        assert (told.context - plain.context).abs().max() > 1e-2
        assert told.notes[0].startswith(f"weights ({mode}): 1.5 on 'cat', 0.8264 on 'the', 1.1 on 'red")


@pytest.mark.parametrize("mode", ["a1111", "comfy"])
def test_chunks_stand_one_behind_the_other(mode: str) -> None:
    parts = tiny_model("sdxl")
    told = encode_prompts(parts, ["a (cat:2) BREAK (red:0.5) hat BREAK at"], emphasis=mode)
    rows = [[("a", 1.0), ("cat", 2.0)], [("red", 0.5), ("hat", 1.0)], [("at", 1.0)]]
    expected, pooled = by_hand(parts, rows, mode, 1)
    assert told.context.shape == (1, 3 * 77, 64)
    assert (told.context - expected).abs().max() <= 2e-6 * expected.abs().max()
    assert torch.allclose(told.pooled, pooled, atol=1e-6)
    assert told.notes[0] == "3 chunks of 75 tokens"


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "sdxl-refiner"])
@pytest.mark.parametrize("mode", ["a1111", "no-norm", "comfy", "ignore", "none"])
def test_a_plain_prompt_keeps_its_bits(family: str, mode: str) -> None:
    parts = tiny_model(family)
    prompts_of_all: list[list[str | None]] = [["a red cat", "hats, 12:30 | é 猫"], [None, "", "cat"]]
    for prompts in [*prompts_of_all, *([["a (cat:1.3) [at] BREAK AND"]] if mode == "none" else [])]:
        for skip in (1, 2):
            told, plain = (
                encode_prompts(parts, prompts, emphasis=mode, clip_skip=skip),
                encode_text(parts, prompts, clip_skip=skip),
            )
            assert torch.equal(told.context, plain.context) and told.notes == plain.notes
            assert (told.pooled is None) == (plain.pooled is None)
            assert told.pooled is None or torch.equal(told.pooled, plain.pooled)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_truncate_is_the_cut_of_diffusers(family: str) -> None:
    parts = tiny_model(family)
    told, plain = encode_prompts(parts, [LONG], truncate=True), encode_text(parts, [LONG])
    assert torch.equal(told.context, plain.context)
    assert told.notes == plain.notes and told.notes[0].startswith("the prompt is longer than 77 tokens; cut off: ")
    weighted = encode_prompts(parts, [f"({LONG}:1.0) (x:1.2)"], truncate=True)
    assert weighted.context.shape[1] == 77
    assert weighted.notes[0].startswith("the prompt is longer than 77 tokens; cut off: ")


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_batch_has_as_many_chunks_as_its_longest(family: str) -> None:
    parts = tiny_model(family)
    told = encode_prompts(parts, [LONG, "a cat", None], chunks=2)
    n = told.context.shape[1] // 77
    assert n >= 4 and told.context.shape[1] % 77 == 0 and len(told.context) == 3
    alone = encode_prompts(parts, ["a cat"], chunks=n)
    assert torch.allclose(told.context[1:2], alone.context, atol=1e-6)
    empty = encode_text(parts, [""]).context
    assert torch.allclose(alone.context[:, 77:], empty.repeat(1, n - 1, 1), atol=1e-6)
    silence = torch.zeros_like(told.context[2:]) if family == "sdxl" else empty.repeat(1, n, 1)
    assert torch.allclose(told.context[2:], silence, atol=1e-6)
    if family == "sdxl":
        assert told.pooled is not None and not told.pooled[2].any() and told.pooled[1].any()


def test_unknown_words_and_modes_are_named() -> None:
    parts = tiny_model("sd1")
    notes = encode_prompts(parts, ["a embedding:nope (cat)"]).notes
    assert "embedding:nope is not installed; taken as words" in notes
    with pytest.raises(ValueError, match="emphasis is 'loud'; accepted are a1111, no-norm, comfy, ignore, none"):
        encode_prompts(parts, ["a"], emphasis="loud")
    with pytest.raises(ValueError, match="clip_skip is 9"):
        encode_prompts(parts, ["(a)"], clip_skip=9)
