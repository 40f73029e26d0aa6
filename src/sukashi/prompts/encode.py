"""Weighted prompts of any length -> what the U-Net attends to, for every family.

A prompt becomes n chunks of T tokens; the text encoder reads each on its own, and their states stand one behind the
other, (B, n T, D). The pooled output of SDXL is that of the first chunk. Which layer is read is said in
``sukashi.text``. Letters: B texts, n chunks, T places of the encoder, D width of the context, P width of the pooled
output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.prompts.chunks import Place, chunked, comma_of, cut_short, room_of, row, spelled, units
from sukashi.prompts.emphasis import known_mode, weigh
from sukashi.prompts.names import spell_words
from sukashi.prompts.stress import Part, parse_stress
from sukashi.text import context_of, encode_text, hidden_layer
from sukashi.weights.parts import Parts


@dataclass(frozen=True)
class Encoded:
    """Encoded prompts, and in words what was done to them."""

    context: Tensor  # (B, n T, D)
    pooled: Tensor | None  # (B, P), only of SDXL
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """One prompt as one tokenizer reads it."""

    chunks: list[list[Place]]
    cut: list[Place]  # what has no place, only with ``truncate``
    room: int  # tokens of a chunk
    unknown: list[str]  # of ``embedding:name``
    plain: bool  # nothing in it is syntax, and one chunk is all it takes

    @property
    def stressed(self) -> list[tuple[float, str]]:
        """The weights other than 1 with the text they are on."""
        places = [place for chunk in self.chunks for place in chunk]
        runs = groupby(places, key=lambda place: place.weight)
        return list(dict.fromkeys((weight, spelled(run)) for weight, run in runs if weight != 1))


def read_prompt(
    tokenizer: Tokenizer, positions: int, prompt: str, *, emphasis: str = "a1111", truncate: bool = False
) -> Reading:
    """Weigh and cut a prompt; with ``truncate`` one chunk is all there is, as in diffusers."""
    known_mode(emphasis)
    room = room_of(tokenizer, positions)
    text, unknown = (prompt, []) if emphasis == "none" else spell_words(prompt, tokenizer.added)
    parts = [Part(text)] if emphasis == "none" else parse_stress(text)
    found = units(tokenizer, parts, room)
    if truncate:
        kept, cut = cut_short(found, room)
        chunks = [kept]
    else:
        chunks, cut = chunked(found, room, comma_of(tokenizer)), []
    return Reading(chunks, cut, room, unknown, parts == [Part(prompt)] and len(chunks) == 1)


def chunks_needed(parts: Parts, prompts: Sequence[str | None], *, emphasis: str = "a1111") -> int:
    """How many chunks the longest of the prompts takes."""
    pairs = [(t, e.config.positions) for t, e in zip(parts.tokenizers, parts.text_encoders, strict=True)]
    return max(
        (len(read_prompt(t, n, text or "", emphasis=emphasis).chunks) for t, n in pairs for text in set(prompts)),
        default=1,
    )


def encode_prompts(
    parts: Parts,
    prompts: Sequence[str | None],
    *,
    emphasis: str = "a1111",
    truncate: bool = False,
    clip_skip: int = 1,
    chunks: int = 1,
) -> Encoded:
    """Encode B prompts by the rules of the model's family, all with as many chunks as the longest, ``chunks`` at least.

    None is 'nothing said': the empty text, or zeros where the family was trained with zeros. Prompts in which nothing
    is syntax and that fit one chunk go through ``text.encode_text``, bit for bit. ``emphasis``: see ``emphasis.weigh``;
    'none' takes the text as it stands. Raises ValueError for an unknown emphasis or a clip_skip beyond the layers.
    """
    models = list(zip(parts.tokenizers, parts.text_encoders, strict=True))
    read = partial(read_prompt, emphasis=emphasis, truncate=truncate)
    readings = [[read(t, e.config.positions, text or "") for text in prompts] for t, e in models]
    count = max([chunks, *(len(one.chunks) for those in readings for one in those)])
    if count == 1 and all(one.plain for those in readings for one in those):
        told = encode_text(parts, prompts, clip_skip=clip_skip)
        return Encoded(told.context, told.pooled, told.notes)
    contexts, pooled, layers = [], None, dict[str, None]()
    for (tokenizer, encoder), those in zip(models, readings, strict=True):
        layer = hidden_layer(encoder, clip_skip, parts.family.hidden)
        layers[f"using hidden layer {layer} of {encoder.config.layers}"] = None
        said, pooled = _encode(tokenizer, encoder, those, count, layer, parts.family.hidden, emphasis)
        contexts.append(said)
    context = torch.cat(contexts, dim=-1)  # (B, n T, D) side by side
    if parts.family.zero_empty_prompt:
        silent = [i for i, text in enumerate(prompts) if text is None]
        context[silent] = 0
        if pooled is not None:
            pooled[silent] = 0
    notes = dict.fromkeys(note for one in readings[0] for note in remarks(one, emphasis, len(one.chunks) > 1))
    return Encoded(
        context,
        pooled if parts.family.hidden == "penultimate" else None,
        [*notes, *(layers if clip_skip > 1 else ())],
    )


def _encode(
    tokenizer: Tokenizer,
    encoder: CLIPText,
    readings: Sequence[Reading],
    count: int,
    layer: int,
    hidden: str,
    emphasis: str,
) -> tuple[Tensor, Tensor]:
    """What one encoder says to B prompts of ``count`` chunks each: (B, n T, D), and pooled (B, P)."""
    device, room = encoder.text_model.embeddings.token_embedding.weight.device, readings[0].room
    filled = [one.chunks + [[]] * (count - len(one.chunks)) for one in readings]
    rows = [row(tokenizer, chunk, room) for chunks in filled for chunk in chunks]
    ids = torch.tensor([ids for ids, _ in rows], device=device)  # (B n, T)
    weights = torch.tensor([weights for _, weights in rows], device=device)
    states = encoder(ids)
    said = context_of(encoder, states, layer, hidden)  # type: ignore[arg-type]  # (B n, T, D)
    silence = None
    if emphasis == "comfy":
        empty = torch.tensor([row(tokenizer, [], room)[0]], device=device)
        silence = context_of(encoder, encoder(empty), layer, hidden)  # type: ignore[arg-type]  # (1, T, D)
    said = weigh(said, weights, emphasis, silence)
    return said.reshape(len(readings), -1, said.shape[-1]).clone(), states.pooled[::count].clone()  # of first chunks


def remarks(one: Reading, emphasis: str, longer: bool) -> list[str]:
    """What a user should know of the reading of one prompt."""
    notes = [f"{len(one.chunks)} chunks of {one.room} tokens"] if longer else []
    if one.cut:
        notes.append(f"the prompt is longer than {one.room + 2} tokens; cut off: {spelled(one.cut)!r}")
    if one.stressed and emphasis == "ignore":
        notes.append("weights are ignored (emphasis: ignore)")
    elif one.stressed:
        shown = ", ".join(f"{weight:.4g} on {text!r}" for weight, text in one.stressed[:6])
        more = f" and {len(one.stressed) - 6} more" if len(one.stressed) > 6 else ""
        notes.append(f"weights ({emphasis}): {shown}{more}")
    notes += [f"embedding:{name} is not installed; taken as words" for name in one.unknown]
    return notes
