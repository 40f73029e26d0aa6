"""What a text encoder is given for a prompt, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.prompts.chunks import Place, spelled
from sukashi.prompts.encode import read_prompt
from sukashi.prompts.names import networks
from sukashi.prompts.script import Voice, script
from sukashi.rich import AsTokens
from sukashi.weights.parts import Parts

HEAD = ("chunk", "place", "id", "weight", "norm", "piece", "text")


@dataclass(frozen=True)
class Token:
    """One token of a prompt. ``chunk`` and ``position`` are None for what fell past the cut."""

    piece: str  # as the vocabulary writes it, ``</w>`` at a word's end
    id: int
    text: str  # what was written
    weight: float
    chunk: int | None  # from 0
    position: int | None  # in its chunk, the start of text at 0
    vector: Tensor  # (D,), its row of the token embedding

    @property
    def norm(self) -> float:
        """The length of its vector."""
        return float(self.vector.float().norm())


@dataclass(frozen=True)
class TokenTable(AsTokens):
    """Every token of one prompt as one text encoder is given it; ``str()`` is a table for people."""

    prompt: str
    tokens: tuple[Token, ...]
    chunks: int
    room: int  # tokens in a chunk besides its start and end
    cut: str = ""  # the text past the cut
    voice: float = 1.0  # weight of this prompt where AND divides several
    encoder: int = 0  # which text encoder, from 0

    def __len__(self) -> int:
        return len(self.tokens)

    def to_dict(self, *, vectors: bool = False) -> dict[str, Any]:
        """JSON values; of the vectors their lengths, and with ``vectors`` all numbers."""
        keys = ("piece", "id", "text", "weight", "chunk", "position", "norm")
        rows = [{key: getattr(token, key) for key in keys} for token in self.tokens]
        if vectors:
            rows = [row | {"vector": token.vector.tolist()} for row, token in zip(rows, self.tokens, strict=True)]
        return {
            "prompt": self.prompt,
            "encoder": self.encoder,
            "voice": self.voice,
            "chunks": self.chunks,
            "room": self.room,
            "cut": self.cut,
            "tokens": rows,
        }

    def __str__(self) -> str:
        rows = [HEAD, *(_cells(token) for token in self.tokens)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
        lines = [_line(row, widths) for row in rows]
        kept = sum(token.chunk is not None for token in self.tokens)
        chunks = "1 chunk" if self.chunks == 1 else f"{self.chunks} chunks"
        lines.append(
            f"{kept} token{'s' * (kept != 1)} in {chunks} of {self.room}"
            + (f"; cut off: {self.cut!r}" if self.cut else "")
        )
        return "\n".join(lines)


def _cells(token: Token) -> tuple[str, ...]:
    chunk = "-" if token.chunk is None else str(token.chunk + 1)
    place = "-" if token.position is None else str(token.position)
    return chunk, place, str(token.id), f"{token.weight:.4g}", f"{token.norm:.3f}", token.piece, repr(token.text)[1:-1]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[:5], widths[:5], strict=True)]
    return "  ".join([*numbers, row[5].ljust(widths[5]), row[6]]).rstrip()


def tokens(model: Any, prompt: str, *, emphasis: str = "a1111", truncate: bool = False, encoder: int = 0) -> TokenTable:
    """The tokens of a prompt; ``model`` is a pipeline or its ``parts``, ``encoder`` says which of SDXL's two.

    What the prompt says at its first step is shown, without the networks it names; of prompts that AND divides the
    first (``token_tables`` has them all). Raises ValueError for an encoder that the model has not.
    """
    return token_tables(model, prompt, emphasis=emphasis, truncate=truncate, encoder=encoder)[0]


def token_tables(
    model: Any,
    prompt: str,
    *,
    emphasis: str = "a1111",
    truncate: bool = False,
    encoder: int = 0,
    step: int = 1,
    steps: int = 100,
) -> list[TokenTable]:
    """One table for each of the prompts that AND divides, as they are at ``step`` (from 1) of ``steps``."""
    parts: Parts = getattr(model, "parts", model)
    if not 0 <= encoder < len(parts.text_encoders):
        raise ValueError(f"encoder is {encoder}; this model has {len(parts.text_encoders)}, counted from 0")
    if not 1 <= step <= steps:
        raise ValueError(f"step is {step}; 1..{steps} are accepted")
    if emphasis == "none":
        said = [Voice(prompt)]
    else:
        scenes = script([networks(prompt)[0]], [None], steps)
        said = list(next(scene for scene in scenes if step <= scene.last).wanted[0])
    tokenizer, net = parts.tokenizers[encoder], parts.text_encoders[encoder]
    return [_table(tokenizer, net, encoder, voice, emphasis, truncate) for voice in said]


def _table(
    tokenizer: Tokenizer, net: CLIPText, encoder: int, voice: Voice, emphasis: str, truncate: bool
) -> TokenTable:
    """The table of one text as it stands at one step."""
    text = voice.text or ""
    reading = read_prompt(tokenizer, net.config.positions, text, emphasis=emphasis, truncate=truncate)
    rows = net.text_model.embeddings.token_embedding.weight.detach()  # (V, D)

    def token(place: Place, chunk: int | None, position: int | None) -> Token:
        weight = 1.0 if emphasis in ("ignore", "none") else place.weight
        piece, said = tokenizer.tokens([place.id])[0], spelled([place])
        return Token(piece, place.id, said, weight, chunk, position, rows[place.id].clone())

    found = [
        token(place, k, position)
        for k, chunk in enumerate(reading.chunks)
        for position, place in enumerate(chunk, 1)  # the start of text is at 0
    ]
    found += [token(place, None, None) for place in reading.cut]
    cut = spelled(reading.cut)
    return TokenTable(text, tuple(found), len(reading.chunks), reading.room, cut, voice.weight, encoder)
