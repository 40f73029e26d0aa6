"""The options of ``sukashi explain``."""

from __future__ import annotations

import argparse

from sukashi.cli.options import asking, real

LANGUAGES = ("en", "ja")


def explaining(parser: argparse.ArgumentParser) -> None:
    """What to draw, as for a picture or from one, and what to write of it."""
    asking(parser)
    begin = parser.add_argument_group("a picture to begin from, if any")
    begin.add_argument("-i", "--init-img", "--image", dest="image", metavar="FILE", help="it is drawn anew")
    begin.add_argument("--mask", metavar="FILE", help="only what is white there is drawn anew")
    begin.add_argument("--strength", type=real, metavar="X", help="0 to 1 of the steps (default: 0.8, with a mask 1)")
    out = parser.add_argument_group("what to write")
    out.add_argument("-o", "--output", default="report.html", metavar="FILE", help="the page (default: report.html)")
    out.add_argument("--npz", metavar="FILE", help="also all tensors of the run, for numpy")
    out.add_argument("--gif", metavar="FILE", help="also the denoising as a GIF")
    out.add_argument("--apng", metavar="FILE", help="also the denoising as an animated PNG")
    out.add_argument(
        "--compare",
        action="append",
        metavar="NAME=VALUE",
        help="beside it the same with another setting, from the same noise: guidance=1, negative_prompt=, "
        "prompt='a dog', strength=0.5, ...; may be given several times",
    )
    out.add_argument(
        "--previews",
        default="auto",
        metavar="HOW",
        help="linear, vae, none, or the file of a TAESD (default: vae for small pictures, else linear)",
    )
    out.add_argument("--no-attention", action="store_true", help="do not watch the attention: quicker, less memory")
    out.add_argument("--language", choices=LANGUAGES, default="en", help="of the page to begin with (default: en)")
    out.add_argument("--overwrite", action="store_true", help="replace files that are there")
    out.add_argument("--json", action="store_true", help="one JSON object on standard output")
    out.add_argument("--quiet", action="store_true", help="print only the paths")
