from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from micro import MICRO, TINY
from PIL import Image
from torch import nn

from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.train import scratch
from sukashi.train.autoencoder import autoencoder_loss, freeze_encoder, psnr, standardize
from sukashi.train.labels import label
from sukashi.train.pictures import Pictures, draw_pictures, to_bytes, to_image
from sukashi.train.recipe import RECIPES, recipe
from sukashi.train.run import Budget, Run, cosine, follow, generator, parameters
from sukashi.train.samples import draw_samples
from sukashi.train.start import thumbnail_start


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


def test_a_recipe_for_each_kind_of_device() -> None:
    assert recipe("kirie", "cpu").device == "cpu" and recipe("kirie", "cuda:1").device == "cuda:1"
    assert recipe("kirie", "cuda").batch > recipe("kirie", "cpu").batch
    with pytest.raises(ValueError, match="unknown recipe 'origami'; known: kirie"):
        recipe("origami", "cpu")
    with pytest.raises(ValueError, match="nothing for the device 'meta'; it is for cpu or cuda"):
        recipe("kirie", "meta")
    for chosen in RECIPES["kirie"].values():  # what the larger one may weigh: 20 million parameters
        nets = (UNet(chosen.unet), VAE(chosen.vae))
        assert parameters(*nets) < 18_000_000


def test_captions_are_drawn_anew_and_now_and_then_left_out(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, 5)
    encode = lambda texts: torch.tensor([[len(t), sum(map(ord, t)) % 30_000] for t in texts])  # noqa: E731
    labels = label(pictures, encode, wordings=3, salt="x")
    assert labels.ids.shape == (5, 3, 2) and labels.silent.tolist() == [0, 0]
    assert labels.ids[4, 2].tolist() == encode(pictures.captions([4], "caption x 2"))[0].tolist()
    which = torch.arange(5).repeat(400)
    ids = labels.draw(which, 0.25, generator(0, 0))
    silent = (ids == 0).all(dim=1)
    assert 0.2 < silent.float().mean() < 0.3
    for k in range(5):
        seen = {tuple(row.tolist()) for row in ids[(which == k) & ~silent]}
        assert seen == {tuple(row.tolist()) for row in labels.ids[k]}


def test_samples_of_a_model_in_training(trained: Path, tmp_path: Path) -> None:
    sheet = draw_samples(trained, tmp_path / "samples" / "a.png", "cpu", steps=1)
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 132 + 4, 2 * 132 + 4)


def test_average_follows() -> None:
    model, average = nn.Linear(2, 2), nn.Linear(2, 2)
    before = average.weight.clone()
    follow(average, model, step=10**6, decay=0.75)
    assert torch.allclose(average.weight, 0.75 * before + 0.25 * model.weight)


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained
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


def test_the_folder_that_training_writes(trained: Path) -> None:
    folder = trained
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline" and index["unet"] == ["diffusers", "UNet2DConditionModel"]
    assert json.loads((folder / "unet/config.json").read_text())["sample_size"] == 16
    assert "girl" in json.loads((folder / "words.json").read_text())
    log = (trained.parent / "log.txt").read_text()
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
