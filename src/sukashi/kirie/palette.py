"""The papers kirie is cut from: every colour that has a name in a caption, as (red, green, blue) of 0..255."""

from __future__ import annotations

Colour = tuple[int, int, int]

HAIR: dict[str, Colour] = {
    "black": (44, 40, 48),
    "brown": (122, 76, 44),
    "blond": (240, 204, 96),
    "red": (208, 84, 48),
    "pink": (244, 138, 184),
    "blue": (70, 116, 220),
}
FUR: dict[str, Colour] = {
    "white": (246, 243, 236),
    "gray": (152, 154, 162),
    "brown": (146, 94, 58),
    "orange": (240, 152, 62),
    "black": (62, 60, 68),
}
METAL: dict[str, Colour] = {"gray": (168, 176, 188), "blue": (92, 142, 214), "red": (216, 84, 76)}
SUIT: dict[str, Colour] = {"white": (242, 242, 246), "orange": (244, 146, 58)}
CLOTHES: dict[str, Colour] = {
    "red": (216, 60, 60),
    "blue": (64, 118, 208),
    "green": (70, 160, 92),
    "yellow": (246, 206, 76),
    "purple": (142, 86, 188),
}
HAT: dict[str, Colour] = {"red": (204, 42, 48), "green": (44, 142, 74), "blue": (44, 92, 196), "purple": (128, 62, 178)}
SCARF: dict[str, Colour] = {
    "red": (222, 62, 58),
    "blue": (58, 112, 214),
    "green": (62, 158, 88),
    "yellow": (248, 204, 66),
}
SHAPE: dict[str, Colour] = {
    "red": (216, 54, 54),
    "orange": (242, 142, 48),
    "yellow": (248, 204, 50),
    "green": (60, 156, 84),
    "blue": (56, 108, 210),
    "purple": (136, 76, 188),
    "black": (52, 48, 56),
}
BACKGROUND: dict[str, Colour] = {
    "white": (250, 249, 245),
    "yellow": (252, 232, 146),
    "pink": (250, 204, 218),
    "blue": (166, 210, 242),
    "green": (178, 222, 168),
    "gray": (198, 198, 204),
    "purple": (208, 192, 236),
}
SKIN: tuple[Colour, ...] = ((252, 224, 198), (232, 188, 148), (158, 108, 76))  # never named in a caption
INK: Colour = (44, 38, 46)
PAPER: Colour = (252, 250, 244)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Colour ``a`` with ``share`` (0..1) of ``b`` in it."""
    red, green, blue = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return red, green, blue


def dark(colour: Colour) -> bool:
    """Whether light ink reads better on this paper than dark ink."""
    return sum(colour) < 330
