"""Does a picture show what its caption says? Only what is said is scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from sukashi.kirie.claims import Claim
from sukashi.kirie.scene import Scene, Shape
from sukashi.lab.heads import FIGURE, PICTURE, kind
from sukashi.lab.read import Reading

Verdict = list[tuple[Claim, bool]]
FAR = 10.0  # pixels by which one thing must be left of or above another


def asked(scene: Scene, claims: Sequence[Claim]) -> list[Claim]:
    """What must hold: the claims of the caption, and how many figures or shapes there are."""
    count = [Claim("count", str(len(scene.shapes)))] if scene.shapes else []
    return [Claim("kind", kind(scene)), *count, *dict.fromkeys(claims)]


def judge(claims: Sequence[Claim], reading: Reading) -> Verdict:
    """Each claim with whether it holds.

    A caption that does not say who stands where is right either way round: of the ways to match the things of the
    caption with those of the picture, the one that fulfils most counts.
    """
    wanted = next(claim.value for claim in claims if claim.what == "kind")
    if wanted == "shapes":
        things: list[dict[str, str] | Shape] = list(reading.shapes)
    elif wanted == "two figures":
        things = [reading.left, reading.right]
    else:
        things = [reading.figure]
    named = max((claim.who for claim in claims), default=0)
    slots: list[dict[str, str] | Shape | None] = [*things, *[None] * max(0, named - len(things))]
    ways = [[(claim, _holds(claim, reading, way)) for claim in claims] for way in permutations(slots, named)]
    return max(ways, key=lambda verdict: sum(right for _, right in verdict))


def _holds(claim: Claim, reading: Reading, way: Sequence[dict[str, str] | Shape | None]) -> bool:
    what, value, who = claim
    if what == "count":
        return str(len(reading.shapes)) == value
    if what == "relation":
        words, _, other = value.rpartition(" ")
        return _related(words, way[who - 1], way[int(other) - 1], reading)
    if who == 0 or what == "side":
        return _fits(reading.picture[what], value)
    thing = way[who - 1]
    if isinstance(thing, Shape):
        found = {"shape": thing.kind, "colour": thing.colour, "size": thing.size}
        return found[what] == value
    return thing is not None and _fits(thing.get(what, "none"), value)


def _fits(found: str, value: str) -> bool:
    return found != "none" if value == "any" else found == value


def _related(words: str, one: object, two: object, reading: Reading) -> bool:
    if isinstance(one, Shape) and isinstance(two, Shape):
        x, y = two.x - one.x, two.y - one.y
        return {"left of": x > FAR, "right of": x < -FAR, "above": y > FAR, "below": y < -FAR}[words]
    if one is None or two is None:
        return False
    return (one is reading.left) == (words == "left of")


@dataclass
class Tally:
    """Counts over many pictures: claims by what they are about, and pictures in which all hold."""

    right: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    whole_right: Counter[str] = field(default_factory=Counter)  # pictures by the kind that was asked for
    whole_total: Counter[str] = field(default_factory=Counter)

    @property
    def pictures(self) -> int:
        """How many were counted."""
        return sum(self.whole_total.values())

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Count some pictures."""
        for verdict in verdicts:
            wanted = next((claim.value for claim, _ in verdict if claim.what == "kind"), "")
            self.whole_total[wanted] += 1
            self.whole_right[wanted] += all(right for _, right in verdict)
            for claim, right in verdict:
                self.total[claim.what] += 1
                self.right[claim.what] += right

    def rows(self) -> dict[str, tuple[int, int]]:
        """Right and total by attribute, of all attributes, of whole prompts, and of these by kind of picture."""
        order = [*PICTURE, *FIGURE, "shape", "colour", "size", "count", "relation"]
        found = {name: (self.right[name], self.total[name]) for name in order if self.total[name]}
        found["all attributes"] = (sum(self.right.values()), sum(self.total.values()))
        found["whole prompts"] = (sum(self.whole_right.values()), self.pictures)
        kinds = [name for name in PICTURE["kind"] if self.whole_total[name]]
        return found | {f"- {name}": (self.whole_right[name], self.whole_total[name]) for name in kinds}


def standard_error(right: int, total: int) -> float:
    """Of a share: the root of p (1 - p) / n."""
    share = right / total
    return (share * (1 - share) / total) ** 0.5
