"""Few-step LoRAs: known by name, sampled as their authors say, and never against what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import sukashi
from lora_samples import kohya, saved
from sukashi.adapters.lora.few import few_steps

LCM = {"steps": 4, "sampler": "lcm", "guidance": 1.0}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("latent-consistency/lcm-lora-sdv1-5", LCM),
        ("models/Lora/LCM_LoRA_Weights_SD15.safetensors", LCM),
        (
            "sdxl_lightning_4step_lora.safetensors",
            {"steps": 4, "sampler": "euler", "grid": "trailing", "guidance": 1.0},
        ),
        ("Hyper-SD15-8steps-lora.safetensors", {"steps": 8, "sampler": "ddim", "grid": "trailing", "guidance": 1.0}),
        (
            "Hyper-SD15-12steps-CFG-lora.safetensors",
            {"steps": 12, "sampler": "ddim", "grid": "trailing", "guidance": 5.0},
        ),
        ("h1t/TCD-SD15-LoRA", {"steps": 4, "sampler": "tcd", "guidance": 1.0}),
        ("ink.safetensors", None),
        ("lightning-bolts.safetensors", None),
        ("calcmath.safetensors", None),
        ("style_2000steps_lcmlike.safetensors", None),
        ("Hyper-SD15-1step-lora.safetensors", None),
    ],
)
def test_names_that_are_known(name: str, settings: dict[str, object] | None) -> None:
    few = few_steps(name)
    assert (few.settings if few else None) == settings


def test_a_file_sets_what_is_left_open_and_says_so(tmp_path: Path) -> None:
    pipe = sukashi.load("kirie", device="cpu")
    tensors = kohya(pipe.parts, ("attn2.to_k",))
    fast = pipe.with_lora(saved(tensors, tmp_path / "lcm_lora.safetensors"))
    assert "draws in few steps (LCM): steps 4, sampler lcm, guidance 1.0" in str(fast.loras[0])
    run = fast.steps("a cat", seed=1)
    assert (len(run), run.sampler, run.requests[0].guidance) == (4, "lcm", 1.0)
    own = fast.steps("a cat", seed=1, steps=3, guidance=2.0, sampler="euler")
    assert (len(own), own.sampler, own.requests[0].guidance) == (3, "euler", 2.0)
    assert len(pipe.steps("a cat", seed=1)) == pipe.defaults["steps"]
    ink = pipe.with_lora(saved(tensors, tmp_path / "ink.safetensors"))
    assert len(ink.steps("a cat", seed=1)) == pipe.defaults["steps"]
    named = pipe.steps("a cat", seed=1, loras=[[str(tmp_path / "lcm_lora.safetensors")]])
    assert len(named) == 4 and any("draws in few steps" in note for note in named.notes)
