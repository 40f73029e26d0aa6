"""Looking at a run, changing it and stopping it from a callback: the calls and tensors are those of diffusers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sukashi.compat.schedulers import CLASSES

PROMPT = "A painting of a squirrel eating a burger"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def both(load: Callable[..., Any], oracle: Callable[..., Any], scheduler: str, **keys: Any) -> list[Any]:
    theirs, ours = oracle("tiny-sd1", scheduler, **keys), load("tiny-sd1")
    ours.scheduler = CLASSES[scheduler].from_config(ours.scheduler.config, **keys)
    return [theirs, ours]


def close(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-4 * max(1.0, float(b.abs().max())))


@pytest.mark.parametrize(
    ("scheduler", "keys"),
    [
        ("DDIMScheduler", {}),
        ("PNDMScheduler", {"skip_prk_steps": True}),
        ("EulerDiscreteScheduler", {}),
        ("HeunDiscreteScheduler", {}),
        ("UniPCMultistepScheduler", {}),
    ],
)
def test_a_callback_sees_every_call(
    scheduler: str, keys: dict[str, Any], load: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    seen: list[list[tuple[int, float, Tensor, Tensor]]] = []
    for pipe in both(load, oracle, scheduler, **keys):
        seen.append([])

        def note(pipe: Any, i: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            seen[-1].append((i, float(t), tensors["latents"].clone(), tensors["prompt_embeds"]))
            return tensors

        pipe(
            PROMPT,
            num_inference_steps=5,
            generator=seeded(),
            output_type="latent",
            callback_on_step_end=note,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        )
    theirs, ours = seen
    assert [i for i, *_ in ours] == [i for i, *_ in theirs]
    assert [t for _, t, *_ in ours] == pytest.approx([t for _, t, *_ in theirs], abs=1e-3)
    for mine, yours in zip(ours, theirs, strict=True):
        assert close(mine[2], yours[2])
        assert mine[3].shape == yours[3].shape == (2, 77, 8)  # the negative half first
        assert close(mine[3], yours[3])


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_callback_changes_the_latents(
    in_place: bool, scheduler: str, load: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    def brighten(pipe: Any, i: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        if i == 2:
            if in_place:
                tensors["latents"][:, 0] += 0.5
            else:
                tensors["latents"] = tensors["latents"] + 0.5
        return tensors

    results = []
    for pipe in both(load, oracle, scheduler):
        call = {"num_inference_steps": 5, "output_type": "latent", "callback_on_step_end": brighten}
        results.append(pipe(PROMPT, generator=seeded(), **call).images)
    assert close(results[1], results[0])
    plain = load("tiny-sd1")
    plain.scheduler = CLASSES[scheduler].from_config(plain.scheduler.config)
    assert not close(results[1], plain(PROMPT, num_inference_steps=5, generator=seeded(), output_type="latent").images)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"])
def test_a_callback_stops_the_run(scheduler: str, load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    results, calls = [], []
    for pipe in both(load, oracle, scheduler):

        def stop(pipe: Any, i: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            calls.append(i)
            pipe._interrupt = i == 2
            return tensors

        call = {"num_inference_steps": 5, "output_type": "np", "callback_on_step_end": stop}
        results.append(torch.from_numpy(pipe(PROMPT, generator=seeded(), **call).images))
        assert pipe.interrupt is True
        pipe._interrupt = False
    assert calls == [0, 1, 2, 0, 1, 2]
    assert close(results[1], results[0])


def test_guidance_that_ends_early(load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    """The example of diffusers' documentation: from some step on only the positive half is computed."""

    def end_guidance(pipe: Any, i: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        if i == int(pipe.num_timesteps * 0.4):
            tensors["prompt_embeds"] = tensors["prompt_embeds"].chunk(2)[-1]
            pipe._guidance_scale = 0.0
        return tensors

    results, sizes = [], []
    for pipe in both(load, oracle, "DDIMScheduler"):
        hook = pipe.unet.register_forward_hook(lambda _, inputs, out: sizes.append(len(inputs[0])))
        call: dict[str, Any] = {"num_inference_steps": 5, "output_type": "latent"}
        call |= {"callback_on_step_end": end_guidance, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
        results.append(pipe(PROMPT, generator=seeded(), **call).images)
        hook.remove()
    assert sizes == [2, 2, 2, 1, 1] * 2
    assert close(results[1], results[0])


def test_a_callback_that_only_looks_changes_nothing(load: Callable[..., Any]) -> None:
    for scheduler in ("DDIMScheduler", "EulerDiscreteScheduler"):
        pipe = load("tiny-sd1")
        pipe.scheduler = CLASSES[scheduler].from_config(pipe.scheduler.config)
        call = {"num_inference_steps": 4, "output_type": "latent"}
        plain = pipe(PROMPT, generator=seeded(), **call).images
        watched = pipe(PROMPT, generator=seeded(), callback_on_step_end=lambda p, i, t, kwargs: kwargs, **call).images
        silent = pipe(PROMPT, generator=seeded(), callback_on_step_end=lambda p, i, t, kwargs: None, **call).images
        assert torch.equal(plain, watched)
        assert torch.equal(plain, silent)


def test_names_that_a_callback_cannot_see(load: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot see \['noise_pred'\]; it can see \('latents', 'prompt_embeds'"):
        load("tiny-sd1")(PROMPT, callback_on_step_end_tensor_inputs=["noise_pred"])
