"""The curves of a run: lengths, angles, signal-to-noise, against what torch says of the network's own answers."""

from __future__ import annotations

import math

import pytest
import torch

import sukashi
from sukashi.diffusion.denoiser import ask
from sukashi.pipeline import Pipeline
from sukashi.watch.curves import added, curves, grey, point, stacked, table, where_added
from sukashi.watch.recording import Recording, record


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


@pytest.fixture(scope="module")
def recording(pipe: Pipeline) -> Recording:
    return record(pipe, ["a cat", "a dog"], steps=3, seed=1, guidance=4.0, attention=False)


def test_what_guidance_added_is_what_the_unet_says(pipe: Pipeline, recording: Recording) -> None:
    step, k = recording.steps[1], 1
    told, silence = pipe.encode_prompt("a dog"), pipe.encode_prompt("")
    x, now = step.x[k : k + 1], step.now
    with torch.no_grad():  # a v-prediction model: eps = alpha v + sigma x
        cond, uncond = (now.alpha * ask(pipe.unet, x, now, each) + now.sigma * x for each in (told, silence))
    seen = curves(recording, k)[1]
    assert seen.cond == pytest.approx(float(cond.square().mean().sqrt()), rel=1e-4)
    assert seen.uncond == pytest.approx(float(uncond.square().mean().sqrt()), rel=1e-4)
    difference = cond - uncond
    assert seen.added == pytest.approx(float(difference.square().mean().sqrt()), rel=1e-3)
    assert seen.cos_cond == pytest.approx(float((difference * cond).sum() / difference.norm() / cond.norm()), abs=1e-3)
    assert seen.cos_uncond == pytest.approx(
        float((difference * uncond).sum() / difference.norm() / uncond.norm()), abs=1e-3
    )
    torch.testing.assert_close(added(step, recording.predicts)[k : k + 1], difference, atol=1e-5, rtol=1e-3)
    heat = where_added(step, recording.predicts)
    torch.testing.assert_close(heat[k], difference[0].norm(dim=0), atol=1e-5, rtol=1e-3)
    assert grey(heat).shape == (2, 1, 16, 16) and float(grey(heat).max()) == 1
    guided = uncond + 4 * difference  # in eps, as in v
    torch.testing.assert_close(step.prediction.eps[k : k + 1], guided, atol=1e-4, rtol=1e-3)


def test_lengths_and_levels(recording: Recording) -> None:
    for step, seen, ms in zip(recording.steps, curves(recording), recording.seconds, strict=True):
        assert seen.x == pytest.approx(float(step.x[0].square().mean().sqrt()))
        assert seen.sigma == pytest.approx(step.now.sigma / step.now.alpha)
        assert seen.snr == pytest.approx(seen.sigma**-2) and (seen.t, seen.seconds) == (step.now.t, ms)
    assert [seen.snr for seen in curves(recording)] == sorted(seen.snr for seen in curves(recording))
    assert curves(recording)[0].x == pytest.approx(1, abs=0.1)  # it begins as unit noise
    assert torch.equal(stacked(recording, "x0", 1)[2], recording.steps[2].prediction.x0[1])
    assert len(table(curves(recording)).splitlines()) == 4


def test_without_guidance_nothing_was_added(pipe: Pipeline) -> None:
    seen = point(next(iter(pipe.steps("a cat", guidance=1.0, steps=2, seed=1))), "v_prediction")
    assert (seen.cond, seen.added, seen.cos_cond) == (None, None, None) and seen.eps > 0
    clean = next(iter(pipe.steps("a cat", steps=1, seed=1)))
    assert math.isinf(point(clean._replace(now=clean.to._replace(sigma=0.0)), "none").snr)
