"""Prompts -> what the U-Net attends to, for every family.

SD 1.x and 2.x: the text encoder's last layer through its final norm (Rombach et al. 2022, arXiv:2112.10752, sec. 3.3).
SDXL: the last layer but one of both encoders side by side, without the norm, and the pooled output of the second
(Podell et al. 2023, arXiv:2307.01952, sec. 2.1); its refiner has only the second encoder.
Letters: B texts, T tokens, D width of the context, P width of the pooled output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sukashi.nets.clip import CLIPText, TextStates
from sukashi.nets.tokenizer import Tokenizer
from sukashi.weights.parts import Parts

SYNTAX = re.compile(r"[()\[\]\\]|\b(AND|BREAK)\b|<(?i:lora|lyco):|<embeddings |\b(?i:embedding):")
"""What may be syntax in a prompt (``sukashi.prompts``); a text without it is words alone."""

Hidden = Literal["last", "penultimate"]


class TextEmbedding(NamedTuple):
    """Encoded prompts, and what was done to them on the way: ``ids``, ``cut`` and ``layers`` per text encoder."""

    context: Tensor  # (B, T, D)
    pooled: Tensor | None  # (B, P), only of SDXL
    ids: tuple[Tensor, ...]  # (B, T) each
    cut: tuple[tuple[str, ...], ...]  # the end of each prompt that had no place among the T tokens
    layers: tuple[tuple[int, int], ...]  # the hidden layer that was read, of how many
    clip_skip: int = 1

    @property
    def notes(self) -> list[str]:
        """What a user should know: text that was cut off, layers that were left out."""
        cut = dict.fromkeys(text for texts in self.cut for text in texts if text)
        notes = [f"the prompt is longer than {self.ids[0].shape[1]} tokens; cut off: {text!r}" for text in cut]
        used = dict.fromkeys(f"using hidden layer {layer} of {count}" for layer, count in self.layers)
        return notes + (list(used) if self.clip_skip > 1 else [])


def encode_text(parts: Parts, prompts: Sequence[str | None], *, clip_skip: int = 1) -> TextEmbedding:
    """Encode with a model's own tokenizers and text encoders, by the rules of its family; see ``encode``."""
    return encode(
        parts.tokenizers,
        parts.text_encoders,
        prompts,
        clip_skip=clip_skip,
        hidden=parts.family.hidden,
        zero_none=parts.family.zero_empty_prompt,
    )


def encode(
    tokenizers: Sequence[Tokenizer],
    encoders: Sequence[CLIPText],
    prompts: Sequence[str | None],
    prompts_2: Sequence[str | None] | None = None,
    *,
    clip_skip: int = 1,
    hidden: Hidden = "last",
    zero_none: bool = False,
) -> TextEmbedding:
    """B prompts -> context (B, T, D) and, for ``hidden="penultimate"``, pooled (B, P).

    A prompt of None is 'nothing said': the empty text, or zeros with ``zero_none`` (``force_zeros_for_empty_prompt`` of
    an SDXL folder; the empty string is encoded all the same). ``prompts_2`` is for the second encoder where it should
    be told something else.

    ``clip_skip`` counts as A1111 does: 1 is the layer that the model was trained with, 2 the one before; diffusers'
    number is one less. Layers below the last go through the final norm where ``hidden`` is "last".
    Raises ValueError for a clip_skip beyond the encoder's layers.
    """
    silent = torch.tensor([i for i, text in enumerate(prompts) if text is None and zero_none], dtype=torch.int64)
    texts = [[text or "" for text in said] for said in (prompts, prompts if prompts_2 is None else prompts_2)]
    if len(texts[0]) != len(texts[1]):
        raise ValueError(f"{len(texts[0])} prompts for the first text encoder but {len(texts[1])} for the second")
    ids, cut, layers, contexts = [], [], [], []
    pooled: Tensor | None = None
    for tokenizer, encoder, said in zip(tokenizers, encoders, texts, strict=False):
        ids.append(tokenizer(said, min(tokenizer.length, encoder.config.positions)))
        cut.append(tuple(tokenizer.cut(text, ids[-1].shape[1]) for text in said))
        layers.append((hidden_layer(encoder, clip_skip, hidden), encoder.config.layers))
        states = encoder(ids[-1].to(encoder.text_model.embeddings.token_embedding.weight.device))
        contexts.append(context_of(encoder, states, layers[-1][0], hidden))
        pooled = states.pooled if hidden == "penultimate" else None
    context = torch.cat(contexts, dim=-1)  # (B, T, D) side by side
    if len(silent):
        silent = silent.to(context.device)
        context = context.index_fill(0, silent, 0)
        pooled = None if pooled is None else pooled.index_fill(0, silent, 0)
    return TextEmbedding(context, pooled, tuple(ids), tuple(cut), tuple(layers), clip_skip)


def hidden_layer(encoder: CLIPText, clip_skip: int, hidden: Hidden = "last") -> int:
    """The layer that clip_skip means, counted from 1 (0 is the embedded text); e.g. 11 of 12 for a clip_skip of 2."""
    last = encoder.config.layers - (hidden == "penultimate")
    if not 1 <= clip_skip <= last + 1:
        raise ValueError(f"clip_skip is {clip_skip!r}; this text encoder has {last} layers to choose: 1..{last}")
    return last + 1 - clip_skip


def context_of(encoder: CLIPText, states: TextStates, layer: int, hidden: Hidden = "last") -> Tensor:
    """What the U-Net is given of one encoder, (B, T, D): a hidden layer, normed where ``hidden`` is "last"."""
    if hidden == "penultimate":
        return states.hidden[layer]
    return states.last if layer == encoder.config.layers else encoder.text_model.final_layer_norm(states.hidden[layer])
