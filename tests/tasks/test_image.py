"""Image to image: equal to diffusers in latents, and what strength, sizes and several pictures mean."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from oracle import close, generators, ours, photo, scheduled

from sukashi import tasks
from sukashi.diffusion.registry import SAMPLERS
from sukashi.tasks.strength import steps_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SCHEDULERS: list[tuple[str, dict[str, Any], str | None]] = [
    ("DDIMScheduler", {}, "ddim"),
    ("DDPMScheduler", {}, "ddpm"),
    ("PNDMScheduler", {"skip_prk_steps": True}, None),
    ("EulerDiscreteScheduler", {}, "EulerDiscreteScheduler"),
    ("EulerAncestralDiscreteScheduler", {}, "EulerAncestralDiscreteScheduler"),
    ("HeunDiscreteScheduler", {}, "HeunDiscreteScheduler"),
    ("LMSDiscreteScheduler", {}, "LMSDiscreteScheduler"),
    ("KDPM2DiscreteScheduler", {}, "KDPM2DiscreteScheduler"),
    ("DPMSolverMultistepScheduler", {}, "DPMSolverMultistepScheduler"),
    ("DPMSolverSinglestepScheduler", {"lower_order_final": True}, "DPMSolverSinglestepScheduler"),
    ("UniPCMultistepScheduler", {}, "UniPCMultistepScheduler"),
    ("DEISMultistepScheduler", {}, "DEISMultistepScheduler"),
    ("LCMScheduler", {}, "LCMScheduler"),
]


@pytest.mark.parametrize(("scheduler", "keys", "sampler"), SCHEDULERS)
def test_latents_are_diffusers_with_every_scheduler(scheduler: str, keys: dict[str, Any], sampler: str | None) -> None:
    pipe = scheduled("StableDiffusionImg2ImgPipeline", "sd1", scheduler, **keys)
    picture = photo(48, 40)
    wanted = pipe(
        "a cat",
        picture,
        strength=0.65,
        num_inference_steps=6,
        guidance_scale=3.0,
        generator=generators(7),
        output_type="latent",
    ).images
    result = tasks.image_to_image(
        ours("sd1"), "a cat", image=picture, strength=0.65, steps=6, guidance=3.0, seed=7, sampler=sampler
    )
    close(result, wanted)
    assert "runs 3 of 6 steps (strength 0.65)" in result.notes


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("sd2", "StableDiffusionImg2ImgPipeline"),
        ("sd2-v", "StableDiffusionImg2ImgPipeline"),
        ("sdxl", "StableDiffusionXLImg2ImgPipeline"),
    ],
)
def test_every_family_and_a_batch_of_two_prompts(family: str, name: str) -> None:
    pipe, picture = scheduled(name, family), [photo(72, 56), photo(72, 56, 1)]
    asked = {"strength": 0.6, "num_inference_steps": 5, "guidance_scale": 3.0, "output_type": "latent"}
    wanted = pipe(["a cat", "at"], image=picture, generator=generators(3, 4), **asked).images
    result = tasks.image_to_image(
        ours(family), ["a cat", "at"], image=picture, strength=0.6, steps=5, guidance=3.0, seed=3
    )
    close(result, wanted)


def test_a_size_that_is_not_square_nor_a_multiple_of_64() -> None:
    pipe, picture = scheduled("StableDiffusionImg2ImgPipeline", "sd1"), photo(520, 328)
    asked = {"strength": 0.8, "num_inference_steps": 3, "guidance_scale": 3.0, "output_type": "latent"}
    wanted = pipe("a cat", picture, generator=generators(1), **asked).images
    close(tasks.image_to_image(ours("sd1"), "a cat", image=picture, steps=3, guidance=3.0, seed=1), wanted)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_begins_anywhere_and_counts_its_calls(sampler: str) -> None:
    pipe, seen = ours("sd1"), []
    hook = pipe.unet.register_forward_hook(lambda *_: seen.append(1))
    try:
        for strength in (0.01, 0.5, 1):
            seen.clear()
            result = tasks.image_to_image(
                pipe, "a cat", image=photo(16, 24), strength=strength, steps=4, sampler=sampler, guidance=1.0, seed=1
            )
            assert result.images[0].size == (16, 24) and torch.isfinite(result.latents).all()
            assert result.notes[-1].startswith(f"runs {int(4 * strength)} of 4 steps (strength {strength:.2f})")
            assert len(seen) == result.calls
    finally:
        hook.remove()


def test_strength_zero_gives_the_picture_back() -> None:
    picture = photo(40, 32)
    result = tasks.image_to_image(ours("sd1"), image=picture, strength=0.1, steps=5, seed=1)
    assert result.images[0].tobytes() == picture.tobytes() and result.calls == 0
    assert "comes back as it is; one step needs a strength of 0.2" in result.notes[-1]


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ((20, 0.3, False), (20, 6)),
        ((100, 0.29, False), (100, 29)),
        ((20, 1, False), (20, 20)),
        ((30, 0.02, False), (30, 0)),
        ((20, 0.3, True), (67, 20)),
        ((10, 0.1, True), (100, 10)),
        ((10, 0, True), (10, 0)),
        ((10, 1.0, True), (10, 10)),
    ],
)
def test_how_many_steps(asked, steps) -> None:
    assert steps_of(*asked, 1000) == steps


def test_exact_steps_begin_at_the_same_noise() -> None:
    for n in range(1, 40):
        for strength in np.linspace(0.05, 1, 20):
            total, run = steps_of(n, float(strength), True, 10_000)
            assert run == n and (total - 1) * strength < n <= total * strength + 1e-6
    result = tasks.image_to_image(
        ours("sd1"), image=photo(16, 16), strength=0.5, exact_steps=True, steps=4, seed=1, sampler="ddim"
    )
    assert result.calls == 4 and "runs 4 of 8 steps (strength 0.50)" in result.notes
    with pytest.raises(ValueError, match=r"20 exact steps at strength 0.01 .*2000.*1000; a strength of at least 0.02"):
        steps_of(20, 0.01, True, 1000)


@pytest.mark.parametrize("strength", [-0.1, 1.01, True, float("nan")])
def test_strengths_that_are_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"strength is .*; a number in 0\.\.1 is accepted"):
        tasks.image_to_image(ours("sd1"), image=photo(16, 16), strength=strength)


def test_less_and_less_is_kept() -> None:
    pipe, asked = ours("sd1"), {"image": photo(32, 32), "steps": 10, "guidance": 1.0, "seed": 1}
    whole = tasks.image_to_image(pipe, strength=0, **asked).latents
    far = [(tasks.image_to_image(pipe, strength=s, **asked).latents - whole).abs().mean() for s in (0.1, 0.4, 0.8)]
    assert far == sorted(far)


def test_several_pictures_and_counts() -> None:
    pipe, pair = ours("sd1"), [photo(32, 32), photo(32, 32, 1)]
    both = tasks.image_to_image(pipe, "a cat", image=pair, seed=5, count=2)
    assert [r.seed for r in both.requests] == [5, 6, 7, 8]
    for k, picture in enumerate([pair[0], pair[0], pair[1], pair[1]]):
        alone = tasks.image_to_image(pipe, "a cat", image=picture, seed=5 + k)
        torch.testing.assert_close(both.latents[k : k + 1], alone.latents, atol=1e-4, rtol=1e-4)
        assert both.record(k) == alone.record()
    with pytest.raises(ValueError, match="3 prompts for 2 pictures; one, or one for each, is accepted"):
        tasks.image_to_image(pipe, ["a", "b", "c"], image=pair)


def test_sizes_are_handled_and_said() -> None:
    pipe = ours("sd1")
    odd = tasks.image_to_image(pipe, image=photo(45, 35), seed=1)
    assert odd.images[0].size == (40, 32)
    assert "the picture is 45 x 35: drawn at 40 x 32, in multiples of 8" in odd.notes
    assert tasks.image_to_image(pipe, image=photo(48, 32), width=24, seed=1).images[0].size == (24, 16)
    asked = {"image": photo(48, 24), "width": 32, "height": 32, "strength": 0}
    modes = [tasks.image_to_image(pipe, resize=mode, **asked).images[0] for mode in ("stretch", "crop", "fill")]
    shapes = {picture.tobytes() for picture in modes}
    assert len(shapes) == 3
    with pytest.raises(ValueError, match="33 x 32 pixels: width and height must be multiples of 8"):
        tasks.image_to_image(pipe, image=photo(32, 32), width=33, height=32)


def test_models_for_other_tasks_say_so() -> None:
    with pytest.raises(ValueError, match="inpainting model: its U-Net takes 9 channels, image-to-image gives it 4"):
        tasks.image_to_image(ours("sd1-inpaint"), image=photo(32, 32), seed=1)


def test_a_record_is_replayed_where_the_picture_is_still_there(tmp_path) -> None:
    pipe = ours("sd1")
    photo(32, 32).save(tmp_path / "a.png")
    result = tasks.image_to_image(pipe, "a cat", image=tmp_path / "a.png", strength=0.5, seed=1)
    record = json.loads(json.dumps(result.record()))
    assert record["task"] == "image-to-image" and record["options"]["strength"] == 0.5
    again = tasks.replay(record, pipe)
    assert again.images[0].tobytes() == result.images[0].tobytes() and again.record() == result.record()
    photo(32, 32, 1).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is not the picture any more that the record speaks of"):
        tasks.replay(record, pipe)
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"the record needs its image .*a\.png, which is not there"):
        tasks.replay(record, pipe)
    unnamed = tasks.image_to_image(pipe, "a cat", image=photo(32, 32), strength=0.5, seed=1)
    with pytest.raises(ValueError, match="the image of the record was never a file; give it"):
        tasks.replay(unnamed.record(), pipe)
    given = tasks.replay(unnamed.record(), pipe, image=photo(32, 32))
    assert given.images[0].tobytes() == result.images[0].tobytes()
