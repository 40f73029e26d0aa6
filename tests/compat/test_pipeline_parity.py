"""A whole call of the pipeline against diffusers on the same tiny model with the same generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sukashi.compat.schedulers import CLASSES

PROMPT = "A painting of a squirrel eating a burger"
LONG = " ".join(["word"] * 100)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SCHEDULERS: list[tuple[str, dict[str, Any]]] = [
    ("DDIMScheduler", {}),
    ("DDPMScheduler", {}),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("EulerDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {"timestep_spacing": "trailing", "use_karras_sigmas": True}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
    ("KDPM2AncestralDiscreteScheduler", {}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    ("UniPCMultistepScheduler", {}),
    ("DEISMultistepScheduler", {}),
    ("LCMScheduler", {}),
    ("TCDScheduler", {}),
    ("SASolverScheduler", {}),
    ("EDMEulerScheduler", {}),
    ("EDMDPMSolverMultistepScheduler", {"sigma_data": 0.7}),
]
CALLS: dict[str, dict[str, Any]] = {
    "negative prompt": {"prompt": PROMPT, "negative_prompt": "french fries"},
    "two images per prompt": {"prompt": PROMPT, "num_images_per_prompt": 2},
    "two prompts": {"prompt": [PROMPT, "a cat"], "negative_prompt": ["dogs", ""]},
    "two prompts, two images each": {"prompt": [PROMPT, "a cat"], "num_images_per_prompt": 2},
    "no guidance": {"prompt": PROMPT, "guidance_scale": 1.0},
    "guidance below 1": {"prompt": PROMPT, "guidance_scale": 0.5, "negative_prompt": "french fries"},
    "rescaled guidance": {"prompt": PROMPT, "guidance_rescale": 0.7},
    "clip skip": {"prompt": PROMPT, "clip_skip": 1, "negative_prompt": "french fries"},
    "clip skip 0": {"prompt": PROMPT, "clip_skip": 0},
    "other size": {"prompt": PROMPT, "width": 48, "height": 80},
    "eta": {"prompt": PROMPT, "eta": 0.5},
    "too long": {"prompt": LONG, "negative_prompt": LONG},
    "empty": {"prompt": ""},
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def far(ours: Any, theirs: Any) -> float:
    a, b = np.asarray(ours.images, dtype=np.float64), np.asarray(theirs.images, dtype=np.float64)
    assert a.shape == b.shape
    return float(np.abs(a - b).max())


@pytest.mark.parametrize(("name", "keys"), SCHEDULERS)
def test_every_scheduler(name: str, keys: dict[str, Any], load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1", name, **keys), load("tiny-sd1")
    ours.scheduler = CLASSES[name].from_config(ours.scheduler.config, **keys)
    call = {"prompt": PROMPT, "num_inference_steps": 6, "output_type": "np"}
    assert far(ours(**call, generator=seeded()), theirs(**call, generator=seeded())) < 1e-4
    assert ours.do_classifier_free_guidance is True
    assert ours.num_timesteps == theirs.num_timesteps
    assert torch.allclose(ours.scheduler.timesteps.double(), theirs.scheduler.timesteps.double(), atol=1e-3)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("model", ["tiny-sd1", "tiny-sd2"])
@pytest.mark.filterwarnings("ignore:the text encoder reads")
def test_every_argument(model: str, call: dict[str, Any], load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle(model), load(model)
    call = {"num_inference_steps": 3, "output_type": "np", **call}
    assert far(ours(**call, generator=seeded(5)), theirs(**call, generator=seeded(5))) < 1e-4


@pytest.mark.parametrize("call", ["negative prompt", "two images per prompt", "no guidance", "clip skip", "other size"])
def test_sdxl(call: str, load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sdxl"), load("tiny-sdxl")
    told = {"num_inference_steps": 2, "output_type": "np", **CALLS[call]}
    if call == "negative prompt":
        told |= {"prompt_2": "a cat", "negative_prompt_2": "dogs", "original_size": (100, 120), "target_size": (64, 64)}
        told |= {"crops_coords_top_left": (8, 16), "negative_original_size": (9, 9), "negative_target_size": (64, 32)}
    assert far(ours(**told, generator=seeded(5)), theirs(**told, generator=seeded(5))) < 1e-4


def test_one_generator_for_each_picture(load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1", "EulerAncestralDiscreteScheduler"), load("tiny-sd1")
    ours.scheduler = CLASSES["EulerAncestralDiscreteScheduler"].from_config(ours.scheduler.config)
    call = {"prompt": [PROMPT, "a cat"], "num_inference_steps": 3, "output_type": "np"}
    a = ours(**call, generator=[seeded(1), seeded(2)])
    assert far(a, theirs(**call, generator=[seeded(1), seeded(2)])) < 1e-4
    alone = ours(**{**call, "prompt": "a cat"}, generator=seeded(2))
    assert np.abs(alone.images[0] - a.images[1]).max() < 1e-4


def test_latents_that_are_given(load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    for scheduler in ("DDIMScheduler", "EulerDiscreteScheduler"):
        theirs, ours = oracle("tiny-sd1", scheduler), load("tiny-sd1")
        ours.scheduler = CLASSES[scheduler].from_config(ours.scheduler.config)
        latents = torch.randn(1, 4, 32, 32, generator=seeded(3))
        call = {"prompt": PROMPT, "num_inference_steps": 3, "output_type": "np", "latents": latents}
        kept = latents.clone()
        assert far(ours(**call), theirs(**call)) < 1e-4
        assert torch.equal(latents, kept)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "DEISMultistepScheduler"])
def test_latents_as_the_result(scheduler: str, load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1", scheduler), load("tiny-sd1")
    ours.scheduler = CLASSES[scheduler].from_config(ours.scheduler.config)
    call = {"prompt": PROMPT, "num_inference_steps": 3, "output_type": "latent"}
    a, b = ours(**call, generator=seeded()), theirs(**call, generator=seeded())
    assert torch.allclose(a.images, b.images, rtol=1e-4, atol=1e-3)


def test_embeddings_that_are_given(load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1"), load("tiny-sd1")
    positive, negative = ours.encode_prompt([PROMPT, "a cat"], "cpu", 1, True, negative_prompt=["dogs", "fish"])
    for embeds, expected in zip(
        (positive, negative),
        theirs.encode_prompt([PROMPT, "a cat"], "cpu", 1, True, negative_prompt=["dogs", "fish"]),
        strict=True,
    ):
        assert torch.allclose(embeds, expected, atol=1e-5)
    call: dict[str, Any] = {"num_inference_steps": 3, "output_type": "np", "prompt_embeds": 0.5 * positive}
    call |= {"negative_prompt_embeds": negative, "num_images_per_prompt": 2}
    assert far(ours(**call, generator=seeded()), theirs(**call, generator=seeded())) < 1e-4


@pytest.mark.parametrize("kind", ["pil", "np", "pt"])
def test_kinds_of_output(kind: str, load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1"), load("tiny-sd1")
    call = {"prompt": PROMPT, "num_inference_steps": 2, "output_type": kind}
    a, b = ours(**call, generator=seeded()), theirs(**call, generator=seeded())
    assert type(a.images) is type(b.images)
    assert type(a.images[0]) is type(b.images[0])
    assert a.nsfw_content_detected is b.nsfw_content_detected is None
    assert far(a, b) <= (1 if kind == "pil" else 1e-4)  # one of 255 where rounding falls the other way
    pair = ours(**call, generator=seeded(), return_dict=False)
    assert isinstance(pair, tuple)
    assert len(pair) == 2
    assert pair[1] is None


@pytest.mark.parametrize(
    ("scheduler", "given"),
    [
        ("EulerDiscreteScheduler", {"timesteps": [999, 500, 100]}),
        ("EulerDiscreteScheduler", {"sigmas": [14.0, 5.0, 1.0, 0.0]}),
        ("DPMSolverMultistepScheduler", {"timesteps": [999, 600, 300, 50]}),
        ("DDPMScheduler", {"timesteps": [900, 400, 20]}),
    ],
)
def test_given_noise_levels(
    scheduler: str, given: dict[str, Any], load: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    theirs, ours = oracle("tiny-sd1", scheduler), load("tiny-sd1")
    ours.scheduler = CLASSES[scheduler].from_config(ours.scheduler.config)
    call = {"prompt": PROMPT, "output_type": "np", **given}
    assert far(ours(**call, generator=seeded()), theirs(**call, generator=seeded())) < 1e-4
