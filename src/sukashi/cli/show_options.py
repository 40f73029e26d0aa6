"""The options of ``sukashi show``."""

from __future__ import annotations

import argparse

from sukashi.cli.options import loading, whole


def show(parser: argparse.ArgumentParser) -> None:
    """What can be shown, each with its own options."""
    things = parser.add_subparsers(dest="thing", required=True, metavar="WHAT")
    for part, about in (
        ("unet", "every block of the U-Net: shapes, parameters, milliseconds, memory, where it is written"),
        ("vae", "the same of the autoencoder"),
        ("text", "the same of the text encoders"),
    ):
        network(things.add_parser(part, help=about, description=about, allow_abbrev=False))
    noise = "the noise levels that samplers visit, and what the model was trained with"
    schedule(things.add_parser("schedule", help=noise, description=noise, allow_abbrev=False))
    colours = "fit the numbers that turn latents into colours, and say how far off they are"
    preview(things.add_parser("preview", help=colours, description=colours, allow_abbrev=False))


def network(parser: argparse.ArgumentParser) -> None:
    """Options of unet, vae and text."""
    parser.add_argument("what", nargs="?", metavar="MODEL", help="name, folder, file or hub id (default: kirie)")
    parser.add_argument("--family", metavar="NAME", help="without weights, as this kind is built: sd1, sd2, sdxl, ...")
    parser.add_argument("--size", type=whole, default=0, metavar="N", help="of the picture in pixels (default: usual)")
    parser.add_argument("--depth", type=whole, default=2, metavar="N", help="how deep to go into blocks (default 2)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    loading(parser)


def schedule(parser: argparse.ArgumentParser) -> None:
    """Options of schedule."""
    parser.add_argument("what", nargs="?", metavar="MODEL", help="name, folder, file or hub id (default: kirie)")
    parser.add_argument("--family", metavar="NAME", help="the noise that this kind was published with: sd1, sdxl, ...")
    parser.add_argument("--sampling-method", "--sampler", dest="sampler", nargs="+", default=[None], metavar="NAME")
    parser.add_argument("--scheduler", "--grid", dest="grid", nargs="+", default=[None], metavar="NAME")
    parser.add_argument("--steps", type=whole, nargs="+", default=[20], metavar="N", help="default 20")
    parser.add_argument("-o", "--output", metavar="FILE", help="also a chart: .svg or .png (pip install sukashi[plot])")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--json", action="store_true", help="one JSON object, with the training steps too")
    loading(parser)


def preview(parser: argparse.ArgumentParser) -> None:
    """Options of preview."""
    parser.add_argument("what", nargs="?", metavar="MODEL", help="name, folder, file or hub id (default: kirie)")
    parser.add_argument("--pictures", type=whole, default=256, metavar="N", help="of kirie's world (default 256)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    loading(parser)
