"""Attention whose keys and values of the words are computed once per prompt, and attention in portions of queries."""

from __future__ import annotations

import math
from collections.abc import Callable
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


def chunked(q: Tensor, k: Tensor, v: Tensor, multiply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, each (B, heads, tokens, d), a portion of queries of one head at a time.

    ``multiply(a, b)`` is a b^T. In half precision the scores are rounded once, and the softmax is in float32.
    """
    (batch, heads, n, d), scale = q.shape, 1 / math.sqrt(q.shape[-1])
    out = torch.empty(batch, n, heads, d, dtype=q.dtype)
    for i in range(batch):
        for j in range(heads):
            keys, values = (k[i, j] * scale).contiguous(), v[i, j].t().contiguous()
            for first in range(0, n, PORTION):
                scores = multiply(q[i, j, first : first + PORTION].contiguous(), keys)
                shares = scores.softmax(dim=-1, dtype=torch.float32).to(q.dtype)
                out[i, first : first + PORTION, j] = multiply(shares, values)
    return out.transpose(1, 2)


def by_torch(a: Tensor, b: Tensor) -> Tensor:
    """A b^T by whatever torch takes."""
    return a @ b.t()


def by_onednn(a: Tensor, b: Tensor) -> Tensor:
    """A b^T by oneDNN."""
    return ops.linear(a, b, None)


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
        if self.tools.chunked is None or k.shape[2] < LARGE or recorded(q, k, v):
            return super().attend(q, k, v)
        return chunked(q, k, v, self.tools.chunked)


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
