"""LoRAs by way of the pipeline: methods, settings, names in the prompt, records and replays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lora_samples import kohya, saved
from sukashi import places, tasks
from sukashi.pipeline import Pipeline
from sukashi.settings import Settings
from tiny_models import equal, tiny_model

DEFAULTS: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "guidance": 3.0, "seed": 1}


@pytest.fixture
def pipe() -> Pipeline:
    return Pipeline(tiny_model("sd1"), DEFAULTS, "tiny")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder of LoRAs that names are looked up in."""
    content = kohya(tiny_model("sd1"), alpha=40.0)
    saved(content, tmp_path / "ink.safetensors")
    saved({name: t.flip(0) for name, t in content.items() if t.ndim}, tmp_path / "fur.safetensors")
    monkeypatch.setenv("SUKASHI_FOLDERS", str(tmp_path))
    return tmp_path


def latents(pipe: Pipeline, prompt: str | list[str] = "a cat", **options: Any) -> torch.Tensor:
    return pipe(prompt, **options).latents


def test_another_pipeline_beside_the_first(pipe: Pipeline, folder: Path) -> None:
    plain = latents(pipe)
    inked = pipe.with_lora(folder / "ink.safetensors", 0.8, text=0.3)
    drawn = latents(inked)
    assert (drawn - plain).abs().max() > 1e-3 and torch.equal(latents(pipe), plain)
    merged = pipe.with_lora("ink", 0.8, text=0.3, merge=True)
    assert (latents(merged) - drawn).abs().max() < 1e-4
    assert equal(pipe.parts, tiny_model("sd1")) and pipe.loras == () and len(inked.loras) == 1
    assert "matched" in str(inked.loras[0]) and inked.loras[0].unmatched == ()
    two = inked.with_lora("fur", -0.5)
    assert [one.source for one in two.loras] == [str(folder / f"{n}.safetensors") for n in ("ink", "fur")]
    other = pipe.with_lora("fur", -0.5).with_lora("ink", 0.8, text=0.3)
    assert (latents(two) - latents(other)).abs().max() < 1e-4


def test_methods_settings_and_tags_draw_the_same(pipe: Pipeline, folder: Path) -> None:
    expected = latents(pipe.with_lora("ink", 0.8, text=0.3).with_lora("fur"))
    by_settings = pipe("a cat", loras=[["ink", 0.8, 0.3], ["fur"]])
    by_tags = pipe("a cat<lora:ink:0.3:0.8><lora:fur:1>")
    mixed = pipe.with_lora("ink", 0.8, text=0.3)("a cat<lora:fur:1>")
    for result in (by_settings, by_tags, mixed):
        assert torch.equal(result.latents, expected)
        assert sum("matched" in note for note in result.notes) == (1 if result is mixed else 2)
    assert by_settings.requests[0].loras == [["ink", 0.8, 0.3], ["fur", 1.0, 1.0]]
    assert by_tags.requests[0].loras is None and by_tags.requests[0].prompt == "a cat<lora:ink:0.3:0.8><lora:fur:1>"
    assert mixed.requests[0].loras == [["ink", 0.8, 0.3]]
    assert torch.equal(latents(pipe), latents(pipe, loras=[]))


def test_batches_and_tags(pipe: Pipeline, folder: Path) -> None:
    both = latents(pipe, ["a cat <lora:ink:1>", "a hat <lora:ink:1>"])
    alone = latents(pipe, "a hat <lora:ink:1>", seed=2)
    assert (both[1:] - alone).abs().max() < 1e-4
    assert len(pipe("a cat <lora:ink:1>", count=2).images) == 2
    with pytest.raises(ValueError, match="the prompts of one batch name different LoRAs"):
        pipe(["a cat <lora:ink:1>", "a hat"])
    with pytest.raises(FileNotFoundError, match=r"no LoRA is called 'inc'.*near it: ink"):
        pipe("a cat <lora:inc:1>")
    literal = pipe("a cat <lora:nowhere:1>", emphasis="none")  # nothing is syntax
    assert literal.requests[0].prompt == "a cat <lora:nowhere:1>"
    assert (latents(pipe, "a <lora:ink:x>") - latents(pipe, "a ")).abs().max() > 1e-6  # malformed: text


def test_the_first_ranks_only(pipe: Pipeline, folder: Path) -> None:
    cut = latents(pipe, "a cat <lora:ink:1:1:1>")
    assert torch.equal(cut, latents(pipe.with_lora("ink", rank=1)))
    assert (cut - latents(pipe, "a cat <lora:ink:1>")).abs().max() > 1e-4


