"""A model that knows more words, beside the one it comes from: other tokenizers, longer token embeddings."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from sukashi.nets.shallow import twin_of, with_modules
from sukashi.weights.embeddings import Embedding, each_once, install, rows_of
from sukashi.weights.parts import Parts

ROWS = "text_model.embeddings.token_embedding"


def with_words(parts: Parts, words: Sequence[Embedding]) -> Parts:
    """A model with these textual inversions that shares all other tensors with ``parts``, which stays as it was.

    Raises ValueError for a word that exists or that is for another family (saying which).
    """
    twins = {id(tokenizer): copy.copy(tokenizer) for tokenizer in each_once(parts.tokenizers)}
    tokenizers = tuple(twins[id(tokenizer)] for tokenizer in parts.tokenizers)
    encoders = tuple(with_modules(net, {ROWS: twin_of(rows_of(net), nn.Embedding)}) for net in parts.text_encoders)
    for word in words:
        install(word, tokenizers, encoders)
    return replace(parts, tokenizers=tokenizers, text_encoders=encoders)
