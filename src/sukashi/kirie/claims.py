"""What a caption claims about its picture, in a form that can be checked."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from sukashi.kirie.scene import Scene


class Claim(NamedTuple):
    """One thing said.

    ``what`` is said of ``who``: 0 the picture, 1 the first figure or shape of the scene, 2 the second, and so on.

    - of figures: ``subject``, ``coat``, ``clothes``, ``hat``, ``hat colour``, ``scarf``, ``food``, ``pose``, ``side``,
      and ``glasses`` (``yes`` or ``no``);
    - of shapes: ``shape``, ``colour``, ``size``;
    - of both: ``relation``, as in ``left of 2`` or ``above 2``;
    - of the picture: ``place``, ``paper`` (its colour), ``sunrise`` and ``ship`` (``yes``), ``flaw``.

    The value ``any`` says that there is a hat, a scarf or a flaw, but not which.
    """

    what: str
    value: str
    who: int = 0


class Phrase(NamedTuple):
    """Some words and what they claim."""

    text: str
    claims: tuple[Claim, ...] = ()


def joined(joint: str, phrases: Iterable[Phrase]) -> Phrase:
    """One phrase of several, leaving out the empty ones."""
    kept = [phrase for phrase in phrases if phrase.text]
    return Phrase(joint.join(p.text for p in kept), tuple(claim for p in kept for claim in p.claims))


def shuffle(phrases: list[Phrase], rng: Random) -> None:
    """Fisher-Yates from ``random()`` alone, whose values Python keeps."""
    for i in range(len(phrases) - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        phrases[i], phrases[j] = phrases[j], phrases[i]


def a(noun: str) -> str:
    """With its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def true_of(claim: Claim, scene: Scene) -> bool:
    """Whether ``claim`` holds in ``scene``. Raises ValueError for a claim that no caption makes."""
    what, value, who = claim
    if what == "relation":
        return _relation(scene, who, value)
    if who == 0:
        found = {
            "place": scene.place,
            "paper": None if scene.place else scene.paper,
            "sunrise": "yes" if scene.sunrise else "no",
            "ship": "yes" if scene.ship else "no",
            "flaw": scene.flaw,
        }
    elif scene.shapes:
        shape = scene.shapes[who - 1]
        found = {"shape": shape.kind, "colour": shape.colour, "size": shape.size}
    else:
        figure = scene.figures[who - 1]
        found = {
            **{name: getattr(figure, name) for name in ("subject", "coat", "clothes", "hat", "scarf", "food", "pose")},
            "glasses": "yes" if figure.glasses else "no",
            "hat colour": figure.hat_colour,
            "side": figure.side,
        }
    if what not in found:
        raise ValueError(f"nothing is known about {what!r}; claims are about {', '.join(found)}")
    return found[what] is not None if value == "any" else found[what] == value


def _relation(scene: Scene, who: int, value: str) -> bool:
    words, _, other = value.rpartition(" ")
    things = scene.shapes or scene.figures
    here, there = things[who - 1], things[int(other) - 1]
    return {
        "left of": here.x < there.x - 10,
        "right of": here.x > there.x + 10,
        "above": here.y < there.y - 10,
        "below": here.y > there.y + 10,
    }[words]
