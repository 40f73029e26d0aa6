"""Where the vocabulary of CLIP can be read from: HF files, OpenAI's file, or the package instant_clip_tokenizer.

A vocabulary is 256 bytes, the same 256 at the end of a word (``</w>``), one entry per merge in the order they were
learned (Sennrich et al. 2016, arXiv:1508.07909; on bytes as in Radford et al. 2019), then the special tokens. Every
byte is written as one printable character, so that a piece of a word is a string.
"""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
OPENAI_MERGES = 49152 - 256 - 2  # of the 262,144 in OpenAI's file
LAST = 1 << 30  # the rank of a pair that is never merged


class Vocabulary(NamedTuple):
    """Piece -> id, and the pairs to merge, the most urgent first."""

    ids: dict[str, int]
    merges: list[tuple[str, str]]


def byte_order() -> list[int]:
    """The 256 bytes in the order of their ids: those with a printable Latin-1 character first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return printable + [b for b in range(256) if b not in printable]


def byte_names() -> dict[int, str]:
    """The character that stands for each byte: itself where that is printable, else one from U+0100 on."""
    order = byte_order()
    return {byte: chr(byte) if place < 188 else chr(256 + place - 188) for place, byte in enumerate(order)}


def from_merges(merges: list[tuple[str, str]]) -> Vocabulary:
    """The whole vocabulary that OpenAI's merges imply."""
    names = byte_names()
    single = [names[b] for b in byte_order()]
    pieces = [*single, *(c + WORD_END for c in single), *(a + b for a, b in merges), START, END]
    return Vocabulary({piece: i for i, piece in enumerate(pieces)}, merges)


def read_files(vocab: str | Path, merges: str | Path) -> Vocabulary:
    """``vocab.json`` and ``merges.txt`` of a tokenizer folder."""
    ids = read_json(Path(vocab))
    if not isinstance(ids, dict) or not all(isinstance(i, int) for i in ids.values()):
        raise ValueError(f"{vocab} is not a vocabulary: it must be a JSON object of piece to id")
    lines = Path(merges).read_text(encoding="utf-8").split("\n")
    if lines[0].startswith("#version"):
        del lines[0]
    return Vocabulary(ids, [_pair(line, merges) for line in lines if line.strip()])


def read_tokenizer_json(path: str | Path) -> tuple[Vocabulary, list[dict[str, Any]]]:
    """The vocabulary in a ``tokenizer.json`` (all that transformers 5 writes) and its added tokens."""
    content = read_json(Path(path))
    model = content.get("model", {}) if isinstance(content, dict) else {}
    if model.get("type") != "BPE" or model.get("end_of_word_suffix") != WORD_END:
        kind, suffix = model.get("type"), model.get("end_of_word_suffix")
        raise ValueError(
            f"{path} holds a {kind} model with word ending {suffix!r}, not a CLIP tokenizer (BPE, word ending '</w>')"
        )
    pairs = [_pair(m, path) if isinstance(m, str) else (m[0], m[1]) for m in model["merges"]]
    return Vocabulary(model["vocab"], pairs), list(content.get("added_tokens", []))


def read_bpe_file(path: str | Path) -> Vocabulary:
    """OpenAI's ``bpe_simple_vocab_16e6.txt`` (``.gz`` or unpacked)."""
    raw = Path(path).read_bytes()
    lines = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8").split("\n")
    lines = [line for line in lines[1 : OPENAI_MERGES + 1] if line.strip()]  # the first line is a version
    if len(lines) != OPENAI_MERGES:
        raise ValueError(f"{path} has {len(lines)} merges, not the {OPENAI_MERGES} of OpenAI's vocabulary")
    return from_merges([_pair(line, path) for line in lines])


def read_instant_clip() -> Vocabulary:
    """The vocabulary inside the package instant_clip_tokenizer (extra ``[clip]``), read through its ``decode``.

    ``decode`` cannot show an entry that ends or begins inside a UTF-8 character, so such an entry is decoded between
    bytes that complete it. An entry's two parts are what the earlier merges make of it.
    """
    try:
        from instant_clip_tokenizer import Tokenizer as Instant
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the CLIP vocabulary inside the package instant-clip-tokenizer was asked for, but the package is not "
            "installed: pip install 'sukashi[clip]'"
        ) from None
    decode = Instant().decode
    order, names = byte_order(), byte_names()
    id_of = {byte: i for i, byte in enumerate(order)}
    before = (b"", b"\xc3", b"\xe1", b"\xe1\x80", b"\xf1", b"\xf1\x80", b"\xf1\x80\x80")
    after = (b"", b"\x80", b"\x80\x80", b"\x80\x80\x80", b"\xa0\x80", b"\x90\x80\x80")

    def raw(entry: int) -> bytes:
        for head in before:
            for tail in after:
                text: str = decode([*(id_of[b] for b in head), entry, *(id_of[b] for b in tail)])
                if "\ufffd" not in text:
                    found = text.encode()
                    return found[len(head) : len(found) - len(tail)]
        return str(decode([entry])).encode()  # U+FFFD itself is an entry

    ids = dict(from_merges([]).ids)
    del ids[START], ids[END]
    merges = []
    for entry in range(512, 512 + OPENAI_MERGES):
        spelled = raw(entry)  # a blank at its end marks the end of a word
        letters = [names[b] for b in spelled.removesuffix(b" ")]
        if spelled.endswith(b" "):
            letters[-1] += WORD_END
        parts = _merge(letters, ids)
        if len(parts) != 2:
            raise ValueError(f"entry {entry} of instant_clip_tokenizer is not the vocabulary of CLIP: {parts}")
        merges.append((parts[0], parts[1]))
        ids["".join(parts)] = entry
    return from_merges(merges)


def _merge(parts: list[str], ids: dict[str, int]) -> list[str]:
    """Byte pair encoding with the merges known so far, the earliest first, down to two parts."""
    ranks = [ids.get(a + b, LAST) for a, b in pairwise(parts)]
    while len(parts) > 2 and (best := min(ranks)) < LAST:
        at = ranks.index(best)  # a second place with this pair has its turn next
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        del ranks[at]
        if at:
            ranks[at - 1] = ids.get(parts[at - 1] + parts[at], LAST)
        if at < len(ranks):
            ranks[at] = ids.get(parts[at] + parts[at + 1], LAST)
    return parts


def _pair(line: str, path: str | Path) -> tuple[str, str]:
    left, _, right = line.strip("\r\n").partition(" ")
    if not left or not right or " " in right:
        raise ValueError(f"{path} has the merge {line!r}; a merge is two pieces with a blank between them")
    return left, right


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises ValueError with its name when it is not one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
