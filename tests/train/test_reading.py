"""The text encoder learns to read before anything is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from torch.nn.functional import cross_entropy

from sukashi.kirie.captions import tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim, true_of
from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.train.reading import KNOWN, Reader, answers, captions, read, train_reading, understood
from sukashi.train.run import Budget, Log, Run
from sukashi.weights.load import load_parts

MODEL = Path(__file__).parents[2] / "src" / "sukashi" / "kirie" / "model"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_folder(MODEL / "tokenizer")


@pytest.fixture(scope="module")
def text() -> CLIPText:
    (text,) = load_parts(MODEL, dtype=torch.float32).text_encoders
    assert isinstance(text, CLIPText)
    return text


def test_things_are_counted_in_the_order_of_mention() -> None:
    claims = [
        Claim("subject", "dog", 2),
        Claim("relation", "right of 1", 2),
        Claim("subject", "girl", 1),
        Claim("place", "sea"),
    ]
    assert answers(claims) == {
        ("subject", 1): "dog",
        ("relation", 1): "right of",
        ("subject", 2): "girl",
        ("place", 0): "sea",
    }
    turned = [Claim("subject", "dog", 2), Claim("subject", "girl", 1), Claim("relation", "left of 2", 1)]
    assert answers(turned)["relation", 1] == "right of"


def test_what_is_read_is_true_of_the_scene() -> None:
    told, said = captions("7", 40)
    for k in range(40):
        rng = Random(f"reading 7 {k}")
        scene = draw_scene(rng)
        phrase = tell(scene, rng)
        assert told[k] == phrase.text and not scene.held_out() and all(true_of(c, scene) for c in phrase.claims)
        assert sorted(said[k].values()) == sorted(answers(phrase.claims).values())
    unseen = captions("7", 10, held_out=True)[0]
    assert len(set(unseen) & set(told)) == 0


def test_the_reader_sees_words_only(text: CLIPText, tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    reader = Reader(text.config.width, captions("a", 400)[1])
    ids = tokenizer(["a girl in a red dress", "the sea"])
    scores = read(text, reader, ids)
    assert scores.shape[:2] == (2, len(reader.questions))
    assert (scores.softmax(-1)[:, ~reader.possible] == 0).all()
    states = text(ids).last
    words = (ids < text.config.eos_token_id - 1).bool()
    changed = torch.where(words[..., None], states, torch.randn_like(states))
    assert torch.allclose(reader(states, words), reader(changed, words), atol=1e-6)
    with pytest.raises(ValueError, match="'tiger' is not in list"):
        reader.labels([{("subject", 1): "tiger"}])


def test_a_few_steps_teach_something(text: CLIPText, tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    new = CLIPText(replace(text.config, layers=1))
    reader = Reader(new.config.width, captions("known", KNOWN // 10)[1])
    both = torch.nn.ModuleDict({"text": new, "reader": reader})
    optimizer = torch.optim.AdamW(both.parameters(), lr=1e-3)
    told, said = captions("asked", 60)
    right = reader.labels(said).flatten()

    def wrong() -> float:
        with torch.no_grad():
            return cross_entropy(read(new, reader, tokenizer(told)).flatten(0, 1), right).item()

    before = wrong()
    table = new.text_model.embeddings.token_embedding.weight.detach().clone()
    run = Run(tmp_path / "reading.pt", Budget(steps=40), {"model": both, "optimizer": optimizer})
    train_reading(new, reader, tokenizer, run, batch=32, rate=4e-3, seed=1, log=Log(tmp_path / "log.txt"))
    assert wrong() < 0.5 * before
    assert not torch.equal(new.text_model.embeddings.token_embedding.weight, table) and not new.training


@pytest.mark.slow
def test_kirie_can_read(text: CLIPText, tokenizer: Tokenizer) -> None:
    """A new reader learns from the frozen shipped encoder alone, also what is never read together in training."""
    torch.manual_seed(0)
    reader = Reader(text.config.width, captions("known", KNOWN)[1])
    frozen = text.requires_grad_(False)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=3e-3)
    for step in range(150):
        told, said = captions(f"frozen {step}", 96)
        right = reader.labels(said)
        loss = cross_entropy(read(frozen, reader, tokenizer(told)).flatten(0, 1), right.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        optimizer.step()
    said_right, _ = understood(frozen, reader, tokenizer, count=300, held_out=True)
    assert said_right > 0.95
