from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from torch import Tensor

from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.tokenizer import Tokenizer
from sukashi.text import encode
from sukashi.weights.embeddings import Embedding, install, read_embedding, rows_of, uninstall
from sukashi.weights.errors import CheckpointError, PickleError

FILES = {  # token, vectors, layout
    "a1111/EasyNegative.pt": ("EasyNegative", [(8, 768)], "kohya"),
    "a1111/EasyNegative.safetensors": ("EasyNegative", [(8, 768)], "kohya"),
    "a1111/bad-artist.pt": ("bad-artist", [(2, 768)], "A1111"),
    "a1111/bad-hands-5.pt": ("bad-hands-5", [(2, 768)], "A1111"),
    "a1111/bad-prompt.pt": ("bad_prompt", [(16, 768)], "A1111"),
    "a1111/sd2_FloralMarble.pt": ("FloralMarble-400", [(4, 1024)], "A1111"),
    "diffusers/cat-toy/learned_embeds.bin": ("<cat-toy>", [(1, 768)], "diffusers"),
    "diffusers/frida_10vec/learned_embeds_1.bin": ("<frida>", [(10, 768)], "diffusers"),
    "diffusers/groot_lego.safetensors": ("<pin>", [(1, 768)], "diffusers"),
    "diffusers/pin.safetensors": ("<pin>", [(1, 768)], "diffusers"),
    "sdxl/myPuppet768.pt": ("myPuppet768", [(1, 768), (1, 1280)], "SDXL"),
}
REFUSED = {"a1111/empty.pt": "holds nothing", "not_embeddings/aesthetic_aivazovsky.pt": "aesthetic gradients"}


def encoder(width: int, layers: int = 1, vocab_size: int = 49408) -> CLIPText:
    torch.manual_seed(width)
    return CLIPText(
        CLIPTextConfig(vocab_size=vocab_size, width=width, mlp_width=64, layers=layers, heads=2, eos_token_id=2)
    ).requires_grad_(False)


@pytest.fixture
def tokenizer(shared_data: Path) -> Tokenizer:
    return Tokenizer.from_folder(shared_data / "1_clip_tokenizer" / "sd1_hf")


@pytest.fixture
def small(shared_data: Path) -> Tokenizer:
    return Tokenizer.from_folder(shared_data / "1_clip_tokenizer" / "tiny_random_clip")


def made(token: str, *vectors: Tensor) -> Embedding:
    return Embedding(token, vectors, "test", "test")


def test_files_made_by_others(shared_data: Path) -> None:
    folder = shared_data / "3_textual_inversion"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {*FILES, *REFUSED}
    for name, (token, shapes, layout) in FILES.items():
        read = read_embedding(folder / name)
        assert (read.token, [tuple(v.shape) for v in read.vectors], read.layout) == (token, shapes, layout), name
        assert read_embedding(folder / name, token="mine").token == "mine"
    for name, reason in REFUSED.items():
        with pytest.raises(CheckpointError, match=reason):
            read_embedding(folder / name)
    assert read_embedding(folder / "a1111/bad-artist.pt").facts["step"] == "1875"


def test_two_files_of_one_embedding_agree(shared_data: Path) -> None:
    folder = shared_data / "3_textual_inversion" / "a1111"
    one, two = (read_embedding(folder / f"EasyNegative.{end}") for end in ("pt", "safetensors"))
    assert torch.equal(one.vectors[0], two.vectors[0])


