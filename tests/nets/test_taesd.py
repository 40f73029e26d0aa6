"""TAESD: the names and numbers of diffusers' AutoencoderTiny, and real weights on real photos."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sukashi.nets.taesd import TAESD
from sukashi.pictures import to_tensor


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


@torch.no_grad()
def test_it_is_diffusers_autoencoder_tiny() -> None:
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    ours, theirs = TAESD().eval(), diffusers.AutoencoderTiny().eval()
    assert sum(p.numel() for p in ours.parameters()) == 1_222_532 + 1_222_531
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.rand(2, 3, 32, 48) * 2 - 1
    latent = ours.encode(image)
    assert (latent - theirs.encode(image).latents).abs().max() <= 1e-6
    assert (ours.decode(latent) - theirs.decode(latent).sample).abs().max() <= 1e-6


@pytest.mark.parametrize(("name", "least"), [("taesd", 29.0), pytest.param("taesdxl", 29.0, marks=pytest.mark.slow)])
@torch.no_grad()
def test_a_photo_survives_the_round_trip(shared_data, name: str, least: float) -> None:
    net = TAESD().eval()
    stored = load_file(shared_data / "2_latent_codecs" / "taesd" / f"{name}_fp8.safetensors")
    net.load_state_dict({key: value.float() for key, value in stored.items()}, strict=True)
    photo = Image.open(shared_data / "8_test_images" / "photos" / "macaw.png").convert("RGB").resize((512, 512))
    image = to_tensor(photo) * 2 - 1
    latent = net.encode(image)
    assert latent.shape == (1, 4, 64, 64) and 0.3 < latent.std() < 1.5  # scaled already: no 0.18215
    back = net.decode(latent).clamp(-1, 1)
    assert psnr(back / 2, image / 2) > least
    wrong = net.decode(latent * 0.18215).clamp(-1, 1)
    assert psnr(wrong / 2, image / 2) < least - 8


@torch.no_grad()
def test_a_latent_of_stable_diffusion_becomes_its_picture(shared_data) -> None:
    """A finished SD 1.5 latent made by others: it must decode to a picture with structure, not to noise."""
    net = TAESD().eval()
    stored = load_file(shared_data / "2_latent_codecs" / "taesd" / "taesd_fp8.safetensors")
    net.load_state_dict({key: value.float() for key, value in stored.items()}, strict=True)
    path = shared_data / "2_latent_codecs" / "real_sd_latents" / "rd_2_corgi.pt"
    latent = torch.load(path, weights_only=True, map_location="cpu").float()
    image = net.decode(latent.reshape(1, 4, 64, 64))
    smooth = image.diff(dim=-1).abs().mean() / image.std()
    noise = net.decode(torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert smooth < 0.5 * noise.diff(dim=-1).abs().mean() / noise.std()
