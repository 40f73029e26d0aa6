"""A prompt row by row, its words, and the nearest tokens of the vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sukashi.nets.tokenizer import Tokenizer
from sukashi.pipeline import Pipeline
from sukashi.prompts.encode import encode_prompts
from sukashi.watch.words import embedding_values, ids_of, nearest, nearest_to_inversion, shown, spell, spelled_by
from sukashi.weights.embeddings import Embedding, rows_of
from tiny_models import tiny_model


def inversion(count: int, width: int = 32) -> Embedding:
    vectors = torch.randn(count, width, generator=torch.Generator().manual_seed(count))
    return Embedding("gizmo", (vectors,), "bare tensor", "the test")


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline(tiny_model("sd1"), dict(width=64, height=64, steps=2, guidance=4.0), name="tiny")


def test_rows_are_the_ids_that_the_encoder_is_given(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, given = pipe.parts.text_encoders[0], []
    forward = type(encoder).forward
    monkeypatch.setattr(type(encoder), "forward", lambda self, ids: given.append(ids) or forward(self, ids))
    for text in ("a cat", "a (cat:1.3), 眼鏡 🐈", "", "cat " * 100, "a cat BREAK hat"):
        encode_prompts(pipe.parts, [text])
        spelling = spelled_by(pipe, text)
        assert [row.id for row in spelling.rows] == given.pop().flatten().tolist()
        assert [row.place for row in spelling.rows] == list(range(len(spelling.rows)))
        assert sorted(spelling.kept + spelling.padding) == list(range(len(spelling.rows)))


def test_kinds_weights_and_words(pipe: Pipeline) -> None:
    spelling = spelled_by(pipe, "a (cat:1.3), hats")
    told = [(row.piece, row.kind, row.weight, row.word) for row in spelling.rows[:10]]
    assert told[0][1:] == ("start", 1.0, None) and told[-1][1:] == ("pad", 1.0, None)
    assert told[1:5] == [
        ("a</w>", "word", 1.0, 0), ("cat</w>", "word", 1.3, 1), (",</w>", "word", 1.0, 2), ("h", "word", 1.0, 3),
    ]  # fmt: skip
    assert [(word.text, word.places) for word in spelling.words] == [
        ("a", (1,)), ("cat", (2,)), (",", (3,)), ("hats", (4, 5, 6, 7)),
    ]  # fmt: skip
    assert [row.kind for row in spelling.rows].count("end") == 1 and spelling.rows[8].kind == "end"


def test_finding_words(pipe: Pipeline) -> None:
    tokenizer = pipe.parts.tokenizers[0]
    spelling = spelled_by(pipe, "a cat, A CAT and a hat")
    assert spelling.find(ids_of(tokenizer, "cat")) == [2, 5]
    assert spelling.find(ids_of(tokenizer, "a cat")) == [1, 2, 4, 5]
    assert spelling.find(ids_of(tokenizer, "at")) == [], "a piece inside a word is not the word"
    assert spelling.find([]) == []
    with_word = pipe.with_embedding(inversion(3))
    said = spelled_by(with_word, "gizmo gizmo cat")
    assert [word.text for word in said.words] == ["gizmo", "gizmo", "cat"]
    assert said.words[0].places == (1, 2, 3) and said.words[1].places == (4, 5, 6)
    ids = ids_of(with_word.parts.tokenizers[0], "embedding:gizmo")
    assert said.find(ids) == [1, 2, 3, 4, 5, 6]


def test_nearest_is_the_largest_cosine(pipe: Pipeline) -> None:
    encoder, tokenizer = pipe.parts.text_encoders[0], pipe.parts.tokenizers[0]
    table = rows_of(encoder).weight
    vectors = inversion(2).vectors[0]
    for vector, pairs in zip(vectors, nearest(encoder, tokenizer, vectors, 4), strict=True):
        cosines = {i: float(torch.cosine_similarity(vector, row, dim=0)) for i, row in enumerate(table)}
        del cosines[tokenizer.bos], cosines[tokenizer.eos]
        best = sorted(cosines, key=cosines.__getitem__, reverse=True)[:4]
        assert [piece for piece, _ in pairs] == tokenizer.tokens(best)
        assert [cosine for _, cosine in pairs] == pytest.approx([cosines[i] for i in best], abs=1e-5)
    own = nearest(encoder, tokenizer, table[[7]], 1)[0][0]
    assert own == (tokenizer.tokens([7])[0], pytest.approx(1))
    with pytest.raises(ValueError, match=r"vectors of shape \(2, 5\); this text encoder wants \(N, 32\)"):
        nearest(encoder, tokenizer, torch.zeros(2, 5))


def test_rows_with_norms_and_neighbours(pipe: Pipeline) -> None:
    rows = shown(pipe, spelled_by(pipe, "a cat"), near=2)
    table = rows_of(pipe.parts.text_encoders[0]).weight
    assert all(row["norm"] == pytest.approx(float(table[row["id"]].norm()), rel=1e-5) for row in rows)
    assert [len(row["nearest"]) for row in rows[:4]] == [0, 2, 2, 0]
    assert all(piece != row["piece"] for row in rows for piece, _ in row["nearest"])


def test_nearest_of_an_inversion(pipe: Pipeline) -> None:
    word = inversion(3)
    (by_file,) = nearest_to_inversion(pipe, word, 2)
    (by_name,) = nearest_to_inversion(pipe.with_embedding(word), "Gizmo", 2)
    assert by_file == by_name and [len(pairs) for pairs in by_file] == [2, 2, 2]
    with pytest.raises(ValueError, match="'sprocket' is no added word of this model; it has none"):
        nearest_to_inversion(pipe, "sprocket")
    with pytest.raises(ValueError, match=r"the test has vectors of \(48,\); text encoder 1 wants 32"):
        nearest_to_inversion(pipe, inversion(1, 48))


def test_a_real_vocabulary_is_spelt_word_by_word(shared_data: Path) -> None:
    tokenizer = Tokenizer.from_folder(shared_data / "1_clip_tokenizer" / "sd1_hf")
    spelling = spell(tokenizer, 77, "a photo of hatsune miku's sunglasses, 8k")
    words = [word.text for word in spelling.words]
    assert words == ["a", "photo", "of", "hatsune", "miku", "'s", "sunglasses", ",", "8", "k"]
    assert len(spell(tokenizer, 77, "", chunks=3).rows) == 3 * 77


def test_an_embedding_as_grey_values() -> None:
    context = torch.randn(5, 400, generator=torch.Generator().manual_seed(0))
    context[0] = 30.0
    grey = embedding_values(context)
    assert grey.dtype == torch.uint8 and grey.shape == (5, 400) and bool((grey[0] == 255).all())
    assert float(grey[1:].float().std()) == pytest.approx(127.5 / 3, rel=0.05)
    assert embedding_values(torch.zeros(2, 3)).tolist() == [[128] * 3] * 2
