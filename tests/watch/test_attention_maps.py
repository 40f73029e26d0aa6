"""Heat maps of words: equal to DAAM as published, for any guidance, and the picture is the one without them."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import pytest
import torch
from daam_oracle import Oracle
from torch import Tensor

from sukashi import tasks
from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.names import resolve
from sukashi.fast.twin import Quick
from sukashi.guidance.strength import measured
from sukashi.pipeline import Pipeline
from sukashi.watch.attention import attention
from sukashi.watch.maps import Maps
from sukashi.weights.embeddings import Embedding
from tiny_models import tiny_model

PROMPTS = ["a cat with glasses", "pizza, a cat"]
OPTIONS = dict(negative_prompt="a cat hat", seed=3, width=96, height=64, steps=3, sampler="ddim")
SIZE = (8, 12)
UP = "up_blocks.3.attentions.1.transformer_blocks.0.attn2"


@cache
def tiny(name: str = "sd1") -> Pipeline:
    """A random model whose attention is sharp and matters."""
    parts = tiny_model(name)
    unet = copy.deepcopy(parts.unet)
    for name, weight in unet.named_parameters():
        if "norm" in name and name.endswith("weight"):
            weight.add_(1)
        elif ".attn" in name:
            weight.mul_(4)
    return Pipeline(replace(parts, unet=unet), dict(width=64, height=64, steps=2, guidance=4.0), name="tiny")


def places(prompt: str, word: str) -> list[int]:
    """Where the tokens of a word stand, told from the tokenizer alone."""
    tokenizer = tiny().parts.tokenizers[0]
    ids, wanted = tokenizer.encode(prompt), tokenizer.encode(word)
    return [
        k + j + 1
        for k in range(len(ids))
        if ids[k : k + len(wanted)] == wanted
        for j in range(len(wanted))
    ]  # fmt: skip


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.std() > 1e-6, "a flat map tells nothing"
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_maps_equal_daam_and_pictures_stay_as_they_are(sampler: str) -> None:
    pipe, options = tiny(), OPTIONS | {"sampler": sampler}
    seen = attention(pipe, keep="all")
    drawn, oracle = seen(PROMPTS, **options), Oracle(pipe)
    expected = oracle.pipe(PROMPTS, **options)
    assert torch.equal(drawn.latents, expected.latents) and torch.equal(drawn.latents, pipe(PROMPTS, **options).latents)
    assert len(seen.maps) == 2 and len(oracle.calls) == drawn.calls
    for picture, prompt in enumerate(PROMPTS):
        maps = seen.maps[picture]
        assert [word.text for word in maps.words()] == (["a", "cat", "with", "glasses"], ["pizza", ",", "a", "cat"])[
            picture
        ]
        for word in ("cat", "a cat", "glasses" if picture == 0 else "pizza"):  # glasses and pizza are spelt out
            close(maps.word(word), oracle.map(places(prompt, word), 2 + picture, SIZE))
        hat = places("a cat hat", "hat")
        close(maps.word("hat", "negative"), oracle.map(hat, picture, SIZE))
        for layer in (UP, "mid_block.attentions.0.transformer_blocks.0.attn2"):
            row = 2 + picture
            close(maps.word("cat", layer=layer), oracle.map(places(prompt, "cat"), row, SIZE, layer=layer))
            one = oracle.map(places(prompt, "cat"), row, SIZE, layer=layer, head=1)
            close(maps.word("cat", layer=layer, head=1), one)
    if sampler == "ddim":  # one call in a step
        for step, call in enumerate(oracle.calls):
            cat = places(PROMPTS[0], "cat")
            close(seen.maps[0].word("cat", step=step), oracle.map(cat, 2, SIZE, calls=[call]))
            one = oracle.map(cat, 2, SIZE, calls=[call], layer=UP, head=0)
            close(seen.maps[0].word("cat", step=step, layer=UP, head=0), one)


def test_the_watched_network_is_another_and_shares_every_tensor() -> None:
    pipe = tiny()
    seen = attention(pipe)
    assert seen.unet is not pipe.unet and type(pipe) is Pipeline
    assert all(a is b for a, b in zip(seen.unet.parameters(), pipe.unet.parameters(), strict=True))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pipe.unet.modules())
    assert not any("attend" in vars(module) for module in pipe.unet.modules())
    assert seen.maps == []
    seen.unet(torch.ones(1, 4, 8, 8), torch.ones(1), torch.ones(1, 7, 32))  # outside a run nothing is noted
    assert seen.maps == []


def test_fast_networks_are_watched_too() -> None:
    fast = copy.copy(tiny())
    fast.quick = Quick()
    seen, plain = attention(fast), attention(tiny())
    drawn = seen(PROMPTS[0], **OPTIONS)
    assert torch.equal(drawn.latents, fast(PROMPTS[0], **OPTIONS).latents)
    assert type(fast.quick(seen.unet)) is type(seen.unet) and fast.quick(seen.unet) is not seen.unet
    plain(PROMPTS[0], **OPTIONS)
    torch.testing.assert_close(seen.maps[0].word("cat"), plain.maps[0].word("cat"), rtol=1e-3, atol=1e-4)


def test_what_is_kept_is_what_was_asked_for() -> None:
    runs: dict[str, Maps] = {}
    for keep in ("sum", "steps", "all"):
        (seen := attention(tiny(), keep=keep))(PROMPTS[0], **OPTIONS)
        runs[keep] = seen.maps[0]
    for keep in ("steps", "all"):
        torch.testing.assert_close(runs[keep].word("cat"), runs["sum"].word("cat"))
    assert runs["sum"].steps == [] and runs["sum"].ratio() == [] and runs["steps"].steps == [0, 1, 2]
    with pytest.raises(ValueError, match="maps of one step, layer and head need attention"):
        runs["steps"].word("cat", step=0, layer="up")
    with pytest.raises(ValueError, match="maps of one step, layer and head need attention"):
        runs["sum"].word("cat", step=0)
    shares = runs["steps"].shares()
    for step in range(3):
        assert sum(values[step] for values in shares.values()) == pytest.approx(1)
        words = sum(runs["steps"].share(k)[step] for k in range(4))
        assert words == pytest.approx(shares["word"][step])
    with pytest.raises(ValueError, match="keep is 'none'; accepted: sum, steps, all"):
        attention(tiny(), keep="none")


def test_the_ratio_is_that_of_the_paper() -> None:
    pipe = tiny()
    seen = attention(pipe)
    seen(PROMPTS[0], **OPTIONS)
    maps = seen.maps[0]
    plan = resolve("ddim", None, pipe.parts.scheduler)
    levels = plan.levels(3)
    told = [pipe.encode_prompt(text) for text in (PROMPTS[0], OPTIONS["negative_prompt"])]
    denoise, found = measured(pipe.unet, lambda net: net, "epsilon", *told, 4.0)
    x = pipe.get_latents(96, 64, seeds=[3]) * plan.start_scale(levels)
    with torch.no_grad():
        list(plan.run(denoise, x, levels, lambda: x))
    assert maps.ratio() == pytest.approx(found.ratios, rel=1e-4) and len(set(maps.ratio())) == 3
    peak = max(range(3), key=found.ratios.__getitem__)
    assert maps.critical_step == (peak if peak < 2 else None)
    object.__setattr__(maps, "strengths", {0: {"positive": 1, "negative": 1}, 1: {"positive": 1, "negative": 2}, 2: {}})
    assert maps.ratio() == [1, 2, None] and maps.critical_step == 1


def test_sides_are_told_from_what_was_said() -> None:
    pipe = tiny()
    both = attention(pipe)
    both(PROMPTS[0], **OPTIONS)
    alone = attention(pipe)
    alone(PROMPTS[0], **OPTIONS | {"guidance": 1.0})
    assert alone.maps[0].words() and not alone.maps[0].sheets["negative"] and alone.maps[0].ratio() == [None] * 3
    with pytest.raises(ValueError, match="the U-Net was not asked about the negative side"):
        alone.maps[0].word("hat", "negative")
    unwanted = attention(pipe)
    unwanted(PROMPTS[0], **OPTIONS | {"guidance": 0.0})
    assert not unwanted.maps[0].sheets["positive"] and unwanted.maps[0].word("hat", "negative").sum() > 0
    same = attention(pipe)
    same("a cat", **OPTIONS | {"negative_prompt": "a cat"})
    torch.testing.assert_close(same.maps[0].word("cat"), same.maps[0].word("cat", "negative"), rtol=1e-4, atol=1e-6)
    window = attention(pipe)
    window(PROMPTS[0], **OPTIONS | {"negative_start": "step 1"})
    assert list(window.maps[0].sheets["negative"][0].steps) == [1, 2] and window.maps[0].ratio()[0] is None


@pytest.mark.parametrize("guide", ["pag(scale=0)", "nag(scale=1,alpha=0)", "perp-neg(weight=0)"])
def test_what_guidance_asks_besides_is_left_out(guide: str) -> None:
    seen = [attention(tiny()) for _ in range(2)]
    options = OPTIONS | {"negative_prompt": None if guide[0] == "n" else "hat"}
    first, second = seen[0](PROMPTS[0], **options), seen[1](PROMPTS[0], guide=guide, **options)
    if guide[:3] != "per":  # Perp-Neg puts the negative prompt apart, and the empty one into its place
        torch.testing.assert_close(first.latents, second.latents, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        seen[0].maps[0].word("cat", step=0), seen[1].maps[0].word("cat", step=0), rtol=1e-3, atol=1e-4
    )


def test_several_chunks_and_words_of_several_vectors() -> None:
    vectors = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    pipe = tiny().with_embedding(Embedding("gizmo", (vectors,), "bare tensor", "the test"))
    prompt = "a gizmo, " + "cat " * 80 + "(a gizmo:1.2) hat"
    seen, oracle = attention(pipe), Oracle(pipe)
    drawn, expected = seen(prompt, **OPTIONS), oracle.pipe(prompt, **OPTIONS)
    assert torch.equal(drawn.latents, expected.latents)
    (sheet,) = seen.maps[0].sheets["positive"]
    assert [row.chunk for row in sheet.spelling.rows] == [0] * 77 + [1] * 77
    cat = [k for k, row in enumerate(sheet.spelling.rows) if row.piece == "cat</w>"]
    close(seen.maps[0].word("cat"), oracle.map(cat, 1, SIZE))
    gizmos = [word for word in sheet.spelling.words if word.text == "gizmo"]
    assert [len(word.places) for word in gizmos] == [3, 3] and gizmos[1].places[0] > 77
    close(seen.maps[0].word("gizmo"), oracle.map([*gizmos[0].places, *gizmos[1].places], 1, SIZE))
    number = seen.maps[0].words().index(gizmos[1])
    close(seen.maps[0].word(number), oracle.map(list(gizmos[1].places), 1, SIZE))


def test_prompts_that_change_or_are_several() -> None:
    seen, oracle = attention(tiny()), Oracle(tiny())
    prompt = "a [cat:hat:2] AND pizza:0.5"
    drawn, expected = seen(prompt, **OPTIONS), oracle.pipe(prompt, **OPTIONS)
    assert torch.equal(drawn.latents, expected.latents)
    maps = seen.maps[0]
    assert [sheet.spelling.text for sheet in maps.sheets["positive"]] == ["a cat", "pizza", "a hat"]
    close(maps.word("hat"), oracle.map(places("a hat", "hat"), 1, SIZE, calls=oracle.calls[2:]))
    close(maps.word("pizza"), oracle.map(places("pizza", "pizza"), 2, SIZE))
    with pytest.raises(ValueError, match="nothing was attended to on the positive side in step 2"):
        maps.word("cat", step=2)


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_other_families(family: str) -> None:
    from sukashi.families import FAMILIES

    name = next(name for name in FAMILIES if name.startswith(family))
    seen = attention(tiny(name))
    drawn = seen("a cat", negative_prompt="hat", seed=1)
    assert torch.equal(drawn.latents, tiny(name)("a cat", negative_prompt="hat", seed=1).latents)
    assert seen.maps[0].word("cat").sum() > 0 and seen.maps[0].word("hat", "negative").sum() > 0


def test_tasks_and_iterating_again() -> None:
    pipe = tiny()
    seen, image = attention(pipe), pipe("a cat", seed=1).images[0]
    drawn = tasks.image_to_image(seen, "a cat", image=image, strength=0.5, steps=4, seed=2)
    plain = tasks.image_to_image(pipe, "a cat", image=image, strength=0.5, steps=4, seed=2)
    assert torch.equal(drawn.latents, plain.latents) and seen.maps[0].steps == [0, 1]
    run = seen.steps("a cat", seed=1)
    first = [step.x_next for step in run][-1]
    maps = seen.maps[0]
    again = [step.x_next for step in run][-1]
    assert torch.equal(first, again) and seen.maps[0] is not maps
    assert torch.equal(seen.maps[0].word("cat"), maps.word("cat"))


def test_an_overflow_is_not_counted_twice() -> None:
    pipe = copy.copy(tiny())
    pipe.unet = copy.deepcopy(pipe.unet).half()
    pipe.unet.conv_norm_out.weight.fill_(6e4)
    pipe.parts = replace(pipe.parts, text_encoders=(copy.deepcopy(pipe.parts.text_encoders[0]).half(),))
    seen = attention(pipe, keep="sum")
    result = seen("a cat", seed=1, steps=1)
    assert any("float32" in note for note in result.notes)
    heads = sum(values for name, values in seen.maps[0].heads.items())
    whole = sum(float(maps.sum(dim=1).mean()) * len(maps) for maps in seen.maps[0].sheets["positive"][0].sums.values())
    assert whole / heads == pytest.approx(1, abs=1e-3)  # probabilities of one call


def test_embeddings_have_no_words() -> None:
    seen = attention(tiny())
    told: Conditioning = tiny().encode_prompt("a cat")
    drawn = seen(told, seed=1)
    assert torch.equal(drawn.latents, tiny()("a cat", seed=1).latents)
    assert seen.maps[0].notes == ["the positive prompt was given as embeddings: it has no words, no maps"]
    with pytest.raises(ValueError, match="the U-Net was not asked about the positive side"):
        seen.maps[0].word("cat")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"word": "dog"}, r"the positive prompt has no word 'dog'; its words are: a, cat, with, glasses"),
        ({"word": 9}, "word is 9; the positive prompt has 4"),
        ({"word": "cat", "side": "left"}, "side is 'left'; accepted: positive, negative"),
        ({"word": "cat", "layer": "up_blocks.9"}, "no cross-attention in layers 'up_blocks.9'; the layers are"),
        ({"word": "cat", "head": 7}, "head is 7"),
        ({"word": "cat", "step": 9}, r"nothing was attended to .* in step 9; there are steps \[0, 1, 2\]"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(asked: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        once().word(**asked)


@cache
def once() -> Maps:
    """The maps of one picture."""
    (seen := attention(tiny()))(PROMPTS[0], **OPTIONS)
    return seen.maps[0]


def test_layers_by_part_of_name_and_by_size() -> None:
    maps = once()
    assert maps.layers[UP] == SIZE and maps.heads[UP] == 2
    fine = [name for name, size in maps.layers.items() if size == SIZE]
    mean = torch.stack([maps.word("cat", layer=name) for name in fine]).mean(dim=0)
    torch.testing.assert_close(maps.word("cat", layer="8x12"), mean)
    with pytest.raises(ValueError, match="place is 77; the context has 77 rows"):
        maps.place(77)
    torch.testing.assert_close(maps.place(2), maps.word("cat"))
    assert torch.equal(maps.place(60), maps.place(70)), "all padding shares one map"
