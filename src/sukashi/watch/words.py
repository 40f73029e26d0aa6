"""A prompt as the U-Net attends to it: every row of the context, the words, and what lies near them in the vocabulary.

Letters: n chunks, T places of the text encoder, D width of a token, V tokens in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.vocabulary import WORD_END
from sukashi.prompts.chunks import Place, row, spelled
from sukashi.prompts.encode import read_prompt
from sukashi.prompts.names import spell_words
from sukashi.weights.embeddings import Embedding, rows_of
from sukashi.weights.parts import Parts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

KINDS = ("start", "word", "end", "pad")


@dataclass(frozen=True)
class Row:
    """One row of the context: a token with its place. ``word`` is the number of the word that it belongs to."""

    place: int  # in the context, from 0: chunk * T + position
    chunk: int  # from 0
    position: int  # in its chunk, the start of text at 0
    id: int
    piece: str  # as the vocabulary writes it, ``</w>`` at a word's end
    kind: str  # one of KINDS
    weight: float = 1.0
    word: int | None = None


class Word(NamedTuple):
    """A word as it was written, and the places of its tokens in the context."""

    text: str
    places: tuple[int, ...]


@dataclass(frozen=True)
class Spelling:
    """A text as rows of the context (n T of them), and its words in order; a sign such as a comma is a word too."""

    text: str
    rows: tuple[Row, ...]
    words: tuple[Word, ...]

    @property
    def kept(self) -> list[int]:
        """The places of the rows that are no padding."""
        return [row.place for row in self.rows if row.kind != "pad"]

    @property
    def padding(self) -> list[int]:
        """The places of the others."""
        return [row.place for row in self.rows if row.kind == "pad"]

    def find(self, ids: Sequence[int]) -> list[int]:
        """The places of every occurrence of whole words of these tokens, in one chunk; [] where there is none."""
        told = {row.place: row.id for row in self.rows}
        found: list[int] = []
        for k, first in enumerate(self.words):
            places = list(first.places)
            for word in self.words[k + 1 :]:
                if len(places) >= len(ids) or word.places[0] != places[-1] + 1:
                    break
                places += word.places
            if places and [told[place] for place in places] == list(ids):
                found += places
        return list(dict.fromkeys(found))


def spell(
    tokenizer: Tokenizer,
    positions: int,
    text: str,
    *,
    emphasis: str = "a1111",
    truncate: bool = False,
    chunks: int = 1,
) -> Spelling:
    """A text as a text encoder of ``positions`` places is given it, in ``chunks`` chunks at least."""
    reading = read_prompt(tokenizer, positions, text, emphasis=emphasis, truncate=truncate)
    rows: list[Row] = []
    words: list[Word] = []
    for chunk, places in enumerate([*reading.chunks, *[[]] * (chunks - len(reading.chunks))]):
        first = chunk * (reading.room + 2)  # the place of the start of text
        ids, weights = row(tokenizer, places, reading.room)
        number: dict[int, int] = {}  # position -> word
        for group in grouped(tokenizer, places):
            number |= dict.fromkeys((k + 1 for k in group), len(words))
            words.append(Word(spelled(places[k] for k in group), tuple(first + 1 + k for k in group)))
        for k, (i, weight, piece) in enumerate(zip(ids, weights, tokenizer.tokens(ids), strict=True)):
            weight = 1.0 if emphasis in ("ignore", "none") else weight
            rows.append(Row(first + k, chunk, k, i, piece, kind_of(k, len(places)), weight, number.get(k)))
    return Spelling(text, tuple(rows), tuple(words))


def kind_of(position: int, count: int) -> str:
    """What stands at a position of a chunk that holds ``count`` tokens of a prompt."""
    return "start" if position == 0 else "word" if position <= count else "end" if position == count + 1 else "pad"


def grouped(tokenizer: Tokenizer, places: Sequence[Place]) -> list[list[int]]:
    """The tokens of a chunk, from 0, word by word: up to the next ``</w>``, and the vectors of an added word together.

    A word of n added vectors written twice is two words.
    """
    starts = {ids[0]: len(ids) for ids in tokenizer.added.values()}
    pieces = tokenizer.tokens(place.id for place in places)
    groups: list[list[int]] = []
    k = 0
    while k < len(places):
        end = k + starts.get(places[k].id, 0)
        while end == k or (end < len(places) and places[k].id not in starts and not pieces[end - 1].endswith(WORD_END)):
            end += 1
        groups.append(list(range(k, min(end, len(places)))))
        k = end
    return groups


def ids_of(tokenizer: Tokenizer, word: str) -> list[int]:
    """The tokens of a word or several, as a prompt would have them; ``embedding:name`` is the installed word."""
    return tokenizer.encode(spell_words(word, tokenizer.added)[0])


def nearest(encoder: CLIPText, tokenizer: Tokenizer, vectors: Tensor, count: int = 5) -> list[list[tuple[str, float]]]:
    """The ``count`` pieces of the vocabulary whose rows of the token embedding are nearest vectors (N, D), by cosine.

    A row that equals the vector is among them (a token is nearest to itself); start and end of text are not.
    Raises ValueError for vectors of another width than the text encoder's.
    """
    table = rows_of(encoder).weight.detach().float()  # (V, D)
    if vectors.ndim != 2 or vectors.shape[1] != table.shape[1]:
        raise ValueError(f"vectors of shape {tuple(vectors.shape)}; this text encoder wants (N, {table.shape[1]})")
    cosines = F.normalize(vectors.to(table), dim=1) @ F.normalize(table, dim=1).T  # (N, V)
    cosines[:, [tokenizer.bos, tokenizer.eos]] = -2.0
    best = cosines.topk(min(count, len(table) - 2), dim=1)
    return [
        list(zip(tokenizer.tokens(ids), values, strict=True))
        for ids, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def nearest_to_inversion(
    model: Pipeline | Parts, inversion: Embedding | str, count: int = 5
) -> list[list[list[tuple[str, float]]]]:
    """For each text encoder and each vector of a textual inversion, the nearest pieces of the vocabulary.

    ``inversion`` is one that ``weights.embeddings.read_embedding`` read, or the name of a word that the model has; of
    such a word its own pieces are left out. Raises ValueError for a word that is not there or of another width.
    """
    parts = parts_of(model)
    found = []
    for k, (tokenizer, encoder) in enumerate(zip(parts.tokenizers, parts.text_encoders, strict=True)):
        if isinstance(inversion, Embedding):
            own, vectors = [], next((v for v in inversion.vectors if v.shape[1] == encoder.config.width), None)
            if vectors is None:
                width = encoder.config.width
                raise ValueError(
                    f"{inversion.source} has vectors of {inversion.widths}; text encoder {k + 1} wants {width}"
                )
        else:
            known = {word.lower(): ids for word, ids in tokenizer.added.items()}
            if inversion.lower() not in known:
                raise ValueError(f"{inversion!r} is no added word of this model; it has {', '.join(known) or 'none'}")
            own = known[inversion.lower()]
            vectors = rows_of(encoder).weight.detach()[own]
        names = set(tokenizer.tokens(own))
        near = nearest(encoder, tokenizer, vectors, count + len(own))
        found.append([[pair for pair in pairs if pair[0] not in names][:count] for pairs in near])
    return found


def shown(model: Pipeline | Parts, spelling: Spelling, *, near: int = 5, encoder: int = 0) -> list[dict[str, Any]]:
    """The rows of a spelling as JSON values, each with the norm of its vector and the ``near`` nearest other pieces.

    Start, end and padding have norms and no neighbours.
    """
    parts = parts_of(model)
    tokenizer, net = parts.tokenizers[encoder], parts.text_encoders[encoder]
    vectors = rows_of(net).weight.detach()[[row.id for row in spelling.rows]].float()
    norms = vectors.norm(dim=1).tolist()
    told = [row.place for row in spelling.rows if row.kind == "word"]
    pairs = nearest(net, tokenizer, vectors[told], near + 1) if near and told else [[] for _ in told]
    neighbours = dict(zip(told, pairs, strict=True))
    return [
        asdict(row)
        | {"norm": norms[row.place]}
        | {"nearest": [list(pair) for pair in neighbours.get(row.place, ()) if pair[0] != row.piece][:near]}
        for row in spelling.rows
    ]


def spelled_by(model: Pipeline | Parts, text: str, *, encoder: int = 0, **how: Any) -> Spelling:
    """``spell`` with a model's own tokenizer; ``how`` are its options."""
    parts = parts_of(model)
    return spell(parts.tokenizers[encoder], parts.text_encoders[encoder].config.positions, text, **how)


def parts_of(model: Pipeline | Parts) -> Parts:
    """The parts of a pipeline, or what is parts already."""
    found: Parts = getattr(model, "parts", model)  # type: ignore[arg-type]  # the default is used for Parts only
    return found


def embedding_values(context: Tensor) -> Tensor:
    """A prompt embedding (T, D) as grey values (T, D) in 0..255: 128 is 0, the ends are 3 standard deviations away.

    The start of text is left out of the deviation: in CLIP its few large numbers would hide all others.
    """
    x = context.detach().float().cpu()
    deviation = x[1:].std() if len(x) > 1 else x.std()
    return (x / (3 * deviation).clamp(min=1e-8) * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
