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
    group.add_argument(
        "--mask", metavar="FILE", help="white is repainted (default: where the picture is transparent)"
    )
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


OPTIONS = {  # of each verb, by the names of the task's arguments
    "img2img": ("image", "strength", "exact_steps", "resize"),
    "inpaint": (
        "image",
        "mask",
        "repaint",
        "strength",
        "exact_steps",
        "fill",
        "feather",
        "soft",
        "only_masked",
        "paste_back",
    ),
}