def test_layouts(tmp_path: Path) -> None:
    n, d = 3, 768
    vectors = torch.randn(n, d)
    old = torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)})
    torch.save({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": old}, tmp_path / "first.pt")
    torch.save({"string_to_param": {"*": vectors}, "name": "N4me"}, tmp_path / "a.pt")
    torch.save({"<word>": vectors[0]}, tmp_path / "b.bin")
    save_file({"emb_params": vectors}, tmp_path / "c.safetensors")
    save_file({"clip_l": vectors, "clip_g": torch.randn(n, 1280)}, tmp_path / "d.safetensors")
    torch.save(vectors, tmp_path / "e.pt")
    torch.save(vectors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    card = PngInfo()
    content = {"string_to_param": {"*": {"TORCHTENSOR": vectors.tolist()}}, "name": "c4rd", "step": 3}
    card.add_text("sd-ti-embedding", base64.b64encode(json.dumps(content).encode()).decode())
    Image.new("RGB", (8, 8)).save(tmp_path / "f.png", pnginfo=card)
    expected = {"first.pt": "first", "a.pt": "N4me", "b.bin": "<word>", "c.safetensors": "c", "d.safetensors": "d"}
    expected |= {"e.pt": "e", "old.pt": "old", "f.png": "c4rd"}
    for name, token in expected.items():
        read = read_embedding(tmp_path / name)
        assert read.token == token
        assert torch.equal(read.vectors[0], vectors[:1] if name == "b.bin" else vectors), name
    assert read_embedding(tmp_path / "d.safetensors").widths == (768, 1280)


def test_files_that_are_no_embeddings(tmp_path: Path) -> None:
    bad = {
        "two": ({"<a>": torch.zeros(768), "<b>": torch.zeros(768)}, r"holds 2 tensors \(<a>, <b>\)"),
        "deep": ({"<a>": torch.zeros(2, 3, 768)}, r"<a> is \(2, 3, 768\), not vectors of a word"),
        "whole": ({"<a>": torch.zeros(768, dtype=torch.int64)}, "not vectors of a word"),
        "nan": ({"<a>": torch.full((768,), torch.nan)}, "not finite"),
        "uneven": ({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(3, 1280)}, "holds 2 and 3 vectors"),
        "list": ([1, 2], "holds a list, not a textual inversion"),
        "text": ({"string_to_param": {"*": "x"}}, r"\* is str, not vectors"),
        "zero": (torch.zeros(0, 768), "not vectors of a word"),
    }
    for name, (content, reason) in bad.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(CheckpointError, match=reason):
            read_embedding(tmp_path / f"{name}.pt")
    torch.save(torch.zeros(1, 768), tmp_path / "one.pt")
    with pytest.raises(CheckpointError, match="say its word with token="):
        read_embedding(tmp_path / "one.pt")
    assert read_embedding(tmp_path / "one.pt", token="w0rd").count == 1
    torch.save({"<a>": Path("x")}, tmp_path / "evil.pt")
    with pytest.raises(PickleError, match="refused"):
        read_embedding(tmp_path / "evil.pt")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(CheckpointError, match="picture without an embedding"):
        read_embedding(tmp_path / "plain.png")
    with pytest.raises(CheckpointError, match="no such file"):
        read_embedding(tmp_path / "absent.pt")


def test_the_article(tokenizer: Tokenizer) -> None:
    """16 vectors: [49408, 768] grows to [49424, 768], ids 49408 to 49423, one word is 16 tokens."""
    clip, vectors = encoder(768), torch.randn(16, 768)
    before = rows_of(clip).weight
    copy = before.clone()
    installed = install(made("EasyNegativeV2", vectors), [tokenizer], [clip])
    assert installed.ids == tuple(range(49408, 49424)) and installed.token == "EasyNegativeV2"
    assert rows_of(clip).weight.shape == (49424, 768) and rows_of(clip).num_embeddings == 49424
    assert torch.equal(rows_of(clip).weight[:49408], copy) and torch.equal(rows_of(clip).weight[49408:], vectors)
    assert tokenizer.tokens([49408, 49409, 49423]) == ["EasyNegativeV2", "EasyNegativeV2_1", "EasyNegativeV2_15"]
    told = encode([tokenizer], [clip], ["girl, EasyNegativeV2, extra fingers"])
    assert told.ids[0][0, :20].tolist() == [49406, 1611, 267, *range(49408, 49424), 267]
    assert told.context.isfinite().all()
    uninstall("EasyNegativeV2", [tokenizer], [clip])
    assert torch.equal(rows_of(clip).weight, copy) and tokenizer.vocab_size == 49408
    assert torch.equal(before, copy)


def test_words_come_and_go_in_any_order(small: Tokenizer) -> None:
    clip = encoder(768, vocab_size=1000)
    copy, first, second = rows_of(clip).weight.clone(), torch.randn(2, 768), torch.randn(3, 768)
    install(made("w1", first), [small], [clip])
    install(made("w2", second), [small], [clip])
    uninstall("w1", [small], [clip])
    assert small.added == {"w2": [1000, 1001, 1002]} and small.encode("w2") == [1000, 1001, 1002]
    assert torch.equal(rows_of(clip).weight, torch.cat([copy, second]))
    uninstall("w2", [small], [clip])
    assert torch.equal(rows_of(clip).weight, copy)
    with pytest.raises(ValueError, match="'w2' is not an added word"):
        uninstall("w2", [small], [clip])


@pytest.mark.parametrize("shared", [True, False])
def test_two_encoders(small: Tokenizer, shared: bool) -> None:
    clips = [encoder(768, vocab_size=1000), encoder(1280, vocab_size=1000)]
    tokenizers = [small, small if shared else small.with_pad("!")]
    left, right = torch.randn(2, 768), torch.randn(2, 1280)
    install(made("pup", left, right), tokenizers, clips)
    assert [torch.equal(rows_of(c).weight[1000:], v) for c, v in zip(clips, (left, right), strict=True)] == [True] * 2
    assert [t.encode("pup") for t in tokenizers] == [[1000, 1001]] * 2
    uninstall("pup", tokenizers, clips)
    assert [len(rows_of(c).weight) for c in clips] == [1000] * 2
    install(made("pup", left, right), tokenizers[1:], clips[1:])  # the refiner
    assert torch.equal(rows_of(clips[1]).weight[1000:], right)


def test_half_precision_rows_stay_half(small: Tokenizer) -> None:
    clip = encoder(768, vocab_size=1000).half()
    install(made("w1", torch.randn(1, 768)), [small], [clip])
    assert rows_of(clip).weight.dtype == torch.float16 and not rows_of(clip).weight.requires_grad


def test_refusals_leave_the_model_alone(shared_data: Path, small: Tokenizer) -> None:
    folder = shared_data / "3_textual_inversion"
    sd1, sd2 = encoder(768, vocab_size=1000), encoder(1024, vocab_size=1000)
    marble, puppet = (
        read_embedding(folder / "a1111/sd2_FloralMarble.pt"),
        read_embedding(folder / "sdxl/myPuppet768.pt"),
    )
    with pytest.raises(ValueError, match=r"is for SD 2.x \(1024\); this model is SD 1.x \(768\)"):
        install(marble, [small], [sd1])
    with pytest.raises(ValueError, match=r"is for SDXL \(768 \+ 1280\); this model is SD 1.x \(768\)"):
        install(puppet, [small], [sd1])
    pin = read_embedding(folder / "diffusers/pin.safetensors")
    with pytest.raises(ValueError, match=r"is for SD 1.x \(768\); this model is SDXL \(768 \+ 1280\)"):
        install(pin, [small] * 2, [sd1, encoder(1280, vocab_size=1000)])
    with pytest.raises(ValueError, match="has 999 rows but its tokenizer 1000 ids"):
        install(pin, [small], [encoder(768, vocab_size=999)])
    matrix = rows_of(sd1).weight
    install(pin, [small], [sd1])
    grown = rows_of(sd1).weight
    with pytest.raises(ValueError, match=r"groot_lego.*already has a word '<pin>'"):
        install(read_embedding(folder / "diffusers/groot_lego.safetensors"), [small], [sd1])
    assert rows_of(sd1).weight is grown and len(grown) == 1001 and small.vocab_size == 1001
    uninstall("<pin>", [small], [sd1])
    other = small.with_pad("!")
    other.add_word("pup")
    pair = [sd1, encoder(1280, vocab_size=1001)]
    with pytest.raises(ValueError, match="already has a word 'pup'"):
        install(made("pup", torch.zeros(1, 768), torch.zeros(1, 1280)), [small, other], pair)
    assert small.added == {} and [len(rows_of(c).weight) for c in pair] == [1000, 1001]
    assert torch.equal(rows_of(sd1).weight, matrix)
    install(marble, [small], [sd2])
    assert len(rows_of(sd2).weight) == 1004


def test_same_conditioning_as_diffusers(shared_data: Path, tmp_path: Path, small: Tokenizer) -> None:
    """A multi-vector word in a prompt, installed by both."""
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    vocabulary = shared_data / "1_clip_tokenizer" / "tiny_random_clip"
    config = transformers.CLIPTextConfig(
        vocab_size=1000, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2
    )
    theirs = transformers.CLIPTextModel(config).eval()
    ours = CLIPText(CLIPTextConfig(vocab_size=1000, width=32, mlp_width=40, layers=2, heads=2)).eval()
    ours.load_state_dict(
        {f"text_model.{name.removeprefix('text_model.')}": t for name, t in theirs.state_dict().items()}
    )
    save_file({"<w0rd>": torch.randn(3, 32)}, tmp_path / "learned_embeds.safetensors")
    none = dict.fromkeys(("vae", "unet", "scheduler", "safety_checker", "feature_extractor"))
    pipe = diffusers.StableDiffusionPipeline(
        tokenizer=transformers.CLIPTokenizer.from_pretrained(vocabulary), text_encoder=theirs,
        requires_safety_checker=False, **none,
    )  # fmt: skip
    pipe.load_textual_inversion(str(tmp_path), weight_name="learned_embeds.safetensors")
    install(read_embedding(tmp_path / "learned_embeds.safetensors"), [small], [ours])
    prompts = ["a cat, <w0rd>, on a table", "<w0rd>"]
    with torch.no_grad():
        expected, _ = pipe.encode_prompt(prompts, "cpu", 1, False)
        told = encode([small], [ours], prompts)
    assert torch.equal(rows_of(ours).weight, theirs.get_input_embeddings().weight)
    assert (told.context - expected).abs().max() <= 1e-6
