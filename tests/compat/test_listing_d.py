"""What the slides about parediffusers do, with the import line changed: items D.1 to D.6, D.8, D.10 of the listings."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sukashi.compat import CLIPTextModel, CLIPTokenizer, PareDDIMScheduler, PareDiffusionPipeline
from sukashi.families import OPEN_CLIP_H
from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.weights.assemble import empty

PROMPT = "painting depicting the sea, sunrise, ship, artstation, 4k, concept art"
IDS = [49406, 3086, 24970, 518, 2102, 267, 5610, 267, 1158, 267, 1486, 2631, 267, 275, 330, 267, 6353, 794, 49407]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pipe(models: Path) -> PareDiffusionPipeline:
    """A tiny model of the kind that parediffusers was written for: Stable Diffusion 2 with v-prediction."""
    device, dtype = torch.device("cpu"), torch.float32
    pipe = PareDiffusionPipeline.from_pretrained(str(models / "tiny-sd2"), device=device, dtype=dtype)
    pipe.scheduler = PareDDIMScheduler.from_config(pipe.scheduler.config, prediction_type="v_prediction")
    return pipe


def test_d1_a_call_gives_one_picture(pipe: PareDiffusionPipeline) -> None:
    image = pipe(PROMPT, height=32, width=48, num_inference_steps=2, generator=seeded())
    assert isinstance(image, Image.Image)
    assert image.size == (48, 32)
    assert image.mode == "RGB"
    again = pipe(PROMPT, height=32, width=48, num_inference_steps=2, generator=seeded())
    assert np.array_equal(np.asarray(image), np.asarray(again))


def test_d2_the_stages_are_methods(pipe: PareDiffusionPipeline) -> None:
    embeds = pipe.encode_prompt(PROMPT)
    assert embeds.shape == (2, 77, 32)
    assert torch.equal(embeds[:1], pipe.get_embes([""], 77))  # negative first
    assert torch.equal(embeds[1:], pipe.get_embes(PROMPT, 77))
    latents = pipe.get_latent(48, 32)
    assert latents.shape == (4, 16, 24)  # height / 2, width / 2 for this autoencoder of two levels, / 8 for real ones
    timesteps, n = pipe.retrieve_timesteps(50)
    assert n == len(timesteps) == 50
    assert timesteps[:2].tolist() == [981, 961]
    clean = pipe.denoise(latents.unsqueeze(dim=0), embeds, num_inference_steps=3, guidance_scale=7.5)
    assert clean.shape == (1, 4, 16, 24)
    pipe.retrieve_timesteps(3)
    assert pipe.scheduler.step(clean, pipe.scheduler.timesteps[0], clean)[0].shape == clean.shape
    assert isinstance(pipe.vae_decode(clean), Image.Image)
    assert pipe.tensor_to_image(embeds).size == (32, 77)  # an embedding as a picture, grey and alpha
    assert pipe.tensor_to_image(latents).mode == "RGBA"
    with pytest.raises(ValueError, match=r"\(1, 4, 16, 24\) is not a picture"):
        pipe.tensor_to_image(clean)


@pytest.mark.parametrize(("pad", "filling"), [("!", 0), ("<|endoftext|>", 49407)])
def test_d3_ids_of_the_prompt_and_shape_of_its_embedding(pad: str, filling: int, shared_data: Path) -> None:
    core = Tokenizer.from_folder(shared_data / "1_clip_tokenizer" / "sd1_hf").with_pad(pad)
    tokenizer = CLIPTokenizer(core)
    ids = tokenizer(
        PROMPT,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    assert ids.tolist() == [IDS + [filling] * (77 - len(IDS))]
    text = "painting depicting the sea , sunrise , ship , artstation , 4 k , concept art"
    assert tokenizer.decode(ids[0, 1:18]) == text
    text_encoder = CLIPTextModel(empty(lambda: CLIPText(OPEN_CLIP_H)))
    assert text_encoder(ids.to("meta"))[0].shape == (1, 77, 1024)


def test_d4_the_step_for_v_line_by_line_and_what_comes_before_decoding(pipe: PareDiffusionPipeline) -> None:
    scheduler, embeds = pipe.scheduler, pipe.encode_prompt(PROMPT)
    latents = pipe.get_latent(32, 32, seeded()).unsqueeze(0)
    expected = pipe.denoise(latents.clone(), embeds, 5, 7.5)
    timesteps, n = pipe.retrieve_timesteps(5)
    for t in timesteps:
        residual = pipe.unet(torch.cat([latents] * 2), t, encoder_hidden_states=embeds)
        uncond, cond = residual.chunk(2)
        v = uncond + 7.5 * (cond - uncond)
        before = int(t) - 1000 // n
        alpha_t = scheduler.alphas_cumprod[t]
        alpha_before = scheduler.alphas_cumprod[before] if before >= 0 else scheduler.final_alpha_cumprod
        clean = alpha_t**0.5 * latents - (1 - alpha_t) ** 0.5 * v
        eps = alpha_t**0.5 * v + (1 - alpha_t) ** 0.5 * latents
        by_hand = alpha_before**0.5 * clean + (1 - alpha_before) ** 0.5 * eps
        stepped, seen = scheduler.step(v, t, latents)
        assert torch.allclose(stepped, by_hand, atol=1e-5)
        assert torch.allclose(seen, clean, atol=1e-5)
        latents = by_hand
    assert torch.allclose(latents, expected, atol=1e-4)
    assert pipe.vae.config.scaling_factor == 0.18215
    decoded = pipe.vae.decode(latents / 0.18215)[0]
    by_hand = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(np.asarray(pipe.vae_decode(latents)).astype(int) - by_hand).max() <= 1


def test_d5_an_animation_of_the_steps(pipe: PareDiffusionPipeline, tmp_path: Path) -> None:
    embeds, latents = pipe.encode_prompt(PROMPT), pipe.get_latent(32, 32, seeded()).unsqueeze(0)
    frames: list[Image.Image] = []
    noisy: list[Image.Image] = []
    with torch.no_grad():
        for t in pipe.retrieve_timesteps(4)[0]:
            uncond, cond = pipe.unet(torch.cat([latents] * 2), t, encoder_hidden_states=embeds).chunk(2)
            latents = pipe.scheduler.step(uncond + 7.5 * (cond - uncond), t, latents)[0]
            noisy.append(pipe.tensor_to_image(pipe.denormalize(latents[0, :3])))
            frames.append(pipe.vae_decode(latents))
    frames[0].save(tmp_path / "steps.gif", save_all=True, append_images=frames[1:], duration=100)
    with Image.open(tmp_path / "steps.gif") as animation:
        assert animation.n_frames == 4
    assert noisy[0].size == (16, 16)
    assert len({frame.tobytes() for frame in frames}) == 4


def angles(pipe: PareDiffusionPipeline) -> Tensor:
    """Phi of every training step, where cos(phi) is the share of the picture and sin(phi) that of the noise."""
    return torch.acos(pipe.scheduler.alphas_cumprod.double().sqrt())


def walk(phi: Tensor, timesteps: Any, ratio: float, start: Tensor, model: Any) -> Tensor:
    """The slides' loop: x <- x - ratio v / steps."""
    x, n = start, len(timesteps)
    for t in timesteps:
        x = x - ratio * model(x, t) / n
    return x


