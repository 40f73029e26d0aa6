"""A new word whose vectors train while every other row of the token embedding stays.

Letters: B texts, T tokens, V rows of the vocabulary, n new rows, d width of the text encoder.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.adapters.words import ROWS, with_words
from sukashi.nets.shallow import twin_of, with_modules
from sukashi.nets.tokenizer import Tokenizer
from sukashi.train.methods.config import Config
from sukashi.weights.embeddings import Embedding, rows_of
from sukashi.weights.parts import Parts


class TaughtRows(nn.Embedding):
    """The token embedding: ids below V are rows of the frozen ``weight``, the others of ``new`` (n, d), which trains.

    ``weight`` [V + n, d] has places for the new rows that are never read.
    """

    new: nn.Parameter

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, d)."""
        first = len(self.weight) - len(self.new)
        old = F.embedding(ids.clamp(max=first - 1), self.weight)
        new = F.embedding((ids - first).clamp(min=0), self.new)
        return torch.where((ids >= first)[..., None], new.to(old), old)


def first_vectors(tokenizer: Tokenizer, rows: nn.Embedding, config: Config) -> Tensor:
    """Where a word begins (n, d): the rows of ``config.start``, its tokens in turn.

    Raises ValueError for a start that is no word, and for one of more tokens than the new word has vectors.
    """
    ids = tokenizer.encode(config.start)
    if not ids:
        raise ValueError(
            f"start is {config.start!r}: it must be a word that the model knows, such as the kind of thing that "
            f"{config.word} is"
        )
    if len(ids) > config.vectors:
        raise ValueError(
            f"start {config.start!r} is {len(ids)} tokens, {config.word} has {config.vectors} "
            f"vector{'s' * (config.vectors > 1)}; take a word of fewer tokens, or vectors={len(ids)}"
        )
    return rows.weight[[ids[k % len(ids)] for k in range(config.vectors)]].detach().float().clone()


def with_taught_word(parts: Parts, config: Config) -> tuple[Parts, dict[str, nn.Parameter]]:
    """A model that knows ``config.word``, and the rows that train, by text encoder; ``parts`` stays as it was.

    Raises ValueError for a word that exists, and what :func:`first_vectors` raises.
    """
    begun = tuple(
        first_vectors(tokenizer, rows_of(encoder), config)
        for tokenizer, encoder in zip(parts.tokenizers, parts.text_encoders, strict=True)
    )
    known = with_words(parts, [Embedding(config.word, begun, "begun", f"the word {config.word}")])
    encoders, trained = [], dict[str, nn.Parameter]()
    for i, (encoder, vectors) in enumerate(zip(known.text_encoders, begun, strict=True)):
        rows = twin_of(rows_of(encoder), TaughtRows)
        rows.new = nn.Parameter(vectors.to(rows.weight.device))
        trained[f"text_encoder{'_2' * i}.{config.word}"] = rows.new
        encoders.append(with_modules(encoder, {ROWS: rows}))
    return replace(known, text_encoders=tuple(encoders)), trained
