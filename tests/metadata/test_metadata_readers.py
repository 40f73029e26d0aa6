"""Recipes of every tool, from texts written here in their formats; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sukashi.metadata.infotext import infotext_from
from sukashi.metadata.picture import save_picture
from sukashi.metadata.readers import read, read_record, recipe_from
from sukashi.metadata.recipe import Lora, MetadataError, Recipe, describe, to_dict
from sukashi.metadata.texts import PictureText

TAIL = "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 0, Size: 512x768"


def recipe_of(**texts: str) -> Recipe:
    recipe = recipe_from(PictureText("PNG", 64, 32, {k.replace("__", "-"): v for k, v in texts.items()}), "x.png")
    assert recipe is not None
    return recipe


def test_ours_is_read_back_whole(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "prompt": "Negative prompt: \n 透かし ", "negative_prompt": "\n\n", "width": 64, "height": 32, "steps": 8,
        "guidance": 7.5, "rescale": 0.0, "sampler": "DPM++ 2M", "grid": "Karras", "seed": 0, "count": 2, "rng": "cpu",
        "eta": None, "clip_skip": 1,
    }  # fmt: skip
    record = {
        "settings": settings, "seed": 1, "model": {"name": "kirie", "hash": "0123456789"}, "sigmas": [14.6, 0.1, 0.0],
    }  # fmt: skip
    text = infotext_from(settings | {"seed": 1}, model="kirie", model_hash="0123456789", version="0.1.0", extra={})
    for suffix in (".png", ".jpg", ".webp"):
        path = save_picture(Image.new("RGB", (8, 8)), tmp_path / f"a{suffix}", parameters=text, record=record)
        recipe = read(path)
        assert recipe.raw == record
        assert (recipe.tool, recipe.prompt, recipe.negative_prompt) == (
            "sukashi",
            "Negative prompt: \n 透かし ",
            "\n\n",
        )
        assert (recipe.seed, recipe.steps, recipe.guidance, recipe.width) == (1, 8, 7.5, 64)
        assert (recipe.model, recipe.model_hash, recipe.rng, recipe.notes) == ("kirie", "0123456789", "cpu", ())
        path = save_picture(Image.new("RGB", (8, 8)), tmp_path / f"b{suffix}", parameters=text)
        assert (read(path).tool, read(path).seed, read(path).grid) == ("sukashi", 1, "Karras")


def test_a_damaged_record_of_ours_gives_way_to_the_infotext() -> None:
    recipe = recipe_of(sukashi="{", parameters=f"a\n{TAIL}")
    assert recipe.seed == 0 and "sukashi record of x.png is not readable" in recipe.notes[-1]
    with pytest.raises(MetadataError, match=r"sukashi record of x\.png is not readable as JSON"):
        recipe_of(sukashi="{")
    assert read_record({"seed": True, "steps": "many"}).notes == (
        "steps is 'many', not a whole number",
        "seed is 'True', not a whole number",
    )


@pytest.mark.parametrize(
    ("extra", "tool"),
    [
        ("", "AUTOMATIC1111"),
        (", Version: v1.10.1", "AUTOMATIC1111"),
        (", Version: f2.0.1v1.10.1-previous-669-gdfdcbab6", "Forge"),
        (", Parser: Full parser, App: SD.Next, Version: 1234abc", "SD.Next"),
        (", Version: stable-diffusion.cpp", "stable-diffusion.cpp"),
        (", Version: Fooocus v2.4.3", "Fooocus"),
        (", Version: sukashi 0.1.0", "sukashi"),
        (", Version: ComfyUI", "ComfyUI"),
    ],
)
def test_who_wrote_an_infotext(extra: str, tool: str) -> None:
    for key in ("parameters", "UserComment", "Comment"):
        recipe = recipe_of(**{key: f"a cat\nNegative prompt: b\n{TAIL}{extra}"})
        assert (recipe.tool, recipe.prompt, recipe.negative_prompt) == (tool, "a cat", "b")
        assert (recipe.steps, recipe.guidance, recipe.seed, recipe.width, recipe.height) == (20, 7.5, 0, 512, 768)


def test_a_prompt_in_braces_is_no_json() -> None:
    assert recipe_of(parameters="{masterpiece}, a cat\n" + TAIL).prompt == "{masterpiece}, a cat"
    graph = {"1": {"class_type": "LoadImage", "inputs": {}}}
    with pytest.raises(MetadataError, match="no node that we know to sample"):
        recipe_of(UserComment=json.dumps(graph))
    assert "ComfyUI graph, too" in recipe_of(parameters=f"a\n{TAIL}", prompt=json.dumps(graph)).notes[-1]


def test_a1111_details() -> None:
    recipe = recipe_of(
        parameters="<lora:style:0.7> <lora:two:0.5:0.9> <lora:three:te=0.1:unet=0.2> <lora:bare>\n"
        "Steps: 20, Sampler: DPM++ 2M SDE Karras, CFG scale: 7, Seed: 3, Size: 512x512, Denoising strength: 0.6, "
        'Clip skip: 2, ENSD: 31337, RNG: NV, Lora hashes: "style: 0123456789ab, gone: ba9876543210", '
        'TI hashes: "easynegative: c74b4e810b03", Hypernet: h, Version: v1.5.2'
    )
    assert (recipe.sampler, recipe.grid, recipe.clip_skip, recipe.rng) == ("DPM++ 2M SDE", "Karras", 2, "NV")
    assert recipe.loras == (
        Lora("style", 0.7, None, "0123456789ab"),
        Lora("two", 0.9, 0.5),
        Lora("three", 0.2, 0.1),
        Lora("bare", 1.0),
        Lora("gone", None, None, "ba9876543210"),
    )
    assert recipe.embeddings == ("easynegative",) and recipe.raw["ENSD"] == "31337"
    assert recipe.prompt.endswith("<lora:bare><hypernet:h:1.0>") and recipe.denoising_strength == 0.6
    assert len(recipe.notes) == 2 and "before 1.6" in recipe.notes[0] and "alphas_cumprod" in recipe.notes[1]


def test_the_strength_of_a_hires_pass_is_not_that_of_img2img() -> None:
    recipe = recipe_of(parameters=f"a\n{TAIL}, Denoising strength: 0.7, Hires upscale: 2, Version: v1.10.1")
    assert recipe.denoising_strength is None and recipe.raw["Denoising strength"] == "0.7"
    assert any("Hires" in note for note in recipe.notes)


def test_sd_cpp_schedule_in_the_samplers_value() -> None:
    recipe = recipe_of(
        parameters="a\nSteps: 4, CFG scale: 1.000000, Seed: -1, Size: 8x8, Skip layers: [7, 8, ], "
        "Sampler: dpm++2m karras, Version: stable-diffusion.cpp"
    )
    assert (recipe.sampler, recipe.grid, recipe.seed, recipe.rng) == ("dpm++2m", "karras", -1, None)
    assert recipe.raw["Skip layers"] == "[7, 8, ]"


def test_values_that_are_no_numbers_are_told() -> None:
    recipe = recipe_of(parameters="a\nSteps: many, Seed: 1e999, CFG scale: nan, Size: 5, Version: v1.10.1")
    assert (recipe.steps, recipe.seed, recipe.guidance, recipe.width) == (None, None, None, None)
    assert recipe.raw["Steps"] == "many" and "Steps is 'many', not a whole number" in recipe.notes


def test_invokeai_new_and_old() -> None:
    record = {
        "generation_mode": "img2img", "positive_prompt": "a", "negative_prompt": "b", "width": 8, "height": 16,
        "seed": 0, "rand_device": "cuda", "cfg_scale": 6.5, "steps": 30, "scheduler": "dpmpp_2m_k", "clip_skip": 1,
        "strength": 0.4, "model": {"key": "k", "hash": "blake3:aa", "name": "AnimeThing", "base": "sd-1"},
        "loras": [{"model": {"name": "detail", "hash": "blake3:bb"}, "weight": 0.8},
                  {"lora": {"model_name": "old"}, "weight": 1}, {"weight": 1}],
    }  # fmt: skip
    recipe = recipe_of(invokeai_metadata=json.dumps(record))
    assert (recipe.model, recipe.model_hash, recipe.clip_skip, recipe.rng) == ("AnimeThing", "blake3:aa", 2, "cuda")
    assert recipe.loras == (Lora("detail", 0.8, None, "blake3:bb"), Lora("old", 1.0))
    assert recipe.denoising_strength == 0.4 and recipe.notes == ("a LoRA without a name: \"{'weight': 1}\"",)
    assert recipe.raw == {"generation_mode": "img2img"}

    image = {
        "prompt": [{"prompt": "a dog [cat, bird]", "weight": 1}], "steps": 50, "cfg_scale": 5, "seed": 7, "width": 512,
        "height": 768, "sampler": "k_lms", "type": "txt2img",
    }  # fmt: skip
    old = {"model": "stable diffusion", "model_weights": "deliberate", "model_hash": "56d1", "image": image}
    recipe = recipe_of(sd__metadata=json.dumps(old), Dream='"x" -s 1')
    assert (recipe.prompt, recipe.negative_prompt, recipe.model, recipe.model_hash) == (
        "a dog",
        "cat, bird",
        "deliberate",
        "56d1",
    )
    assert (recipe.steps, recipe.guidance, recipe.seed, recipe.sampler) == (50, 5.0, 7, "k_lms")
    assert recipe.raw == {"model": "stable diffusion", "type": "txt2img"}
    assert recipe_of(sd__metadata="{}").notes == ("the record does not describe its image",)


def test_dream() -> None:
    recipe = recipe_of(Dream=r'"a \"fine\" cat -s 3" -s 50 -S -1 --hires_fix -W512 -C 7.5 -f 0.6 -A k_euler_a')
    assert recipe.prompt == 'a "fine" cat -s 3'
    assert (recipe.steps, recipe.seed, recipe.guidance, recipe.sampler) == (50, -1, 7.5, "k_euler_a")
    assert recipe.denoising_strength == 0.6 and recipe.raw == {"hires_fix": "on", "W512": "on"}
    assert "does not begin with a quoted prompt" in recipe_of(Dream="a cat").notes[0]


def test_novelai_of_today() -> None:
    comment = {
        "prompt": "1girl", "uc": "lowres", "steps": 28, "scale": 5.0, "seed": 9, "width": 832, "height": 1216,
        "sampler": "k_euler_ancestral", "noise_schedule": "karras", "request_type": "Img2ImgRequest", "strength": 0.5,
        "v4_prompt": {"caption": {"base_caption": "1girl", "char_captions": [{"char_caption": "x"}]}},
    }  # fmt: skip
    recipe = recipe_of(Software="NovelAI", Source="NovelAI Diffusion V4 37442FCA", Comment=json.dumps(comment))
    assert (recipe.prompt, recipe.negative_prompt, recipe.grid, recipe.width) == ("1girl", "lowres", "karras", 832)
    assert (recipe.model, recipe.clip_skip, recipe.denoising_strength) == ("NovelAI Diffusion V4 37442FCA", None, 0.5)
    assert recipe.notes == ("characters had prompts of their own; see v4_prompt in the other keys",)


def test_fooocus_loras_and_jpeg() -> None:
    values = {
        "metadata_scheme": "fooocus", "base_model": "m", "prompt": "a", "resolution": "(8, 16)", "seed": "3",
        "loras": [["sd_xl_offset", 0.1, "abc"], "odd"], "lora_combined_1": "old : 0.5",
    }  # fmt: skip
    recipe = recipe_of(UserComment=json.dumps(values), fooocus_scheme="fooocus")
    assert recipe.loras == (Lora("sd_xl_offset", 0.1, None, "abc"), Lora("old", 0.5))
    assert (recipe.seed, recipe.width, recipe.height) == (3, 8, 16) and "'odd'" in recipe.notes[0]
    recipe = recipe_of(parameters=f"a\n{TAIL}", fooocus_scheme="a1111")
    assert (recipe.tool, recipe.clip_skip, recipe.notes) == ("Fooocus", None, ())


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"parameters": '{"sui_image_params": {"prompt": "a"}}'}, "JSON of no tool that we know; its keys are sui_im"),
        ({"parameters": "{"}, "parameters of x.png is not readable as JSON"),
        ({"parameters": "a" * (2**20 + 1)}, "1,048,577 characters long"),
        ({"invokeai_metadata": "[]"}, "invokeai_metadata of x.png is a JSON list, not an object"),
        ({"invokeai_metadata": '{"a":' * 60 + "1" + "}" * 60}, "nested more than 50 deep"),
        ({"invokeai_metadata": "[" * 100_000}, "invokeai_metadata of x.png is not readable as JSON"),
        ({"Software": "NovelAI", "Comment": "hello"}, "the Comment of x.png is not readable as JSON"),
        ({"prompt": "not json"}, "prompt of x.png is not readable as JSON"),
        ({"workflow": "{}"}, "x.png holds only ComfyUI's workflow"),
    ],
)  # fmt: skip
def test_texts_that_are_refused(texts: dict[str, str], message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        recipe_of(**texts)


@pytest.mark.parametrize(
    "texts", [{}, {"Comment": "Created with GIMP"}, {"UserComment": "at the sea: us"}, {"prompt": "{}"}]
)
def test_other_peoples_comments_are_no_recipes(texts: dict[str, str]) -> None:
    assert recipe_from(PictureText("PNG", 1, 1, texts), "x.png") is None


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = save_picture(Image.new("RGB", (64, 64)), tmp_path / "a.png", parameters=f"a\n{TAIL}")
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert read(path).seed == 0 and "cut short" in read(path).notes[-1]
    path.write_bytes(data[:60])
    with pytest.raises(MetadataError, match="is cut short, and what is left of it holds no recipe"):
        read(path)


def test_japanese_is_shown_as_it_is() -> None:
    assert describe(Recipe(tool="x", prompt="女の子\u3000é\u202e")).split("\n")[1] == "prompt     女の子\u3000é\\u202e"


def test_json_stays_json_and_text_cannot_write_to_the_terminal() -> None:
    recipe = recipe_of(invokeai_metadata='{"positive_prompt": "a\\u001b[31m\\nb", "x": NaN, "y": 1e999, "seed": 0}')
    values = json.loads(json.dumps(to_dict(recipe), allow_nan=False))
    assert values["raw"] == {"x": "NaN", "y": "1e999"} and values["seed"] == 0
    assert describe(recipe).split("\n")[1:4] == ["prompt     a\\x1b[31m", "           b", "seed       0"]
