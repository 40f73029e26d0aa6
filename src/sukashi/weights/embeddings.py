"""Textual inversions: files with the vectors of new words, and putting such words into a model.

Gal et al. 2022, "An Image is Worth One Word", arXiv:2208.01618. A word of n vectors stands for n tokens: the tokenizer
learns n ids after its vocabulary, the token embedding [V, d] of the text encoder grows to [V + n, d].
Letters: n vectors of a word, d width of the text encoder, V tokens in the vocabulary.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.weights.errors import CheckpointError
from sukashi.weights.kinds import kind_of
from sukashi.weights.pickle_reader import read_pickle
from sukashi.weights.tensors import is_pickle, open_tensors

FAMILIES = {(768,): "SD 1.x", (1024,): "SD 2.x", (768, 1280): "SDXL", (1280,): "the SDXL refiner"}
PAIRS = (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1"), ("emb", "emb2"))  # SDXL: for each encoder
NAMELESS = {"emb_params", "clip_l", "clip_g", "*", ""}  # names that say nothing of the word
PICTURE_CHUNK = "sd-ti-embedding"


@dataclass(frozen=True)
class Embedding:
    """A word and its vectors, as read from a file."""

    token: str
    vectors: tuple[Tensor, ...]  # (n, d), one for each text encoder it was made for
    layout: str  # of the file, e.g. "A1111"
    source: str
    facts: Mapping[str, str] = field(default_factory=dict)  # what the file says of its making

    @property
    def count(self) -> int:
        """How many tokens the word stands for."""
        return len(self.vectors[0])

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of each text encoder it was made for."""
        return tuple(v.shape[1] for v in self.vectors)


@dataclass(frozen=True)
class Installed:
    """A word in a model: its ids are those of the first tokenizer at that moment."""

    token: str
    ids: tuple[int, ...]


def read_embedding(path: str | Path, token: str | None = None) -> Embedding:
    """Read any of the layouts in use; ``token`` names the word instead of the file.

    A1111 (``string_to_param``, in a .pt or a picture), diffusers (one key, the token), kohya (``emb_params``), SDXL
    (``clip_l`` and ``clip_g``), a bare tensor. Where the file has no name for the word, its own name without the ending
    is taken. Raises ``CheckpointError`` saying what the file holds instead, ``PickleError`` for a pickle that wants
    more than tensors.
    """
    path = Path(path)
    content = _content(path)
    if isinstance(content, Tensor):
        if content.shape == (1, 768) and token is None:
            raise CheckpointError(
                f"{path} holds one bare vector of 768 numbers without a name, as aesthetic gradients do (a place among "
                "pictures, not a word); if it is a textual inversion all the same, say its word with token=..."
            )
        return _made(path, token, "", {"": content}, "bare tensor")
    if not isinstance(content, Mapping) or not content:
        what = "nothing" if not content else f"a {type(content).__name__}"
        raise CheckpointError(f"{path} holds {what}, not a textual inversion")
    if "string_to_param" in content:
        facts = {str(k): str(v) for k, v in content.items() if isinstance(v, str | int)}
        return _made(path, token, facts.get("name", ""), _params(content["string_to_param"]), "A1111", facts)
    for pair in PAIRS:
        if all(isinstance(content.get(key), Tensor) for key in pair):
            return _made(path, token, "", {key: content[key] for key in pair}, "SDXL")
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    return _made(path, token, next(iter(tensors), ""), tensors, "kohya" if "emb_params" in tensors else "diffusers")


