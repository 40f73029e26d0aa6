"""What is said before anything is drawn: help at once, and one sentence for every wrong word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import sukashi as package
from sukashi.cli.parser import VERBS, parse

PROBE = """
import sys
from sukashi.cli import main
code = main({words!r})
print(sorted({{"torch", "numpy", "PIL", "tokenizers"}} & set(sys.modules)), code, file=sys.stderr)
"""


def test_help_comes_at_once_and_without_torch() -> None:
    def ask() -> tuple[float, str, str]:
        start = os.times()
        done = subprocess.run([sys.executable, "-c", PROBE.format(words=["--help"])], capture_output=True, text=True)
        used = os.times()  # of the child's processor time: on an idle machine it takes no longer than that
        seconds = used.children_user - start.children_user + used.children_system - start.children_system
        return seconds, done.stdout, done.stderr

    asked = [ask() for _ in range(5)]
    assert all(err.strip() == "[] 0" for _, _, err in asked)
    assert min(seconds for seconds, _, _ in asked) < 0.3
    out = asked[0][1]
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert all(f"\n  {code} " in out for code in (0, 1, 2, 3, 4, 130))
    letters = "-m -p -n -o -W -H -s -b -t -v --steps --cfg-scale --sampling-method --scheduler --rng --clip-skip --vae"
    assert all(f"{letter}" in out for letter in letters.split())


def test_a_wrong_command_line_is_refused_without_torch() -> None:
    words = ["a cat", "--steps", "0", "-o", "nowhere/x.png"]
    done = subprocess.run([sys.executable, "-c", PROBE.format(words=words)], capture_output=True, text=True)
    sentence, modules = done.stderr.strip().splitlines()
    assert sentence == "sukashi: steps is 0; a whole number of at least 1 is accepted"
    assert modules == "[] 2"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(sukashi, verb: str) -> None:
    code, out, err = sukashi(verb, "--help")
    assert code == 0 and out.startswith(f"usage: sukashi {verb}") and "exit codes:" in out and not err


def test_version(sukashi) -> None:
    assert sukashi("--version") == (0, f"sukashi {package.__version__}\n", "")


def test_nothing_is_a_question(sukashi) -> None:
    code, out, err = sukashi()
    assert code == 2 and not out and "verbs (sukashi VERB --help)" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fnord", "x"], "there is no option --fnord"),
        (["--stepps", "3", "x"], "did you mean --steps?"),
        (["-x"], 'a prompt that begins with "-" comes after "--"'),
        (["a", "red", "hat"], "there are 3 prompts ('a', 'red', 'hat'); quote the words"),
        (["raed", "x.png"], "a verb comes first, as in sukashi read"),
        (["x", "--steps", "many"], "--steps: 'many' is not a whole number"),
        (["x", "--guidance", "inf"], "'inf' is not a finite number"),
        (["x", "--rng", "gpu"], "invalid choice: 'gpu'"),
        (["x", "-p", "y"], "the prompt is given twice"),
        (["--steps", "3"], "a prompt is missing"),
        (["x", "-b", "0"], "--batch-count is 0; at least 1 is accepted"),
        (["x", "-t", "0"], "--threads is 0; at least 1 is accepted"),
        (["x", "--json", "--quiet"], "--json and --quiet exclude each other"),
        (["x", "--sampler", "eular"], "unknown sampler 'eular'"),
        (["x", "--grid", "nope"], "unknown schedule 'nope'"),
        (["x", "-o", "a.txt"], "a.txt: pictures are saved as .png, .jpg, .jpeg, .webp"),
        (["x", "--prompt-file", "nope.txt"], "the prompt is given twice"),
        (["--prompt-file", "nope.txt"], "nope.txt: no such file or directory"),
        (["x", "--device", "abacus"], "'abacus' is not the name of a device; here there is: cpu"),
        (["read"], "the following arguments are required: PICTURE"),
        (["read", "nope.png"], "nope.png cannot be read"),
        (["models", "nope"], "nope: no such folder"),
        (["convert", "a"], "the following arguments are required: DST"),
        (["replay", "a.png", "b.png"], "'b.png' is one word too many"),
        (["train"], "sukashi train wants one of scratch, "),
        (["samplers", "dpm"], "sukashi samplers takes no words; 'dpm' is one"),
        (["tokens", "a cat", "--nearest", "-1"], "--nearest is -1; 0 and more is accepted"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_code_2(sukashi, words: list[str], said: str) -> None:
    code, out, err = sukashi(*words)
    assert code == 2 and not out
    assert err.startswith("sukashi: ") and said in err and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["a cat", "-s", "3"], "a cat"),
        (["-s", "3", "a cat", "--steps", "4"], "a cat"),
        (["txt2img", "read"], "read"),
        (["--", "read"], "read"),
        (["-p", "read"], "read"),
        (["--", "-1"], "-1"),
        (["-s", "3", "--", "--weird"], "--weird"),
        (["-p", "-weird"], "-weird"),
        (["--prompt", "--weird-one"], "--weird-one"),
        (["-p=--steps"], "--steps"),
        (["- a list"], "- a list"),
        (["猫 🐈 'quoted'"], "猫 🐈 'quoted'"),
        ([""], ""),
    ],
)
def test_prompts_that_look_like_something_else(words: list[str], prompt: str) -> None:
    args = parse(words)
    assert args.verb == "txt2img" and [args.prompt, *args.words].count(prompt) == 1


def test_an_option_is_not_taken_for_a_negative_prompt() -> None:
    args = parse(["x", "-n", "-ugly", "--seed", "-1"])
    assert (args.negative_prompt, args.seed) == ("-ugly", -1)
