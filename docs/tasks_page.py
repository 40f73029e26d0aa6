"""Draw the page of tasks: ``python docs/tasks_page.py``. Writes docs/tasks.md and docs/images/tasks-*.png.

Every picture is made by the model inside the package, from one seed, and none is picked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

import sukashi
from sukashi import tasks
from sukashi.kirie.sheet import contact_sheet
from sukashi.lab.probe import load_probe
from sukashi.lab.tasks import measure, table

HERE = Path(__file__).resolve().parent
GIRL = "a girl eating pizza"
STRENGTHS = (0.3, 0.6, 0.9)
HEAD = (32, 8, 100, 52)  # left, top, right, bottom in the picture of 128 x 128: hair and what is above it
SIDES = {"left": 64, "right": 64}
VARIATIONS = (0.0, 0.2, 0.4, 0.7)
AXES = {"guidance": [1.0, 2.0, 4.0], "steps": [4, 8, 16]}
PARTS: dict[str, tuple[str, str]] = {
    "image-to-image": (
        "A picture drawn anew: the source, then strength 0.3, 0.6 and 0.9. Each keeps less of it.",
        f'sukashi img2img "a boy eating pizza" --image girl.png --strength {STRENGTHS[1]}',
    ),
    "inpainting": (
        "A hat: the source, the mask, what was drawn. Outside the mask every byte is the same.",
        'sukashi inpaint "a girl wearing a red hat" --image girl.png --mask head.png --fill fill',
    ),
    "outpainting": (
        "Continued to the left and right: the source in the middle comes back byte for byte.",
        'sukashi outpaint "a cat in the forest" --image cat.png --left 64 --right 64',
    ),
    "two-pass": (
        "Drawn at 128 x 128 and enlarged, then the same with a second pass at the larger size, which suits models of "
        "that size.\nKirie knows 128 pixels only and smears the face.",
        'sukashi hires "a girl eating pizza" --scale 1.5 --strength 0.3',
    ),
    "seamless": (
        "A picture that goes on at its left and right edge, laid twice in a row: without and with `--seamless x`.",
        'sukashi "the sea, sunrise, ship" --seamless x',
    ),
    "variations": (
        f"One seed and another, mixed by {', '.join(f'{v:g}' for v in VARIATIONS)}.",
        'sukashi "a girl eating pizza" --seed 1 --variation 0.4 --variation-seed 2',
    ),
    "grid": (
        "Guidance across, steps down, one seed.",
        'sukashi grid "a girl eating pizza" -x guidance=1,2,4 -y steps=4,8,16',
    ),
}
MEASURED = """\
What the probe of the laboratory (docs/laboratory.md) sees in pictures of drawn girls, with the standard error of each
rate. Inpainting repaints the upper half of the head as "a girl wearing a red hat ..."; image-to-image draws the same
pictures anew with their own captions; two passes are compared with the first picture enlarged, seeds 0 to 3."""


def image_to_image(pipe: sukashi.Pipeline, girl: Image.Image) -> Image.Image:
    """One source, three strengths."""
    options = {"image": girl, "seed": 2}
    drawn = [tasks.image_to_image(pipe, "a boy eating pizza", strength=s, **options).images[0] for s in STRENGTHS]
    return contact_sheet([girl, *drawn], len(drawn) + 1)


def inpainting(pipe: sukashi.Pipeline, girl: Image.Image) -> Image.Image:
    """A hat on the head of the girl."""
    mask = Image.new("L", girl.size)
    mask.paste(255, HEAD)
    result = tasks.inpaint(pipe, "a girl wearing a red hat eating pizza", image=girl, mask=mask, fill="fill", seed=2)
    return contact_sheet([girl, mask.convert("RGB"), result.images[0]], 3)


def outpainting(pipe: sukashi.Pipeline, _: Image.Image) -> Image.Image:
    """A landscape made wider."""
    prompt = "a cat in the forest"
    cat = pipe(prompt, seed=1).images[0]
    return tasks.outpaint(pipe, prompt, image=cat, seed=2, **SIDES).images[0]


def two_pass(pipe: sukashi.Pipeline, girl: Image.Image) -> Image.Image:
    """Enlarged, and drawn anew after that."""
    second = tasks.two_pass(pipe, GIRL, scale=1.5, strength=0.3, seed=1).images[0]
    return contact_sheet([girl.resize(second.size, Image.Resampling.LANCZOS), second], 2)


def seamless(pipe: sukashi.Pipeline, _: Image.Image) -> Image.Image:
    """The same prompt and seed with edges and without, repeated."""
    tiles = [pipe("the sea, sunrise, ship", seed=1, **options).images[0] for options in ({}, {"seamless": "x"})]
    return contact_sheet([contact_sheet([tile] * 2, 2, gap=0) for tile in tiles], 1)


def variations(pipe: sukashi.Pipeline, _: Image.Image) -> Image.Image:
    """From one seed towards another."""
    drawn = [pipe(GIRL, seed=1, variation=v, variation_seed=2 if v else None).images[0] for v in VARIATIONS]
    return contact_sheet(drawn, len(drawn))


def grid(pipe: sukashi.Pipeline, _: Image.Image) -> Image.Image:
    """Two options against one another."""
    return tasks.grid(pipe, GIRL, axes=AXES, seed=1).images[0]


DRAW = dict(zip(PARTS, (image_to_image, inpainting, outpainting, two_pass, seamless, variations, grid), strict=True))


def page(pipe: sukashi.Pipeline, folder: Path) -> str:
    """Draw all pictures into ``folder`` and return the text around them."""
    girl = pipe(GIRL, seed=1).images[0]
    lines = [
        "# Tasks: pictures from pictures",
        "",
        "Every picture here is made by `python docs/tasks_page.py` with the model inside the package. None was picked.",
        "",
    ]
    for name, (text, command) in PARTS.items():
        DRAW[name](pipe, girl).save(folder / f"tasks-{name}.png")
        lines += [f"## {name.capitalize()}", "", text, "", f"![{name}](images/tasks-{name}.png)", ""]
        lines += ["```sh", command, "```", ""]
    lines += ["## Measured", "", MEASURED, "", "```sh", "sukashi kirie tasks", "```", ""]
    lines += [table(measure(pipe, load_probe()))]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="kirie", help="another model of the same world")
    pipe = sukashi.load(parser.parse_args().model, device="cpu")
    (HERE / "tasks.md").write_text(page(pipe, HERE / "images"), encoding="utf-8")


if __name__ == "__main__":
    main()
