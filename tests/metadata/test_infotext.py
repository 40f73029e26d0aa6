"""The A1111 infotext: what we write, A1111 reads; what A1111 and sd.cpp write, we read."""

from __future__ import annotations

import json
import random
import re
import time

import pytest

from sukashi.metadata.infotext import KEY_ORDER, infotext_from, parse_infotext, write_infotext

THREE = {"Steps": 20, "Sampler": "Euler a", "Seed": 5}
PIECES = [
    "a girl", ",", ":", '"', "'", "\\", "\n", "\n\n", " ", "  ", "\t", "(a:1.3)", "[a|b]", "<lora:x:0.5>", "透か",
    "日本 語", "é", "🍕", "Steps: 20, Sampler: Euler, Seed: 3", "Negative prompt", "Size: 512x512", "{}", '"quoted"',
    "\r\n", "\\n", "x" * 200, "=", "&", "\u2028", "\u200b", "Version: v1.10.1", "a AND b", "BREAK", "null",
]  # fmt: skip


def a1111_reads(text: str) -> tuple[str, str, dict[str, str]]:
    """A1111's own parser (its regular expression, its line rule), written down a second time as the oracle."""
    pair = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
    prompt, negative, done = "", "", False
    *lines, last = text.strip().split("\n")
    if len(pair.findall(last)) < 3:
        lines, last = [*lines, last], ""
    for line in lines:
        line = line.strip()
        if line.startswith("Negative prompt:"):
            done, line = True, line[16:].strip()
        if done:
            negative += ("" if negative == "" else "\n") + line
        else:
            prompt += ("" if prompt == "" else "\n") + line
    params = {}
    for key, value in pair.findall(last):
        if value[:1] == '"' and value[-1:] == '"':
            value = json.loads(value)
        params[key] = value
    return prompt, negative, params


def nasty(rng: random.Random, most: int = 8) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(most)))


def survives(prompt: str) -> str:
    """What the grammar can carry: lines without white space at their ends, no empty first lines, no false negative."""
    lines = [line.strip() for line in prompt.split("\n")]
    return "\n".join(line.replace("Negative prompt:", "Negative prompt") for line in lines).lstrip("\n")


@pytest.mark.parametrize("seed", range(300))
def test_round_trip_of_nasty_strings(seed: int) -> None:
    rng = random.Random(seed)
    prompt, negative = survives(nasty(rng)), survives(nasty(rng))
    values = {
        key: nasty(rng, 5) for key in rng.sample(["Model", "VAE", "Styles", "Lora hashes", "Module 2", "x-y/z"], 4)
    }
    text = write_infotext({"Negative prompt": negative, **THREE, **values, "Prompt": prompt})
    info = parse_infotext(text)
    expected = {key: str(value) for key, value in {**THREE, **values}.items()}
    assert (info.prompt, info.negative_prompt, info.params) == (prompt, negative, expected)
    assert a1111_reads(text) == (prompt, negative, expected)
    assert write_infotext({"Prompt": info.prompt, "Negative prompt": info.negative_prompt, **info.params}) == text


@pytest.mark.parametrize("seed", range(300))
def test_any_text_is_taken_apart_as_a1111_does(seed: int) -> None:
    rng = random.Random(seed)
    text = nasty(rng, 20) + rng.choice(["", "\nNegative prompt: " + nasty(rng), "\nNegative prompt:"])
    info = parse_infotext(text)
    prompt, negative, params = a1111_reads(text)
    assert (info.prompt, info.negative_prompt) == (prompt, negative)
    assert params.keys() <= info.params.keys()


def test_order_quotes_and_bare_keys() -> None:
    fields = {
        "Version": "v1.10.1", "Custom": "a:b", "User": "me", "Tiling": "Tiling", "Seed": 0, "Sampler": "DPM++ 2M",
        "VAE": None, "Steps": 20, "CFG scale": 7.0, "Prompt": "two\nlines", "Negative prompt": "a, b", "Size": "8x16",
        "Lora hashes": 'n: 0123456789ab, "x"',
    }  # fmt: skip
    assert write_infotext(fields) == (
        "two\nlines\nNegative prompt: a, b\n"
        "Steps: 20, Sampler: DPM++ 2M, CFG scale: 7, Seed: 0, Size: 8x16, Tiling, "
        'Custom: "a:b", Lora hashes: "n: 0123456789ab, \\"x\\"", Version: v1.10.1, User: me'
    )
    assert KEY_ORDER[:6] == ("Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed")


def test_a_prompt_that_looks_like_parameters() -> None:
    prompt = "Steps: 1, Seed: 2, Size: 3x3"
    assert parse_infotext(write_infotext({"Prompt": prompt, **THREE})).prompt == prompt
    alone = parse_infotext("a cat\nSteps: 1, Seed: 2")
    assert alone == ("a cat\nSteps: 1, Seed: 2", "", {})
    assert parse_infotext(prompt) == ("", "", {"Steps": "1", "Seed": "2", "Size": "3x3"})


