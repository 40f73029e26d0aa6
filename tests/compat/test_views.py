"""The parts by themselves, beside those of diffusers and transformers: the same calls give the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sukashi.compat import AutoencoderKL, CLIPTokenizer, UNet2DConditionModel

TEXTS = ["A painting of a squirrel eating a burger", "two  words", "", "naïve café 海 🌊!"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("model", ["tiny-sd1", "tiny-sdxl"])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"},
        {"padding": "max_length", "max_length": 8, "truncation": True, "return_tensors": "pt"},
        {"padding": "longest", "return_tensors": "pt"},
        {"padding": True, "truncation": True, "max_length": 6},
        {},
        {"add_special_tokens": False},
    ],
)
def test_the_tokenizer(
    model: str, options: dict[str, Any], load: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    theirs, ours = oracle(model).tokenizer, load(model).tokenizer
    a, b = ours(TEXTS, **options), theirs(TEXTS, **options)
    for key in ("input_ids", "attention_mask"):
        assert torch.equal(a[key], b[key]) if "return_tensors" in options else a[key] == b[key]
    assert torch.equal(
        torch.as_tensor(ours(TEXTS[0], **options).input_ids), torch.as_tensor(theirs(TEXTS[0], **options).input_ids)
    )
    assert (len(ours), ours.vocab_size, ours.model_max_length) == (len(theirs), theirs.vocab_size, 77)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "bos_token", "eos_token", "pad_token"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_ids_and_names(load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1").tokenizer, load("tiny-sd1").tokenizer
    ids = theirs(TEXTS[0]).input_ids
    assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
    assert ours.convert_ids_to_tokens(5) == theirs.convert_ids_to_tokens(5)
    assert ours.convert_ids_to_tokens(torch.tensor(ids)) == theirs.convert_ids_to_tokens(ids)
    names = [*theirs.convert_ids_to_tokens(ids[:3]), "no such token"]
    assert ours.convert_tokens_to_ids(names) == theirs.convert_tokens_to_ids(names)
    assert ours.convert_tokens_to_ids("no such token") == theirs.convert_tokens_to_ids("no such token")
    assert ours.encode(TEXTS[0]) == theirs.encode(TEXTS[0])
    assert ours.tokenize(TEXTS[0]) == theirs.tokenize(TEXTS[0])
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.decoder[3] == theirs.convert_ids_to_tokens(3)
    assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)
    assert ours.batch_decode([ids], skip_special_tokens=True) == [ours.decode(ids, skip_special_tokens=True)]
    with pytest.raises(ValueError, match="padding is 'left'; 'max_length', 'longest'"):
        ours("a", padding="left")
    with pytest.raises(ValueError, match="return_tensors is 'tf'"):
        ours("a", return_tensors="tf")
    with pytest.raises(ValueError, match="texts of different lengths make no tensor"):
        ours(["a", "a a a"], return_tensors="pt")


@pytest.mark.parametrize(
    ("model", "part"), [("tiny-sd1", ""), ("tiny-sd2", ""), ("tiny-sdxl", ""), ("tiny-sdxl", "_2")]
)
def test_the_text_encoder(model: str, part: str, load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = getattr(oracle(model), f"text_encoder{part}"), getattr(load(model), f"text_encoder{part}")
    assert type(ours).__name__ == type(theirs).__name__
    ids = load(model).tokenizer(TEXTS, padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        a, b = ours(ids, output_hidden_states=True), theirs(ids, output_hidden_states=True)
    assert torch.allclose(a[0], b[0], atol=1e-5)
    assert torch.allclose(a.last_hidden_state, b.last_hidden_state, atol=1e-5)
    name = "text_embeds" if part else "pooler_output"
    assert torch.allclose(a[name], b[name], atol=1e-5)
    assert len(a.hidden_states) == len(b.hidden_states)
    for mine, yours in zip(a.hidden_states[:-1], b.hidden_states[:-1], strict=True):
        assert torch.allclose(mine, yours, atol=1e-5)
    assert ours.config.hidden_size == theirs.config.hidden_size
    assert ours.get_input_embeddings().weight.shape == theirs.get_input_embeddings().weight.shape
    assert len(ours(ids, return_dict=False)) == 2
    with pytest.raises(ValueError, match="attention_mask is not supported"):
        ours(ids, attention_mask=torch.ones_like(ids))


def test_words_of_ones_own(load: Callable[..., Any]) -> None:
    """Textual inversion by hand, as the diffusion course does it."""
    pipe = load("tiny-sd1")
    tokenizer, text_encoder = pipe.tokenizer, pipe.text_encoder
    before = text_encoder.get_input_embeddings().weight.clone()
    assert tokenizer.add_tokens(["<my-cat>", "<my-cat>"]) == 1
    assert tokenizer.add_tokens("<my-cat>") == 0
    text_encoder.resize_token_embeddings(len(tokenizer))
    weight = text_encoder.get_input_embeddings().weight
    assert weight.shape[0] == len(tokenizer) == len(before) + 1
    assert torch.equal(weight[:-1], before)
    weight.data[-1] = weight.data[300]
    given = tokenizer("a <my-cat>", return_tensors="pt").input_ids
    assert given[0, -2] == len(tokenizer) - 1
    known = given.clone()
    known[0, -2] = 300
    assert torch.allclose(text_encoder(given)[0], text_encoder(known)[0], atol=1e-6)
    text_encoder.resize_token_embeddings(len(before))
    assert torch.equal(text_encoder.get_input_embeddings().weight, before)


@pytest.mark.parametrize("model", ["tiny-sd1", "tiny-sdxl", "tiny-sd1-lcm"])
def test_the_unet(model: str, load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle(model).unet, load(model).unet
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 32, 32, generator=generator)
    context = torch.randn(2, 77, theirs.config.cross_attention_dim, generator=generator)
    told: dict[str, Any] = {"encoder_hidden_states": context}
    if model == "tiny-sdxl":
        pooled = theirs.config.projection_class_embeddings_input_dim - 6 * theirs.config.addition_time_embed_dim
        told["added_cond_kwargs"] = {
            "text_embeds": torch.randn(2, pooled, generator=generator),
            "time_ids": torch.tensor([[64, 64, 0, 0, 64, 64]] * 2),
        }
    if model == "tiny-sd1-lcm":
        told["timestep_cond"] = torch.randn(2, theirs.config.time_cond_proj_dim, generator=generator)
    with torch.no_grad():
        for t in (981, 500.5, torch.tensor(3), torch.tensor([7, 900])):
            assert torch.allclose(ours(x, t, **told).sample, theirs(x, t, **told).sample, atol=1e-5)
        assert torch.equal(ours(x, 1, **told, return_dict=False)[0], ours(x, 1, **told)[0])
    with pytest.raises(ValueError, match="are not supported"):
        ours(x, 1, context, cross_attention_kwargs={"scale": 0.5})
    for key in ("sample_size", "in_channels", "out_channels", "block_out_channels", "cross_attention_dim"):
        assert ours.config[key] == theirs.config[key], key
    assert ours.config.time_cond_proj_dim == theirs.config.time_cond_proj_dim


def test_the_autoencoder(load: Callable[..., Any], oracle: Callable[..., Any]) -> None:
    theirs, ours = oracle("tiny-sd1").vae, load("tiny-sd1").vae
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        a, b = ours.encode(image).latent_dist, theirs.encode(image).latent_dist
        for name in ("mean", "std", "var", "logvar"):
            assert torch.allclose(getattr(a, name), getattr(b, name), atol=1e-5), name
        assert torch.equal(a.mode(), a.mean)
        drawn = (d.sample(generator=torch.Generator().manual_seed(3)) for d in (a, b))
        assert torch.allclose(*drawn, atol=1e-5)
        latents = a.mean * ours.config.scaling_factor
        decoded = ours.decode(latents / ours.config.scaling_factor).sample
        assert torch.allclose(decoded, theirs.decode(b.mean).sample, atol=1e-5)
        assert torch.equal(ours.decode(a.mean, return_dict=False)[0], ours.decode(a.mean)[0])
        assert torch.allclose(ours(image).sample, theirs(image).sample, atol=1e-5)
        assert torch.equal(ours.encode(image, return_dict=False)[0].mean, a.mean)
    for key in ("scaling_factor", "latent_channels", "block_out_channels", "in_channels", "out_channels"):
        assert ours.config[key] == theirs.config[key], key


def test_new_networks_from_a_config(load: Callable[..., Any]) -> None:
    pipe = load("tiny-sd1")
    unet, vae = UNet2DConditionModel.from_config(pipe.unet.config), AutoencoderKL.from_config(pipe.vae.config)
    assert {k: v.shape for k, v in unet.state_dict().items()} == {k: v.shape for k, v in pipe.unet.state_dict().items()}
    assert {k: v.shape for k, v in vae.state_dict().items()} == {k: v.shape for k, v in pipe.vae.state_dict().items()}
    assert unet.config.sample_size == pipe.unet.config.sample_size


def test_a_tokenizer_is_saved(load: Callable[..., Any], tmp_path: Any) -> None:
    ours = load("tiny-sd1").tokenizer
    ours.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS).input_ids == ours(TEXTS).input_ids
    assert repr(again) == repr(ours)
