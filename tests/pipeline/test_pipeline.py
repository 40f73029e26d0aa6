"""The four steps by hand, the whole call, batches, seeds, threads, and what a pipeline refuses."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from sukashi.pictures import to_pictures
from sukashi.pipeline import Pipeline
from sukashi.precision import NumericalError
from tiny_models import tiny_model


def pipeline(family: str = "sd1", **named) -> Pipeline:
    parts = tiny_model(family)
    size = parts.family.size
    return Pipeline(parts, dict(width=size, height=size, steps=3, guidance=4.0), name=f"tiny {family}", **named)


def bytes_of(picture: Image.Image) -> bytes:
    return picture.tobytes()


def test_the_four_steps_by_hand_draw_what_the_call_draws() -> None:
    pipe = pipeline()
    wanted = pipe.encode_prompt("a cat")
    unwanted = pipe.encode_prompt("")
    latents = pipe.get_latents(64, 64, seeds=[7])
    clean = pipe.denoise(latents, wanted, unwanted, steps=3, guidance=4.0)
    [by_hand] = to_pictures(pipe.vae_decode(clean))
    result = pipe("a cat", seed=7)
    assert wanted.context.shape == (1, 77, 32) and latents.shape == (1, 4, 8, 8)
    assert torch.equal(result.latents, clean)
    assert bytes_of(result.images[0]) == bytes_of(by_hand)


def test_steps_are_complete_and_begin_where_the_last_one_ended() -> None:
    run = pipeline().steps("a cat", seed=1, steps=5)
    steps = list(run)
    assert len(run) == len(steps) == 5
    assert [s.now for s in steps] == list(run.levels[:-1]) and steps[-1].to == run.levels[-1]
    assert torch.equal(steps[0].x, run.x)
    for before, after in itertools.pairwise(steps):
        assert torch.equal(before.x_next, after.x)
    for step in steps:
        level, p = step.now, step.prediction
        torch.testing.assert_close(level.alpha * p.x0 + level.sigma * p.eps, step.x, atol=1e-4, rtol=1e-4)
        assert set(p.parts) == {"unwanted", "wanted"}


def test_a_run_can_be_left_and_walked_again() -> None:
    run = pipeline().steps("a cat", seed=3, steps=4, sampler="euler_a")
    first = next(iter(run))
    whole = list(run)
    assert torch.equal(first.x_next, whole[0].x_next)
    assert torch.equal(list(run)[-1].x_next, whole[-1].x_next)


@pytest.mark.parametrize("sampler", ["ddim", "euler_a"])
@pytest.mark.parametrize("rng", ["cpu", "nv"])
def test_picture_k_of_a_batch_can_be_made_alone(sampler: str, rng: str) -> None:
    pipe = pipeline()
    batch = pipe("a cat", seed=10, count=3, sampler=sampler, rng=rng)
    alone = pipe("a cat", seed=12, sampler=sampler, rng=rng)
    assert [r.seed for r in batch.requests] == [10, 11, 12]
    torch.testing.assert_close(batch.latents[2:], alone.latents, atol=1e-5, rtol=1e-4)
    assert batch.record(2)["settings"] == alone.record(0)["settings"]


def test_several_prompts_are_one_batch() -> None:
    pipe = pipeline()
    both = pipe(["a cat", "at"], seed=5)
    assert [r.prompt for r in both.requests] == ["a cat", "at"]
    torch.testing.assert_close(both.latents[1:], pipe("at", seed=6).latents, atol=1e-5, rtol=1e-4)


def test_without_a_seed_one_is_drawn_and_reported() -> None:
    pipe = pipeline()
    a, b = pipe("a cat"), pipe("a cat")
    assert a.requests[0].seed != b.requests[0].seed
    assert bytes_of(pipe("a cat", seed=a.requests[0].seed).images[0]) == bytes_of(a.images[0])


def test_the_negative_prompt_takes_the_place_of_the_empty_one() -> None:
    pipe = pipeline()
    nothing, empty = pipe("a cat", seed=1), pipe("a cat", seed=1, negative_prompt="")
    negative = pipe("a cat", seed=1, negative_prompt="at")
    assert torch.equal(nothing.latents, empty.latents)
    assert not torch.equal(nothing.latents, negative.latents)
    itself = pipe("a cat", seed=1, negative_prompt="a cat")
    unguided = pipe("a cat", seed=1, guidance=1.0)
    torch.testing.assert_close(itself.latents, unguided.latents, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("guidance", "rows"), [(4.0, 2), (1.0, 1), (0.0, 1)])
def test_no_branch_is_computed_in_vain(guidance: float, rows: int) -> None:
    pipe, seen = pipeline(), []
    hook = pipe.unet.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    try:
        result = pipe("a cat", seed=1, guidance=guidance)
    finally:
        hook.remove()
    assert seen == [rows] * result.calls


def test_sdxl_says_nothing_with_zeros_and_is_told_sizes() -> None:
    pipe = pipeline("sdxl")
    nothing, empty = pipe.encode_prompt(None), pipe.encode_prompt("")
    assert not nothing.context.any() and not nothing.pooled.any() and empty.context.any()
    assert nothing.sizes.tolist() == [[64, 64, 0, 0, 64, 64]]
    told = pipe.encode_prompt("a cat", size=(48, 64))
    assert told.sizes.tolist() == [[64, 48, 0, 0, 64, 48]]
    assert pipe("a cat", seed=1, width=48).images[0].size == (48, 64)
    refiner = pipeline("sdxl-refiner").encode_prompt("a cat")
    assert refiner.sizes.tolist() == [[64, 64, 0, 0, 6]]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sd2-v", "sdxl", "sdxl-refiner"])
def test_every_family_that_draws_from_words_draws(family: str) -> None:
    [picture] = pipeline(family)("a cat", seed=0).images
    assert picture.size == (64, 64) and len(picture.getcolors(64 * 64)) > 16


@pytest.mark.parametrize(("family", "channels"), [("sd1-inpaint", 9), ("sd2-depth", 5), ("x4-upscaler", 7)])
def test_models_that_need_a_picture_say_so(family: str, channels: int) -> None:
    with pytest.raises(ValueError, match=f"takes {channels} channels, 4 of them the latent.*cannot do text-to-image"):
        pipeline(family).steps("a cat")


def test_sizes_that_are_not_whole_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="60 x 64 pixels: width and height must be multiples of 8"):
        pipeline()("a cat", width=60)


def test_eight_threads_share_a_pipeline() -> None:
    pipe = pipeline()
    jobs = [dict(prompt=p, seed=s, sampler=n) for s, p in enumerate(["a cat", "at"]) for n in ("ddim", "dpmpp_2m")] * 2
    one_by_one = [pipe(**job).latents for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        together = [future.result().latents for future in [pool.submit(pipe, **job) for job in jobs]]
    assert all(torch.equal(a, b) for a, b in zip(one_by_one, together, strict=True))


def test_nan_in_the_unet_is_named_by_step_and_layer() -> None:
    pipe, calls = pipeline(), []

    def poison(_: torch.nn.Module, __: tuple, out: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return out * torch.nan if len(calls) > 2 else out

    hook = pipe.unet.mid_block.resnets[1].conv2.register_forward_hook(poison)
    try:
        with pytest.raises(NumericalError, match=r"step 3 of 4 .*the first bad layer is mid_block.resnets.1.conv2"):
            pipe("a cat", seed=1, steps=4, sampler="ddim")
    finally:
        hook.remove()


def test_unknown_words_and_cut_text_are_said() -> None:
    pipe = pipeline(unknown_words=lambda prompt: [w for w in prompt.split() if w == "castle"])
    notes = pipe("a cat in a castle castle", seed=1).notes
    assert "tiny sd1 does not know: castle" in notes
    assert pipe("at " * 80, seed=1).notes == ["2 chunks of 75 tokens"]
    assert any("cut off: 'at at" in note for note in pipe("at " * 80, seed=1, truncate=True).notes)


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    pipeline()("a cat", sampler="euler_a")
    assert torch.equal(before, torch.get_rng_state())