def exact(phi: Tensor, m: float) -> Any:
    """The velocity of a model that knows that the picture is m everywhere: (cos(phi) x - m) / sin(phi)."""

    def velocity(x: Tensor, t: float) -> Tensor:
        low = int(t)
        here = phi[low] + (t - low) * (phi[min(low + 1, 999)] - phi[low])
        return (torch.cos(here) * x - m) / torch.sin(here)

    return velocity


def test_d6_denoising_without_a_scheduler(pipe: PareDiffusionPipeline) -> None:
    """V is dx/dphi, so that steps of ratio / n add up to the whole angle: the slides' 1.475 is phi_999 - phi_0."""
    phi, n = angles(pipe), 50
    assert float(phi[999] - phi[0]) == pytest.approx(1.4733, abs=1e-4)
    embeds, latents = pipe.encode_prompt(PROMPT), pipe.get_latent(32, 32, seeded()).unsqueeze(0)

    def guided(x: Tensor, t: float) -> Tensor:
        uncond, cond = pipe.unet(torch.cat([x] * 2), t, encoder_hidden_states=embeds).chunk(2)
        out: Tensor = uncond + 7.5 * (cond - uncond)
        return out

    with torch.no_grad():
        x = walk(phi, [int((1000 / 10) * (10 - i - 1) + 1) for i in range(10)], 1.475, latents, guided)
        assert isinstance(pipe.vae_decode(x), Image.Image)

    slides = [int((1000 / n) * (n - i - 1) + 1) for i in range(n)]
    noise = torch.tensor([1.0, -1.0], dtype=torch.float64)
    for ratio, picture, left in [(1.0, 0.937, 0.167), (1.475, 1.0006, 0.053), (3.0, 0.976, -0.012)]:
        a, b = walk(phi, slides, ratio, noise, exact(phi, 0.7))
        assert float(a + b) / 2 / 0.7 == pytest.approx(picture, abs=2e-3)  # the gain of the picture
        assert float(a - b) / 2 == pytest.approx(left, abs=2e-3)  # the share of the noise that is left


