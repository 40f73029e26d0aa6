"""How captions speak of one figure."""

from __future__ import annotations

from random import Random

from sukashi.kirie.claims import Claim, Phrase, a, joined, shuffle
from sukashi.kirie.phrases import EATING, FLYING, NOUNS, SEEING, SPELLINGS, WAVING
from sukashi.kirie.scene import ANIMALS, PEOPLE, Figure, pick


def noun(figure: Figure, rng: Random, keep: float, who: int) -> Phrase:
    """'blond haired girl', 'cat', 'robot', with the colour of its coat by chance ``keep``."""
    name, claims = pick(rng, NOUNS[figure.subject]), [Claim("subject", figure.subject, who)]
    coat = colour(figure.coat, rng) if rng.random() < keep else ""
    if not coat:
        return Phrase(name, tuple(claims))
    claims.append(Claim("coat", figure.coat, who))
    if figure.subject in PEOPLE or (figure.subject in ANIMALS and rng.random() < 0.25):
        material = "hair" if figure.subject in PEOPLE else "fur"
        if rng.random() < 0.25 and material == "hair":
            name = f"{coat} haired {name}"
        else:
            name = f"{name} with {coat} {material}"
    elif figure.subject == "astronaut":
        name = pick(rng, (f"{name} in {a(coat)} suit", f"{coat} {name}"))
    else:
        name = f"{coat} {name}"
    return Phrase(name, tuple(claims))


def clauses(figure: Figure, rng: Random, keep: float, who: int) -> list[Phrase]:
    """'in a red dress', 'wearing glasses', 'eating pizza', ...: each by chance ``keep``, in any order."""
    said: list[Phrase] = []
    if figure.clothes and rng.random() < keep * 0.6:
        said.append(_worn(pick(rng, ("in", "wearing")), _dress(figure, who)))
    if figure.glasses and rng.random() < keep:
        said.append(Phrase(pick(rng, SEEING), (Claim("glasses", "yes", who),)))
    elif not figure.glasses and rng.random() < 0.04:
        said.append(Phrase("without glasses", (Claim("glasses", "no", who),)))
    if figure.hat and rng.random() < keep:
        said.append(_worn(pick(rng, ("wearing", "wearing", "with", "in")), _hat(figure, rng, who)))
    if figure.scarf and rng.random() < keep:
        said.append(_worn(pick(rng, ("wearing", "wearing", "with", "in")), _scarf(figure, rng, who)))
    if figure.food and rng.random() < keep:
        said.append(Phrase(pick(rng, EATING[figure.food]), (Claim("food", figure.food, who),)))
    if figure.pose == "waving" and rng.random() < keep:
        said.append(Phrase(pick(rng, WAVING), (Claim("pose", "waving", who),)))
    shuffle(said, rng)
    return said


def flight(place: str | None, rng: Random, who: int) -> Phrase:
    """'flying over mars', or only 'flying' when the ``place`` is not to be told."""
    where = (Claim("place", place),) if place else ()
    return Phrase(pick(rng, FLYING[place]), (Claim("pose", "flying", who), *where))


def tags(figure: Figure, rng: Random, keep: float, who: int) -> list[Phrase]:
    """'black hair', 'glasses', 'pizza', ...: each by chance ``keep``, in any order; not the subject."""
    said: list[Phrase] = []
    if rng.random() < keep:
        material = {"robot": "robot", "astronaut": "suit"}.get(figure.subject, "fur")
        material = "hair" if figure.subject in PEOPLE else material
        said.append(Phrase(f"{colour(figure.coat, rng)} {material}", (Claim("coat", figure.coat, who),)))
    if figure.clothes and rng.random() < keep * 0.6:
        said.append(_dress(figure, who))
    if figure.glasses and rng.random() < keep:
        said.append(Phrase(pick(rng, ("glasses", "glasses", "wearing glasses")), (Claim("glasses", "yes", who),)))
    if figure.hat and rng.random() < keep:
        said.append(_hat(figure, rng, who))
    if figure.scarf and rng.random() < keep:
        said.append(_scarf(figure, rng, who))
    if figure.food and rng.random() < keep:
        text = pick(rng, (figure.food, EATING[figure.food][0]))
        said.append(Phrase(text, (Claim("food", figure.food, who),)))
    if figure.pose != "standing" and rng.random() < max(keep, 0.85):
        said.append(Phrase(figure.pose, (Claim("pose", figure.pose, who),)))
    return said


def colour(name: str, rng: Random) -> str:
    """A colour's name in one of its spellings."""
    return pick(rng, SPELLINGS[name]) if name in SPELLINGS else name


def _dress(figure: Figure, who: int) -> Phrase:
    assert figure.clothes
    kind = "dress" if figure.subject == "girl" else "shirt"
    return Phrase(f"{figure.clothes} {kind}", (Claim("clothes", figure.clothes, who),))


def _hat(figure: Figure, rng: Random, who: int) -> Phrase:
    assert figure.hat
    exact = figure.hat in ("cap", "crown") or rng.random() < 0.65
    kind = Phrase(figure.hat if exact else "hat", (Claim("hat", figure.hat if exact else "any", who),))
    if not figure.hat_colour or rng.random() < 0.2:
        return kind
    return joined(" ", (Phrase(figure.hat_colour, (Claim("hat colour", figure.hat_colour, who),)), kind))


def _scarf(figure: Figure, rng: Random, who: int) -> Phrase:
    assert figure.scarf
    if rng.random() < 0.2:
        return Phrase("scarf", (Claim("scarf", "any", who),))
    return Phrase(f"{figure.scarf} scarf", (Claim("scarf", figure.scarf, who),))


def _worn(how: str, thing: Phrase) -> Phrase:
    return Phrase(f"{how} {a(thing.text)}", thing.claims)
