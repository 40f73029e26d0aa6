"""Outpainting, two passes, seamless pictures, variations of a seed, grids."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from oracle import ours, photo
from PIL import Image

from sukashi import tasks
from sukashi.diffusion.noise import per_picture
from sukashi.diffusion.variation import varied
from sukashi.seamless import seamless
from sukashi.settings import Settings
from sukashi.tasks.grids import combinations, layout


def test_outpainting_keeps_every_byte_and_grows_by_what_is_asked() -> None:
    picture = photo(30, 26)
    result = tasks.outpaint(ours("sd1"), "a cat", image=picture, left=10, bottom=5, steps=2, seed=1)
    grown = np.asarray(result.images[0])
    assert grown.shape == (31, 40, 3) and (grown[:26, 10:] == np.asarray(picture)).all()
    assert (grown[:, :10] != grown[:, 10:11]).any()
    record = json.loads(json.dumps(result.record()))
    assert record["task"] == "outpaint" and record["options"]["left"] == 10
    again = tasks.replay(record, ours("sd1"), image=picture)
    assert again.images[0].tobytes() == result.images[0].tobytes()


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ({}, "no side grows"),
        ({"left": -1}, "left is -1; a whole number"),
        ({"top": 8, "width": 16, "height": 16}, "leave"),
    ],
)
def test_sides_that_cannot_grow(sides: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tasks.outpaint(ours("sd1"), image=photo(32, 32), **sides)


def test_two_passes() -> None:
    pipe, runs = ours("sd1"), []

    def show(run):
        runs.append(run)
        return iter(run)

    asked = {"steps": 4, "seed": 3, "width": 32, "height": 48}
    result = tasks.two_pass(pipe, "a cat", scale=1.5, strength=0.5, show=show, **asked)
    first = tasks.text_to_image(pipe, "a cat", **asked)
    large = first.images[0].resize((48, 72), Image.Resampling.LANCZOS)
    second = tasks.image_to_image(pipe, "a cat", image=large, strength=0.5, steps=4, seed=3)
    assert result.images[0].tobytes() == second.images[0].tobytes() and len(runs) == 2
    assert result.requests == first.requests and result.calls == first.calls + second.calls
    again = tasks.replay(json.loads(json.dumps(result.record())), pipe)
    assert again.images[0].tobytes() == result.images[0].tobytes()
    for wrong in ({"scale": 0.5}, {"enlarger": "magic"}):
        with pytest.raises(ValueError, match=r"accepted"):
            tasks.two_pass(pipe, "a cat", **wrong)


@pytest.mark.parametrize("axes", ["x", "y", "xy"])
def test_a_seamless_network_commutes_with_rolling(axes: str) -> None:
    pipe = ours("sd1")
    net, z = seamless(pipe.vae, axes), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    far = {}
    for name, dim in (("x", 3), ("y", 2)):
        moved = net.decode(z.roll(3, dims=dim)) - net.decode(z).roll(24, dims=dim)
        far[name] = float(moved.abs().max())
    assert all((far[axis] < 1e-4) == (axis in axes) for axis in "xy"), far
    before = pipe.vae.decode(z)
    assert torch.equal(before, ours("sd1").vae.decode(z))  # the network itself is as it was
    unet, x = seamless(pipe.unet, axes), torch.randn(1, 4, 8, 8)
    t, words = torch.tensor([5.0]), torch.randn(1, 77, 32)
    if "x" in axes:
        moved = unet(x.roll(8, dims=3), t, words)  # a whole turn of the coarsest level
        torch.testing.assert_close(moved, unet(x, t, words).roll(8, dims=3), atol=1e-4, rtol=1e-4)


def test_seamless_is_a_setting_and_leaves_the_pipeline_alone() -> None:
    pipe = ours("sd1")
    plain, around = pipe("a cat", seed=1), pipe("a cat", seed=1, seamless="xy")
    assert around.images[0].tobytes() != plain.images[0].tobytes()
    assert pipe("a cat", seed=1).images[0].tobytes() == plain.images[0].tobytes()
    again = tasks.replay(json.loads(json.dumps(around.record())), pipe)
    assert again.images[0].tobytes() == around.images[0].tobytes()
    with pytest.raises(ValueError, match="seamless is 'z'; accepted: x, y, xy"):
        Settings(seamless="z")


def test_variations_of_a_seed() -> None:
    pipe = ours("sd1")
    plain, own = pipe("a cat", seed=3), pipe("a cat", seed=3, variation=0.3, variation_seed=9, count=2)
    assert [(r.seed, r.variation_seed) for r in own.requests] == [(3, 9), (3, 10)]
    shape = plain.latents.shape[1:]
    start = varied(per_picture([3], shape)(), per_picture([10], shape)(), 0.3)
    run = pipe.steps("a cat", seed=3, variation=0.3, variation_seed=10)
    torch.testing.assert_close(run.x, start * pipe.published.start_scale(list(run.levels)))
    alone = tasks.replay(json.loads(json.dumps(own.record(1))), pipe)
    assert tasks.compare(alone.images[0], own.images[1]).within(1)
    picture = photo(32, 32)
    other = tasks.image_to_image(pipe, image=picture, seed=3, variation=0.5, variation_seed=4)
    assert other.images[0].tobytes() != tasks.image_to_image(pipe, image=picture, seed=3).images[0].tobytes()
    with pytest.raises(ValueError, match=r"variation is 2; a number in 0..1"):
        Settings(variation=2)


def test_combinations_run_across_first() -> None:
    found = combinations([("steps", [1, 2]), ("sampler", ["a", "b"]), ("seed", [5, 6])])
    assert found[:3] == [
        {"steps": 1, "sampler": "a", "seed": 5},
        {"steps": 2, "sampler": "a", "seed": 5},
        {"steps": 1, "sampler": "b", "seed": 5},
    ]
    assert len(found) == 8 and found[4]["seed"] == 6


def test_a_sheet_has_every_picture_at_its_place() -> None:
    colours = [(k * 40, 255 - k * 40, 7) for k in range(6)]
    pictures = [Image.new("RGB", (64, 48), colour) for colour in colours]
    sheet = np.asarray(layout(pictures, [("steps", [1, 2, 3]), ("seed", [1, 2])]))
    places = [np.argwhere((sheet == colour).all(axis=-1)) for colour in colours]
    assert all(len(place) == 64 * 48 for place in places)  # nothing is covered, by labels neither
    corners = [tuple(place[0]) for place in places]
    assert corners == sorted(corners) and corners[0][0] == corners[2][0] < corners[3][0]
    assert (sheet[: corners[0][0]] < 100).any() and (sheet[:, : corners[0][1]] < 100).any()  # there are labels


def test_a_grid_loads_once_and_can_be_drawn_again() -> None:
    pipe = ours("sd1")
    asked = {"seed": 3, "width": 32, "height": 32}
    result = tasks.grid(pipe, "a cat", axes={"steps": [1, 2], "seed": [3, 4]}, width=32, height=32)
    single = tasks.text_to_image(pipe, "a cat", steps=2, **(asked | {"seed": 4}))
    sheet, tile = np.asarray(result.images[0]), np.asarray(single.images[0])
    spots = np.lib.stride_tricks.sliding_window_view(sheet, tile.shape)[:, :, 0]
    assert (spots == tile).all(axis=(2, 3, 4)).sum() == 1
    again = tasks.replay(json.loads(json.dumps(result.record())), pipe)
    assert again.images[0].tobytes() == result.images[0].tobytes()
    words = tasks.grid(pipe, "a cat", axes={"prompt": ["cat", "dog"]}, **asked)
    assert words.images[0].size[0] >= 64


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ({}, "one to three axes, not 0"),
        ({"steps": []}, "the axis steps has no values"),
        ({"prompt": ["dog", "x"]}, "the prompt does not have 'dog' in it"),
        ({"steps": [1] * 100, "seed": [1] * 100}, "would have 10000 pictures"),
        ({"stepz": [1]}, "text-to-image has no option 'stepz' for an axis; it has"),
        ({"guidance": [1.0, "much"]}, "guidance is 'much' on an axis; a number is accepted"),
    ],
)
def test_axes_that_cannot_be_drawn(axes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tasks.grid(ours("sd1"), "a cat", axes=axes)
