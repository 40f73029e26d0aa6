"""English captions: the same scene said in many ways, often leaving things out.

A caption never says what is not in the picture, but may be silent about what is, so that "girl eating pizza" leaves the
glasses open. Bad pictures always say so.
"""

from __future__ import annotations

from random import Random

from sukashi.kirie.claims import Claim, Phrase, a, joined, shuffle
from sukashi.kirie.phrases import (
    BLAME,
    LEFT_OF,
    LOW,
    MEDIA,
    NEXT_TO,
    NOUNS,
    PLURALS,
    PRAISE,
    RELATIONS,
    RIGHT_OF,
    SCENERY,
    SIDES,
    SIZE_WORDS,
    WHERE,
)
from sukashi.kirie.portraits import clauses, colour, flight, noun, tags
from sukashi.kirie.scene import Figure, Scene, pick

THOROUGH, USUAL, TERSE = 1.0, 0.85, 0.55  # the chance that a thing is mentioned


def caption(scene: Scene, rng: Random) -> str:
    """One caption of ``scene``, chosen by ``rng``."""
    return tell(scene, rng).text


def tell(scene: Scene, rng: Random, keep: float | None = None) -> Phrase:
    """One caption of ``scene`` and what it claims.

    ``keep`` is the chance that a thing is mentioned; None takes one of :data:`THOROUGH`, :data:`USUAL`,
    :data:`TERSE` by chance.
    """
    keep = keep or pick(rng, (THOROUGH, USUAL, TERSE))
    if scene.shapes:
        said = _shapes(scene, rng, keep)
    elif len(scene.figures) == 2:
        said = _pair(scene, rng, keep)
    elif scene.figures:
        said = _tags(scene, rng, keep) if rng.random() < 0.25 else _sentence(scene, rng, keep)
    else:
        said = _scenery(scene, rng)
    if rng.random() < 0.15:
        said = said._replace(text=f"{pick(rng, MEDIA)} {said.text}")
    return joined(", ", (said, *_quality(scene, rng)))


def _quality(scene: Scene, rng: Random) -> list[Phrase]:
    if scene.flaw is None:
        return [Phrase(pick(rng, PRAISE))] if rng.random() < 0.06 else []
    words = []
    if rng.random() < 0.8:
        words.append(Phrase(pick(rng, BLAME[scene.flaw]), (Claim("flaw", scene.flaw),)))
    if not words or rng.random() < 0.4:
        words.append(Phrase(pick(rng, LOW), (Claim("flaw", "any"),)))
    return words if rng.random() < 0.5 else words[::-1]


def _sentence(scene: Scene, rng: Random, keep: float) -> Phrase:
    """'a girl with black hair eating pizza wearing glasses in the forest'."""
    (figure,) = scene.figures
    name, said = noun(figure, rng, keep, 1), clauses(figure, rng, keep, 1)
    if figure.pose == "flying" and rng.random() < max(keep, 0.85):
        known = scene.place if rng.random() < keep else None
        said.append(flight(known, rng, 1))
        shuffle(said, rng)
        scenes = [] if known else _where(scene, rng, 0.3 if scene.place else keep)
    else:
        scenes = _where(scene, rng, keep)
    scenes += _side(figure, rng, keep)
    if rng.random() < 0.5:
        scenes = scenes[::-1]
    joint = pick(rng, (" ", " ", " ", ", ", " and ")) if said else " "
    text = name if rng.random() < 0.35 else name._replace(text=a(name.text))
    return joined(pick(rng, (" ", " ", ", ")), (joined(" ", (text, joined(joint, said))), *scenes))


def _tags(scene: Scene, rng: Random, keep: float) -> Phrase:
    """'girl, black hair, glasses, eating pizza, forest'."""
    (figure,) = scene.figures
    said = tags(figure, rng, keep, 1)
    if rng.random() < keep:
        if scene.place == "sea":
            said += _sea_words(scene)
        elif scene.place:
            said.append(Phrase(scene.place, (Claim("place", scene.place),)))
        else:
            said.append(_paper(f"{colour(scene.paper, rng)} background", scene))
    said += _side(figure, rng, keep)
    shuffle(said, rng)
    name = Phrase(pick(rng, NOUNS[figure.subject]), (Claim("subject", figure.subject, 1),))
    return joined(", ", (name, *said))


def _side(figure: Figure, rng: Random, keep: float) -> list[Phrase]:
    if rng.random() >= (0.04 if figure.side == "middle" else 0.7 * keep):
        return []
    return [Phrase(pick(rng, SIDES[figure.side]), (Claim("side", figure.side, 1),))]


def _pair(scene: Scene, rng: Random, keep: float) -> Phrase:
    """'a girl with glasses and a dog', 'a cat on the left and a robot on the right', 'a boy to the left of a bear'."""
    order, where = ((1, 2), (2, 1))[rng.random() < 0.5], _where(scene, rng, keep)
    one, two = scene.figures
    if one.subject == two.subject and rng.random() < 0.4:
        claims = tuple(Claim("subject", one.subject, who) for who in order)
        return joined(" ", (Phrase(f"two {PLURALS[one.subject]}", claims), *where))
    first, second = (_short(scene.figures[who - 1], rng, keep, who) for who in order)
    way = rng.random()
    left_first = order[0] == 1
    if way < 0.45:
        middle = Phrase(pick(rng, NEXT_TO))
    else:
        claim = Claim("relation", f"{'left' if left_first else 'right'} of {order[1]}", order[0])
        sides = [Phrase(pick(rng, SIDES[side])) for side in (("left", "right") if left_first else ("right", "left"))]
        if way < 0.75:
            first, second = joined(" ", (first, sides[0])), joined(" ", (second, sides[1]))
            middle = Phrase(pick(rng, ("and", "and", ",")), (claim,))
        else:
            middle = Phrase(pick(rng, LEFT_OF if left_first else RIGHT_OF), (claim,))
    text = joined(" ", (first, middle, second, *where))
    return text._replace(text=text.text.replace(" , ", ", "))


