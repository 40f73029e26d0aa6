"""What the article on negative prompts does, with the import line changed: items B.1 to B.6 of the listings.

The model is a lone file with Stable Diffusion 1's vocabulary and width of text (768), everything else is tiny.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sukashi.compat import PNDMScheduler, StableDiffusionPipeline
from sukashi.families import FAMILIES
from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.weights.parts import LoadReport, Parts
from sukashi.weights.save import save_single_file

NEGATIVE = "EasyNegativeV2, extra fingers, fewer fingers"


@pytest.fixture(scope="module")
def words(shared_data: Path) -> Path:
    """The tokenizer folder of Stable Diffusion 1."""
    return shared_data / "1_clip_tokenizer" / "sd1_hf"


@pytest.fixture(scope="module")
def checkpoint(words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lone half-precision file, as Counterfeit-V3.0_fp16.safetensors is one."""
    torch.manual_seed(0)
    family = replace(
        FAMILIES["sd1"],
        unet=UNetConfig(channels=(8, 16), depth=(1, 0), heads=(2, 2), resnets=1, cross_only=(False,) * 2, groups=4),
        vae=VAEConfig(channels=(4, 8), resnets=1, groups=2),
        text=(CLIPTextConfig(layers=1, mlp_width=32, heads=2),),
        size=64,
    )
    parts = Parts(
        family,
        UNet(family.unet).half(),
        VAE(family.vae).half(),
        (CLIPText(family.text[0]).half(),),
        (Tokenizer.from_folder(words),),
        LoadReport("test", "sd1", "epsilon", "the test", ()),
    )
    path = tmp_path_factory.mktemp("counterfeit") / "Counterfeit-V3.0_fp16.safetensors"
    save_single_file(parts, path)
    return path


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with embedding/EasyNegativeV2.safetensors: 16 vectors under the one key that such files have."""
    folder = tmp_path_factory.mktemp("easynegative")
    (folder / "embedding").mkdir()
    vectors = torch.randn(16, 768, generator=torch.Generator().manual_seed(1))
    save_file({"emb_params": vectors}, folder / "embedding" / "EasyNegativeV2.safetensors")
    return folder


@pytest.fixture
def pipe(checkpoint: Path, words: Path) -> Any:
    pipe = StableDiffusionPipeline.from_single_file(checkpoint, torch_dtype=torch.float16, config=words)
    return pipe.to("cpu", torch.float32)


@pytest.fixture
def taught(pipe: Any, repo: Path) -> Any:
    weight_name = "embedding/EasyNegativeV2.safetensors"
    pipe.load_textual_inversion(repo, weight_name=weight_name, token="EasyNegativeV2")
    return pipe


def test_b1_a_lone_file_in_half_precision(checkpoint: Path, words: Path) -> None:
    pipe = StableDiffusionPipeline.from_single_file(checkpoint, torch_dtype=torch.float16, config=words)
    assert pipe.unet.dtype == pipe.vae.dtype == pipe.text_encoder.dtype == torch.float16
    assert isinstance(pipe.scheduler, PNDMScheduler)


def test_b2_a_word_of_sixteen_vectors(taught: Any, repo: Path) -> None:
    assert taught.text_encoder.get_input_embeddings().weight.data.shape == (49424, 768)
    assert len(taught.tokenizer) == 49424
    names = taught.tokenizer.convert_ids_to_tokens(list(range(49408, 49424)))
    assert names == ["EasyNegativeV2"] + [f"EasyNegativeV2_{i}" for i in range(1, 16)]
    ids = taught.tokenizer("EasyNegativeV2, extra fingers").input_ids
    assert ids[:18] == [49406, *range(49408, 49424), 267]  # start, the word, a comma
    with pytest.raises(ValueError, match="already has a word 'EasyNegativeV2'"):
        taught.load_textual_inversion(repo, weight_name="embedding/EasyNegativeV2.safetensors", token="EasyNegativeV2")
    taught.unload_textual_inversion("EasyNegativeV2")
    assert taught.text_encoder.get_input_embeddings().weight.data.shape == (49408, 768)
    assert len(taught.tokenizer) == 49408


def test_b3_the_vocabulary_and_one_row_of_the_matrix(pipe: Any) -> None:
    assert pipe.tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["!", '"', "#"]
    assert pipe.tokenizer.convert_ids_to_tokens(0) == "!"
    assert pipe.tokenizer.convert_tokens_to_ids("pizza</w>") == pipe.tokenizer.encode("pizza")[1]
    row = pipe.text_encoder.get_input_embeddings().weight.data[49407]
    assert row.shape == (768,)
    assert torch.equal(row, pipe.text_encoder.text_model.embeddings.token_embedding.weight[49407])


def test_b4_without_with_and_the_other_way_round(taught: Any) -> None:
    def draw(prompt: str, negative_prompt: str | None = None) -> Tensor:
        generator = torch.Generator("cpu").manual_seed(1234)
        call = {"width": 16, "height": 16, "num_inference_steps": 50, "generator": generator, "output_type": "pt"}
        images: Tensor = taught(prompt, negative_prompt=negative_prompt, **call).images
        return images

    plain = draw("girl eating pizza")
    held_back = draw("girl eating pizza", NEGATIVE)
    let_out = draw("girl eating pizza, " + NEGATIVE)
    assert torch.equal(plain, draw("girl eating pizza"))
    assert not torch.allclose(plain, held_back, atol=1e-3)
    assert not torch.allclose(plain, let_out, atol=1e-3)
    assert not torch.allclose(held_back, let_out, atol=1e-3)


def test_b5_the_empty_text_stands_in_and_the_halves_are_combined_after_the_unet(pipe: Any) -> None:
    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    pipe.unet.register_forward_hook(
        lambda _, inputs, named, out: calls.append((inputs[0], named["encoder_hidden_states"], out[0])),
        with_kwargs=True,
    )
    after: list[Tensor] = []

    def note(_: Any, i: int, t: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        after.append(tensors["latents"].clone())
        return tensors

    def run(**options: Any) -> None:
        generator = torch.Generator().manual_seed(0)
        call = {"width": 16, "height": 16, "num_inference_steps": 4, "callback_on_step_end": note}
        pipe("girl eating pizza", generator=generator, **call, **options)

    run(guidance_scale=7.5)
    x, context, out = calls[0]
    empty, prompt = (pipe.encode_prompt(text)[0] for text in ("", "girl eating pizza"))
    assert torch.equal(context, torch.cat([empty, prompt]))  # one call: the negative half first
    assert torch.equal(x[0], x[1])
    negative, positive = out.chunk(2)
    by_hand = negative + 7.5 * (positive - negative)
    w = 6.5  # the article's (1 + w) positive - w negative has w = guidance_scale - 1
    assert torch.allclose(by_hand, (1 + w) * positive - w * negative, atol=1e-4)
    pipe.scheduler.set_timesteps(4)
    stepped = pipe.scheduler.step(by_hand, pipe.scheduler.timesteps[0], x[:1]).prev_sample
    assert torch.allclose(stepped, after[0], rtol=1e-4, atol=1e-4)
    after.clear()
    first = calls[0]
    calls.clear()
    run(guidance_scale=7.5, negative_prompt="")
    assert all(torch.equal(a, b) for a, b in zip(first, calls[0], strict=True))


@pytest.mark.parametrize("steps", [30, 50])
def test_b6_reverse_activation_runs(steps: int, pipe: Any) -> None:
    """What it looks like needs a trained model; here it only has to run."""
    results = []
    for prompt, negative in [
        ("girl eating pizza wearing glasses", None),
        ("girl eating pizza", "wearing glasses"),
        ("girl eating pizza", None),
    ]:
        generator = torch.Generator("cpu").manual_seed(1234)
        call = {"width": 16, "height": 16, "num_inference_steps": steps, "generator": generator, "output_type": "pt"}
        results.append(pipe(prompt, negative_prompt=negative, **call).images)
    assert all(torch.isfinite(image).all() for image in results)
    assert not torch.allclose(results[1], results[2], atol=1e-3)