def test_empty_prompts() -> None:
    text = write_infotext({"Prompt": "", "Negative prompt": "", **THREE})
    assert text == "Steps: 20, Sampler: Euler a, Seed: 5"
    assert parse_infotext(text)[:2] == ("", "")
    assert parse_infotext(write_infotext({"Prompt": "", "Negative prompt": "n", **THREE}))[:2] == ("", "n")
    assert parse_infotext("") == ("", "", {})


def test_unquoted_lists_of_sd_cpp() -> None:
    line = (
        "Steps: 20, CFG scale: 7.000000, SLG scale: 7.000000, Skip layers: [7, 8, 9, ], Skip layer start: 0.010000, "
        "Seed: 42, Size: 512x768, TE: clip_l.safetensors, TE: t5xxl.safetensors, "
        "Sampler: euler_a, Custom Sigmas: [14.6146, 7.8000, 0.0000], RNG: cuda, Version: stable-diffusion.cpp"
    )
    params = parse_infotext(f"a cat\n{line}").params
    assert params["Skip layers"] == "[7, 8, 9, ]"
    assert params["Custom Sigmas"] == "[14.6146, 7.8000, 0.0000]"
    assert params["TE"] == "clip_l.safetensors, t5xxl.safetensors"
    assert (params["Skip layer start"], params["Seed"], params["RNG"]) == ("0.010000", "42", "cuda")


def test_values_that_only_look_like_lists() -> None:
    params = parse_infotext(
        "Steps: 1, Model: [x, Seed: 2, VAE: (y, Sampler: z, Tiling, Old: 1, 0.5, Version: v1"
    ).params
    assert params == {
        "Steps": "1", "Model": "[x", "Seed": "2", "VAE": "(y", "Sampler": "z", "Tiling": "Tiling", "Old": "1, 0.5",
        "Version": "v1",
    }  # fmt: skip


def test_what_a1111_pastes() -> None:
    info = parse_infotext("p\nSteps: 1, Seed: 2, Size: 512x768, Hypernet: h, Hypernet strength: 0.5, RNG: NV")
    assert info.pasted() == {
        "Prompt": "p<hypernet:h:0.5>", "Negative prompt": "", "Steps": "1", "Seed": "2", "Size-1": "512",
        "Size-2": "768", "Hypernet": "h", "Hypernet strength": "0.5", "RNG": "NV", "Clip skip": "1",
        "Schedule type": "Automatic", "VAE Encoder": "Full", "VAE Decoder": "Full",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields", [{"Prompt": "a"}, {"Steps": 1, "Seed": 2}, {"Steps": 1, "Seed": 2, "Tiling": "Tiling"}]
)
def test_too_few_parameters_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="fewer than three parameters"):
        write_infotext(fields)


@pytest.mark.parametrize("key", ["a", "x:y", "a,b", "", "a\nb", "ends ", "k" * 101])
def test_keys_that_could_not_be_read_back_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="cannot be an infotext key"):
        write_infotext({**THREE, key: "v"})


def test_our_settings() -> None:
    settings = {
        "prompt": "a cat", "negative_prompt": "dog", "width": 512, "height": 768, "steps": 20, "guidance": 7.5,
        "rescale": 0.0, "sampler": "DPM++ 2M", "grid": "Karras", "seed": 0, "count": 4, "rng": "cpu", "eta": None,
        "clip_skip": 2,
    }  # fmt: skip
    text = infotext_from(
        settings,
        model="kirie",
        model_hash="0123456789",
        version="1.2.3",
        extra={"Denoising strength": 0.6, "Mask blur": 4},
    )
    assert text == (
        "a cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 0, "
        "Size: 512x768, Model hash: 0123456789, Model: kirie, Denoising strength: 0.6, Clip skip: 2, RNG: CPU, "
        "Mask blur: 4, Version: sukashi 1.2.3"
    )
    settings |= {"clip_skip": 1, "grid": None, "rescale": 0.7, "eta": 0.0, "negative_prompt": "", "rng": "nv"}
    assert infotext_from(settings, model="m", model_hash=None, version="1", extra={}) == (
        "a cat\nSteps: 20, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 0, Size: 512x768, Model: m, RNG: NV, "
        "CFG rescale: 0.7, Eta: 0, Version: sukashi 1"
    )


@pytest.mark.parametrize(
    "unit", ["a", "a ", "ab: [", 'ab: "', "ab: (", " ", "ab,", "ab: \\", "\n", "a,1,", "<lora:", "-"]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    start = time.perf_counter()
    parse_infotext(text)
    parse_infotext(f"Steps: 1, Seed: 2, Size: {text}")
    assert time.perf_counter() - start < 10
