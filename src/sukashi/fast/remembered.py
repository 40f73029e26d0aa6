"""Prompts that were encoded lately: the empty prompt is in every run, and a server hears the same words again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

from sukashi.fast.kept import state_of

if TYPE_CHECKING:
    from sukashi.text import TextEmbedding
    from sukashi.weights.parts import Parts


class Encode(Protocol):
    """What ``sukashi.text.encode_text`` is."""

    def __call__(self, parts: Parts, prompts: Sequence[str | None], *, clip_skip: int = 1) -> TextEmbedding:
        """B prompts -> what the U-Net is told."""


class Remembered:
    """``encode`` with the last ``size`` answers: the same bits, in tensors of their own.

    An answer is for the same prompts in the same batch, by the same encoders with the same weights; while somebody
    watches an encoder by hooks it is asked every time. Threads may share it.
    """

    def __init__(self, encode: Encode, size: int = 32) -> None:
        self.encode, self.size, self.lock = encode, size, threading.Lock()
        self.answers: OrderedDict[Hashable, tuple[TextEmbedding, object]] = OrderedDict()

    def __call__(self, parts: Parts, prompts: Sequence[str | None], *, clip_skip: int = 1) -> TextEmbedding:
        """B prompts -> what the U-Net is told."""
        modules = [module for encoder in parts.text_encoders for module in encoder.modules()]
        if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
            return self.encode(parts, prompts, clip_skip=clip_skip)
        weights = tuple(state_of(weight) for encoder in parts.text_encoders for weight in encoder.parameters())
        asked = (*parts.tokenizers, *parts.text_encoders)  # kept with the answer, so that no other gets their id
        key = (tuple(prompts), clip_skip, *map(id, asked), weights)
        with self.lock:
            known = self.answers.get(key)
            if known is not None:
                self.answers.move_to_end(key)
        if known is not None:
            found = known[0]
        else:
            found = self.encode(parts, prompts, clip_skip=clip_skip)
            with self.lock:
                self.answers[key] = found, asked
                while len(self.answers) > self.size:
                    self.answers.popitem(last=False)
        pooled = None if found.pooled is None else found.pooled.clone()
        return found._replace(context=found.context.clone(), pooled=pooled)
