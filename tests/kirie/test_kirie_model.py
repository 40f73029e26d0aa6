from __future__ import annotations

import json
import subprocess
import sys
from random import Random

import numpy as np
import pytest
import torch

import sukashi
from sukashi import kirie
from sukashi.kirie.captions import caption
from sukashi.kirie.chance import draw_scene
from sukashi.pipeline import Pipeline
from sukashi.train.autoencoder import psnr
from sukashi.train.pictures import draw_pictures, to_image

PROMPTS = ["girl eating pizza wearing glasses", "", "painting depicting the sea, sunrise, ship", "a castle"]


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


def test_small_enough_for_the_wheel() -> None:
    sizes = [p.stat().st_size for p in kirie.path().rglob("*") if p.is_file()]
    assert max(sizes) <= 16 * 2**20 and sum(sizes) <= 40 * 10**6


def test_words() -> None:
    assert {"girl", "pizza", "glasses", "mars", "sunrise", "blurry"} <= kirie.known_words()
    assert kirie.unknown_words("A Girl in a castle, (eating:1.2) PIZZA, castle dragon") == ["castle", "dragon"]
    assert kirie.unknown_words("") == []


def test_the_model_knows_every_word_of_the_captions() -> None:
    for k in range(500):
        text = caption(draw_scene(Random(f"w {k}")), Random(k))
        assert kirie.unknown_words(text) == [], text


def test_asking_for_words_needs_no_torch() -> None:
    code = (
        "import sys, sukashi.kirie as k; k.unknown_words('castle'); print('torch' in sys.modules, 'PIL' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_the_autoencoder_shows_drawings_it_never_saw(pipe: Pipeline) -> None:
    with torch.inference_mode():
        assert psnr(pipe.vae, to_image(draw_pictures(range(200, 216)))) > 26


def test_diffusers_and_transformers_read_the_folder_alike(pipe: Pipeline) -> None:
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    folder = kirie.path()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folder / "tokenizer"))
    text = transformers.CLIPTextModel.from_pretrained(str(folder / "text_encoder"), dtype=torch.float32).eval()
    unet = diffusers.UNet2DConditionModel.from_pretrained(str(folder / "unet")).float().eval()
    vae = diffusers.AutoencoderKL.from_pretrained(str(folder / "vae")).float().eval()
    with torch.inference_mode():
        ids = tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=48, return_tensors="pt").input_ids
        context = pipe.encode_prompt(PROMPTS).context
        assert torch.allclose(text(ids).last_hidden_state, context, atol=1e-5)
        g = torch.Generator().manual_seed(0)
        x, t = torch.randn(4, 4, 16, 16, generator=g), torch.tensor([999, 500, 10, 0])
        assert torch.allclose(unet(x, t, context).sample, pipe.unet(x, t, context), atol=1e-5)
        image = to_image(draw_pictures(range(2)))
        latent = vae.encode(image).latent_dist.mode() * vae.config.scaling_factor
        assert torch.allclose(latent, pipe.vae.encode(image), atol=1e-4)
        assert torch.allclose(vae.decode(x / vae.config.scaling_factor).sample, pipe.vae.decode(x), atol=1e-4)


def test_folder_facts() -> None:
    read = lambda name: json.loads((kirie.path() / name).read_text(encoding="utf-8"))  # noqa: E731
    assert read("scheduler/scheduler_config.json")["prediction_type"] == "v_prediction"
    assert read("vae/config.json")["scaling_factor"] == 0.18215
    assert read("unet/config.json")["sample_size"] * 8 == 128
    assert read("text_encoder/config.json")["vocab_size"] == len(read("tokenizer/vocab.json"))
    assert read("sukashi.json")["defaults"] == {"width": 128, "height": 128, "steps": 20, "guidance": 3.0}


def test_a_prompt_means_something(pipe: Pipeline) -> None:
    """Plain colours are the simplest ground truth: the corner of the picture has the colour of the paper asked for."""
    for colour, brightest in (("blue", 2), ("pink", 0), ("green", 1)):
        picture = pipe(f"a cat, {colour} background", seed=3, steps=10, guidance=3.0).images[0]
        corner = torch.tensor(np.asarray(picture)[2:14, 2:14]).float().mean((0, 1))
        assert corner.argmax().item() == brightest, (colour, corner.tolist())
