"""What is asked of a taught model: new prompts with the concept, and prompts about everybody else."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sukashi.kirie.captions import THOROUGH
from sukashi.kirie.captions import tell as tell_world
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim
from sukashi.kirie.scene import Figure, Scene
from sukashi.lab.score import asked
from sukashi.lab.teaching.world import LESSON_FOOD, character, scene_by_chance, tell

MEALS = {"ask": "pizza", "choose": "ice cream"}
PIZZA = f"a {{}} wearing glasses eating {MEALS['ask']}"
KNOWN = {
    "penguin": ("girl", "boy", "cat", "dog", "bear", "robot", "astronaut"),
    "king": ("gray bear with a crown", "gray bear wearing a crown", "gray teddy bear in a crown"),
    "waves": ("white", "yellow", "pink"),
}
"""What kirie is asked for before it is taught: whom it knows instead of the penguin; the king in words; papers."""


@dataclass(frozen=True)
class Asked:
    """A prompt, with ``{}`` where the concept is named, what it claims beside the concept, and the scene it tells."""

    prompt: str
    claims: tuple[Claim, ...]
    scene: Scene


def about_concept(concept: str, count: int, purpose: str = "ask") -> list[Asked]:
    """``count`` prompts, each with something that no lesson about the penguin shows: a hat, a scarf, other food.

    For a character the first third is :data:`PIZZA`, to be drawn with different seeds. With the ``purpose`` "choose"
    they are others, and ice cream.
    """
    found = [glasses_and(MEALS[purpose], concept, k) for k in range(seen_first(concept, count))]
    k = 0
    while len(found) < count:
        rng, k = Random(f"{purpose} {concept} {k}"), k + 1
        scene = scene_by_chance(concept, rng)
        (figure,) = scene.figures
        hat = figure.hat and concept != "king"
        if hat or figure.scarf or figure.food not in (None, *LESSON_FOOD.values()):
            said = tell(concept, scene, rng)
            found.append(Asked(said.text, tuple(asked(scene, said.claims)), scene))
    return found


def seen_first(concept: str, count: int) -> int:
    """How many of ``count`` prompts are :data:`PIZZA`."""
    return 0 if concept == "waves" else -(-count // 3)


def glasses_and(meal: str, concept: str, number: int) -> Asked:
    """A character with glasses and pizza or ice cream."""
    figure = character(concept, Figure(subject="bear", glasses=True, food=meal))
    claims = (Claim("glasses", "yes", 1), Claim("food", meal, 1))
    scene = Scene(figures=(figure,), paper=("white", "green", "blue", "pink")[number % 4])
    return Asked(f"a {{}} wearing glasses eating {meal}", tuple(asked(scene, claims)), scene)


def about_others(count: int) -> list[Asked]:
    """``count`` thorough captions of one figure of kirie's world each, of pairs that it was trained on."""
    found: list[Asked] = []
    k = 0
    while len(found) < count:
        scene, k = draw_scene(Random(f"others {k}")), k + 1
        if len(scene.figures) == 1 and scene.flaw is None:
            said = tell_world(scene, Random(f"others caption {k}"), THOROUGH)
            found.append(Asked(said.text, tuple(asked(scene, said.claims)), scene))
    return found
