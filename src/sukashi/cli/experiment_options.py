"""The experiments by name, and the options of ``sukashi experiment``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from sukashi.cli.options import loading, real, whole


class Trial(NamedTuple):
    """One experiment: where its function is, one line about it, and its own options.

    ``given`` are the options that are handed to the function under their names where they are given.
    """

    module: str
    function: str
    summary: str
    given: tuple[str, ...]
    add_options: Callable[[argparse.ArgumentParser], None]


def prompted(parser: argparse.ArgumentParser) -> None:
    """A prompt, and how it is drawn."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="quoted (default: one that kirie knows)")
    parser.add_argument("--steps", type=whole, metavar="N", help="of the sampler")
    parser.add_argument("--cfg-scale", "--guidance", dest="guidance", type=real, metavar="X")


def seeded(parser: argparse.ArgumentParser) -> None:
    """One seed."""
    parser.add_argument("-s", "--seed", type=whole, metavar="N", help="of the noise")


def several(parser: argparse.ArgumentParser) -> None:
    """Several seeds."""
    parser.add_argument("-s", "--seed", dest="seeds", type=whole, nargs="+", metavar="N", help="one row for each")


def guidance(parser: argparse.ArgumentParser) -> None:
    """Options of guidance."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="quoted (default: one that kirie knows)")
    parser.add_argument("--scales", type=real, nargs="+", metavar="X", help="default 0 1 2 10")
    parser.add_argument("--steps", type=whole, metavar="N", help="of the sampler")
    several(parser)


def blend(parser: argparse.ArgumentParser) -> None:
    """Options of blend."""
    prompted(parser)
    parser.add_argument("other", nargs="?", metavar="OTHER", help="the prompt at the other end")
    parser.add_argument("--pictures", type=whole, metavar="N", help="from one end to the other (default 5)")
    seeded(parser)


def unscheduled(parser: argparse.ArgumentParser) -> None:
    """Options of unscheduled."""
    prompted(parser)
    parser.add_argument("--ratios", type=real, nargs="+", metavar="X", help="default 1 1.25 1.475 1.75 2; derived too")
    several(parser)


def words(parser: argparse.ArgumentParser) -> None:
    """Options of words."""
    prompted(parser)
    seeded(parser)


def negative(parser: argparse.ArgumentParser) -> None:
    """Options of negative."""
    prompted(parser)
    parser.add_argument("-n", "--negative-prompt", metavar="TEXT")
    parser.add_argument("--windows", type=whole, metavar="N", help="how finely the run is divided (default 5)")
    seeded(parser)


def samplers(parser: argparse.ArgumentParser) -> None:
    """Options of samplers."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="quoted (default: one that kirie knows)")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="any names of samplers")
    parser.add_argument("--steps", type=whole, nargs="+", metavar="N", help="default 4 8 16")
    parser.add_argument("--grid", metavar="NAME", help="the one grid that all walk (default uniform)")
    parser.add_argument("--fine", type=whole, metavar="N", help="steps of the solution they are held to (default 100)")
    parser.add_argument("--cfg-scale", "--guidance", dest="guidance", type=real, metavar="X")
    seeded(parser)