def test_d6_equal_angles_make_the_one_line_exact(pipe: PareDiffusionPipeline) -> None:
    phi, n = angles(pipe), 50
    wanted = float(phi[999]) * (1 - np.arange(n) / n)
    timesteps = np.interp(wanted, phi.numpy(), np.arange(1000))
    m = 0.7
    noise = torch.tensor([1.0, -1.0], dtype=torch.float64)
    x = walk(phi, timesteps.tolist(), float(phi[999]), noise, exact(phi, m))
    assert torch.allclose(x, torch.full_like(x, m), atol=1e-3)
    with torch.no_grad():
        embeds, latents = pipe.encode_prompt(PROMPT), pipe.get_latent(32, 32, seeded()).unsqueeze(0)
        few = [float(t) for t in timesteps[::10]]
        x = walk(phi, few, float(phi[999]), latents, lambda x, t: pipe.unet(x, t, encoder_hidden_states=embeds[1:]))
    assert torch.isfinite(x).all()


def test_d8_rescaled_guidance(models: Path) -> None:
    from sukashi.compat import DiffusionPipeline
    from sukashi.diffusion.denoiser import rescaled

    out = torch.randn(2, 4, 8, 8, generator=seeded()) * torch.tensor([3.0, 5.0]).view(2, 1, 1, 1)
    positive = torch.randn(2, 4, 8, 8, generator=seeded(1))
    for factor in (0.0, 0.7, 1.0):
        by_hand = torch.stack(
            [factor * (o * p.std() / o.std()) + (1 - factor) * o for o, p in zip(out, positive, strict=True)]
        )
        assert torch.allclose(rescaled(out, positive, factor), by_hand, atol=1e-5)
    assert torch.allclose(rescaled(out, positive, 1.0).flatten(1).std(1), positive.flatten(1).std(1), atol=1e-5)
    pipe = DiffusionPipeline.from_pretrained(models / "tiny-sd2")
    call = {"num_inference_steps": 3, "output_type": "latent"}
    plain, calm = (pipe(PROMPT, guidance_rescale=f, generator=seeded(), **call).images for f in (0.0, 0.7))
    assert not torch.allclose(plain, calm, atol=1e-3)
    assert math.isclose(pipe.guidance_rescale, 0.7)


def test_d10_blends_of_two_prompts(pipe: PareDiffusionPipeline) -> None:
    cat, dog = pipe.encode_prompt("a photo of a cat"), pipe.encode_prompt("a photo of a dog")
    latents = pipe.get_latent(32, 32, seeded()).unsqueeze(0)
    pictures = [pipe.denoise(latents, (1 - w) * cat + w * dog, 3) for w in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert torch.equal(pictures[0], pipe.denoise(latents, cat, 3))
    assert torch.equal(pictures[-1], pipe.denoise(latents, dog, 3))
    steps = [float((a - b).norm()) for a, b in pairwise(pictures)]
    assert max(steps) < float((pictures[0] - pictures[-1]).norm())  # each is between its neighbours
