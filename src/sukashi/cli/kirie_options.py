"""The options of ``sukashi kirie`` and of what it can do."""

from __future__ import annotations

import argparse

from sukashi.cli.kirie_approximations import options as approximations
from sukashi.cli.options import loading, real, whole


def kirie(parser: argparse.ArgumentParser) -> None:
    """What can be done with kirie's world, each with its own options."""
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="WHAT")
    sheet(deeds.add_parser("sheet", help="many pictures of the world on one", allow_abbrev=False))
    sample(deeds.add_parser("sample", help="one picture with caption, masks and truth", allow_abbrev=False))
    evaluate(deeds.add_parser("eval", help="how well a model draws what is said", allow_abbrev=False))
    negatives(deeds.add_parser("negatives", help="what a negative prompt does, by when it holds", allow_abbrev=False))
    attention(deeds.add_parser("attention", help="do the maps of words lie on what they name?", allow_abbrev=False))
    from_pictures(deeds.add_parser("tasks", help="what inpainting and the like do to pictures", allow_abbrev=False))
    approximations(deeds.add_parser("approximations", help="what computing less does to pictures", allow_abbrev=False))
    teach(deeds.add_parser("teach", help="teach it something new in every way, and measure", allow_abbrev=False))
    probe(deeds.add_parser("probe", help="train the probe that reads pictures", allow_abbrev=False))


def sheet(parser: argparse.ArgumentParser) -> None:
    """Options of sheet."""
    parser.add_argument("-o", "--output", default="sheet.png", metavar="FILE", help="default: sheet.png")
    parser.add_argument("--rows", type=whole, default=6, metavar="N")
    parser.add_argument("--columns", type=whole, default=8, metavar="N")
    parser.add_argument("-s", "--seed", type=whole, default=0, metavar="N", help="of the first picture (default 0)")
    parser.add_argument("--captions", action="store_true", help="write under each picture what it shows")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def sample(parser: argparse.ArgumentParser) -> None:
    """Options of sample."""
    parser.add_argument("-s", "--seed", type=whole, default=0, metavar="N", help="which picture (default 0)")
    parser.add_argument("--held-out", action="store_true", help="with a pair of things that training never shows")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="default: sample-SEED")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def evaluate(parser: argparse.ArgumentParser) -> None:
    """Options of eval."""
    parser.add_argument("what", nargs="?", metavar="MODEL", help="folder or name (default: kirie)")
    parser.add_argument("--prompts", type=whole, default=200, metavar="N", help="how many captions (default 200)")
    parser.add_argument("--seeds", type=whole, default=1, metavar="K", help="pictures of each (default 1)")
    parser.add_argument("--guidance", type=real, nargs="+", default=[1.0, 2.0, 3.0, 5.0, 8.0], metavar="X")
    parser.add_argument("--steps", type=whole, default=25, metavar="N", help="default 25")
    parser.add_argument("--sampler", metavar="NAME", help="default: the model's own")
    parser.add_argument("--grid", metavar="NAME", help="default: the sampler's own")
    parser.add_argument("--held-out", action="store_true", help="captions with a pair that training never shows")
    parser.add_argument("--batch", type=whole, default=32, metavar="N", help="pictures at a time (default 32)")
    parser.add_argument("--probe", metavar="FILE", help="weights of another probe")
    parser.add_argument("--out", default="eval", metavar="FOLDER", help="for eval.json and the sheet (default eval)")
    loading(parser)


def negatives(parser: argparse.ArgumentParser) -> None:
    """Options of negatives."""
    parser.add_argument("--prompts", type=whole, default=10, metavar="N", help="how many, at most 10 (default 10)")
    parser.add_argument("--seeds", type=whole, default=10, metavar="K", help="pictures of each (default 10)")
    parser.add_argument("--steps", type=whole, default=10, metavar="N", help="of DDIM (default 10)")
    parser.add_argument("--probe", metavar="FILE", help="weights of another probe")
    parser.add_argument(
        "--out", default="negatives", metavar="FOLDER", help="where to; again: go on (default negatives)"
    )
    loading(parser)


def attention(parser: argparse.ArgumentParser) -> None:
    """Options of attention."""
    parser.add_argument("--per-word", type=whole, default=20, metavar="N", help="pictures of each word (default 20)")
    parser.add_argument("--strength", type=real, default=0.6, metavar="X", help="how far they are noised (default 0.6)")
    parser.add_argument("--steps", type=whole, default=20, metavar="N", help="of the sampler (default 20)")
    parser.add_argument("--layer", metavar="PART", help='a part of layer names, "up_blocks.1", or a size, "16x16"')
    parser.add_argument("--out", default="attention", metavar="FOLDER", help="where to (default attention)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    loading(parser)


def from_pictures(parser: argparse.ArgumentParser) -> None:
    """Options of tasks."""
    parser.add_argument("--pictures", type=whole, default=24, metavar="N", help="drawn girls (default 24)")
    parser.add_argument("--steps", type=whole, default=20, metavar="N", help="of the sampler (default 20)")
    parser.add_argument("--probe", metavar="FILE", help="weights of another probe")
    loading(parser)


def teach(parser: argparse.ArgumentParser) -> None:
    """Options of teach. Run again with the same folder, it goes on where it was."""
    concepts = ("penguin", "king", "waves")
    told = f"of {' '.join(concepts)} (default: all)"
    parser.add_argument("--concepts", nargs="+", choices=concepts, default=concepts, metavar="NAME", help=told)
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="as dreambooth-lora (default: those that suit)")
    parser.add_argument("--pictures", type=whole, default=5, metavar="N", help="of the concept (default 5)")
    parser.add_argument("--prompts", type=whole, default=24, metavar="N", help="new ones with it (default 24)")
    parser.add_argument("--others", type=whole, default=24, metavar="N", help="prompts without it (default 24)")
    parser.add_argument("--steps", type=whole, metavar="N", help="of drawing (default: the model's)")
    parser.add_argument("--train-steps", type=whole, metavar="N", help="default: each method's own")
    parser.add_argument("--kept", type=whole, metavar="N", help="pictures of prior preservation (default: 72)")
    parser.add_argument("--out", default="teach", metavar="FOLDER", help="for everything; again: go on (default teach)")


def probe(parser: argparse.ArgumentParser) -> None:
    """Options of probe."""
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for drawings, checkpoint, log and weights")
    parser.add_argument("--minutes", type=real, default=20.0, metavar="X", help="training time (default 20)")
    parser.add_argument("-t", "--threads", type=whole, metavar="N", help="CPU threads")
