"""A recording holds what the run showed, and the run is the same with and without it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image

import sukashi
from sukashi.diffusion.denoiser import ask, read
from sukashi.pictures import to_pictures
from sukashi.pipeline import Pipeline
from sukashi.watch.recording import Recorder, Recording, record
from tiny_models import tiny_model

PROMPT, OPTIONS = "a girl with glasses", {"seed": 3, "steps": 3, "negative_prompt": "a hat"}


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


@pytest.fixture(scope="module")
def recording(pipe: Pipeline) -> Recording:
    return record(pipe, PROMPT, **OPTIONS)


def test_the_picture_is_the_one_without_recording(pipe: Pipeline, recording: Recording) -> None:
    plain = pipe(PROMPT, **OPTIONS)
    assert torch.equal(recording.result.latents, plain.latents)
    assert recording.result.images[0].tobytes() == plain.images[0].tobytes()
    assert recording.result.record() == plain.record()


def test_the_steps_are_those_of_the_run(pipe: Pipeline, recording: Recording) -> None:
    steps = list(pipe.steps(PROMPT, **OPTIONS))
    assert len(recording) == len(recording.seconds) == len(steps) == 3
    for kept, step in zip(recording.steps, steps, strict=True):
        assert (kept.now, kept.to) == (step.now, step.to)
        assert torch.equal(kept.x, step.x) and torch.equal(kept.x_next, step.x_next)
        assert torch.equal(kept.prediction.x0, step.prediction.x0)
        assert set(kept.prediction.parts) == {"wanted", "unwanted"}


def test_the_parts_are_what_the_unet_said_of_the_embedding(pipe: Pipeline, recording: Recording) -> None:
    step, told = recording.steps[2], pipe.encode_prompt([PROMPT])
    out = ask(pipe.unet, step.x, step.now, told)
    torch.testing.assert_close(step.prediction.parts["wanted"], out, atol=2e-5, rtol=1e-4)
    assert torch.equal(recording.embedding["positive"], told.context[0])
    assert torch.equal(recording.embedding["negative"], pipe.encode_prompt("a hat").context[0])
    whole = read(out, step.x, step.now, recording.predicts)
    assert not torch.allclose(whole.x0, step.prediction.x0, atol=1e-3)  # guidance did something
    assert [token.piece for token in recording.tokens["negative"][0].tokens] == ["a</w>", "hat</w>"]


def test_the_copies_are_nobody_elses(pipe: Pipeline) -> None:
    recorder = Recorder()
    for step in recorder(pipe.steps(PROMPT, **OPTIONS)):
        step.x.zero_()
    assert all(kept.x.std() > 0.1 for kept in recorder.steps)


@pytest.mark.parametrize(("task", "starts", "own"), [
    ("image-to-image", [0], {"strength": 0.5}),
    ("inpaint", [0], {"mask": Image.new("L", (128, 128), 255)}),
    ("two-pass", [0, 2], {}),
])  # fmt: skip
def test_any_task_is_recorded(pipe: Pipeline, task: str, starts: list[int], own: dict[str, object]) -> None:
    image = {} if task == "two-pass" else {"image": Image.new("RGB", (128, 128), "red")}
    recording = record(pipe, PROMPT, task=task, seed=1, steps=2, **own, **image)
    assert (recording.starts, recording.result.task) == (starts, task)
    assert torch.equal(recording.steps[-1].x_next, recording.result.latents)


def test_previews_of_a_step(pipe: Pipeline) -> None:
    recording = record(pipe, PROMPT, steps=2, seed=1, previews="vae")
    shown = recording.picture(1, "x_next")
    assert shown.tobytes() == recording.result.images[0].tobytes()
    linear = dataclasses.replace(recording, preview=record(pipe, PROMPT, steps=1).preview)
    assert linear.picture(1).size == (16, 16)
    small = recording.result.images[0].resize((16, 16), Image.Resampling.BOX)
    pairs = zip(linear.picture(1, "x_next").tobytes(), small.tobytes(), strict=True)
    assert sum(abs(a - b) for a, b in pairs) / len(small.tobytes()) < 20
    with pytest.raises(ValueError, match="has no 'noise'; it has x, x0, eps, x_next"):
        linear.latents(0, "noise")
    with pytest.raises(ValueError, match="no previews"):
        dataclasses.replace(recording, preview=None).picture(0)


def test_a_batch_and_an_accelerators_kind_of_numbers(pipe: Pipeline) -> None:
    recording = record(pipe, ["a cat", "a dog"], steps=2, seed=1)
    assert recording.latents(0).shape == (2, 4, 16, 16)
    half = Pipeline(tiny_model("sd1"), {"width": 64, "height": 64, "steps": 2, "guidance": 2.0}, "tiny")
    seen = record(half, "at cat", seed=0, previews="linear")
    assert seen.latents(1).dtype == torch.float32
    assert "no colours are published" in seen.notes[0]
    assert to_pictures(seen.preview(seen.latents(0)))[0].size == (8, 8)


@pytest.mark.parametrize("task", ["grid", "dance"])
def test_what_cannot_be_recorded(pipe: Pipeline, task: str) -> None:
    with pytest.raises(ValueError, match=f"the task to record is '{task}'; accepted: text-to-image, "):
        record(pipe, PROMPT, task=task)


def test_a_decoder_that_is_not_there(pipe: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"taesd.safetensors is not there; a preview is linear, vae, none, or"):
        record(pipe, PROMPT, previews=str(tmp_path / "taesd.safetensors"))
