"""The token table, and that its ids are transformers' for every language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sukashi.nets.tokenizer import Tokenizer
from sukashi.prompts.encode import read_prompt
from sukashi.prompts.stress import parse_stress
from sukashi.prompts.table import token_tables, tokens
from tiny_models import tiny_model

CORPUS = """a photo of a cat
眼鏡をかけた女の子がピザを食べている
猫🐈‍⬛と犬🐕、👩‍👩‍👧‍👦
한국어로 된 프롬프트
صورة قطة حمراء
עִבְרִית
Ελληνικά ΣΊΣΥΦΟΣ
русский текст, ёлка
ภาพวาดแมว
हिन्दी में चित्र
Straße İstanbul ﬁn ǅ
½ ² ① Ⅷ 123,456.78
🇯🇵🇩🇪 1️⃣
𝓼𝓬𝓻𝓲𝓹𝓽 𐍈
<|endoftext|> <|startoftext|>
!!! ... ---
全角　ｆｕｌｌ
it's we're I'LL""".splitlines()
CONTROL = [
    "tab\tnew\nline\r\0\x07\x1b[0m",
    "zero\u200bwidth\u200djoin\ufeff",
    "e\u0301 A\u030a Å",
    "",
    "   ",
    "\ud7ff\ue000",
]


def test_ids_of_every_language_are_transformers(shared_data: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = shared_data / "1_clip_tokenizer" / "sd1_hf"
    ours, theirs = Tokenizer.from_folder(folder), transformers.CLIPTokenizer.from_pretrained(folder)
    for text in [*CORPUS, *CONTROL, " ".join(CORPUS) * 3]:
        plain = read_prompt(ours, 77, text, emphasis="none")
        ids = [place.id for chunk in plain.chunks for place in chunk]
        assert ids == theirs(text).input_ids[1:-1], text
        cut = read_prompt(ours, 77, text, emphasis="none", truncate=True)
        assert [place.id for place in cut.chunks[0]] == theirs(text, truncation=True, max_length=77).input_ids[1:-1]
        weighed = read_prompt(ours, 77, f"({text.replace('[', '')}:1.3)")
        parts = [part.text for part in parse_stress(f"({text.replace('[', '')}:1.3)")]
        assert [place.id for chunk in weighed.chunks for place in chunk] == theirs("".join(parts)).input_ids[1:-1]


def test_a_table() -> None:
    parts = tiny_model("sd1")
    table = tokens(parts, "a (cat:1.3) <lora:x:1>[at:on:.5] BREAK é")
    assert table.prompt == "a (cat:1.3) at BREAK é" and table.chunks == 2 and table.room == 75
    names = parts.tokenizers[0].tokens([token.id for token in table.tokens])
    assert [token.piece for token in table.tokens] == names
    assert [token.text for token in table.tokens][:3] == ["a", "cat", "at"] and table.tokens[3].text == "é"
    assert [token.weight for token in table.tokens][:3] == [1.0, 1.3, 1.0]
    assert [(token.chunk, token.position) for token in table.tokens] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]
    rows = parts.text_encoders[0].text_model.embeddings.token_embedding.weight
    for token in table.tokens:
        assert torch.equal(token.vector, rows[token.id]) and token.norm == pytest.approx(float(rows[token.id].norm()))
    assert len(table) == 5
    lines = str(table).splitlines()
    assert lines[0].split() == ["chunk", "place", "id", "weight", "norm", "piece", "text"]
    assert lines[2].split()[:4] == ["1", "2", str(table.tokens[1].id), "1.3"] and lines[2].endswith("cat")
    assert lines[-1] == "5 tokens in 2 chunks of 75"


def test_what_fell_past_the_cut() -> None:
    table = tokens(tiny_model("sd1"), "cat " * 74 + "at cat at cat", truncate=True)
    assert table.cut == "cat at cat" and table.chunks == 1 and len(table) == 78
    assert [token.chunk for token in table.tokens] == [0] * 75 + [None] * 3
    assert str(table).splitlines()[-2].split()[:2] == ["-", "-"]
    assert str(table).endswith("75 tokens in 1 chunk of 75; cut off: 'cat at cat'")


def test_as_json() -> None:
    table = tokens(tiny_model("sdxl"), "(cat) \x1b[0m", encoder=1)
    told = json.loads(json.dumps(table.to_dict()))
    assert told["encoder"] == 1 and told["chunks"] == 1 and told["cut"] == "" and told["voice"] == 1.0
    assert told["tokens"][0] == {
        "piece": "cat</w>", "id": table.tokens[0].id, "text": "cat", "weight": 1.1, "chunk": 0, "position": 1,
        "norm": table.tokens[0].norm,
    }  # fmt: skip
    assert table.to_dict(vectors=True)["tokens"][0]["vector"] == table.tokens[0].vector.tolist()
    assert "\x1b" not in str(table)


def test_one_table_for_every_voice_and_step() -> None:
    parts = tiny_model("sd1")
    tables = token_tables(parts, "a [cat|at] AND at:0.5", step=2, steps=4)
    assert [(table.prompt, table.voice) for table in tables] == [("a at", 1.0), ("at", 0.5)]
    (plain,) = token_tables(parts, "a [cat|at] AND at:0.5", emphasis="none")
    assert plain.prompt == "a [cat|at] AND at:0.5" and {token.weight for token in plain.tokens} == {1.0}
    for wrong in ({"encoder": 1}, {"step": 0}, {"step": 3, "steps": 2}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
            token_tables(parts, "a", **wrong)
