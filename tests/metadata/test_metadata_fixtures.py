"""Pictures made by other people's tools: each gives the values that stand in it, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sukashi.metadata.readers import read
from sukashi.metadata.recipe import Lora, MetadataError, Recipe, describe, to_dict

DUCK = {
    "tool": "AUTOMATIC1111", "prompt": "photo of a duck", "negative_prompt": "monochrome", "steps": 15,
    "sampler": "UniPC", "grid": "Automatic", "guidance": 5.0, "seed": 235284042, "width": 512, "height": 400,
    "model": "realistic_realisticVisionV20_v20", "model_hash": "c0d1994c73", "clip_skip": 1, "rng": "GPU",
    "denoising_strength": None, "raw": {},
}  # fmt: skip
VICTORIAN = {
    "tool": "ComfyUI", "prompt": "photograph of victorian woman with wings, sky clouds, meadow grass",
    "negative_prompt": "watermark, text", "steps": 20, "sampler": "dpmpp_2m", "grid": "normal", "guidance": 8.0,
    "seed": 280823642470253, "width": None, "height": None, "model": "v1-5-pruned-emaonly.ckpt",
    "denoising_strength": 0.8700000000000001, "clip_skip": None,
    "notes": ("made from example.png, whose size is not recorded",),
}  # fmt: skip
EXPECTED: dict[str, dict[str, Any]] = {
    "a1111/gangsters_5_20.png": {
        "tool": "AUTOMATIC1111", "prompt": "gangsters", "negative_prompt": "", "steps": 20, "sampler": "DPM++ 2M",
        "grid": "Karras", "guidance": 7.0, "seed": 5, "width": 512, "height": 512, "model": "v1-5-pruned-emaonly",
        "model_hash": "6ce0161689", "clip_skip": 1, "rng": "GPU", "raw": {"Version": "v1.10.1"},
        "notes": ("not written, so A1111's defaults: Clip skip 1, RNG GPU",),
    },
    "sd-parsers/parsers/AUTOMATIC1111/automatic1111_cropped.png": DUCK,
    "sd-parsers/parsers/AUTOMATIC1111/automatic1111_cropped.jpg": DUCK,
    "sd-parsers/bad_images/text_after_idat.png": DUCK,
    "sdcpp/without_lcm.png": {
        "tool": "stable-diffusion.cpp", "prompt": "a lovely cat", "negative_prompt": "", "steps": 4,
        "sampler": "euler_a", "grid": None, "guidance": 7.0, "seed": 42, "width": 512, "height": 512,
        "model": "v1-5-pruned-emaonly-ggml-model-f16.bin", "clip_skip": None, "rng": "cuda", "notes": (),
    },
    "comfyui/img2img__img2img_workflow.png": VICTORIAN,
    "sd-parsers/parsers/ComfyUI/img2img_cropped.png": VICTORIAN,
    "comfyui/lora__lora.png": {
        "tool": "ComfyUI", "prompt": "masterpiece best quality girl", "negative_prompt": "bad hands", "steps": 20,
        "sampler": "euler", "grid": "normal", "guidance": 8.0, "seed": 851616030078638, "width": 512, "height": 512,
        "model": "v1-5-pruned-emaonly.ckpt", "denoising_strength": None, "notes": (),
        "loras": (Lora("epiNoiseoffset_v2.safetensors", 1.0),),
    },
    "comfyui/sdturbo__sdxlturbo_example.png": {
        "tool": "ComfyUI", "negative_prompt": "text, watermark", "steps": 1, "sampler": "euler_ancestral",
        "prompt": "beautiful landscape scenery glass bottle with a galaxy inside cute fennec fox snow HDR sunset",
        "grid": "SDTurbo", "guidance": 1.0, "seed": 0, "width": 512, "height": 512, "notes": (),
        "model": "sd_xl_turbo_1.0_fp16.safetensors",
    },
    "sd-parsers/parsers/ComfyUI/night_evening_day_morning_cropped.png": {
        "tool": "ComfyUI", "steps": 13, "sampler": "dpmpp_sde", "grid": "normal", "guidance": 8.5,
        "seed": 335608130539327, "width": 704, "height": 1280, "model": "Anything-V3.0.ckpt", "clip_skip": 2,
        "denoising_strength": None,
        "notes": (
            "the positive prompt is made of 5 texts, given here one per line",
            "the positive prompt goes through ConditioningCombine, ConditioningSetArea; only its text is read",
            "2 nodes sample; this is the recipe of node 3 (KSampler), all are in raw.passes",
        ),
    },
    "sd-parsers/parsers/Fooocus/fooocus1_cropped.png": {
        "tool": "Fooocus", "prompt": "a smiling goldfish", "negative_prompt": "", "steps": 30, "grid": "karras",
        "sampler": "dpmpp_2m_sde_gpu", "guidance": 4.0, "seed": 6952411511246973023, "width": 768, "height": 1280,
        "model": "juggernautXL_v8Rundiffusion", "model_hash": "aeb7e9e689", "clip_skip": 2, "loras": (),
    },
    "sd-parsers/parsers/InvokeAI/invokeai_dream1.png": {
        "tool": "InvokeAI", "negative_prompt": "rendering, glowing eyes, skinny", "steps": 50, "sampler": "k_lms",
        "guidance": 5.0, "seed": 2980747362, "width": 512, "height": 768, "notes": (),
        "raw": {"G": "0.9", "cf": "0.75", "U": "4 0.95"},
    },
    "sd-parsers/parsers/InvokeAI/invokeai_imeta1.png": {
        "tool": "InvokeAI", "prompt": "digital artwork, oil painting. painterly brushstrokes, holidays,", "steps": 35,
        "negative_prompt": "grainy+, photo, oversaturated, overexposed, blurry, compressed jpg+, noisy++, unfocused , "
        "black and white", "sampler": "euler", "guidance": 8.0, "seed": 3293022630, "width": 1024, "height": 1024,
        "model": "juggernautXL", "rng": "cpu", "notes": ("ipAdapters were used; see the other keys",),
    },
    "sd-parsers/parsers/NovelAI/novelai1_cropped.png": {
        "tool": "NovelAI", "prompt": "masterpiece, best quality,  cat, space, icon", "steps": 50, "guidance": 10.0,
        "sampler": "k_euler_ancestral", "grid": None, "seed": 2253955223, "width": 1, "height": 1,
        "model": "Stable Diffusion 1D44365E", "clip_skip": 2, "denoising_strength": None,
        "raw": {"strength": 0.4, "noise": 0.0},
    },
}  # fmt: skip
REFUSED = {
    "comfyui/LICENSE": "is not a PNG, JPEG, WebP, GIF or AVIF picture",
    "sd-parsers/bad_images/empty_image.jpg": "holds no recipe",
    "sd-parsers/bad_images/empty_image.png": "holds no recipe, only the texts date:create, date:modify, date:timestamp",
}


@pytest.fixture
def pictures(shared_data: Path) -> Path:
    folder = shared_data / "6b_png_metadata"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def test_every_file_is_spoken_for(pictures: Path) -> None:
    found = {path.relative_to(pictures).as_posix() for path in pictures.rglob("*") if path.is_file()}
    assert found == EXPECTED.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_values(pictures: Path, name: str) -> None:
    recipe = read(pictures / name)
    expected = EXPECTED[name]
    assert {key: getattr(recipe, key) for key in expected} == expected
    assert json.loads(json.dumps(to_dict(recipe), allow_nan=False))["seed"] == expected["seed"]
    told = describe(recipe)
    assert recipe.tool in told and f"seed       {recipe.seed}" in told and len(told) < 3000


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(pictures: Path, name: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read(pictures / name)
    assert str(caught.value) == f"{pictures / name} {REFUSED[name]}"


def test_long_prompts(pictures: Path) -> None:
    dream = read(pictures / "sd-parsers/parsers/InvokeAI/invokeai_dream1.png").prompt
    assert dream.startswith("professional full body photo of young woman, hyper long brunette hair")
    assert dream.endswith("film grain, low contrast")
    novel = read(pictures / "sd-parsers/parsers/NovelAI/novelai1_cropped.png").negative_prompt
    assert novel.startswith("lowres, bad anatomy, bad hands, text, error") and novel.count("watermark") == 2


def test_the_night_picture_has_two_passes_and_five_texts(pictures: Path) -> None:
    recipe: Recipe = read(pictures / "sd-parsers/parsers/ComfyUI/night_evening_day_morning_cropped.png")
    starts = [line[:44] for line in recipe.prompt.split("\n")]
    assert starts == [
        "(best quality) (night:1.3) (darkness) sky (b",
        "(best quality) (evening:1.2) (sky:1.2) (clou",
        "(best quality) (daytime:1.2) sky (blue)",
        "(masterpiece) (best quality) morning sky",
        "(masterpiece) (best quality) beautiful lands",
    ]
    assert recipe.negative_prompt.startswith("(hands), text, error, cropped, (worst quality:1.2)")
    first, second = recipe.raw["passes"]
    assert first["seed"] == recipe.seed
    assert {key: second[key] for key in ("node", "seed", "steps", "guidance", "sampler", "grid", "model")} == {
        "node": "24", "seed": 1122440447966177, "steps": 14, "guidance": 7.0, "sampler": "dpmpp_2m", "grid": "simple",
        "model": "AbyssOrangeMix2_hard.safetensors",
    }  # fmt: skip
    assert (second["width"], second["height"], second["denoising_strength"]) == (1088, 1920, 0.5)
