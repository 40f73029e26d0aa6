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
from sukashi.lab.teaching.world import LESSON_FOOD, scene_by_chance, tell

PIZZA = "a {} wearing glasses eating pizza"
KNOWN = {"penguin": ("girl", "boy", "cat", "dog", "bear", "robot", "astronaut"), "waves": ("white", "yellow", "pink")}
SEEN_FIRST = 8  # pictures of the first prompt


@dataclass(frozen=True)
class Asked:
    """A prompt, with ``{}`` where the concept is named, what it claims beside the concept, and the scene it tells."""

    prompt: str
    claims: tuple[Claim, ...]
    scene: Scene


def about_concept(concept: str, count: int) -> list[Asked]:
    """``count`` prompts, each with something that no lesson about the penguin shows: a hat, a scarf, other food.

    For the penguin the first :data:`SEEN_FIRST` are :data:`PIZZA`, to be drawn with different seeds.
    """
    found = [pizza(k) for k in range(min(SEEN_FIRST, count))] if concept == "penguin" else []
    k = 0
    while len(found) < count:
        rng, k = Random(f"ask {concept} {k}"), k + 1
        scene = scene_by_chance(concept, rng)
        (figure,) = scene.figures
        if figure.hat or figure.scarf or figure.food not in (None, *LESSON_FOOD.values()):
            said = tell(concept, scene, rng)
            found.append(Asked(said.text, tuple(asked(scene, said.claims)), scene))
    return found


def pizza(number: int) -> Asked:
    """The penguin with glasses and pizza."""
    figure = Figure(subject="penguin", glasses=True, food="pizza")
    claims = (Claim("glasses", "yes", 1), Claim("food", "pizza", 1))
    scene = Scene(figures=(figure,), paper=("white", "green", "blue", "pink")[number % 4])
    return Asked(PIZZA, tuple(asked(scene, claims)), scene)


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
