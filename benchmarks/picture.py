"""Whole pictures at full size on one side: text, steps of Euler, decoding; the same noise and prompt for everybody.

``drawing`` gives a call (steps) -> picture (H, W, 3) of 8 bits. stable-diffusion.cpp can only be measured so: what one
step takes is the difference between a run of ``MANY`` steps and one of ``FEW``. Its prompts are the empty one twice,
as is ours (its vocabulary is built in), so that guidance computes two branches and both say the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Draw = Callable[[int], np.ndarray]
FEW, MANY, SEED, GUIDANCE = 1, 3, 1, 7.5


def empty_prompt(vocabulary: int) -> torch.Tensor:
    """The token numbers (1, 77) of the empty prompt: the last two of CLIP's 49408 are begin and end."""
    ids = torch.full((1, 77), vocabulary - 1)
    ids[:, 0] = vocabulary - 2
    return ids


def sukashi(folder: Path, dtype: torch.dtype, cells: int, *, fast: bool) -> Draw:
    """Ours, with ``sukashi.fast`` or without."""
    import sukashi
    from sukashi.diffusion.denoiser import Conditioning

    pipe = sukashi.load(folder, device="cpu", dtype=dtype, fast=fast)
    with torch.no_grad():
        encoder = pipe.parts.text_encoders[0]
        told = Conditioning(context=encoder(empty_prompt(encoder.config.vocab_size)).last)
    how: dict[str, Any] = {"width": 8 * cells, "height": 8 * cells, "sampler": "euler", "grid": "uniform", "rng": "nv"}
    how |= {"seed": SEED, "guidance": GUIDANCE, "negative_prompt": told}
    return lambda steps: np.asarray(pipe(told, steps=steps, **how).images[0])


def diffusers(folder: Path, dtype: torch.dtype, cells: int) -> Draw:
    """Theirs, eager."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    from sukashi.diffusion.noise import per_picture

    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=dtype)
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="linspace")
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        told = pipe.text_encoder(empty_prompt(pipe.text_encoder.config.vocab_size)).last_hidden_state
    noise = per_picture([SEED], (4, cells, cells), "nv", torch.device("cpu"))()
    how: dict[str, Any] = {"prompt_embeds": told, "negative_prompt_embeds": told, "guidance_scale": GUIDANCE}
    return lambda steps: np.asarray(
        pipe(num_inference_steps=steps, latents=noise.to(dtype), height=8 * cells, width=8 * cells, **how).images[0]
    )


def stable_diffusion_cpp(folder: Path, dtype: torch.dtype, cells: int) -> Draw:
    """stable-diffusion.cpp as the package cyllama has it built in, on a single file of the same weights."""
    from cyllama import sd

    file = single_file(folder)
    kinds = {torch.float32: sd.SDType.F32, torch.bfloat16: sd.SDType.BF16}
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    how = sd.SDContextParams(model_path=str(file), n_threads=threads, wtype=kinds[dtype])
    how.free_params_immediately = False  # else a second picture reads weights that are gone
    context = sd.SDContext(how)

    def draw(steps: int) -> np.ndarray:
        (image,) = context.generate(
            "",
            negative_prompt="",
            width=8 * cells,
            height=8 * cells,
            seed=SEED,
            sample_steps=steps,
            cfg_scale=GUIDANCE,
            sample_method=sd.SampleMethod.EULER,
            scheduler=sd.Scheduler.DISCRETE,
        )
        return np.asarray(image.to_numpy())

    return draw


def single_file(folder: Path) -> Path:
    """The folder's weights in one file with the names of the first releases, written once beside it."""
    from sukashi.weights.load import load_parts
    from sukashi.weights.save import save_single_file

    file = folder / "single.safetensors"
    if not file.is_file():
        parts = load_parts(folder, device=torch.device("cpu"), dtype=torch.float32)
        save_single_file(parts, file)
    return file


def drawing(name: str, folder: Path, dtype: torch.dtype, cells: int) -> Draw:
    """The call to be timed; ``name`` as in ``benchmarks.peer``."""
    if name.startswith("sukashi"):
        return sukashi(folder, dtype, cells, fast=name == "sukashi")
    if name == "diffusers":
        return diffusers(folder, dtype, cells)
    if name == "stable-diffusion.cpp":
        return stable_diffusion_cpp(folder, dtype, cells)
    raise ValueError(f"{name} draws no whole pictures here")
