"""Whole pipelines of diffusers recorded by others, drawn again stage by stage through ``sukashi.compat``.

The models are tiny and random; the numbers check tokenizer, text encoders, U-Net, autoencoder, scheduler, guidance and
image post-processing together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sukashi.compat import DiffusionPipeline
from sukashi.compat.schedulers import CLASSES

TOLERANCE = 1e-4
SINES_OF_THOUSANDS = 1e-3  # timestep_cond: sin(5000 f) in float32, where versions of torch differ in the last bit of f
DRAWN = [
    "test_stable_diffusion_ddim__tiny-sd1",
    "test_stable_diffusion_ddim__tiny-sd2",
    "test_stable_diffusion_ddim_factor_8__tiny-sd1",
    "test_stable_diffusion_k_euler__tiny-sd1",
    "test_stable_diffusion_k_euler__tiny-sd2",
    "test_stable_diffusion_k_euler_ancestral__tiny-sd1",
    "test_stable_diffusion_k_euler_ancestral__tiny-sd2",
    "test_stable_diffusion_k_lms__tiny-sd2",
    "test_stable_diffusion_lcm__tiny-sd1-lcm",
    "test_stable_diffusion_negative_prompt__tiny-sd1",
    "test_stable_diffusion_pndm__tiny-sd1",
    "test_stable_diffusion_pndm__tiny-sd2",
    "test_stable_diffusion_v_pred_ddim__tiny-sd2",
    "test_stable_diffusion_xl_euler__tiny-sdxl",
    "test_stable_diffusion_xl_euler_lcm__tiny-sdxl-lcm",
    "test_stable_diffusion_xl_euler_lcm_custom_timesteps__tiny-sdxl-lcm",
]
NOT_HERE = {  # by the beginning of a case's name: other tasks than text to image
    "test_controlnet": "ControlNet: drawn in test_controlnet_case.py",
    "test_stable_diffusion_depth2img": "depth to image",
    "test_stable_diffusion_img2img": "image to image",
    "test_stable_diffusion_inpaint": "inpainting",
    "test_stable_diffusion_pix2pix": "InstructPix2Pix",
    "test_stable_diffusion_upscale": "upscaling",
    "test_stable_diffusion_xl_img2img": "image to image with SDXL",
}


class Recorder:
    """Notes what goes into and comes out of a pipeline's networks, under the names of the recorded traces."""

    def __init__(self, pipe: Any) -> None:
        self.seen: dict[str, Tensor] = {}
        self.calls = {"text_encoder": 0, "text_encoder_2": 0, "unet": 0}
        for name in self.calls:
            if (part := getattr(pipe, name, None)) is not None:
                note = self.unet if name == "unet" else self.text
                part.register_forward_hook(note(name), with_kwargs=True)
        pipe.vae.decoder.register_forward_hook(self.decoder)

    def text(self, name: str) -> Any:
        def hook(part: Any, inputs: tuple[Tensor, ...], _: dict[str, Any], out: Any) -> None:
            at = f"{name}{self.count(name)}"
            self.seen[f"{at}.input_ids"] = inputs[0]
            self.seen[f"{at}.last_hidden_state"] = out.last_hidden_state
            self.seen[f"{at}.pooled"] = out["pooler_output" if "pooler_output" in out else "text_embeds"]
            if out.hidden_states is not None:
                self.seen[f"{at}.penultimate"] = out.hidden_states[-2]

        return hook

    def unet(self, name: str) -> Any:
        def hook(part: Any, inputs: tuple[Tensor, ...], named: dict[str, Any], out: Any) -> None:
            at = f"{name}{self.count(name)}"
            told = {"sample": inputs[0], "t": inputs[1][:1], "ctx": named["encoder_hidden_states"], "out": out[0]}
            told |= {"timestep_cond": named["timestep_cond"]} if named["timestep_cond"] is not None else {}
            told |= {f"added.{key}": value for key, value in (named["added_cond_kwargs"] or {}).items()}
            self.seen |= {f"{at}.{key}": value for key, value in told.items()}

        return hook

    def decoder(self, part: Any, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        self.seen |= {"vae.decoder.in": inputs[0], "vae.decoder.out": out}

    def count(self, name: str) -> int:
        self.calls[name] += 1
        return self.calls[name] - 1


def stages(recorded: Any, seen: dict[str, Tensor]) -> Iterator[tuple[str, float]]:
    """Every recorded stage with how far ours is from it, as a share of its largest value where that is above 1."""
    for key in (key for key in recorded.files if key.startswith("trace.")):
        ours = seen[key.removeprefix("trace.")].numpy()
        assert ours.shape == recorded[key].shape, f"{key}: {ours.shape} instead of {recorded[key].shape}"
        scale = max(1.0, float(np.abs(recorded[key]).max()))
        yield key, float(np.abs(ours.astype(np.float64) - recorded[key]).max()) / scale


@pytest.mark.parametrize("case", DRAWN)
def test_recorded_pipelines_are_drawn_again(case: str, shared_data: Path) -> None:
    root = shared_data / "6_references" / "tiny_pipelines"
    for call in json.loads((root / "cases" / case / "case.json").read_text())["calls"]:
        pipe = DiffusionPipeline.from_pretrained(root / call["model"])
        name, config = call["scheduler"]
        pipe.scheduler = CLASSES[name].from_config(config)
        inputs = dict(call["inputs"])
        inputs["generator"] = torch.Generator("cpu").manual_seed(inputs["generator"]["generator_seed"])
        recorder = Recorder(pipe)
        picture = np.asarray(pipe(**inputs)[0])
        with np.load(root / "cases" / case / call["arrays"]) as recorded:
            far = dict(stages(recorded, recorder.seen))
            far["out"] = float(np.abs(picture - recorded["out"]).max())
            assert picture.shape == recorded["out"].shape
        assert recorder.calls["unet"] == call["unet_calls"]
        assert len(far) > 8
        allowed = {key: SINES_OF_THOUSANDS if key.endswith("timestep_cond") else TOLERANCE for key in far}
        wrong = {key: value for key, value in far.items() if value > allowed[key]}
        assert not wrong, wrong


def test_every_recorded_case_is_drawn_or_named(shared_data: Path) -> None:
    cases = {path.name for path in (shared_data / "6_references" / "tiny_pipelines" / "cases").iterdir()}
    assert set(DRAWN) <= cases
    left = {case for case in cases - set(DRAWN) if not case.startswith(tuple(NOT_HERE))}
    assert not left, f"neither drawn nor named with a reason: {sorted(left)}"
