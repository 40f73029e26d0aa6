"""TAESD in the place of a model's own autoencoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sukashi
from sukashi import tasks
from sukashi.weights.errors import CheckpointError


def test_kirie_with_taesd_for_stable_diffusion(shared_data, tmp_path) -> None:
    path = shared_data / "2_latent_codecs" / "taesd" / "taesd_fp8.safetensors"
    tiny = shared_data / "6_references" / "tiny_pipelines" / "models" / "tiny-sd1"
    with pytest.raises(CheckpointError, match="decodes latents of 8 pixels a cell; this model has 2"):
        sukashi.load(tiny, vae=path, device="cpu")
    from sukashi.weights.save import save_folder
    from tiny_models import tiny_model

    save_folder(tiny_model("sd1"), tmp_path / "model")
    pipe = sukashi.load(tmp_path / "model", vae=path, device="cpu")
    assert any("TAESD, a tiny one" in note for note in pipe.parts.report.notes)
    assert "vae: 134 of 134 tensors" in str(pipe.parts.report)
    latent = torch.load(
        shared_data / "2_latent_codecs" / "real_sd_latents" / "rd_2_corgi.pt", weights_only=True, map_location="cpu"
    )
    decoded = pipe.vae_decode(latent.float().reshape(1, 4, 64, 64))
    assert decoded.shape == (1, 3, 512, 512) and float(decoded.std()) > 0.1
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    result = tasks.image_to_image(pipe, "a cat", image=picture, strength=0.5, steps=2, seed=1)
    assert result.images[0].size == (64, 64)
