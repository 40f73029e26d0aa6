"""Where a lone file's words come from: named, beside it, the cache, the extra package, or one clear sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from sukashi.families import FAMILIES
from sukashi.weights import vocabulary as module
from sukashi.weights.errors import CheckpointError, HubError
from sukashi.weights.vocabulary import Vocabulary, find_vocabulary, has_vocabulary, named_vocabulary, open_tokenizers
from tiny_models import shrink, tiny_model

SDXL = FAMILIES["sdxl"]


@pytest.fixture
def nothing_cached(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def clip(shared_data) -> Path:
    return shared_data / "1_clip_tokenizer" / "sd1_hf"


def test_the_order_in_which_it_is_looked_for(nothing_cached, clip, tmp_path):
    pads = ("<|endoftext|>", "!")
    found, where = find_vocabulary(SDXL, beside=tmp_path, offline=True)
    assert found == tuple(Vocabulary(None, pad) for pad in pads)
    assert where == "the vocabulary in the package instant-clip-tokenizer"
    snapshot = nothing_cached / "models--openai--clip-vit-large-patch14" / "snapshots" / "abc"
    shutil.copytree(clip, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    found, where = find_vocabulary(SDXL, beside=tmp_path)
    assert found == tuple(Vocabulary(snapshot, pad) for pad in pads)
    assert where == "the vocabulary of openai/clip-vit-large-patch14"
    (tmp_path / "models" / "tokenizer").mkdir(parents=True)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(clip / name, tmp_path / "models" / "tokenizer")
    found, where = find_vocabulary(SDXL, beside=tmp_path / "models")
    assert {v.folder for v in found} == {tmp_path / "models" / "tokenizer"} and where.endswith("beside the file")
    found, where = find_vocabulary(SDXL, beside=tmp_path / "models", named=clip)
    assert {v.folder for v in found} == {clip} and where == f"the vocabulary in {clip}"


def test_without_any_one_sentence_names_all_three(nothing_cached, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError) as caught:
        find_vocabulary(SDXL, beside=tmp_path, offline=True)
    message = str(caught.value)
    assert "\n" not in message
    for way in ("vocab.json and merges.txt", "openai/clip-vit-large-patch14", "pip install 'sukashi[clip]'"):
        assert way in message


def test_a_vocabulary_that_is_not_clips_is_not_replaced_by_it(nothing_cached, tmp_path):
    with pytest.raises(CheckpointError, match=r"a vocabulary of 516 words, not CLIP's 49408"):
        find_vocabulary(shrink(SDXL), beside=tmp_path)


def test_offline_asks_nobody(nothing_cached, tmp_path, monkeypatch):
    from huggingface_hub import constants

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", never)
    found, _ = find_vocabulary(SDXL, beside=tmp_path, offline=True)
    assert found[0].folder is None

    def unreachable(*_: object, **__: object) -> None:
        raise HubError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    found, _ = find_vocabulary(SDXL, beside=tmp_path)
    assert found[0].folder is None


def test_what_counts_as_a_vocabulary(tmp_path):
    assert not has_vocabulary(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    assert not has_vocabulary(tmp_path)
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json nor vocab\.json and merges\.txt"):
        named_vocabulary(tmp_path)
    (tmp_path / "merges.txt").write_text("")
    assert (
        has_vocabulary(tmp_path) and named_vocabulary(tmp_path) == named_vocabulary(tmp_path / "vocab.json") == tmp_path
    )
    (tmp_path / "new" / "tokenizer").mkdir(parents=True)
    (tmp_path / "new" / "tokenizer" / "tokenizer.json").write_text("{}")
    assert named_vocabulary(tmp_path / "new") == tmp_path / "new" / "tokenizer"


def test_one_vocabulary_is_read_once_and_padded_twice(tmp_path, monkeypatch):
    tiny_model("sd1").tokenizers[0].save(tmp_path)
    opened = []
    read = Vocabulary.open
    monkeypatch.setattr(Vocabulary, "open", lambda self: opened.append(self) or read(self))
    first, second = open_tokenizers((Vocabulary(tmp_path, "<|endoftext|>"), Vocabulary(tmp_path, "!")))
    assert len(opened) == 1
    assert first("a")[0, -1] == first.eos and second("a")[0, -1] == second.ids(["!"])[0]


def test_the_package_gives_the_same_ids_as_the_files(nothing_cached, clip, tmp_path):
    pytest.importorskip("instant_clip_tokenizer")
    found, _ = find_vocabulary(SDXL, beside=tmp_path, offline=True)
    named, _ = find_vocabulary(SDXL, beside=tmp_path, named=clip)
    packaged, files = open_tokenizers(found), open_tokenizers(named)
    for text in ("a girl with glasses eating pizza!", "猫が好き 🐱", "naïve café 123"):
        for a, b in zip(packaged, files, strict=True):
            assert torch.equal(a(text), b(text))
