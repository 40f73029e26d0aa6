"""From nothing to a prompt: importing, and asking for help."""

from __future__ import annotations

from benchmarks.measure import Row, compare, python

TORCH = "import torch"
OURS = "import sukashi; sukashi.load"  # the name is looked up then, and everything it needs with it
THEIRS = "from diffusers import StableDiffusionPipeline"
OUR_HELP = "import sys; from sukashi.cli import main; sys.exit(main(['--help']))"
THEIR_HELP = "import sys; sys.argv = ['x', '--help']; from diffusers.commands.diffusers_cli import main; main()"


def wall(code: str) -> float:
    """Seconds of a fresh interpreter, its own start included."""
    return python(code)[0]


def run(runs: int) -> list[Row]:
    """Importing and helping, in fresh interpreters."""
    return [
        compare("import sukashi", "s", lambda: wall("import sukashi"), lambda: wall(THEIRS), runs),
        compare("import sukashi and its pipeline", "s", lambda: wall(OURS), lambda: wall(THEIRS), runs),
        compare("the same, beside torch alone", "s", lambda: wall(OURS), lambda: wall(TORCH), runs, theirs_is="torch"),
        compare("--help", "s", lambda: wall(OUR_HELP), lambda: wall(THEIR_HELP), runs, theirs_is="diffusers-cli"),
    ]