def inversion(parser: argparse.ArgumentParser) -> None:
    """Options of inversion."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="what the picture shows")
    parser.add_argument("-i", "--image", metavar="FILE", help="a picture to invert (default: the prompt is drawn)")
    parser.add_argument("--steps", type=whole, nargs="+", metavar="N", help="default 10 20 50")
    parser.add_argument("--cfg-scale", "--guidance", dest="guidance", type=real, metavar="X", help="back (default 3)")
    seeded(parser)


def vae(parser: argparse.ArgumentParser) -> None:
    """Options of vae."""
    parser.add_argument("images", nargs="*", metavar="FILE", help="pictures (default: some of kirie's world)")
    parser.add_argument("--pictures", type=whole, metavar="N", help="of kirie's world (default 6)")
    parser.add_argument("-s", "--seed", type=whole, metavar="N", help="of the first of them")


def loss(parser: argparse.ArgumentParser) -> None:
    """Options of loss."""
    prompted(parser)
    parser.add_argument("--colour", choices=("red", "green", "blue"), help="what the loss wants (default blue)")
    parser.add_argument("--weights", type=real, nargs="+", metavar="X", help="of the loss, one column each")
    parser.add_argument("--through", choices=("unet", "decoder"), help="where the gradient goes (default decoder)")
    several(parser)


def captions(parser: argparse.ArgumentParser) -> None:
    """Options of captions."""
    parser.add_argument("candidates", nargs="*", metavar="CAPTION", help="for --image: two and more to choose from")
    parser.add_argument("-i", "--image", metavar="FILE", help="(default: kirie's captions for kirie's pictures)")
    parser.add_argument("--pictures", type=whole, metavar="N", help="of kirie's world, with a caption each (default 8)")
    parser.add_argument("--questions", type=whole, metavar="N", help="levels with a noise each (default 6)")
    seeded(parser)


def nearest(parser: argparse.ArgumentParser) -> None:
    """Options of nearest."""
    parser.add_argument("embedding", metavar="FILE", help="a textual inversion: file, or name of an installed one")
    parser.add_argument("--count", type=whole, metavar="N", help="words for each vector (default 4)")
    parser.add_argument("--template", metavar="TEXT", help="a prompt with {} for the word (default: {})")
    parser.add_argument("--steps", type=whole, metavar="N", help="of the sampler")
    seeded(parser)


DRAWN = ("prompt", "steps", "guidance")
# fmt: off
TRIALS: dict[str, Trial] = {
    "guidance": Trial("guidance", "guidance", "one prompt at guidance 0, 1, 2 and 10",
        ("prompt", "steps", "scales", "seeds"), guidance),
    "blend": Trial("blending", "blend", "from one prompt to another, mixed as numbers",
        (*DRAWN, "other", "pictures", "seed"), blend),
    "unscheduled": Trial("unscheduled", "unscheduled", "denoising without a scheduler, and why the ratio is 1.47",
        (*DRAWN, "ratios", "seeds"), unscheduled),
    "words": Trial("dropping", "words", "the prompt without each of its words",
        (*DRAWN, "seed"), words),
    "negative": Trial("windows", "negative", "a negative prompt that holds in a part of the run",
        (*DRAWN, "negative_prompt", "windows", "seed"), negative),
    "samplers": Trial("sampling", "samplers", "samplers side by side, and how far each is from the solution",
        (*DRAWN, "names", "grid", "fine", "seed"), samplers),
    "inversion": Trial("inverting", "inversion", "a picture to noise and back by DDIM: how much is lost",
        (*DRAWN, "image", "seed"), inversion),
    "vae": Trial("roundtrip", "vae", "pictures through the autoencoder and back",
        ("images", "pictures", "seed"), vae),
    "loss": Trial("extra_loss", "loss", "guidance with a loss of one's own: bluer",
        (*DRAWN, "colour", "weights", "through", "seeds"), loss),
    "captions": Trial("captioning", "captions", "from a picture to a prompt: which caption explains it best",
        ("candidates", "image", "pictures", "questions", "seed"), captions),
    "nearest": Trial("nearest", "nearest", "the words nearest to a textual inversion, and what they draw",
        ("embedding", "count", "template", "steps", "seed"), nearest),
}
# fmt: on


def experiment(parser: argparse.ArgumentParser) -> None:
    """Every experiment with its own options; without a name they are listed."""
    parser.add_argument("--json", dest="json_list", action="store_true", help="list them as one JSON object")
    trials = parser.add_subparsers(dest="trial", metavar="NAME")
    for name, trial in TRIALS.items():
        own = trials.add_parser(name, help=trial.summary, description=trial.summary, allow_abbrev=False)
        trial.add_options(own)
        own.add_argument("-o", "--output", default="experiments", metavar="FOLDER", help="default: experiments")
        own.add_argument("--overwrite", action="store_true", help="replace files that are there")
        own.add_argument("--json", action="store_true", help="one JSON object on standard output")
        loading(own)
