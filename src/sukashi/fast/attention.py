"""Attention whose keys and values of the words are computed once per prompt, and attention in portions of queries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sukashi.fast import ops
from sukashi.fast.convolution import recorded
from sukashi.fast.room import alike
from sukashi.nets import unet
from sukashi.nets.shallow import twin_of

if TYPE_CHECKING:
    from sukashi.fast.choice import Tools

PORTION = 256  # queries at a time: their scores stay in the cache
LARGE = 1024  # keys, from which on portions pay


def chunked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, each (B, heads, tokens, d), a portion of queries of one head at a time.

    In half precision scaled keys, scores and shares are rounded once each; torch's softmax of them is in float32.
    """
    (batch, heads, n, d), scale = q.shape, 1 / math.sqrt(q.shape[-1])
    out = q.new_empty(batch, n, heads, d)
    for i in range(batch):
        for j in range(heads):
            keys, values = (k[i, j] * scale).t(), v[i, j].contiguous()
            for first in range(0, n, PORTION):
                scores = q[i, j, first : first + PORTION] @ keys
                out[i, first : first + PORTION, j] = scores.softmax(-1) @ values
    return out.transpose(1, 2)


class Attention(unet.Attention):
    """A twin of ``nets.unet.Attention``; what was set as its ``attend`` from outside stays."""

    tools: Tools

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """As in ``nets``; what is read of a context is kept as long as the context is."""
        if context is None or not self.tools.words or recorded(x, context, self.to_k.weight):
            return super().forward(x, context)
        q = self.split(self.to_q(x))
        read = lambda: (self.split(self.to_k(context)), self.split(self.to_v(context)))  # noqa: E731
        k, v = self.tools.told.get(id(self), context, read, self.to_k.weight, self.to_v.weight)
        h = self.attend(q, k, v)
        return self.to_out[0](h.transpose(1, 2).flatten(2))

    def split(self, y: Tensor) -> Tensor:
        """(B, tokens, C) -> (B, heads, tokens, C / heads)."""
        return torch.unflatten(y, -1, (self.heads, -1)).transpose(1, 2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """As in ``nets``, by the quickest kernel, or in portions."""
        if self.tools.backends is not None and not recorded(q, k, v):
            return self.tools.backends(q, k, v)
        if not self.tools.chunked or k.shape[2] < LARGE or recorded(q, k, v):
            return super().attend(q, k, v)
        return chunked(q, k, v)


def attention(layer: unet.Attention, tools: Tools) -> nn.Module | None:
    """The twin of an attention layer, or None where its projections are not plain linear layers (a LoRA, say)."""
    if any(type(part) is not nn.Linear for part in (layer.to_k, layer.to_v)):
        return None
    twin = twin_of(layer, Attention)
    twin.tools = tools
    return twin


class Linear(nn.Linear):
    """A twin of ``nn.Linear`` that is computed by oneDNN."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C')."""
        if recorded(x, self.weight):
            return super().forward(x)
        return ops.linear(x, alike(x, self.weight, "weight"), alike(x, self.bias, "bias"))
