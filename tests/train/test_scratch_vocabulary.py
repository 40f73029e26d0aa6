from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sukashi.kirie.captions import caption
from sukashi.kirie.chance import draw_scene
from sukashi.nets.tokenizer import Tokenizer
from sukashi.train.vocabulary import END, START, byte_symbols, learn_vocabulary, merge, write_tokenizer

CAPTIONS = [caption(draw_scene(Random(k)), Random(k)) for k in range(2000)]
HARD = [
    "",
    "girl eating pizza",
    "A GIRL  eating\ta castle's café 12",
    "猫, 🐱!",
    "an astronaut flying like a bird",
    "x" * 300,
]


def test_bytes_are_clips() -> None:
    symbols = byte_symbols()
    assert len(symbols) == len(set(symbols)) == 256
    assert symbols[0] == "!" and symbols[188] == "Ā"


def test_merges_by_hand() -> None:
    assert merge("abcabc", ("a", "b")) == ["ab", "c", "ab", "c"]
    assert merge("aaa", ("a", "a")) == ["aa", "a"]
    learnt = learn_vocabulary(["aab aab aac"])
    # a+a occurs 3 times, then aa+b</w> twice, then aa+c</w> once
    assert learnt.merges == (("a", "a"), ("aa", "b</w>"), ("aa", "c</w>"))
    assert learnt.tokens[512:] == ("aa", "aab</w>", "aac</w>", START, END)
    assert len(learn_vocabulary(["aab aab aac"], most=515).merges) == 1


def test_every_word_of_the_captions_is_one_token(tmp_path: Path) -> None:
    vocabulary = learn_vocabulary(CAPTIONS)
    assert vocabulary == learn_vocabulary(CAPTIONS)
    write_tokenizer(vocabulary, tmp_path, positions=48)
    tokenizer = Tokenizer.from_folder(tmp_path)
    assert tokenizer.length == 48 and tokenizer.vocab_size == len(vocabulary.tokens)
    for text in CAPTIONS[:50]:
        assert len(tokenizer.encode(text)) == len(text.replace(",", " ,").split()), text


def test_ids_are_those_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    write_tokenizer(learn_vocabulary(CAPTIONS), tmp_path, positions=48)
    theirs = transformers.CLIPTokenizer.from_pretrained(str(tmp_path))
    ours = Tokenizer.from_folder(tmp_path)
    texts = HARD + CAPTIONS[:200]
    expected = theirs(texts, padding="max_length", truncation=True, max_length=48).input_ids
    assert ours(texts).tolist() == expected
