"""The options of ``sukashi train`` and of what it can train."""

from __future__ import annotations

import argparse

from sukashi.cli.options import real, whole
from sukashi.cli.teach_options import METHODS, teaching


def train(parser: argparse.ArgumentParser) -> None:
    """What can be trained, each with its own options."""
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="WHAT")
    scratch(deeds.add_parser("scratch", help="a complete tiny model from nothing", allow_abbrev=False))
    for method, summary in METHODS.items():
        teaching(deeds.add_parser(method, help=summary, description=summary, allow_abbrev=False), method)


def scratch(parser: argparse.ArgumentParser) -> None:
    """Options of scratch. Run again with the same folder, it goes on where it was."""
    parser.add_argument("--recipe", default="kirie", metavar="NAME", help="default: kirie")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for data, checkpoints, log and the model")
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--start", metavar="FOLDER", help="a model to go on from instead of from nothing")
    parser.add_argument("--minutes", type=real, metavar="M", help="training time of the U-Net")
    parser.add_argument("--vae-minutes", type=real, metavar="M", help="training time of the autoencoder")
    parser.add_argument("--polish-minutes", type=real, metavar="M", help="more of the decoder alone; 0: none")
    parser.add_argument("--pictures", type=whole, metavar="N", help="drawings to learn from")
    parser.add_argument("--batch", type=whole, metavar="N", help="pictures of one step")
    parser.add_argument("--rate", type=real, metavar="X", help="peak learning rate")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="default 0")
    parser.add_argument("--threads", type=whole, metavar="N", help="of the CPU; also processes that draw")
    parser.add_argument("--evaluate", type=whole, default=200, metavar="N", help="prompts to measure it on; 0: none")
