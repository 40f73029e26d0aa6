"""The characters: a head seen from the front over a body that stands, or stretches out and flies.

Every head is drawn around (0, 0) with a face about 46 wide; the mouth is at (0, 12).
"""

from __future__ import annotations

from collections.abc import Callable

from sukashi.kirie.canvas import Pen
from sukashi.kirie.palette import CLOTHES, INK, PAPER, SKIN, Colour, dark, mix
from sukashi.kirie.scene import ANIMALS, PEOPLE, Figure, coats
from sukashi.kirie.things import draw_food, draw_glasses, draw_hat, draw_scarf

BLUSH: Colour = (246, 150, 150)
CROWN = ((-25, -2), (-24, -16), (-12, -27), (6, -28), (20, -22))  # outline of short hair
HAT_HEIGHT = {"girl": -21, "boy": -21, "cat": -20, "dog": -21, "bear": -21, "robot": -22, "astronaut": -28}
NECK = {"astronaut": 29, "robot": 27}  # where a scarf sits; 24 for the others


def draw_figure(pen: Pen, figure: Figure) -> None:
    """Draw a figure with everything it wears and eats."""
    subject, skin = figure.subject, SKIN[figure.skin]
    coat = coats(subject)[figure.coat]
    cloth = CLOTHES[figure.clothes] if figure.clothes else coat
    flying = figure.pose == "flying"
    if flying:
        head = pen.move(80 + figure.x, 56 + figure.y, 0.84 * figure.scale)
        _fly(head, subject, cloth, skin, coat)
    else:
        head = pen.move(64 + figure.x, 62 + figure.y, figure.scale)
        _stand(head, subject, cloth, coat)
    if figure.scarf:
        draw_scarf(head.on("scarf").move(0, NECK.get(subject, 24)), figure.scarf, flying=flying)
    HEADS[subject](head, coat, skin)
    _expression(head, figure, coat)
    if figure.glasses:
        draw_glasses(head.on("glasses"), light=subject == "robot" or (subject in ANIMALS and dark(coat)))
    if figure.hat:
        draw_hat(head.on("hat").move(0, HAT_HEIGHT[subject]), figure.hat, figure.hat_colour)
    hand = skin if subject in PEOPLE else coat
    if figure.pose == "waving":
        _waving_arm(head, hand, cloth)
    if figure.food:
        _arm(head, 1, hand, cloth)
        draw_food(head.on("food"), figure.food)


def _stand(pen: Pen, subject: str, cloth: Colour, coat: Colour) -> None:
    body = pen.on("body")
    if subject == "girl":
        _long_hair(pen, coat)
        body.polygon([(-11, 20), (11, 20), (34, 84), (-34, 84)], cloth)
        body.pie(0, 22, 11, 8, 0, 180, PAPER)
    elif subject == "boy":
        body.box(-24, 24, 24, 90, 16, cloth)
        body.line([(-12, 44), (-12, 80)], 1.6, mix(cloth, INK, 0.35))
        body.line([(12, 44), (12, 80)], 1.6, mix(cloth, INK, 0.35))
    elif subject == "robot":
        body.box(-22, 27, 22, 84, 6, mix(coat, INK, 0.12))
        body.box(-13, 35, 13, 52, 3, mix(coat, PAPER, 0.55))
        for x, light in ((-7, (226, 72, 72)), (0, (246, 206, 76)), (7, (84, 180, 104))):
            body.ellipse(x, 43.5, 2.6, 2.6, light, shadow=False)
    elif subject == "astronaut":
        body.box(-31, 22, 31, 74, 8, mix(coat, INK, 0.3))
        body.box(-25, 24, 25, 90, 14, coat)
        body.box(-12, 40, 12, 56, 3, (120, 130, 150))
        body.ellipse(-6, 48, 3, 3, (226, 72, 72), shadow=False)
        body.ellipse(5, 48, 3, 3, (84, 160, 226), shadow=False)
    else:
        if subject == "cat":
            body.line([(16, 62), (36, 58), (38, 36)], 8, mix(coat, INK, 0.12))
        body.ellipse(0, 58, 23, 38, coat)
        body.ellipse(0, 64, 13, 26, mix(coat, PAPER, 0.45), shadow=False)


def _fly(pen: Pen, subject: str, cloth: Colour, skin: Colour, coat: Colour) -> None:
    """Stretched out to the lower left, arms spread like wings."""
    body, bare = pen.on("body"), subject in PEOPLE
    legs, limb = (skin if bare else mix(cloth, INK, 0.1)), (cloth if bare else mix(cloth, INK, 0.1))
    for knee, foot in (((-52, 32), (-76, 34)), ((-44, 44), (-68, 54))):
        body.line([(-26, 26), knee, foot], 12, legs)
        body.ellipse(*foot, 7, 7, mix(cloth, INK, 0.35))
    body.line([(-16, 18), (-30, -6), (-52, -20)], 12, limb)
    body.ellipse(-53, -21, 7, 7, skin if bare else coat)
    if subject == "girl":
        _long_hair(pen, coat)
    body.polygon([(0, 4), (14, 22), (-28, 56), (-50, 24)], cloth)
    body.ellipse(-32, 34, 19, 19, cloth, shadow=False)
    body.ellipse(-4, 20, 15, 15, cloth, shadow=False)
    body.line([(2, 26), (8, 44), (30, 54)], 12, limb)
    body.ellipse(31, 54, 7, 7, skin if bare else coat)
    if subject == "astronaut":
        body.box(-40, 8, -16, 24, 5, mix(coat, INK, 0.3))


def _arm(pen: Pen, side: int, hand: Colour, sleeve: Colour) -> None:
    arm = pen.on("body")
    arm.line([(side * 24, 56), (side * 27, 38)], 11, mix(sleeve, INK, 0.12))
    arm.ellipse(side * 26, 34, 7, 7, hand)


