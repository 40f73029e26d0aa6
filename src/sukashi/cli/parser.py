"""What may be written on the command line: verbs and options, with the letters of stable-diffusion.cpp."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from sukashi import __version__
from sukashi.cli import (
    experiment_options,
    kirie_options,
    options,
    report_options,
    serve_options,
    show_options,
    task_options,
    train_options,
)
from sukashi.cli.exits import TABLE, Misuse

DRAW = "txt2img"
TASK = "sukashi.cli.from_picture"


class Verb(NamedTuple):
    """One verb: the module whose ``run(args)`` does it, one line of help, and its options."""

    module: str
    summary: str
    add_options: Callable[[argparse.ArgumentParser], None]


VERBS = {
    DRAW: Verb("sukashi.cli.draw", "draw a picture for a prompt; the verb may be left out", options.drawing),
    "img2img": Verb(TASK, "draw a picture anew, more or less of it", task_options.img2img),
    "inpaint": Verb(TASK, "draw a part of a picture anew", task_options.inpaint),
    "outpaint": Verb(TASK, "continue a picture beyond its sides", task_options.outpaint),
    "depth": Verb(TASK, "draw a picture anew with its depth kept (5-channel models)", task_options.depth),
    "upscale": Verb(TASK, "draw a picture four times as large (x4 upscaler)", task_options.upscale),
    "instruct": Verb(TASK, "change a picture as the prompt tells (InstructPix2Pix)", task_options.instruct),
    "hires": Verb(TASK, "draw, enlarge, and draw anew at the larger size", task_options.hires),
    "refine": Verb(TASK, "draw with SDXL's base, then its refiner", task_options.refine),
    "grid": Verb(TASK, "one picture for every value of two or three options", task_options.grid),
    "read": Verb("sukashi.cli.read", "show how a picture was made", options.reading),
    "replay": Verb("sukashi.cli.replay", "draw a picture again from what it says; --check compares", options.replaying),
    "tokens": Verb("sukashi.cli.tokens", "show how a prompt is read, token by token", options.tokenizing),
    "models": Verb("sukashi.cli.models", "list the models on this machine", options.listing_models),
    "convert": Verb("sukashi.cli.convert", "folder to single file and back, or to float16", options.converting),
    "samplers": Verb("sukashi.cli.samplers", "list samplers and grids with all their names", options.plain),
    "explain": Verb("sukashi.cli.report", "one page on which a picture is seen being made", report_options.explaining),
    "show": Verb("sukashi.cli.show", "show networks block by block, noise schedules, colours", show_options.show),
    "experiment": Verb("sukashi.cli.experiment", "small experiments to look at", experiment_options.experiment),
    "kirie": Verb("sukashi.cli.kirie", "look at the tiny model's world; measure who draws it", kirie_options.kirie),
    "train": Verb("sukashi.cli.train", "teach a model; scratch makes one from nothing", train_options.train),
    "serve": Verb("sukashi.cli.serve", "serve pictures over HTTP, and the page", serve_options.serving),
    "doctor": Verb("sukashi.cli.doctor", "check that this machine computes correctly", options.doctoring),
}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises ``Misuse`` instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """One sentence, and where the options are explained."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and message.endswith(f"required: {action.metavar}"):
                message = f"{self.prog} wants one of {', '.join(action.choices)} after it"
        raise Misuse(f"{message.removeprefix('argument ')} ({self.prog} --help lists the options)")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The verb and its options. Raises Misuse, and SystemExit after --help or --version has been printed."""
    named = words[0] in VERBS
    verb, rest = (words[0], list(words[1:])) if named else (DRAW, list(words))
    parser = build(verb, named=named)
    args, left = parser.parse_known_args(with_texts_joined(rest, parser))
    if left:
        raise Misuse(about_leftovers(left, verb, parser))
    args.verb = verb
    return args


def build(verb: str, *, named: bool = True) -> Parser:
    """The parser of one verb; not ``named``, it is the one of the bare ``sukashi``, whose help lists all verbs."""
    parser = Parser(
        prog=f"sukashi {verb}" if named else "sukashi",
        usage=None if named else 'sukashi [verb] [options] "a prompt"',
        description=VERBS[verb].summary if named else DESCRIPTION,
        epilog=TABLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if not named:
        parser.add_argument("--version", action="version", version=f"sukashi {__version__}")
    VERBS[verb].add_options(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="say more; show tracebacks")
    return parser


DESCRIPTION = (
    "Draws pictures from words, and shows how.\n\nverbs (sukashi VERB --help):\n"
    + "\n".join(f"  {name:<10} {verb.summary}" for name, verb in VERBS.items())
    + "\n\nA prompt that is also a verb, or begins with '-':  sukashi -p models   sukashi -- \"-1\""
)


def overview() -> str:
    """What the bare ``sukashi`` says: the verbs, not all options."""
    return f'usage: sukashi [verb] [options] "a prompt"\n\n{DESCRIPTION}\n\nsukashi --help lists all options.\n'


def with_texts_joined(words: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """``-p TEXT`` as ``-p=TEXT``, so that a prompt may begin with '-'; an option of ours is not taken for a prompt."""
    known: dict[str, Any] = parser._option_string_actions
    joined: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*joined, word, *words]
        if word in options.TEXTS and words and words[0].startswith("-") and words[0] not in known:
            word = f"{word}={words.pop(0)}"
        joined.append(word)
    return joined


def about_leftovers(left: list[str], verb: str, parser: argparse.ArgumentParser) -> str:
    """Why words could not be understood, with the nearest option."""
    import difflib  # here, so that --help need not wait for it

    first = next((word for word in left if word.startswith("-") and word != "--"), None)
    if first is None and not any(not action.option_strings for action in parser._actions):
        return f"sukashi {verb} takes no words; {left[0]!r} is one"
    if first is None:
        return f'{left[0]!r} is one word too many; quote what has spaces in it, as in sukashi {verb} "two words"'
    name = first.partition("=")[0]
    near = difflib.get_close_matches(name, parser._option_string_actions, 1)
    guess = f"did you mean {near[0]}?" if near else f"{parser.prog} --help lists the options"
    prompt = '; a prompt that begins with "-" comes after "--"' if verb == DRAW and not first.startswith("--") else ""
    return f"there is no option {name} ({guess}{prompt})"
