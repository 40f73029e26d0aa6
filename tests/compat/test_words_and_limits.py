"""Textual inversions from every kind of source, files by their address, and outputs that are not finite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sukashi.compat import PareDiffusionPipeline, StableDiffusionPipeline
from sukashi.weights.convert import convert
from sukashi.weights.errors import CheckpointError

Load = Callable[..., Any]


def vectors(n: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_words_from_files_folders_and_memory(load: Load, tmp_path: Path) -> None:
    pipe = load("tiny-sd1")
    width, before = pipe.text_encoder.config.hidden_size, len(pipe.tokenizer)
    save_file({"<one>": vectors(1, width)}, tmp_path / "learned_embeds.safetensors")
    torch.save({"<two>": vectors(2, width)[0]}, tmp_path / "two.bin")
    (tmp_path / "sub").mkdir()
    save_file({"emb_params": vectors(3, width)}, tmp_path / "sub" / "three.safetensors")
    pipe.load_textual_inversion(tmp_path)  # a folder, by its usual name
    pipe.load_textual_inversion(str(tmp_path / "two.bin"))  # a file
    pipe.load_textual_inversion(tmp_path, weight_name="three.safetensors", subfolder="sub", token="<three>")
    pipe.load_textual_inversion({"<four>": vectors(1, width)})
    pipe.load_textual_inversion([vectors(1, width), vectors(2, width)], token=["<five>", "<six>"])
    assert pipe.tokenizer.core.added.keys() == {"<one>", "<two>", "<three>", "<four>", "<five>", "<six>"}
    assert len(pipe.tokenizer) == before + 1 + 1 + 3 + 1 + 1 + 2 == len(pipe.text_encoder.get_input_embeddings().weight)
    assert pipe.tokenizer("<three>").input_ids[1:-1] == [before + 2, before + 3, before + 4]
    pipe.unload_textual_inversion(["<one>", "<four>"])
    pipe.unload_textual_inversion()
    assert len(pipe.tokenizer) == before
    with pytest.raises(ValueError, match="a tensor has no name"):
        pipe.load_textual_inversion(vectors(1, width))
    with pytest.raises(ValueError, match="2 tokens for 1 embeddings"):
        pipe.load_textual_inversion([vectors(1, width)], token=["a", "b"])
    with pytest.raises(ValueError, match="the embedding '<x>' is for another model"):
        pipe.load_textual_inversion({"<x>": vectors(1, width + 1)})
    with pytest.raises(CheckpointError, match="no such file"):
        pipe.load_textual_inversion(tmp_path, weight_name="absent.safetensors")


def test_a_word_changes_the_picture_as_its_vectors_do(load: Load) -> None:
    """A word with the vector of a known token draws what the known token draws."""
    pipe = load("tiny-sd1")
    known = pipe.tokenizer("cat").input_ids[1]
    name = pipe.tokenizer.convert_ids_to_tokens(known)
    word = name.removesuffix("</w>")
    if pipe.tokenizer(word).input_ids[1:-1] != [known]:
        known = pipe.tokenizer("c").input_ids[1]
        word = "c"
    row = pipe.text_encoder.get_input_embeddings().weight.data[known]
    pipe.load_textual_inversion({"<same>": row[None]})
    call = {"num_inference_steps": 2, "output_type": "pt"}
    a, b = (pipe(f"a {said}", generator=torch.Generator().manual_seed(0), **call).images for said in (word, "<same>"))
    assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("kind", ["blob", "resolve"])
def test_a_file_by_its_address_on_the_hub(
    kind: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    snapshot = tmp_path / "models--somebody--tiny" / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123abcd")
    convert(models / "tiny-sd1", snapshot / "one.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    address = f"https://huggingface.co/somebody/tiny/{kind}/main/one.safetensors?download=true"
    pipe = StableDiffusionPipeline.from_single_file(address)
    assert pipe.unet.config.sample_size == 32


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_half_precision_that_overflows_is_computed_again(part: str, load: Load, models: Path) -> None:
    pipe = load("tiny-sd1", torch_dtype=torch.float16)
    first = pipe.unet.conv_in if part == "unet" else pipe.vae.decoder.conv_in  # what comes after it is normalised
    first.weight.data.fill_(60000)
    name = {"unet": "U-Net", "vae": "autoencoder"}[part]
    call = {"num_inference_steps": 2, "output_type": "np", "generator": torch.Generator().manual_seed(0)}
    with pytest.warns(UserWarning, match=f"the {name} overflowed in float16: computed again"):
        images = pipe("a cat", **call).images
    assert np.isfinite(images).all()
    assert pipe.dtype == torch.float16
    pare = PareDiffusionPipeline.from_pretrained(models / "tiny-sd1", device="cpu", dtype=torch.float16)
    first = pare.unet.conv_in if part == "unet" else pare.vae.decoder.conv_in
    first.weight.data.fill_(60000)
    with pytest.warns(UserWarning, match=f"the {name} overflowed in float16: computed again"):
        pare("a cat", 32, 32, 2)
