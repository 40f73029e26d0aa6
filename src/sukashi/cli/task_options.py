"""The options of the verbs that begin from a picture."""

from __future__ import annotations

import argparse

from sukashi.cli.options import drawing, real, whole


def beginning(parser: argparse.ArgumentParser, *, strength: float | None = 0.8) -> argparse._ArgumentGroup:
    """What all of them have: the picture, and mostly how much of it is drawn anew."""
    drawing(parser)
    group = parser.add_argument_group("the picture it begins from")
    group.add_argument("-i", "--init-img", "--image", dest="image", metavar="FILE", required=True, help="the picture")
    if strength is not None:
        group.add_argument(
            "--strength", type=real, default=strength, metavar="X", help=f"0 to 1 of the steps (default {strength:g})"
        )
        group.add_argument("--exact-steps", action="store_true", help="run all --steps at any strength")
    return group


def img2img(parser: argparse.ArgumentParser) -> None:
    """Options of img2img."""
    group = beginning(parser)
    group.add_argument("--resize", default="stretch", metavar="HOW", help="to -W and -H: stretch, crop or fill")


def inpaint(parser: argparse.ArgumentParser) -> None:
    """Options of inpaint."""
    group = beginning(parser, strength=1.0)
    group.add_argument("--mask", metavar="FILE", help="white is repainted (default: where the picture is transparent)")
    group.add_argument(
        "--repaint", default="white", metavar="WHAT", help="of the mask: white (default), black, transparent, opaque"
    )
    group.add_argument(
        "--fill", default="original", metavar="HOW", help="what is there before: original, fill, noise, nothing"
    )
    group.add_argument("--feather", type=whole, default=4, metavar="N", help="pixels of ramp inside the mask (4)")
    group.add_argument("--soft", action="store_true", help="shades of the mask say how strongly it may change")
    group.add_argument(
        "--only-masked", type=whole, metavar="N", help="draw only the mask and N pixels around it, at full size"
    )
    group.add_argument("--whole", dest="paste_back", action="store_false", help="do not paste the original back")


def depth(parser: argparse.ArgumentParser) -> None:
    """Options of depth."""
    group = beginning(parser)
    group.add_argument("--depth", metavar="FILE", help="its depth map, bright is near (default: estimated)")


def upscale(parser: argparse.ArgumentParser) -> None:
    """Options of upscale."""
    group = beginning(parser, strength=None)
    group.add_argument("--noise-level", type=whole, default=20, metavar="N", help="what it may invent (default 20)")
    group.add_argument("--tile", type=whole, metavar="N", help="look at tiles of N pixels (default 192; 0: never)")


def instruct(parser: argparse.ArgumentParser) -> None:
    """Options of instruct."""
    group = beginning(parser, strength=None)
    group.add_argument("--image-guidance", type=real, default=1.5, metavar="X", help="how closely the picture is kept")
    group.add_argument("--resize", default="stretch", metavar="HOW", help="to -W and -H: stretch, crop or fill")


def outpaint(parser: argparse.ArgumentParser) -> None:
    """Options of outpaint."""
    group = beginning(parser, strength=1.0)
    for side in ("left", "right", "top", "bottom"):
        group.add_argument(f"--{side}", type=whole, default=0, metavar="N", help=f"pixels to add on the {side}")
    group.add_argument(
        "--fill", default="fill", metavar="HOW", help="what is there before: fill, original, noise, nothing"
    )


def hires(parser: argparse.ArgumentParser) -> None:
    """Options of hires."""
    drawing(parser)
    group = parser.add_argument_group("the second pass")
    group.add_argument("--scale", type=real, default=2.0, metavar="X", help="times as large (default 2)")
    group.add_argument("--strength", type=real, default=0.5, metavar="X", help="drawn anew, 0 to 1 (default 0.5)")
    group.add_argument("--second-steps", type=whole, metavar="N", help="steps of its grid (default: as the first)")
    group.add_argument("--enlarger", default="lanczos", metavar="HOW", help="lanczos, bicubic or nearest")


def refine(parser: argparse.ArgumentParser) -> None:
    """Options of refine."""
    drawing(parser)
    group = parser.add_argument_group("the refiner")
    group.add_argument("--refiner", required=True, metavar="MODEL", help="name, folder, file or hub id")
    group.add_argument("--switch", type=real, default=0.8, metavar="X", help="share of the base (default 0.8)")


def grid(parser: argparse.ArgumentParser) -> None:
    """Options of grid."""
    drawing(parser)
    group = parser.add_argument_group("the grid (NAME=VALUE,VALUE,... of any option, as in steps=5,10,20)")
    group.add_argument("-x", dest="x", metavar="AXIS", required=True, help="across; prompt=a,b replaces a by b")
    group.add_argument("-y", dest="y", metavar="AXIS", help="down")
    group.add_argument("-z", dest="z", metavar="AXIS", help="below one another")


INPAINT = "image mask repaint strength exact_steps fill feather soft only_masked paste_back"
OPTIONS = {  # of each verb, by the names of the task's arguments
    "img2img": ["image", "strength", "exact_steps", "resize"],
    "inpaint": INPAINT.split(),
    "outpaint": ["image", "left", "right", "top", "bottom", "strength", "exact_steps", "fill"],
    "depth": ["image", "depth", "strength", "exact_steps"],
    "upscale": ["image", "noise_level", "tile"],
    "instruct": ["image", "image_guidance", "resize"],
    "hires": ["scale", "strength", "second_steps", "enlarger"],
    "refine": ["refiner", "switch"],
    "grid": ["axes"],
}
