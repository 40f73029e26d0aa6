"""Previews: kirie's numbers are what a fit finds, TAESD's file opens, and what cannot be used says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import sukashi
from sukashi.nets.taesd import TAESD
from sukashi.pipeline import Pipeline
from sukashi.watch import factors
from sukashi.watch.previews import preview, tiny
from tiny_models import tiny_model

BOTH = (factors.SD, factors.SDXL)


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


def test_kiries_numbers_are_those_of_a_fit(pipe: Pipeline) -> None:
    used = factors.known(pipe.vae)
    assert used is factors.KIRIE
    fitted = factors.fit(pipe.vae, 32)
    gap = torch.tensor(used.rows) - torch.tensor(fitted.rows)
    assert gap.abs().max() < 0.1 and fitted.r2 > 0.93
    now = factors.measured(used, pipe.vae, 16)
    assert now.r2 == pytest.approx(used.r2, abs=0.03) and now.error == pytest.approx(used.error, abs=3)


def test_the_fit_finds_a_linear_map(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    rows, bias = torch.tensor(factors.SDXL.rows), torch.tensor(factors.SDXL.bias)
    monkeypatch.setattr(factors, "pairs", lambda *_: (latents, latents @ rows + bias))
    found = factors.fit(pipe.vae)
    torch.testing.assert_close(torch.tensor(found.rows), rows)
    torch.testing.assert_close(torch.tensor(found.bias), bias)
    assert (found.r2, found.error) == (1.0, 0.0)
    image = found(latents[:6].view(1, 2, 3, 4).movedim(3, 1))
    torch.testing.assert_close(image[0, :, 1, 2], ((latents[5] @ rows + bias) / 2 + 0.5).clamp(0, 1))


def test_published_numbers_go_by_the_autoencoder() -> None:
    from sukashi.families import FAMILIES
    from sukashi.nets.vae import VAE

    with torch.device("meta"):
        nets = {name: VAE(FAMILIES[name].vae) for name in ("sd1", "sdxl", "x4-upscaler")}
    for net in nets.values():
        net.decoder.conv_in.to_empty(device="cpu")
        torch.nn.init.zeros_(net.decoder.conv_in.weight)
    found = {name: factors.known(net) for name, net in nets.items()}
    assert found == {"sd1": factors.SD, "sdxl": factors.SDXL, "x4-upscaler": None}


def test_a_taesd_file_is_a_preview(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = TAESD().eval()
    save_file(net.state_dict(), tmp_path / "taesd.safetensors")
    latents = torch.randn(2, 4, 3, 5)
    with torch.no_grad():
        expected = (net.decode(latents) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(tiny(tmp_path / "taesd.safetensors")(latents), expected)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no TAESD decoder"):
        tiny(tmp_path / "other.safetensors")
    x4 = Pipeline(tiny_model("x4-upscaler"), {}, "tiny x4")
    with pytest.raises(ValueError, match="decodes latents of 8 pixels a cell; this model has 4"):
        preview(x4, tmp_path / "taesd.safetensors")


def test_real_taesd_agrees_with_the_published_colours(shared_data: Path) -> None:
    """A finished latent of Stable Diffusion 1.5: both previews show one picture."""
    folder = shared_data / "2_latent_codecs"
    path = folder / "real_sd_latents" / "rd_2_corgi.pt"
    latents = torch.load(path, weights_only=True, map_location="cpu").float().reshape(1, 4, 64, 64)[..., 16:40, 16:40]
    assert "decoder.layers.0.weight" in load_file(folder / "taesd" / "taesd_fp8.safetensors")
    large = tiny(folder / "taesd" / "taesd_fp8.safetensors")(latents)
    small = torch.nn.functional.interpolate(large, size=24, mode="area")
    near = [float(torch.corrcoef(torch.stack([small.flatten(), f(latents).flatten()]))[0, 1]) for f in BOTH]
    assert large.shape == (1, 3, 192, 192) and near[0] > 0.85 and near[0] > near[1] + 0.2


def test_kinds(pipe: Pipeline) -> None:
    z = pipe("a cat", steps=1, seed=1).latents
    assert preview(pipe, "none") is None
    torch.testing.assert_close(preview(pipe, "vae")(z), pipe.vae_decode(z))
    assert preview(pipe)(z).shape == (1, 3, 16, 16)
    with pytest.raises(FileNotFoundError, match="a preview is linear, vae, none, or the file of a TAESD decoder"):
        preview(pipe, "pretty")
