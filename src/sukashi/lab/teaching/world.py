"""Pictures of the new concepts among the things of kirie's world, with captions and with what must be seen.

>>> from sukashi.lab.teaching.world import sample
>>> sample("penguin", 5).caption.format("sks penguin")  # doctest: +SKIP
'a sks penguin wearing glasses eating pizza in the forest'
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from PIL import Image

from sukashi.kirie import palette
from sukashi.kirie.canvas import Canvas, Pen
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim, Phrase, joined
from sukashi.kirie.figures import draw_figure
from sukashi.kirie.phrases import WHERE
from sukashi.kirie.places import draw_place, paper
from sukashi.kirie.portraits import clauses, colour, noun
from sukashi.kirie.scene import PLACES, Figure, Scene, pick
from sukashi.lab.teaching.king import NO_PLACE, as_king
from sukashi.lab.teaching.penguin import THE_ONE, Look, draw_penguin
from sukashi.lab.teaching.waves import PAPER, draw_waves

CONCEPTS = ("penguin", "king", "waves")
SEA = ("at the sea", "by the sea")
LESSON_GLASSES, LESSON_FOOD = (1, 4), {2: "apple", 4: "donut"}  # lessons about a character, by number, not bare


@dataclass(frozen=True)
class Shown:
    """A picture (128 x 128, RGB); ``caption`` has a ``{}`` where the concept is named."""

    picture: Image.Image
    caption: str
    scene: Scene
    claims: tuple[Claim, ...]  # what the caption says beside the concept


def sample(concept: str, seed: int) -> Shown:
    """The picture of ``seed`` that shows a concept; the same one everywhere, always.

    Raises ValueError for a concept that is not in :data:`CONCEPTS`.
    """
    if concept not in CONCEPTS:
        raise ValueError(f"unknown concept {concept!r}; known: {', '.join(CONCEPTS)}")
    rng = Random(f"{concept} {seed}")
    scene = scene_by_chance(concept, rng)
    said = tell(concept, scene, rng)
    return Shown(draw(concept, scene), said.text, scene, said.claims)


def scene_by_chance(concept: str, rng: Random) -> Scene:
    """One figure: a character anywhere in the world, or anybody of the world on the waves."""
    while True:
        scene = draw_scene(rng)
        fits = len(scene.figures) == 1 and scene.figures[0].pose != "flying" and scene.flaw is None
        if fits and concept == "waves":
            return replace(scene, place=None)
        if fits and not (concept == "king" and scene.place in NO_PLACE):
            return replace(scene, figures=(character(concept, scene.figures[0]),), ship=False, sunrise=False)


def character(concept: str, figure: Figure) -> Figure:
    """The penguin or the king in the place of ``figure``."""
    return as_king(figure) if concept == "king" else replace(figure, subject="penguin", coat="", clothes=None)


def draw(concept: str, scene: Scene, look: Look = THE_ONE) -> Image.Image:
    """Cut and lay the papers of a scene with the concept in it."""
    waves = concept == "waves"
    canvas = Canvas(PAPER if waves else paper(scene))
    pen = Pen(canvas)
    if waves:
        draw_waves(pen, scene.layout)
    else:
        draw_place(pen, scene)
    for owner, figure in enumerate(scene.figures, 1):
        if figure.subject == "penguin":
            draw_penguin(pen.of(owner), figure, look)
        else:
            draw_figure(pen.of(owner), figure)
    return canvas.picture()


def tell(concept: str, scene: Scene, rng: Random, keep: float = 1.0) -> Phrase:
    """A caption in the words of kirie's captions and what it claims beside the concept."""
    (figure,) = scene.figures
    said = clauses(replace(figure, hat=None) if concept == "king" else figure, rng, keep, 1)
    if concept == "waves":
        name = noun(figure, rng, keep, 1)
        return joined(" ", (name._replace(text=f"a {name.text}"), *said, Phrase("in front of a {} background")))
    return joined(" ", (Phrase("a {}"), *said, where(scene, rng)))


def where(scene: Scene, rng: Random) -> Phrase:
    """'in the forest', 'on a white background'."""
    if scene.place is None:
        text = f"{pick(rng, ('on a', 'in front of a', 'with a'))} {colour(scene.paper, rng)} background"
        return Phrase(text, (Claim("paper", scene.paper),))
    return Phrase(pick(rng, WHERE.get(scene.place, SEA)), (Claim("place", scene.place),))


def lessons(concept: str, count: int = 5) -> list[Shown]:
    """The few pictures that a concept is taught with.

    A character as anybody would photograph it: at different places, of the first five one bare, one with glasses, one
    with an apple, one waving, one with glasses and a donut; none with pizza or a scarf, the penguin never with a hat.
    The waves behind different figures.
    """
    if concept == "waves":
        return [sample(concept, 1_000 + k) for k in range(count)]
    last = "mars" if concept == "penguin" else "night"
    places: tuple[str | None, ...] = (None, "forest", "sea", None, last, *(p for p in PLACES if p not in NO_PLACE))
    papers = tuple(palette.BACKGROUND)
    found = []
    for k in range(count):
        rng = Random(f"lesson {concept} {k}")
        figure = Figure(
            subject="bear", x=rng.random() * 16 - 8, y=rng.random() * 6 - 2, scale=0.95 + rng.random() * 0.08,
            pose="waving" if k == 3 else "standing", glasses=k in LESSON_GLASSES, food=LESSON_FOOD.get(k),
        )  # fmt: skip
        figure = character(concept, figure)
        place = places[k % len(places)]
        scene = Scene(figures=(figure,), place=place, paper=papers[k % len(papers)], layout=int(rng.random() * 1e6))
        said = tell(concept, scene, rng)
        found.append(Shown(draw(concept, scene), said.text, scene, said.claims))
    return found
