"""The pipeline as an object: loading, its parts, what it prints, what it refuses and what it only notes."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sukashi.compat import (
    AutoencoderKL,
    CLIPTextModel,
    CLIPTokenizer,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    basics,
)
from sukashi.weights.convert import convert

PROMPT = "a cat"
Load = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_said_yet() -> Iterator[None]:
    basics._SAID.clear()
    yield
    basics._SAID.clear()


def draw(pipe: Any, **options: Any) -> torch.Tensor:
    generator = torch.Generator("cpu").manual_seed(0)
    images: torch.Tensor = pipe(PROMPT, num_inference_steps=2, output_type="pt", generator=generator, **options).images
    return images


def test_the_class_that_fits_is_found(load: Load, models: Path) -> None:
    assert type(load("tiny-sd1")) is type(load("tiny-sd2")) is StableDiffusionPipeline
    assert type(load("tiny-sdxl")) is StableDiffusionXLPipeline
    with pytest.raises(ValueError, match="is for a StableDiffusionXLPipeline, not for a StableDiffusionPipeline"):
        StableDiffusionPipeline.from_pretrained(models / "tiny-sdxl")
    assert type(DiffusionPipeline.from_pretrained(models / "tiny-sd2-inpaint9")) is StableDiffusionInpaintPipeline
    inpainting = StableDiffusionPipeline.from_pretrained(models / "tiny-sd2-inpaint9")
    with pytest.raises(ValueError, match="takes 9 channels, 4 of them the latent: it needs a picture"):
        inpainting(PROMPT)


def test_loading_has_the_arguments_people_know(models: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe = StableDiffusionPipeline.from_pretrained(
            models / "tiny-sd1",
            torch_dtype=torch.float16,
            variant=None,
            revision=None,
            local_files_only=True,
            safety_checker=None,
            requires_safety_checker=False,
            use_safetensors=None,
        )
    assert pipe.dtype == pipe.vae.dtype == pipe.text_encoder.dtype == torch.float16
    assert StableDiffusionPipeline.from_pretrained(models / "tiny-sd1", dtype="bfloat16").dtype == torch.bfloat16
    assert StableDiffusionPipeline.from_pretrained(models / "tiny-sd1").to("cpu", torch.float64).dtype == torch.float64
    with pytest.raises(ValueError, match="torch_dtype is 'float15'"):
        StableDiffusionPipeline.from_pretrained(models / "tiny-sd1", torch_dtype="float15")
    with pytest.raises(TypeError, match="unknown argument 'saftey_checker'; parts are"):
        StableDiffusionPipeline.from_pretrained(models / "tiny-sd1", saftey_checker=None)


def test_what_has_no_effect_says_so_once(models: Path, load: Load) -> None:
    with pytest.warns(UserWarning, match=r"cache_dir='x' has no effect here: .* HF_HUB_CACHE moves it"):
        load("tiny-sd1", cache_dir="x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe = load("tiny-sd1", cache_dir="x")
    with pytest.warns(UserWarning, match=r"enable_xformers_memory_efficient_attention\(\) has no effect here"):
        pipe.enable_xformers_memory_efficient_attention()
    with pytest.warns(UserWarning, match=r"enable_attention_slicing\(\) has no effect here"):
        pipe.enable_attention_slicing()
    with pytest.warns(UserWarning, match="nothing is offloaded"):
        pipe.enable_model_cpu_offload(device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe.enable_attention_slicing()
        pipe.disable_attention_slicing()
        pipe.set_progress_bar_config(disable=True)


def test_printing_shows_the_parts(load: Load) -> None:
    pipe = load("tiny-sd1")
    name, text = repr(pipe).split(" ", 1)
    shown = json.loads(text)
    assert name == shown["_class_name"] == "StableDiffusionPipeline"
    assert shown["unet"] == ["sukashi.compat", "UNet2DConditionModel"]
    assert shown["vae"] == ["sukashi.compat", "AutoencoderKL"]
    assert shown["text_encoder"] == ["sukashi.compat", "CLIPTextModel"]
    assert shown["tokenizer"] == ["sukashi.compat", "CLIPTokenizer"]
    assert shown["scheduler"] == ["sukashi.compat", "DDIMScheduler"]
    for absent in ("feature_extractor", "safety_checker", "image_encoder"):
        assert shown[absent] == [None, None]
    assert shown["requires_safety_checker"] is False


def test_parts_are_taken_out_and_put_in(load: Load, models: Path) -> None:
    pipe = load("tiny-sd1")
    expected = draw(pipe)
    parts = pipe.components
    assert list(parts)[:5] == ["vae", "text_encoder", "tokenizer", "unet", "scheduler"]
    assert torch.equal(draw(StableDiffusionPipeline(**parts)), expected)
    assert torch.equal(draw(StableDiffusionPipeline.from_pipe(pipe)), expected)
    folder = models / "tiny-sd1"
    again = StableDiffusionPipeline.from_pretrained(
        folder,
        unet=UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
        vae=AutoencoderKL.from_pretrained(folder, subfolder="vae"),
        text_encoder=CLIPTextModel.from_pretrained(folder, subfolder="text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer"),
        scheduler=DDIMScheduler.from_pretrained(folder, subfolder="scheduler"),
    )
    assert torch.equal(draw(again), expected)
    with pytest.raises(TypeError, match="needs text_encoder, tokenizer"):
        StableDiffusionPipeline(unet=pipe.unet, vae=pipe.vae, scheduler=pipe.scheduler)


def test_any_network_that_is_called_like_diffusers_will_do(load: Load) -> None:
    pipe = load("tiny-sd1")
    expected, unet = draw(pipe), pipe.unet

    class Doubled(torch.nn.Module):
        config, dtype, device = unet.config, unet.dtype, unet.device

        def forward(self, *inputs: Any, **named: Any) -> Any:
            return (2 * unet(*inputs, **named)[0],)

    pipe.unet = Doubled()
    assert not torch.allclose(draw(pipe), expected)


def test_views_share_everything_with_the_network_below(load: Load) -> None:
    pipe = load("tiny-sd1")
    view, net = pipe.unet, pipe.unet.net
    assert [name for name, _ in view.named_parameters()] == [name for name, _ in net.named_parameters()]
    view.double()
    assert next(net.parameters()).dtype == torch.float64
    view.load_state_dict({name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()})
    assert not any(p.any() for p in net.parameters())
    assert isinstance(view, torch.nn.Module)
    twin = copy.deepcopy(view)
    twin.float()
    assert view.dtype == torch.float64
    assert next(twin.net.parameters()) is next(twin.parameters())


def test_saved_and_loaded_again(load: Load, tmp_path: Path) -> None:
    pipe = load("tiny-sd2")
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    expected = draw(pipe)
    pipe.save_pretrained(tmp_path / "model")
    again = DiffusionPipeline.from_pretrained(tmp_path / "model")
    assert again.scheduler.config.timestep_spacing == "trailing"
    assert torch.equal(draw(again), expected)


def test_one_file(load: Load, models: Path, tmp_path: Path) -> None:
    convert(models / "tiny-sd1", tmp_path / "one.safetensors")
    pipe = StableDiffusionPipeline.from_single_file(tmp_path / "one.safetensors", config=models / "tiny-sd1")
    pipe.scheduler = load("tiny-sd1").scheduler
    assert torch.equal(draw(pipe), draw(load("tiny-sd1")))
    half = StableDiffusionPipeline.from_single_file(tmp_path / "one.safetensors", torch_dtype=torch.float16)
    assert half.dtype == torch.float16


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "exactly one of prompt and prompt_embeds"),
        ({"prompt": 5}, TypeError, "prompt is a int; a string or a list"),
        ({"prompt": "a", "width": 33}, ValueError, "width 33 and height 64 have to be multiples of 2"),
        ({"prompt": ["a", "b"], "negative_prompt": ["c"]}, ValueError, "1 negative prompts for 2 prompts"),
        ({"prompt": "a", "output_type": "jpg"}, ValueError, "output_type is 'jpg'; 'pil', 'np', 'pt', 'latent'"),
        ({"prompt": "a", "clip_skip": 99}, ValueError, "clip_skip is 99; 0 to 2 of this encoder's layers"),
        ({"prompt": "a", "guidance": 3}, TypeError, "unexpected keyword argument 'guidance'"),
        (
            {"prompt": "a", "cross_attention_kwargs": {"gate": 1}},
            ValueError,
            "only scale has an effect",
        ),
        ({"prompt": "a", "num_inference_steps": 0}, ValueError, "0 steps cannot be made"),
        ({"prompt": ["a"] * 3, "generator": [torch.Generator()] * 2}, ValueError, "2 generators for 3 pictures"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], error: type[Exception], message: str, load: Load) -> None:
    with pytest.raises(error, match=message):
        load("tiny-sd1")(**{"num_inference_steps": 1, **options})


def test_a_prompt_that_is_too_long_says_what_is_cut_off(load: Load) -> None:
    pipe = load("tiny-sd1")
    with pytest.warns(UserWarning, match=r"reads 77 tokens; cut off: \[.*the end'\]"):
        pipe("a " * 90 + "the end", num_inference_steps=1)


def test_one_negative_prompt_serves_all_prompts(load: Load) -> None:
    pipe = load("tiny-sd1")
    _, negative = pipe.encode_prompt(["a", "b"], negative_prompt="c")
    assert torch.equal(negative[0], negative[1])


def test_prepared_latents_are_as_noisy_as_the_scheduler_begins(load: Load) -> None:
    pipe = load("tiny-sd1")
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    pipe.scheduler.set_timesteps(10)
    latents = pipe.prepare_latents(1, 4, 64, 64, torch.float32, "cpu", torch.Generator().manual_seed(0))
    unit = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(latents, unit * pipe.scheduler.sigmas.max(), rtol=1e-5)
    result = pipe(PROMPT, num_inference_steps=2, latents=unit, output_type="pt").images
    assert torch.equal(result, draw(pipe))


def test_clip_skip_says_which_layer_was_read(load: Load) -> None:
    with pytest.warns(UserWarning, match="clip_skip=1: hidden layer 1 of 2, for the positive prompt"):
        draw(load("tiny-sd1"), clip_skip=1)
