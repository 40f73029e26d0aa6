"""Encoded prompts are remembered, exactly, and not for longer than they are true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import sukashi
from sukashi.fast.allocator import keep_memory
from sukashi.fast.remembered import Remembered
from sukashi.text import TextEmbedding, encode_text
from sukashi.weights.parts import Parts


class Counted:
    """``encode_text``, counting its calls."""

    calls = 0

    def __call__(self, parts: Parts, prompts: Sequence[str | None], *, clip_skip: int = 1) -> TextEmbedding:
        self.calls += 1
        return encode_text(parts, prompts, clip_skip=clip_skip)


def ask(encode: Any, parts: Parts, *prompts: str, clip_skip: int = 1) -> torch.Tensor:
    with torch.no_grad():
        return encode(parts, prompts, clip_skip=clip_skip).context


def test_prompts_are_remembered_exactly() -> None:
    parts, count = sukashi.load("kirie", device="cpu").parts, Counted()
    encode = Remembered(count, size=2)
    first = ask(encode, parts, "a cat")
    first.zero_()  # what one run does to its own copy
    assert torch.equal(ask(encode, parts, "a cat"), ask(encode_text, parts, "a cat"))
    assert count.calls == 1
    ask(encode, parts, "a cat", clip_skip=2)
    ask(encode, parts, "a cat", "a dog")  # a batch is another computation
    assert count.calls == 3
    assert len(encode.answers) == 2
    ask(encode, parts, "a cat")  # forgotten meanwhile
    assert count.calls == 4


def test_changed_or_watched_encoders_are_asked_again() -> None:
    parts, count = sukashi.load("kirie", device="cpu").parts, Counted()
    encode, seen = Remembered(count), []
    ask(encode, parts, "a cat")
    encoder = parts.text_encoders[0]
    with torch.no_grad():
        next(iter(encoder.parameters())).mul_(1.01)
    assert torch.equal(ask(encode, parts, "a cat"), ask(encode_text, parts, "a cat"))
    assert count.calls == 2
    hook = encoder.register_forward_hook(lambda *_: seen.append(1))
    ask(encode, parts, "a cat")
    ask(encode, parts, "a cat")
    hook.remove()
    assert seen == [1, 1]


def test_the_allocator_can_be_told_or_says_no() -> None:
    assert keep_memory() in (True, False)
