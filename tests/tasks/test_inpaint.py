"""Inpainting: equal to diffusers in latents, nothing outside the mask changes, and every option does what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import box_mask, close, generators, ours, photo, scheduled
from PIL import Image

from sukashi import tasks
from sukashi.diffusion.types import CLEAN, Level, Prediction
from sukashi.tasks.keeping import keep_outside

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BOX = (16, 8, 40, 32)


@pytest.mark.parametrize("family", ["sd1", "sd1-inpaint"])
@pytest.mark.parametrize("strength", [1.0, 0.65])
@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_latents_are_diffusers(family: str, strength: float, scheduler: str) -> None:
    pipe = scheduled("StableDiffusionInpaintPipeline", family, scheduler, set_alpha_to_one=True)
    picture, mask = photo(56, 40), box_mask(56, 40, BOX)
    asked = {"strength": strength, "num_inference_steps": 6, "guidance_scale": 3.0, "output_type": "latent"}
    both = {"image": [picture] * 2, "mask_image": [mask] * 2, "generator": generators(7, 8)}
    wanted = pipe(["a cat", "at"], height=40, width=56, **both, **asked).images
    model = ours(family)
    model.published = resolved(scheduler, model)
    close(
        tasks.inpaint(
            model, ["a cat", "at"], image=picture, mask=mask, strength=strength, steps=6, guidance=3.0, seed=7
        ),
        wanted,
    )


def resolved(scheduler: str, model):
    """The plan of a diffusers class that ends without noise."""
    from sukashi.diffusion.names import resolve

    return resolve(scheduler, None, {**model.parts.scheduler, "set_alpha_to_one": True})


@pytest.mark.parametrize("family", ["sd1", "sd1-inpaint"])
@pytest.mark.parametrize("options", [{}, {"only_masked": 4}, {"soft": True}, {"width": 32, "height": 32}])
def test_outside_the_mask_every_byte_is_the_users(family: str, options: dict) -> None:
    picture, shades = photo(45, 37), np.zeros((37, 45), np.uint8)
    shades[9:20, 11:30] = np.random.default_rng(0).integers(0, 256, (11, 19))
    result = tasks.inpaint(ours(family), "a cat", image=picture, mask=shades, steps=2, seed=1, feather=2, **options)
    before, after = np.asarray(picture), np.asarray(result.images[0])
    marked = shades > 0 if options.get("soft") else shades >= 128
    assert after.shape == before.shape and (after[~marked] == before[~marked]).all()
    assert (after[marked] != before[marked]).any()


def test_a_mask_without_a_mark_gives_the_picture_back() -> None:
    picture = photo(33, 41)
    for options in ({}, {"only_masked": 8}):
        result = tasks.inpaint(ours("sd1"), image=picture, mask=Image.new("L", (33, 41)), seed=1, **options)
        assert result.images[0].tobytes() == picture.tobytes() and result.calls == 0
        assert "the mask marks nothing: the picture comes back as it is" in result.notes


def test_files_keep_the_bytes_outside_where_their_format_can(tmp_path: Path) -> None:
    picture, mask = photo(40, 32), box_mask(40, 32, BOX)
    result = tasks.inpaint(ours("sd1"), "a cat", image=picture, mask=mask, steps=2, seed=1)
    outside = np.asarray(mask) == 0
    for suffix in ("png", "webp"):
        [path] = tasks.save(result, tmp_path / f"a.{suffix}")
        assert (np.asarray(Image.open(path))[outside] == np.asarray(picture)[outside]).all()


def test_white_repaints_and_other_polarities_are_asked_for() -> None:
    picture, mask = photo(32, 32), box_mask(32, 32, (8, 8, 24, 24))
    clear = picture.copy()
    clear.putalpha(mask.point(lambda v: 255 - v))
    asked = {"steps": 2, "seed": 1}
    white = tasks.inpaint(ours("sd1"), "a cat", image=picture, mask=mask, **asked)
    black = tasks.inpaint(
        ours("sd1"), "a cat", image=picture, mask=mask.point(lambda v: 255 - v), repaint="black", **asked
    )
    openai = tasks.inpaint(ours("sd1"), "a cat", image=picture, mask=clear, repaint="transparent", **asked)
    assert white.images[0].tobytes() == black.images[0].tobytes() == openai.images[0].tobytes()
    itself = tasks.inpaint(ours("sd1"), "a cat", image=clear, **asked)  # its own transparency is the mask
    assert np.asarray(itself.images[0])[0, 0].tolist() == list(picture.getpixel((0, 0)))
    assert "there is no mask: what is transparent in the picture is repainted" in itself.notes
    with pytest.raises(ValueError, match="there is no mask, and nothing in the picture is transparent"):
        tasks.inpaint(ours("sd1"), image=picture)


def test_what_the_mask_holds_before() -> None:
    picture, mask, pipe = photo(32, 32), box_mask(32, 32, (8, 8, 24, 24)), ours("sd1")
    asked = {"image": picture, "mask": mask, "strength": 0.5, "steps": 4, "seed": 1}
    results = [tasks.inpaint(pipe, "a cat", fill=fill, **asked) for fill in ("original", "fill", "noise", "nothing")]
    assert len({result.images[0].tobytes() for result in results}) == 4
    with pytest.raises(ValueError, match="fill is 'red'; accepted: original, fill, noise, nothing"):
        tasks.inpaint(pipe, fill="red", image=picture, mask=mask)


def test_only_masked_draws_the_crop_at_full_size() -> None:
    pipe, seen = ours("sd1"), []
    hook = pipe.unet.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[2:]))
    picture, mask = photo(90, 70), box_mask(90, 70, (60, 20, 70, 30))
    try:
        result = tasks.inpaint(pipe, "a cat", image=picture, mask=mask, only_masked=6, width=64, height=48, seed=1)
    finally:
        hook.remove()
    assert set(seen) == {(6, 8)} and result.images[0].size == (90, 70)
    changed = (np.asarray(result.images[0]) != np.asarray(picture)).any(axis=-1)
    assert changed[20:30, 60:70].mean() > 0.5 and changed.sum() == changed[20:30, 60:70].sum()


def test_soft_masks_join_in_one_after_the_other() -> None:
    clean, noise, x = torch.zeros(1, 1, 1, 5), torch.ones(1, 1, 1, 5), torch.full((1, 1, 1, 5), 9.0)
    mask = torch.tensor([0, 0.25, 0.5, 0.75, 1]).view(1, 1, 1, 5)
    levels = [Level(t, (1 - s * s) ** 0.5, s) for t, s in ((4, 0.9), (3, 0.7), (2, 0.5), (1, 0.3))] + [CLEAN]
    seen = {}

    def denoise(x, level):
        seen[level.t] = x.flatten().tolist()
        return Prediction(x, x)

    kept = keep_outside(denoise, clean, noise, mask, levels, soft=True)
    for level in levels[:-1]:
        kept(x, level)
    joined = {t: sum(value == 9 for value in values) for t, values in seen.items()}
    assert joined == {4: 1, 3: 2, 2: 3, 1: 4}
    assert seen[4][:4] == pytest.approx([0.9] * 4)  # the given picture at that level
    between = Level(2.5, 0.8, 0.6)  # as samplers with two looks a step ask
    kept(x, between)
    assert sum(value == 9 for value in seen[2.5]) == 3


def test_outside_the_prediction_is_what_was_given() -> None:
    clean, noise, x = (torch.randn(1, 4, 2, 2) for _ in range(3))
    mask, level = torch.tensor([[[[0.0, 1], [1, 0]]]]), Level(5, 0.8, 0.6)
    p = keep_outside(lambda x, level: Prediction(x * 2, x * 3), clean, noise, mask, [level, CLEAN])(x, level)
    out = (1 - mask).bool().expand_as(x)
    assert torch.equal(p.x0[out], clean[out]) and torch.equal(p.eps[out], noise[out])
    assert torch.equal(p.x0[~out], 2 * x[~out])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"feather": -1}, "feather is -1; a whole number of pixels from 0 on"),
        ({"only_masked": 1.5}, "only_masked is 1.5; a whole number"),
        ({"strength": 2}, r"strength is 2; a number in 0\.\.1"),
        ({"mask": Image.new("L", (16, 64), 255)}, "the mask is 16 x 64 and the picture 32 x 32: .* same proportions"),
    ],
)
def test_what_cannot_be_used(options: dict, sentence: str) -> None:
    asked = {"image": photo(32, 32), "mask": box_mask(32, 32, (8, 8, 16, 16))} | options
    with pytest.raises(ValueError, match=sentence):
        tasks.inpaint(ours("sd1"), "a cat", **asked)


def test_models_for_other_tasks_say_so() -> None:
    with pytest.raises(ValueError, match="depth model: its U-Net takes 5 channels; inpainting takes 4 or 9"):
        tasks.inpaint(ours("sd2-depth"), image=photo(32, 32), mask=box_mask(32, 32, (8, 8, 16, 16)))


def test_replay(tmp_path: Path) -> None:
    photo(32, 24).save(tmp_path / "a.png")
    box_mask(32, 24, (8, 8, 24, 16)).save(tmp_path / "m.png")
    pipe = ours("sd1")
    result = tasks.inpaint(pipe, "a cat", image=tmp_path / "a.png", mask=tmp_path / "m.png", steps=2, seed=1)
    again = tasks.replay(json.loads(json.dumps(result.record())), pipe)
    assert again.images[0].tobytes() == result.images[0].tobytes() and again.record() == result.record()
