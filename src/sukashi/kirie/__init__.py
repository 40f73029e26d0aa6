"""kirie (切り絵): the tiny model inside the package, and the world it was trained on.

The pictures of the world are drawn by ``sukashi.kirie.world.sample``; ``sukashi.train.scratch`` trained the
model.
"""

from __future__ import annotations

from sukashi.kirie.words import known_words, path, unknown_words

__all__ = ["known_words", "path", "unknown_words"]