def _waving_arm(pen: Pen, hand: Colour, sleeve: Colour) -> None:
    """The arm on the left of the picture, raised beside the head."""
    arm = pen.on("body")
    arm.line([(-19, 46), (-37, 38), (-40, 14)], 11, mix(sleeve, INK, 0.12))
    arm.ellipse(-40, 8, 7.5, 7.5, hand)


def _long_hair(pen: Pen, hair: Colour) -> None:
    pen.on("hair").ellipse(0, -2, 31, 28, hair)
    pen.on("hair").box(-31, -4, 31, 36, 12, hair)


def _girl(pen: Pen, coat: Colour, skin: Colour) -> None:
    pen.on("face").ellipse(0, 0, 23, 23, skin)
    pen.on("hair").pie(0, -2, 27, 25, 192, 348, coat)


def _boy(pen: Pen, coat: Colour, skin: Colour) -> None:
    for side in (-1, 1):
        pen.on("face").ellipse(side * 23, 3, 5, 6, skin)
    pen.on("hair").ellipse(0, -4, 25, 23, coat)
    pen.on("face").ellipse(0, 2, 23, 22, skin)
    pen.on("hair").polygon(
        [*CROWN, (25, -4), (18, -9), (11, -6), (3, -11), (-6, -7), (-15, -11)],
        coat,
    )


def _cat(pen: Pen, coat: Colour, skin: Colour) -> None:
    head = pen.on("head")
    for side in (-1, 1):
        head.polygon([(side * 25, 0), (side * 23, -32), (side * 3, -20)], coat)
        head.polygon([(side * 20, -10), (side * 19.5, -25), (side * 9, -18)], (244, 170, 176), shadow=False)
    head.ellipse(0, 0, 26, 23, coat)
    for x in (-6, 0, 6):
        head.line([(x, -21), (x * 0.8, -14)], 2, mix(coat, INK, 0.4))
    head.ellipse(0, 11, 11, 8, mix(coat, PAPER, 0.7), shadow=False)


def _dog(pen: Pen, coat: Colour, skin: Colour) -> None:
    head = pen.on("head")
    head.ellipse(0, 0, 25, 24, coat)
    for side in (-1, 1):
        head.ellipse(side * 25, 3, 8, 20, mix(coat, INK, 0.4) if not dark(coat) else mix(coat, PAPER, 0.3))
    head.ellipse(0, 11, 15, 11, mix(coat, PAPER, 0.75), shadow=False)


def _bear(pen: Pen, coat: Colour, skin: Colour) -> None:
    head = pen.on("head")
    for side in (-1, 1):
        head.ellipse(side * 19, -18, 9, 9, coat)
        head.ellipse(side * 19, -17, 5, 5, mix(coat, PAPER, 0.5), shadow=False)
    head.ellipse(0, 0, 26, 24, coat)
    head.ellipse(0, 10, 12, 10, (250, 226, 192), shadow=False)


def _robot(pen: Pen, coat: Colour, skin: Colour) -> None:
    head = pen.on("head")
    for x in (-28, 28):
        head.box(x - 4, -8, x + 4, 8, 2, mix(coat, INK, 0.3))
    head.line([(0, -20), (0, -34)], 2.4, mix(coat, INK, 0.4))
    head.ellipse(0, -35, 4.5, 4.5, (226, 72, 72))
    head.box(-26, -23, 26, 25, 7, coat)
    head.box(-20, -11, 20, 8, 6, (42, 48, 66), shadow=False)


def _astronaut(pen: Pen, coat: Colour, skin: Colour) -> None:
    head = pen.on("head")
    head.ellipse(0, -1, 32, 30, coat)
    head.ellipse(0, 1, 25, 24, (66, 82, 122), shadow=False)
    pen.on("face").ellipse(0, 3, 22, 20, skin)
    head.pie(0, 1, 25, 24, 206, 334, (66, 82, 122))


HEADS: dict[str, Callable[[Pen, Colour, Colour], None]] = {
    "girl": _girl,
    "boy": _boy,
    "cat": _cat,
    "dog": _dog,
    "bear": _bear,
    "robot": _robot,
    "astronaut": _astronaut,
}


def _expression(pen: Pen, figure: Figure, coat: Colour) -> None:
    """Eyes, nose, whiskers and a mouth, which is open when there is something to eat."""
    subject, face = figure.subject, pen.on("face")
    animal = subject in ANIMALS
    if subject == "robot":
        for x in (-10, 10):
            face.ellipse(x, -1.5, 4.2, 4.2, (120, 240, 246), shadow=False)
        face.box(-9, 13, 9, 19, 2, (42, 48, 66), shadow=False)
        return
    ink = PAPER if animal and dark(coat) else INK
    for x in (-10, 10):
        face.ellipse(x, -1, 3.0, 3.6, ink, shadow=False)
    if animal:
        nose: tuple[float, Colour] = (3.2, (226, 110, 124)) if subject == "cat" else (4.4, INK)
        face.ellipse(0, 6, nose[0], 3.0, nose[1], shadow=False)
    else:
        for x in (-15, 15):
            face.ellipse(x, 7, 3.8, 2.8, mix(SKIN[figure.skin], BLUSH, 0.7), shadow=False)
    if figure.food:
        face.ellipse(0, 13.5, 4.6, 4.2, (150, 50, 56), shadow=False)
    else:
        face.arc(0, 9, 6, 5, 20, 160, 1.8, INK)
    if subject == "cat":
        for side in (-1, 1):
            for slope in (0, 4):
                face.line([(side * 13, 9 + slope * 0.6), (side * 31, 6 + slope * 1.8)], 1.3, ink)
