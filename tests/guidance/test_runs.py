"""Guidance as a run asks for it: settings, records, notes, threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

import sukashi
from sukashi import tasks
from sukashi.diffusion.denoiser import guided
from sukashi.guidance.composed import composed
from sukashi.metadata.a1111 import read_infotext
from sukashi.run import Result
from sukashi.settings import Settings
from sukashi.tasks.saving import infotext
from sukashi.translate import translate

PROMPT, NEGATIVE = "a girl eating pizza", "glasses"
GUIDES = (
    "interval(start=0.2, stop=0.8)",
    "apg",
    "cfg++",
    "pag(layers=attn1)",
    "nag",
    "cutoff(similarity=0.5)",
    "perp-neg",
)


@pytest.fixture(scope="module")
def pipe() -> sukashi.Pipeline:
    return sukashi.load("kirie", device="cpu")


def drawn(pipe: sukashi.Pipeline, **options: Any) -> Result:
    given = {
        "negative_prompt": NEGATIVE,
        "seed": 3,
        "steps": 4,
        "sampler": "ddim",
        "width": 64,
        "height": 64,
        **options,
    }
    return pipe(PROMPT, **given)


@pytest.fixture(scope="module")
def plain(pipe: sukashi.Pipeline) -> Tensor:
    """The latents of a run with a plain negative prompt."""
    return drawn(pipe).latents


def rows_of(pipe: sukashi.Pipeline, **options: Any) -> list[int]:
    """How many latents each call of the U-Net was asked about, of a copy too: its layers are shared or called alike."""
    rows: list[int] = []
    hook = pipe.unet.conv_in.register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    drawn(pipe, **options)
    hook.remove()
    return rows


def test_from_the_start_is_the_plain_negative_prompt_and_never_is_none(pipe: sukashi.Pipeline, plain: Tensor) -> None:
    none = drawn(pipe, negative_prompt=None).latents
    assert torch.equal(drawn(pipe, negative_start=0.0, negative_stop=1.0).latents, plain)
    assert torch.equal(drawn(pipe, negative_start="step 0").latents, plain)
    assert torch.equal(drawn(pipe, negative_start=1.0).latents, none)
    assert torch.equal(drawn(pipe, negative_start="step 4").latents, none)
    assert not torch.equal(plain, none)


def test_a_window_is_switching_the_embeddings_by_hand_and_costs_nothing(pipe: sukashi.Pipeline) -> None:
    plan, predicts = pipe.plan(Settings(sampler="ddim")), pipe.published.schedule.predicts
    levels = plan.levels(4)
    wanted, empty, negative = (pipe.encode_prompt(text) for text in (PROMPT, None, NEGATIVE))
    scale = float(pipe.defaults["guidance"])

    def denoise(x: Tensor, level: Any) -> Any:
        unwanted = negative if 1 <= levels.index(level) < 3 else empty
        return guided(pipe.quick(pipe.unet), predicts, wanted, unwanted, scale)(x, level)

    with torch.no_grad():
        *_, step = plan.run(denoise, pipe.get_latents(64, 64, seeds=[3]), levels, lambda: torch.zeros(()))
    assert torch.equal(drawn(pipe, negative_start=0.25, negative_stop="step 3").latents, step.x_next)
    options = {"negative_start": 0.25, "negative_stop": "step 3", "steps": 4, "sampler": "ddim"}
    assert torch.equal(pipe.denoise(pipe.get_latents(64, 64, seeds=[3]), wanted, negative, **options), step.x_next)
    assert rows_of(pipe, negative_start=0.25, negative_stop="step 3") == [2] * 4
    assert rows_of(pipe, negative_start=0.25, negative_stop="step 3", negative_outside="off") == [1, 2, 2, 1]
    assert rows_of(pipe, negative_start=0.25, negative_stop="step 3", negative_scale=1.0) == [2, 3, 3, 2]


@pytest.mark.parametrize("guide", GUIDES)
def test_every_method_runs_and_is_replayed_from_its_record(pipe: sukashi.Pipeline, plain: Tensor, guide: str) -> None:
    result = drawn(pipe, guide=guide)
    assert not torch.equal(result.latents, plain)
    assert result.record()["settings"]["guide"] == guide
    assert torch.equal(tasks.replay(result.record(), pipe).latents, result.latents)


def test_the_start_that_was_found_is_in_the_record_and_the_notes(pipe: sukashi.Pipeline) -> None:
    result = drawn(pipe, negative_start="auto", count=2)
    [note] = [note for note in result.notes if note.startswith("negative_start auto: over 4 steps")]
    [found] = {request.negative_start for request in result.requests}
    assert found != "auto" and (f"at {found};" in note or f"'{found}' is taken" in note)
    again = drawn(pipe, negative_start=found, count=2)
    assert torch.equal(again.latents, result.latents) and not any("auto" in note for note in again.notes)
    assert result.record(1)["settings"]["negative_start"] == found


def test_a_run_beside_a_steered_one_is_not_changed(pipe: sukashi.Pipeline, plain: Tensor) -> None:
    found: list[Tensor] = []
    thread = threading.Thread(target=lambda: found.extend(drawn(pipe).latents for _ in range(3)))
    thread.start()
    steered = [drawn(pipe, guide="pag(layers=attn1) nag", negative_start="auto").latents for _ in range(2)]
    thread.join()
    assert len(found) == 3 and all(torch.equal(one, plain) for one in found)
    assert torch.equal(*steered) and not torch.equal(steered[0], plain)


def test_what_has_nothing_to_work_on_is_said(pipe: sukashi.Pipeline) -> None:
    result = drawn(pipe, negative_prompt=None, negative_start=0.5)
    assert any("without a negative prompt" in note for note in result.notes)
    assert torch.equal(result.latents, drawn(pipe, negative_prompt=None).latents)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"negative_start": 5},
            r"negative_start is 5; a fraction in 0..1, 'step 5' or 'sigma 3.2' is accepted, and so",
        ),
        ({"negative_stop": "late"}, "negative_stop is 'late'; a fraction"),
        ({"negative_outside": "none"}, "negative_outside is 'none'; empty and off are accepted"),
        ({"negative_scale": -1}, "negative_scale is -1; a number in 0..1000 is accepted"),
        ({"guide": "sag"}, "guide 'sag' cannot be read at 'sag'"),
        ({"guide": "cfg++", "rescale": 0.5}, r"cfg\+\+ and rescale cannot be combined: "),
        ({"guide": "apg", "negative_scale": 2.0}, "apg and negative_scale cannot be combined: "),
    ],
)
def test_settings_that_cannot_be_run_are_refused_in_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        Settings(**options)
    assert "\n" not in str(error.value)


def test_steering_without_an_unwanted_prompt_is_refused(pipe: sukashi.Pipeline) -> None:
    with pytest.raises(ValueError, match="need an unwanted prompt"):
        pipe.denoise(pipe.get_latents(64, 64), pipe.encode_prompt("a"), None, guide="pag(layers=attn1)", steps=2)


def test_cfg_plus_plus_refuses_samplers_that_cannot_follow(pipe: sukashi.Pipeline) -> None:
    with pytest.raises(ValueError, match=r"cfg\+\+ cannot be sampled with dpmpp_2m: ddim and euler can follow it"):
        drawn(pipe, guide="cfg++", sampler="dpm++_2m")


def test_the_settings_are_in_the_infotext(pipe: sukashi.Pipeline) -> None:
    result = drawn(
        pipe, negative_start="noun", negative_outside="off", negative_scale=1.5, guide="pag(scale=2, layers=mid)"
    )
    text = infotext(result)
    for pair in (
        "Negative start: noun",
        "Negative outside: off",
        "Negative scale: 1.5",
        'Guide: "pag(scale=2, layers=mid)"',
    ):
        assert pair in text


def test_a_picture_that_kept_only_the_infotext_is_drawn_the_same_way(pipe: sukashi.Pipeline) -> None:
    guide = "pag(scale=2, layers=attn1)"
    result = drawn(pipe, negative_start=0.25, negative_stop="step 3", negative_scale=1.5, guide=guide, rng="cpu")
    found = translate(read_infotext(infotext(result), "a picture"))
    assert not [sentence for sentence in found.lost if "honoured" in sentence]
    again = tasks.replay({**found.record, "model": "kirie"}, pipe)
    assert torch.equal(again.latents, result.latents)


def test_and_and_a_window_together_are_both_by_hand(pipe: sukashi.Pipeline) -> None:
    plan = pipe.plan(Settings(sampler="ddim"))
    levels, predicts, scale = plan.levels(4), plan.schedule.predicts, float(pipe.defaults["guidance"])
    girl, hat, empty, negative = (pipe.encode_prompt(text) for text in ("a girl", "a hat", None, NEGATIVE))

    def denoise(x: Tensor, level: Any) -> Any:
        unwanted = negative if levels.index(level) >= 2 else empty
        return composed(pipe.quick(pipe.unet), predicts, [(girl, 1.0), (hat, 0.5)], unwanted, scale)(x, level)

    with torch.no_grad():
        *_, step = plan.run(denoise, pipe.get_latents(64, 64, seeds=[3]), levels, lambda: torch.zeros(()))
    options = {"seed": 3, "steps": 4, "sampler": "ddim", "width": 64, "height": 64}
    drawn_so = pipe("a girl AND a hat:0.5", negative_prompt=NEGATIVE, negative_start="step 2", **options)
    torch.testing.assert_close(drawn_so.latents, step.x_next, rtol=1e-4, atol=1e-5)
