"""The ControlNet pipeline of diffusers recorded by others, drawn again stage by stage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from test_tiny_pipelines import SINES_OF_THOUSANDS, TOLERANCE, Recorder, stages

from sukashi.compat import StableDiffusionControlNetPipeline
from sukashi.compat.schedulers import CLASSES

CASE = "test_controlnet_lcm__tiny-controlnet"


def test_the_recorded_controlnet_is_drawn_again(shared_data: Path) -> None:
    root = shared_data / "6_references" / "tiny_pipelines"
    (call,) = json.loads((root / "cases" / CASE / "case.json").read_text())["calls"]
    assert call["pipeline"] == "StableDiffusionControlNetPipeline"
    pipe = StableDiffusionControlNetPipeline.from_pretrained(root / call["model"])
    name, config = call["scheduler"]
    pipe.scheduler = CLASSES[name].from_config(config)
    inputs = dict(call["inputs"])
    inputs["generator"] = torch.Generator("cpu").manual_seed(inputs["generator"]["generator_seed"])
    recorder = Recorder(pipe)
    with np.load(root / "cases" / CASE / call["arrays"]) as recorded:
        inputs["image"] = torch.randn(recorded["in.image"].shape, generator=inputs["generator"])  # drawn before the run
        assert np.array_equal(inputs["image"].numpy(), recorded["in.image"])
        picture = np.asarray(pipe(**inputs)[0])
        far = dict(stages(recorded, recorder.seen))
        far["out"] = float(np.abs(picture - recorded["out"]).max())
        assert picture.shape == recorded["out"].shape
    assert recorder.calls["unet"] == call["unet_calls"]
    assert len(far) > 8
    allowed = {key: SINES_OF_THOUSANDS if key.endswith("timestep_cond") else TOLERANCE for key in far}
    wrong = {key: value for key, value in far.items() if value > allowed[key]}
    assert not wrong, wrong
    inputs["generator"] = torch.Generator("cpu").manual_seed(0)
    without = np.asarray(pipe(**inputs | {"controlnet_conditioning_scale": 0.0})[0])
    assert np.abs(without - picture).max() > 1e-2  # the network is heard
