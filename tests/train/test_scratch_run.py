from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sukashi.nets.unet import UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.train import scratch
from sukashi.train.autoencoder import autoencoder_loss, freeze_encoder, psnr, standardize
from sukashi.train.pictures import Pictures, draw_pictures, to_bytes, to_image
from sukashi.train.run import Budget, Run, cosine, follow, generator
from sukashi.train.start import thumbnail_start

TINY = VAEConfig(channels=(12, 12, 12, 12), resnets=1, groups=4, mid_attention=False)
MICRO = scratch.Recipe(
    pictures=6,
    captions=40,
    vae=TINY,
    unet=UNetConfig(
        channels=(8, 16),
        depth=(0, 1),
        heads=(1, 2),
        resnets=1,
        context_dim=16,
        cross_only=(False, False),
        linear_projection=True,
        groups=4,
    ),
    text_layers=1,
    text_heads=2,
    vae_budget=Budget(steps=2),
    budget=Budget(steps=4),
    polish_budget=Budget(steps=1),
    vae_batch=1,
    batch=2,
)


def test_budget_and_rate() -> None:
    assert Budget(steps=10).spent(5, 1e9) == 0.5
    assert Budget(minutes=2).spent(10**9, 60) == 0.5
    assert Budget(steps=10, minutes=1).spent(1, 30) == 0.5
    with pytest.raises(ValueError, match="steps=0"):
        Budget()
    assert cosine(1.0, 49, 0.0, warmup=100) == pytest.approx(0.5, abs=1e-5)
    assert cosine(1.0, 1000, 0.5) == pytest.approx(0.5, abs=1e-5)
    assert cosine(1.0, 1000, 1.0, floor=1e-6) == pytest.approx(1e-6)
    a, b = (torch.randn(3, generator=generator(1, step)) for step in (5, 6))
    assert not torch.equal(a, b) and torch.equal(a, torch.randn(3, generator=generator(1, 5)))


def test_average_follows() -> None:
    model, average = nn.Linear(2, 2), nn.Linear(2, 2)
    before = average.weight.clone()
    follow(average, model, step=10**6, decay=0.75)
    assert torch.allclose(average.weight, 0.75 * before + 0.25 * model.weight)


def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scratch.train(MICRO, tmp_path / "whole")

    save, saves = Run.save, []

    def save_then_die(self: Run) -> None:
        save(self)
        saves.append(self.step)
        if self.path.name == "generator.pt" and self.step == 2:
            raise KeyboardInterrupt  # the power goes

    monkeypatch.setattr(Run, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        scratch.train(replace(MICRO, save_every=0.0), tmp_path / "killed")
    monkeypatch.setattr(Run, "save", save)
    assert not (tmp_path / "killed" / "model").exists()
    resumed = scratch.train(MICRO, tmp_path / "killed")

    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(resumed) for p in resumed.rglob("*") if p.is_file())
    for name in files:
        assert (whole / name).read_bytes() == (resumed / name).read_bytes(), name


def test_the_folder_that_training_writes(tmp_path: Path) -> None:
    folder = scratch.train(MICRO, tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline" and index["unet"] == ["diffusers", "UNet2DConditionModel"]
    assert json.loads((folder / "unet/config.json").read_text())["sample_size"] == 16
    assert "girl" in json.loads((folder / "words.json").read_text())
    log = (tmp_path / "log.txt").read_text()
    assert "PSNR" in log and "written to" in log


def test_thumbnail_start_shows_a_thumbnail() -> None:
    image = to_image(draw_pictures(range(8)))
    torch.manual_seed(0)
    vae = VAE(replace(TINY, channels=(12, 16, 16, 24)))
    assert psnr(vae, image) < 12
    thumbnail_start(vae, image)
    assert psnr(vae, to_image(draw_pictures(range(20, 28)))) > 18
    with pytest.raises(ValueError, match="12 channels"):
        thumbnail_start(VAE(replace(TINY, channels=(8, 16, 16, 16))), image)


def test_standardized_latents_are_unit_and_the_picture_the_same() -> None:
    image = to_image(draw_pictures(range(8)))
    torch.manual_seed(0)
    vae = VAE(TINY)
    thumbnail_start(vae, image)
    with torch.no_grad():
        before, (mean, std) = vae.decode(vae.encode(image)), vae.posterior(image)
        shift, factor = standardize(vae, mean)
        new_mean, new_std = vae.posterior(image)
        assert torch.allclose(vae.decode(vae.encode(image)), before, atol=2e-4)
    assert torch.allclose(vae.encode(image).std((0, 2, 3)), torch.ones(4), atol=1e-3)
    assert torch.allclose(new_std, std * factor[:, None, None], rtol=1e-3)
    assert torch.allclose(new_mean, (mean - shift[:, None, None]) * factor[:, None, None], atol=1e-3)


def test_autoencoder_loss_by_hand() -> None:
    """An autoencoder that shows gray: L1, squares and edges are those of the picture itself."""
    torch.manual_seed(0)
    vae = VAE(TINY)
    last = vae.decoder.conv_out
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 0.5
    loss = autoencoder_loss(vae, image, torch.zeros(1, 4, 4, 4), square=2.0, edge=0.5, kl=0.0)
    assert loss.pixels.item() == pytest.approx(0.25) and loss.squares.item() == pytest.approx(0.125)
    assert loss.edges.item() == pytest.approx(0.5 / 31)
    assert loss.total.item() == pytest.approx(0.25 + 0.25 + 0.25 / 31)
    trained = freeze_encoder(vae)
    assert {id(weight) for weight in trained} == {
        id(weight) for name, weight in vae.named_parameters() if name.startswith(("decoder", "post_quant_conv"))
    }


def test_pictures_are_kept_and_captioned_anew(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, 3)
    again = Pictures(tmp_path, 3)
    assert torch.equal(pictures.images([0, 2]), again.images([0, 2]))
    assert (to_bytes(pictures.images([1])) == pictures.pixels[1:2]).all()
    assert pictures.captions([0, 1], "a") == again.captions([0, 1], "a")
    assert any(pictures.captions([0, 1, 2], "a") != pictures.captions([0, 1, 2], salt) for salt in "bcd")
