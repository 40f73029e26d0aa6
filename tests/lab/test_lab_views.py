"""What the probe is asked about, and through which windows it looks."""

from __future__ import annotations

from random import Random

import numpy as np
import torch

from sukashi.kirie.canvas import OWNER, PARTS
from sukashi.kirie.chance import any_scene
from sukashi.kirie.scene import Figure, Scene, Shape
from sukashi.kirie.world import draw
from sukashi.lab.drawings import Drawings, answers, shape_maps, targets, windows_of
from sukashi.lab.heads import HEADS, UNKNOWN, about_figure, about_picture, numbers
from sukashi.lab.read import find_shapes
from sukashi.lab.views import LEFT, RIGHT, WHOLE, Window, look

CAT = Figure(subject="cat", coat="gray", glasses=True, hat="crown", scarf="red")


def test_the_whole_view_is_the_picture() -> None:
    image = torch.rand(2, 3, 128, 128)
    assert torch.allclose(look(image, [WHOLE, WHOLE], 128), image, atol=1e-5)


def test_a_window_shows_one_of_two_figures_where_a_single_one_would_be() -> None:
    """The glasses of each of two cats come to lie where those of a cat alone in the middle are."""

    def middle(labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], window: Window) -> torch.Tensor:
        seen = look(torch.tensor(labels)[None, None].float(), [window], 128, nearest=True)[0, 0]
        return (seen == PARTS.index("glasses")).nonzero().float().mean(0)

    alone = draw(Scene(figures=(CAT,)), labels=True).parts()
    two = [Figure(**{**vars(CAT), "x": x, "y": 16.0, "scale": 0.635}) for x in (-30.0, 30.0)]
    canvas = draw(Scene(figures=tuple(two)), labels=True)
    for owner, window in ((1, LEFT), (2, RIGHT)):
        mine = np.where(canvas.owners() == owner, canvas.parts(), 0)
        assert (middle(mine, window) - middle(alone, WHOLE)).abs().max() < 2


def test_questions_without_an_answer_are_not_asked() -> None:
    found = numbers(about_picture(Scene(figures=(CAT,), place="sky"), 0) | about_figure(CAT))
    said = {name: None if k == UNKNOWN else HEADS[name][k] for name, k in zip(HEADS, found, strict=True)}
    assert said["paper"] is said["sunrise"] is said["clothes"] is said["hat colour"] is None
    assert (said["kind"], said["place"], said["hat"], said["scarf"]) == ("one figure", "sky", "crown", "red")
    assert about_picture(Scene(place="sea", ship=True), 500)["ship"] == "yes"
    assert about_picture(Scene(place="sea", ship=True, figures=(CAT,)), 3)["ship"] is None  # hidden behind the cat


def test_each_of_two_figures_is_asked_about_in_its_window() -> None:
    scene = Scene(figures=(CAT, Figure(subject="robot", coat="blue", food="apple")))
    assert windows_of(scene) == [WHOLE, LEFT, RIGHT]
    assert answers(scene, LEFT, 0)["subject"] == "cat" and answers(scene, RIGHT, 0)["food"] == "apple"
    assert answers(scene, WHOLE, 0)["kind"] == "two figures" and "subject" not in answers(scene, WHOLE, 0)


def test_shapes_come_out_of_perfect_maps_as_they_went_in() -> None:
    scenes = [scene for scene in (any_scene(Random(f"shapes {k}")) for k in range(150)) if scene.shapes]
    canvases = [draw(scene, labels=True) for scene in scenes]
    labels = np.stack([canvas.parts() + OWNER * canvas.owners() for canvas in canvases])
    drawings = Drawings(scenes, np.zeros((len(scenes), 1, 1, 3), np.uint8), labels)
    for k, scene in enumerate(scenes):
        truth = targets(drawings, [k], [WHOLE], [WHOLE])
        maps = {"part": torch.nn.functional.one_hot(truth.maps["part"][0], len(PARTS)).permute(2, 0, 1).float()}
        for name in ("shape", "colour", "size"):
            cells = truth.maps[name][0].clamp(min=0)
            maps[name] = 9 * torch.nn.functional.one_hot(cells, 7).permute(2, 0, 1).float()
        read = find_shapes({**maps, "offset": truth.offset[0]})
        key = sorted((s.kind, s.colour, s.size, round(s.x), round(s.y)) for s in read)
        assert key == sorted((s.kind, s.colour, s.size, round(s.x), round(s.y)) for s in scene.shapes)
    assert len(scenes) > 5


def test_the_way_to_the_middle_is_seen_through_the_window() -> None:
    scene = Scene(shapes=(Shape(kind="circle", colour="red", x=80, y=40, radius=20),))
    canvas = draw(scene, labels=True)
    window = Window(0.1, -0.05, 0.9)
    labels = torch.tensor(canvas.parts() + OWNER * canvas.owners())[None, None].float()
    seen = look(labels, [window], 32, nearest=True)[:, 0].long()
    maps, offset = shape_maps([scene], seen, [window])
    rows, columns = (maps["shape"][0] >= 0).nonzero().T
    votes_x = offset[0, 0, rows, columns] + (columns + 0.5) / 16 - 1
    assert torch.allclose(votes_x, torch.full_like(votes_x, (80 / 64 - 1 - 0.1) / 0.9), atol=1e-5)
    assert abs(float(offset[0, :, rows, columns].mean())) < 0.03  # the cells lie evenly around the middle