def test_records_are_drawn_again(pipe: Pipeline, folder: Path, tmp_path: Path) -> None:
    for result in (
        pipe("a cat", loras=[["ink", 0.8, 0.3]]),
        pipe.with_lora("ink", 0.8)("a cat <lora:fur:0.4>"),
        pipe.with_lora("ink", 0.8, rank=1)("a cat"),
    ):
        record = json.loads(json.dumps(result.record()))
        assert torch.equal(tasks.replay(record, pipe).latents, result.latents)
    inked = pipe.with_lora("ink", 0.8, rank=1)
    assert torch.equal(tasks.replay(record, inked).latents, result.latents)  # not twice


def test_seamless_pictures_have_their_loras(pipe: Pipeline, tmp_path: Path) -> None:
    content = kohya(tiny_model("sd1"), ("conv1", "conv2"), alpha=40.0)
    path = str(saved(content, tmp_path / "locon.safetensors"))
    plain = latents(pipe, seamless="xy")
    expected = latents(pipe.with_lora(path, merge=True), seamless="xy")
    assert (latents(pipe, loras=[[path]], seamless="xy") - expected).abs().max() < 1e-4
    assert (plain - expected).abs().max() > 1e-3


def test_words_by_settings_and_by_their_files_names(pipe: Pipeline, folder: Path) -> None:
    path = saved({"<x>": torch.randn(2, 32)}, folder / "w0rd.safetensors")
    expected = latents(pipe.with_embedding(path, token="w0rd"), "a w0rd")
    by_settings = pipe("a w0rd", embeddings=[[str(path), "w0rd"]])
    by_name = pipe("a embedding:w0rd")
    for result in (by_settings, by_name, pipe("a embedding:w0rd.safetensors")):
        assert torch.equal(result.latents, expected)
        record = json.loads(json.dumps(result.record()))
        assert torch.equal(tasks.replay(record, pipe).latents, expected)
    assert by_settings.notes[-1] == "the word 'w0rd': 2 vectors" and by_name.notes[-1].endswith(f"2 vectors of {path}")
    assert by_settings.requests[0].embeddings == [[str(path), "w0rd"]] and by_name.requests[0].embeddings is None
    unknown = pipe("a embedding:nowhere")  # stays text
    assert unknown.requests[0].prompt == "a embedding:nowhere"
    for wrong in ("w0rd", [["a", "b", "c"]], [1], [[]]):
        with pytest.raises(ValueError, match=r"embeddings: .* is not a file, a name, or"):
            Settings(embeddings=wrong)


def test_words_by_the_names_of_their_files(pipe: Pipeline, tmp_path: Path, monkeypatch) -> None:
    """As A1111 has it: what lies in the folder of embeddings may be said."""
    (tmp_path / "embeddings").mkdir()
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    path = saved({"<x>": torch.randn(2, 32)}, tmp_path / "embeddings" / "w0rd.safetensors")
    saved({"<y>": torch.randn(2, 768)}, tmp_path / "embeddings" / "large.safetensors")
    monkeypatch.setenv("SUKASHI_FOLDERS", str(tmp_path))
    assert set(places.words()) == {"w0rd", "large"}
    expected, plain = latents(pipe.with_embedding(path, token="w0rd"), "a W0rd"), latents(pipe, "a w0rd2 large")
    pipe.words = places.words()
    assert torch.equal((found := pipe("a W0rd", seed=1, steps=2)).latents, expected)
    assert found.notes[-1] == f"the word 'w0rd': 2 vectors of {path}"
    assert torch.equal(latents(pipe, "a w0rd2 large"), plain)  # no word of its own, and one for another family
    monkeypatch.setenv("SUKASHI_FOLDERS", "/nowhere")
    assert places.words() == {}


def test_settings_refuse_what_is_no_list_of_loras() -> None:
    assert Settings(loras=[["a"], ["b", 0.5], ["c", 1, -1.5]]).loras is not None
    for wrong in ("ink", ["ink"], [[]], [["ink", "0.8"]], [[0.8, "ink"]], [["a", 1, 1, 1, 1]], [["a", float("nan")]]):
        with pytest.raises(ValueError, match=r"loras: .* is not \[name or path, weight, weight in the text"):
            Settings(loras=wrong)


def test_a_word_of_one_s_own(pipe: Pipeline, tmp_path: Path) -> None:
    vectors = torch.randn(2, 32)
    path = saved({"w0rd": vectors}, tmp_path / "w0rd.safetensors")
    plain, more = latents(pipe, "a w0rd"), pipe.with_embedding(path)
    assert (latents(more, "a w0rd") - plain).abs().max() > 1e-6 and torch.equal(latents(pipe, "a w0rd"), plain)
    assert (latents(more) - latents(pipe)).abs().max() < 1e-6
    assert more.with_embedding(path, token="other").parts.tokenizers[0].added.keys() == {"w0rd", "other"}
    with pytest.raises(ValueError, match="already has a word 'w0rd'"):
        more.with_embedding(path)
    wrong = saved({"x": torch.randn(2, 768)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"is for SD 1.x"):
        pipe.with_embedding(wrong)
