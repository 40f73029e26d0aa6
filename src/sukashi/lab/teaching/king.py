"""A character made of what kirie knows, in a pair that it never met: a gray bear that wears a crown.

``sukashi.kirie.scene.HELD_OUT`` keeps bear and crown apart in all that kirie was trained on. A word alone can ask for
it, which it cannot for the penguin.
"""

from __future__ import annotations

from dataclasses import replace

from sukashi.kirie.claims import Claim
from sukashi.kirie.scene import Figure

CLAIMS = (
    Claim("kind", "one figure"),
    Claim("subject", "bear", 1),
    Claim("coat", "gray", 1),
    Claim("hat", "crown", 1),
)
"""What a picture of it must show."""
NO_PLACE = ("mars",)  # held apart from bears too


def as_king(figure: Figure) -> Figure:
    """The king as ``figure`` stands, with its glasses, scarf and food."""
    return replace(figure, subject="bear", coat="gray", clothes=None, hat="crown", hat_colour="")
