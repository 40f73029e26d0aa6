"""diffusers' pipelines that begin from a picture, recorded by others, drawn again by our tasks stage by stage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from recorder import Recorder, one_generator, stages

from sukashi import tasks
from sukashi.loading import load
from sukashi.pipeline import Pipeline
from sukashi.tasks import latents

TOLERANCE = 1e-4
CASES = {
    "test_stable_diffusion_img2img_default_case__tiny-sd-img2img": "image_to_image",
    "test_stable_diffusion_img2img_k_lms__tiny-sd-img2img": "image_to_image",
    "test_stable_diffusion_img2img_multiple_init_images__tiny-sd-img2img": "image_to_image",
    "test_stable_diffusion_img2img_negative_prompt__tiny-sd-img2img": "image_to_image",
    "test_stable_diffusion_inpaint__tiny-sd2-inpaint9": "inpaint",
    "test_stable_diffusion_depth2img_default_case__tiny-sd2-depth": "depth_to_image",
    "test_stable_diffusion_depth2img_negative_prompt__tiny-sd2-depth": "depth_to_image",
    "test_stable_diffusion_depth2img_pil__tiny-sd2-depth": "depth_to_image",
    "test_stable_diffusion_pix2pix_default_case__tiny-pix2pix8": "instruct",
    "test_stable_diffusion_pix2pix_euler__tiny-pix2pix8": "instruct",
    "test_stable_diffusion_pix2pix_multiple_init_images__tiny-pix2pix8": "instruct",
    "test_stable_diffusion_upscale_prompt_embeds__tiny-upscaler": "upscale",
    "test_stable_diffusion_xl_img2img_euler__tiny-sdxl-img2img": "image_to_image",
}
PROMPT = "A painting of a squirrel eating a burger"
ARGUMENTS = {
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "mask_image": "mask",
    "image_guidance_scale": "image_guidance",
}
SAME = ("prompt", "negative_prompt", "strength", "noise_level", "image")
ENCODED = "trace.vae.encoder0.out"
ONE_COLOUR = 5e-3  # a group norm of a picture of one colour divides by almost nothing: theirs is that far from float64
ROUNDED = 0.5 / 255 + TOLERANCE  # finished pictures have 8 bits


def recorded_pipeline(folder: Path, scheduler: tuple[str, dict[str, Any]]) -> Pipeline:
    """The model of a case with the case's scheduler."""
    pipe = load(folder, device="cpu")
    name, config = scheduler
    family = replace(pipe.parts.family, scheduler={**config, "_class_name": name})
    return Pipeline(replace(pipe.parts, family=family), pipe.defaults, pipe.name)


def arguments(inputs: dict[str, Any], recorded: Any) -> dict[str, Any]:
    """diffusers' arguments as ours; pictures as bytes (recorded floats are put in exactly by ``exactly``)."""
    asked: dict[str, Any] = {"seed": inputs["generator"]["generator_seed"]}
    for name, value in inputs.items():
        if name in ARGUMENTS or name in SAME:
            asked[ARGUMENTS.get(name, name)] = pictures(value, recorded)
    if "prompt_embeds" in inputs:
        asked["prompt"] = PROMPT  # the embeddings of the second call are those of the first one's prompt
    return asked


def pictures(value: Any, recorded: Any) -> Any:
    """Recorded arrays as pictures; anything else as it is."""
    if isinstance(value, list):
        return [pictures(each, recorded) for each in value]
    if not isinstance(value, dict):
        return value
    array = recorded[value["array"]]
    return torch.from_numpy(array) if value["kind"] == "tensor" else Image.fromarray(array)


def exactly(monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Any], recorded: Any) -> None:
    """Recorded pictures in floats are not rounded to bytes on their way in; noise is drawn as the test drew it."""
    monkeypatch.setattr(latents, "of_any_shape", one_generator)
    if isinstance(inputs["image"], dict) and inputs["image"]["kind"] == "tensor":
        exact = torch.from_numpy(recorded[inputs["image"]["array"]]) * 2 - 1
        monkeypatch.setattr(latents, "images_of", lambda pictures: exact[: len(pictures)])


def besides(task: str, recorded: Any) -> dict[str, Any]:
    """What our tasks are told that diffusers does by itself, or by a network that is not among the files."""
    if task == "inpaint":
        return {"paste_back": False}
    return {"depth": recorded["trace.unet0.sample"][0, 4]} if task == "depth_to_image" else {}


def negative_first(inputs: dict[str, Any], recorder: Recorder) -> dict[str, torch.Tensor]:
    """With embeddings given, the negative prompt is the first (and only) one that diffusers encodes."""
    second = "text_encoder1."
    renamed = {key.replace("1.", "0."): value for key, value in recorder.seen.items() if key.startswith(second)}
    return renamed if "prompt_embeds" in inputs else {}


def one_colour(recorded: Any) -> torch.Tensor | None:
    """What they encoded a picture of one colour to, to go on from; see ``ONE_COLOUR``."""
    if ENCODED not in recorded.files or np.ptp(recorded[ENCODED.replace("out", "in")]):
        return None
    return torch.from_numpy(recorded[ENCODED])[:1]


@pytest.mark.parametrize("case", CASES)
def test_recorded_pipelines_are_drawn_again(case: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = shared_data / "6_references" / "tiny_pipelines"
    for call in json.loads((root / "cases" / case / "case.json").read_text())["calls"]:
        pipe = recorded_pipeline(root / call["model"], call["scheduler"])
        with np.load(root / "cases" / case / call["arrays"]) as recorded:
            exactly(monkeypatch, call["inputs"], recorded)
            with Recorder(pipe, one_colour(recorded)) as recorder:
                asked = arguments(call["inputs"], recorded) | besides(CASES[case], recorded)
                result = getattr(tasks, CASES[case])(pipe, **asked)
            far = dict(stages(recorded, recorder.seen | negative_first(call["inputs"], recorder)))
            out = recorded["out"] if recorded["out"].shape[-1] == 3 else recorded["out"].transpose(0, 2, 3, 1)
        drawn = np.stack([np.asarray(picture) / 255 for picture in result.images])
        assert drawn.shape == out.shape
        assert recorder.calls["unet"] == call["unet_calls"] == result.calls
        assert len(far) > 8
        wrong = {key: value for key, value in far.items() if value > (ONE_COLOUR if key == ENCODED else TOLERANCE)}
        assert not wrong, wrong
        assert np.abs(drawn - out).max() <= ROUNDED
