"""Recipes of other tools as settings of ours, with nothing lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from sukashi.metadata.readers import read
from sukashi.metadata.recipe import Lora, Recipe
from sukashi.settings import Settings
from sukashi.translate import translate


def settings(**known) -> tuple[dict, str]:
    found = translate(Recipe(**{"tool": "AUTOMATIC1111", "seed": 1, "rng": "CPU", **known}))
    assert not found.ours
    Settings.from_dict(found.record["settings"])
    return found.record["settings"], " | ".join(found.lost)


@pytest.mark.parametrize(
    ("tool", "sampler", "grid", "ours"),
    [
        ("AUTOMATIC1111", "DPM++ 2M", "Karras", ("dpmpp_2m", "karras")),
        ("AUTOMATIC1111", "Euler a", "Automatic", ("euler_a", "automatic")),
        ("AUTOMATIC1111", "DPM++ SDE Karras", None, ("dpmpp_sde", "karras")),
        ("stable-diffusion.cpp", "euler_a", None, ("euler_a", "uniform")),
        ("stable-diffusion.cpp", "euler_a", "discrete", ("euler_a", "uniform")),
        ("stable-diffusion.cpp", "dpm++2m", "karras", ("dpmpp_2m", "karras")),
        ("ComfyUI", "dpmpp_2m_sde_gpu", "sgm_uniform", ("dpmpp_2m_sde", "sgm_uniform")),
        ("InvokeAI", "dpmpp_2m_k", None, ("dpmpp_2m", "karras")),
        ("Fooocus", None, None, (None, None)),
    ],
)
def test_samplers_and_schedules(tool: str, sampler: str | None, grid: str | None, ours: tuple) -> None:
    values, lost = settings(tool=tool, sampler=sampler, grid=grid)
    assert (values["sampler"], values["grid"]) == ours and "not known" not in lost


def test_what_is_not_known_is_said() -> None:
    values, lost = settings(sampler="Dreamwalker", grid="Sideways")
    assert values["sampler"] is None and values["grid"] is None
    assert "sampler 'Dreamwalker' is not known" in lost and "schedule 'Sideways' is not known" in lost


@pytest.mark.parametrize(
    ("tool", "rng", "ours", "said"),
    [
        ("AUTOMATIC1111", "GPU", "nv", False),
        ("AUTOMATIC1111", "NV", "nv", False),
        ("AUTOMATIC1111", "CPU", "cpu", False),
        ("stable-diffusion.cpp", "cuda", "nv", False),
        ("stable-diffusion.cpp", "std_default", "cpu", True),
        ("ComfyUI", None, "cpu", False),
        ("NovelAI", None, "cpu", True),
    ],
)
def test_whose_noise(tool: str, rng: str | None, ours: str, said: bool) -> None:
    values, lost = settings(tool=tool, rng=rng)
    assert values["rng"] == ours and ("kind of noise" in lost) is said


@pytest.mark.parametrize("seed", [None, -1, 2**64])
def test_seeds_that_are_none(seed: int | None) -> None:
    values, lost = settings(seed=seed)
    assert values["seed"] is None and "a random one is used" in lost


def test_everything_that_shaped_the_picture_is_listed() -> None:
    values, lost = settings(
        prompt="a [cat|dog] <lora:fur:0.5>, red",
        loras=(Lora("fur", 0.5),),
        embeddings=("easyneg",),
        denoising_strength=0.6,
        raw={"Hires upscale": "2", "Version": "v1.9", "Eta": "0.3", "CFG rescale": 0.7, "Tiling": True},
    )
    assert values["prompt"] == "a [cat|dog], red" and (values["eta"], values["rescale"]) == (0.3, 0.7)
    for part in (
        "LoRA fur",
        "embedding easyneg",
        "strength 0.6",
        "edits and alternations",
        "Hires upscale: 2",
        "Tiling: True",
    ):
        assert part in lost
    assert "Version" not in lost and "Eta" not in lost


@pytest.mark.parametrize(
    ("tool", "prompt", "written", "ours", "said"),
    [
        ("AUTOMATIC1111", "a (cat:1.3) AND b", None, "a1111", ""),
        ("AUTOMATIC1111", "a (cat)", "No norm", "no-norm", ""),
        ("AUTOMATIC1111", "a (cat)", "None", "none", ""),
        ("Forge", "[a:b:0.5]", "Ignore", "ignore", "begin at the step that is written"),
        ("ComfyUI", "a (cat:1.3)", None, "comfy", ""),
        ("ComfyUI", "a [cat]", None, "comfy", "ComfyUI took them as words"),
        ("NovelAI", "a {cat}", None, "none", "whatever they meant in NovelAI"),
        ("InvokeAI", "a cat", None, "none", ""),
    ],
)
def test_how_prompts_were_weighed(tool: str, prompt: str, written: str | None, ours: str, said: str) -> None:
    values, lost = settings(tool=tool, prompt=prompt, raw={"Emphasis": written} if written else {})
    assert values["emphasis"] == ours and said in lost and "Emphasis" not in lost
    assert bool(said) == ("step that" in lost or "words" in lost)


def test_real_files_of_other_tools_become_settings(shared_data: Path) -> None:
    folder, translated = shared_data / "6b_png_metadata", 0
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg") and "bad_images" not in p.parts):
        try:
            recipe = read(path)
        except ValueError:
            continue
        found = translate(recipe)
        asked = Settings.from_dict(found.record["settings"])
        assert asked.steps == recipe.steps and asked.width == recipe.width, path
        translated += 1
    assert translated >= 8
