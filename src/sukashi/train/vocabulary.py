"""Learn a byte-pair vocabulary from captions and write it in the files of a CLIP tokenizer.

Sennrich et al. 2016, arXiv:1508.07909, algorithm 1, over bytes as in GPT-2, with CLIP's ``</w>`` at the end of a word.
Ties are broken by spelling, so the same captions always give the same vocabulary.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

START, END = "<|startoftext|>", "<|endoftext|>"
WORD = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")  # CLIP's pattern as far as lower-case English captions go


class Vocabulary(NamedTuple):
    """Tokens in the order of their ids, and the merges that make them."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]


def byte_symbols() -> list[str]:
    """The 256 printable characters that stand for bytes, in CLIP's order (printable bytes first)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in plain] + [chr(256 + k) for k in range(256 - len(plain))]


def learn_vocabulary(captions: Iterable[str], *, most: int = 2048) -> Vocabulary:
    """Merge the commonest pair again and again until every word is one token, or there are ``most`` tokens."""
    counts = Counter(word for text in captions for word in WORD.findall(text.lower()))
    words = {word: [*word[:-1], word[-1] + "</w>"] for word in counts}
    base = byte_symbols()
    tokens = [*base, *(symbol + "</w>" for symbol in base)]
    merges: list[tuple[str, str]] = []
    while len(tokens) + 2 < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        tokens.append("".join(best))
        words = {word: merge(symbols, best) for word, symbols in words.items()}
    return Vocabulary((*tokens, START, END), tuple(merges))


def merge(symbols: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """``symbols`` with every occurrence of ``pair`` joined, from the left."""
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined


def write_tokenizer(vocabulary: Vocabulary, folder: Path, *, positions: int) -> None:
    """Write vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json, as transformers has them."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: i for i, token in enumerate(vocabulary.tokens)}
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    config = {
        "add_prefix_space": False,
        **special,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": positions,
        "tokenizer_class": "CLIPTokenizer",
    }
    merges = ["#version: 0.2", *(" ".join(pair) for pair in vocabulary.merges), ""]
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(merges), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