def _short(figure: Figure, rng: Random, keep: float, who: int) -> Phrase:
    """A figure and at most two things about it."""
    name = noun(figure, rng, keep * 0.6, who)
    said = clauses(figure, rng, keep, who)[: 1 + (rng.random() < 0.5)]
    return joined(" ", (name._replace(text=a(name.text)), *said))


def _shapes(scene: Scene, rng: Random, keep: float) -> Phrase:
    """'a red circle above a small blue square', 'a green heart', 'a star, a circle and a square'."""
    whos = [k + 1 for k in range(len(scene.shapes))]
    if rng.random() < 0.5:
        whos = whos[::-1]
    said = [_shape(scene, rng, keep, who) for who in whos]
    where = _where(scene, rng, keep * 0.6)
    if len(said) == 1:
        return joined(" ", (*said, *where))
    if len(said) == 3:
        ending = joined(pick(rng, (" and ", ", ")), said[1:])
        return joined(" ", (joined(", ", (said[0], ending)), *where))
    one, two = scene.shapes[whos[0] - 1], scene.shapes[whos[1] - 1]
    if abs(one.x - two.x) > abs(one.y - two.y):
        relation = "left of" if one.x < two.x else "right of"
    else:
        relation = "above" if one.y < two.y else "below"
    middle = Phrase(pick(rng, RELATIONS[relation]), (Claim("relation", f"{relation} {whos[1]}", whos[0]),))
    if rng.random() > max(keep, 0.7):
        middle = Phrase("and")
    return joined(" ", (said[0], middle, said[1], *where))


def _shape(scene: Scene, rng: Random, keep: float, who: int) -> Phrase:
    shape = scene.shapes[who - 1]
    said = [Phrase(shape.kind, (Claim("shape", shape.kind, who),))]
    if rng.random() < max(keep, 0.9):
        said.insert(0, Phrase(shape.colour, (Claim("colour", shape.colour, who),)))
    if shape.size and rng.random() < keep * 0.8:
        said.insert(0, Phrase(pick(rng, SIZE_WORDS[shape.size]), (Claim("size", shape.size, who),)))
    text = joined(" ", said)
    return text._replace(text=a(text.text))


def _where(scene: Scene, rng: Random, keep: float) -> list[Phrase]:
    if rng.random() >= keep:
        return []
    if scene.place is None:
        how = pick(rng, ("", "on a ", "in front of a ", "with a "))
        return [_paper(f"{how}{colour(scene.paper, rng)} background", scene)]
    claim = Claim("place", scene.place)
    if scene.place != "sea":
        return [Phrase(pick(rng, WHERE[scene.place]), (claim,))]
    said = [Phrase(pick(rng, ("at the sea", "by the sea", "in front of the sea", "in the sea")), (claim,))]
    if scene.ship and rng.random() < keep:
        said.append(Phrase(pick(rng, (" with a ship", " and a ship", ", ship")), (Claim("ship", "yes"),)))
    if scene.sunrise and rng.random() < max(keep, 0.8):
        dawn = pick(rng, (" at sunrise", " at sunrise", ", sunrise", " at sunset"))
        said.append(Phrase(dawn, (Claim("sunrise", "yes"),)))
    return [joined("", said)]


def _paper(text: str, scene: Scene) -> Phrase:
    return Phrase(text, (Claim("paper", scene.paper),))


def _scenery(scene: Scene, rng: Random) -> Phrase:
    assert scene.place
    place = Claim("place", scene.place)
    if scene.place != "sea":
        return Phrase(pick(rng, SCENERY[scene.place]), (place,))
    words = _sea_words(scene)
    if rng.random() < 0.5:
        shuffle(words, rng)
        return joined(", ", words)
    ship, dawn = scene.ship and rng.random() < 0.9, scene.sunrise and rng.random() < 0.9
    first = pick(rng, ("a ship on the sea", "the sea with a ship", "a ship sailing on the sea")) if ship else "the sea"
    claims = [place] + [Claim("ship", "yes")] * ship + [Claim("sunrise", "yes")] * dawn
    if dawn:
        first = pick(rng, (f"{first} at sunrise", f"{first}, sunrise", f"sunrise, {first}", f"{first} at sunset"))
    return Phrase(first, tuple(claims))


def _sea_words(scene: Scene) -> list[Phrase]:
    words = [Phrase("the sea" if scene.layout % 2 else "sea", (Claim("place", "sea"),))]
    words += [Phrase("sunrise", (Claim("sunrise", "yes"),))] * scene.sunrise
    return words + [Phrase("ship", (Claim("ship", "yes"),))] * scene.ship