def _content(path: Path) -> Any:
    """What is in the file: a tensor or a mapping."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    with path.open("rb") as file:
        if file.read(4) == b"\x89PNG":
            return _picture(path)
    return read_pickle(path) if is_pickle(path) else {k: t.read() for k, t in open_tensors(path).items()}


def _picture(path: Path) -> Any:
    """An embedding card of A1111: a PNG with base64 of json in a text chunk."""
    from PIL import Image

    with Image.open(path) as picture:
        text = dict(getattr(picture, "text", {})).get(PICTURE_CHUNK)
    if text is None:
        raise CheckpointError(f"{path} is a picture without an embedding in it (no text chunk {PICTURE_CHUNK})")

    def tensor(value: dict[str, Any]) -> Any:
        return torch.tensor(value["TORCHTENSOR"], dtype=torch.float32) if "TORCHTENSOR" in value else value

    try:
        return json.loads(base64.b64decode(text), object_hook=tensor)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: the embedding in the picture cannot be read ({error})") from None


def _params(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"": value}


def _made(
    path: Path,
    token: str | None,
    name: str,
    tensors: Mapping[str, Any],
    layout: str,
    facts: Mapping[str, str] | None = None,
) -> Embedding:
    """Check the tensors of one word (two for SDXL) and name it."""
    if len(tensors) != (2 if layout == "SDXL" else 1):
        if len(tensors) > 2 and (kind := kind_of(tensors)):
            raise CheckpointError(f"{path} is {kind}, not a textual inversion")
        names = ", ".join(list(tensors)[:5]) + (", ..." if len(tensors) > 5 else "")
        raise CheckpointError(f"{path} holds {len(tensors)} tensors ({names}), not the vectors of one word")
    vectors = []
    for key, value in tensors.items():
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim not in (1, 2) or not len(value):
            raise CheckpointError(f"{path}: {key or 'the tensor'} is {shape}, not vectors of a word (n, d) or (d,)")
        if not value.isfinite().all():
            raise CheckpointError(f"{path}: {key or 'the tensor'} holds numbers that are not finite")
        vectors.append(value.detach().reshape(-1, value.shape[-1]).clone())  # (n, d)
    if len({len(v) for v in vectors}) > 1:
        counts = " and ".join(str(len(v)) for v in vectors)
        raise CheckpointError(f"{path} holds {counts} vectors for the two text encoders; the counts must be equal")
    word = token or (path.stem if name in NAMELESS else name)
    return Embedding(word, tuple(vectors), layout, str(path), facts or {})


def family_of(widths: Sequence[int]) -> str:
    """The kind of model with text encoders of these widths, for messages: "SD 1.x (768)"."""
    numbers = " + ".join(map(str, widths))
    return f"{FAMILIES.get(tuple(widths), 'another model')} ({numbers})"


def install(embedding: Embedding, tokenizers: Sequence[Tokenizer], encoders: Sequence[CLIPText]) -> Installed:
    """Give a model the word: its vectors become rows of every text encoder, its ids follow each vocabulary.

    Raises ValueError when the widths differ, when the word exists, or when an encoder has other rows than its tokenizer
    has ids; the model is then as it was. A run under way in another thread is not disturbed.
    """
    widths = tuple(encoder.config.width for encoder in encoders)
    if widths not in (embedding.widths, embedding.widths[-1:]):  # the refiner has only SDXL's second encoder
        raise ValueError(
            f"the embedding {embedding.token!r} is for {family_of(embedding.widths)}; this model is "
            f"{family_of(widths)} ({embedding.source})"
        )
    for tokenizer, encoder in zip(tokenizers, encoders, strict=True):
        if len(rows_of(encoder).weight) != tokenizer.vocab_size:
            raise ValueError(
                f"the text encoder has {len(rows_of(encoder).weight)} rows but its tokenizer {tokenizer.vocab_size} "
                "ids; a word can be added only where they agree"
            )
    before = [rows_of(encoder).weight for encoder in encoders]
    ids: list[int] = []
    done: list[Tokenizer] = []
    for encoder, vectors in zip(encoders, embedding.vectors[-len(widths) :], strict=True):
        weight = rows_of(encoder).weight
        set_rows(encoder, torch.cat([weight.detach(), vectors.to(weight)]))  # [V, d] -> [V + n, d]
    try:
        for tokenizer in each_once(tokenizers):
            added = tokenizer.add_word(embedding.token, embedding.count)
            done.append(tokenizer)
            ids = ids or added
    except ValueError as error:
        for tokenizer in done:
            tokenizer.remove_tokens([embedding.token])
        for encoder, weight in zip(encoders, before, strict=True):
            rows_of(encoder).weight = weight
            rows_of(encoder).num_embeddings = len(weight)
        raise ValueError(f"{embedding.source}: {error} (token=...)") from None
    return Installed(tokenizers[0].tokens(ids[:1])[0], tuple(ids))


def uninstall(token: str, tokenizers: Sequence[Tokenizer], encoders: Sequence[CLIPText]) -> None:
    """Take a word out again: the rows and ids of all others stay, those of later words move up by its count.

    Raises ValueError when it is not an added word.
    """
    gone = {id(tokenizer): tokenizer.remove_tokens([token]) for tokenizer in each_once(tokenizers)}
    for tokenizer, encoder in zip(tokenizers, encoders, strict=True):
        ids, weight = gone[id(tokenizer)], rows_of(encoder).weight.detach()
        set_rows(encoder, torch.cat([weight[: ids[0]], weight[ids[-1] + 1 :]]))


def rows_of(encoder: CLIPText) -> nn.Embedding:
    """The token embedding: one row (d,) per id."""
    rows: nn.Embedding = encoder.text_model.embeddings.token_embedding
    return rows


def set_rows(encoder: CLIPText, weight: Tensor) -> None:
    """Replace the whole matrix; whoever holds the old one keeps it unchanged."""
    rows = rows_of(encoder)
    rows.weight = nn.Parameter(weight, requires_grad=rows.weight.requires_grad)
    rows.num_embeddings = len(weight)


def each_once(tokenizers: Sequence[Tokenizer]) -> list[Tokenizer]:
    """The tokenizers without repetition: equal ones of SDXL may be one object."""
    return list({id(tokenizer): tokenizer for tokenizer in tokenizers}.values())
