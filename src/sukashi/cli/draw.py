"""``sukashi "a prompt"``: prompts to pictures, one after another, each written while the next is drawn."""

from __future__ import annotations

import argparse
import difflib
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sukashi.cli.control import asked_of, with_adapters
from sukashi.cli.exits import OK, Misuse
from sukashi.cli.lora import with_named
from sukashi.cli.parser import VERBS
from sukashi.cli.progress import watched
from sukashi.outputs import Target
from sukashi.settings import Settings

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline
    from sukashi.run import Result

GIVEN = (
    "negative_prompt",
    "width",
    "height",
    "steps",
    "guidance",
    "rescale",
    "sampler",
    "grid",
    "eta",
    "rng",
    "clip_skip",
    "seamless",
    "variation",
    "variation_seed",
    "prompt_2",
    "negative_prompt_2",
    "original_size",
    "target_size",
    "crop",
    "emphasis",
    "truncate",
    "negative_start",
    "negative_stop",
    "negative_outside",
    "negative_scale",
    "guide",
    "loras",
    "embeddings",
    "deepcache",
    "tgate",
)


def run(args: argparse.Namespace) -> int:
    """Draw every prompt ``--batch-count`` times."""
    return perform(args, prompts_of(args), "text_to_image", {})


def perform(args: argparse.Namespace, prompts: list[str], task: str, given: Mapping[str, Any]) -> int:
    """Run a task of ``sukashi.tasks``, with what is ``given`` to it alone, for every prompt and seed.

    Whatever can be refused is refused before the model is loaded.
    """
    number, together = pictures_of(args)
    if args.json and args.quiet:
        raise Misuse("--json and --quiet exclude each other: --json prints nothing but JSON anyway")
    asked = Settings(**{name: getattr(args, name) for name in GIVEN})
    target = Target(args.output, overwrite=args.overwrite)
    target.refuse(len(prompts) * number)
    check_names(asked)
    adapters = asked_of(args)

    from sukashi import tasks
    from sukashi.cli.model import load

    pipe, asked = with_named(load(args), asked), replace(asked, loras=None, embeddings=None)
    pipe = with_adapters(pipe, adapters)
    fingerprint = tasks.fingerprint(pipe)
    total, size, said = len(prompts) * number, 1, list[str]()
    if together:
        from sukashi.fast.portions import at_once

        size, note = at_once(pipe, asked.width or pipe.size[0], asked.height or pipe.size[1], number)
        said = [note]
    drawn = 0
    for prompt, seed, count in batches(prompts, args.seed, number, size):
        names = f"{drawn + 1} to {drawn + count}" if count > 1 else f"{drawn + 1}"
        show = watched(f"{names} of {total}" if total > 1 else "drawing", quiet=args.quiet)
        options = asked.to_dict() | {"prompt": prompt, "seed": seed, "count": count}
        result = getattr(tasks, task)(pipe, show=show, **options, **given)
        for k, path in enumerate(tasks.save(result, target, model_hash=fingerprint)):
            say(args, facts(pipe, result, path, k, said))
        drawn += count
    return OK


def pictures_of(args: argparse.Namespace) -> tuple[int, bool]:
    """How many pictures of each prompt, and whether several at a time."""
    if args.count is not None and args.batch_count != 1:
        raise Misuse("--count and --batch-count exclude each other: both say how many pictures of each prompt")
    number, name = (args.batch_count, "batch-count") if args.count is None else (args.count, "count")
    if number < 1:
        raise Misuse(f"--{name} is {number}; at least 1 is accepted")
    return number, args.count is not None


def batches(prompts: list[str], seed: int | None, number: int, size: int) -> Iterator[tuple[str, int, int]]:
    """Each prompt with its seeds, ``size`` at a time: (prompt, first seed, how many).

    Seeds are seed, seed + 1, ... from the given one for every prompt, else from a random one.
    """
    for prompt in prompts:
        first = secrets.randbelow(2**32) if seed is None or seed < 0 else seed
        for k in range(0, number, size):
            yield prompt, first + k, min(size, number - k)


def prompts_of(args: argparse.Namespace) -> list[str]:
    """The prompts, from wherever they were given: exactly one place is accepted."""
    if len(args.words) > 1:
        raise Misuse(about_words(args.words))
    given = [*args.words, *([args.prompt] if args.prompt is not None else [])]
    if len(given) + (args.prompt_file is not None) != 1:
        which = "a prompt is missing" if not given else "the prompt is given twice"
        raise Misuse(f'{which}; say it once, as in sukashi "a cat", or with -p or with --prompt-file')
    prompts = read_prompts(args.prompt_file) if args.prompt_file is not None else given
    for text in (*prompts, args.negative_prompt or ""):
        if any("\ud800" <= letter <= "\udfff" for letter in text):  # what Python makes of bytes that are no UTF-8
            raise Misuse(f'the prompt "{visible(text)}" is not UTF-8 text')
    return prompts


def about_words(words: list[str]) -> str:
    """Why several words cannot be one prompt, and what was probably meant."""
    near = [verb for word in words for verb in difflib.get_close_matches(word, VERBS, 1)]
    verb = f"; a verb comes first, as in sukashi {near[0]} ..." if near else ""
    return (
        f"there are {len(words)} prompts ({', '.join(map(repr, words[:3]))}); quote the words of one, as in "
        f'sukashi "a red hat", and put several into a file (--prompt-file){verb}'
    )


def read_prompts(name: str) -> list[str]:
    """The lines of a file, or of standard input for "-"; empty ones are left out."""
    where = "standard input" if name == "-" else name
    data = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise Misuse(f"{where} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    if not any(lines):
        raise Misuse(f"{where} holds no prompt: every line is empty")
    return [line for line in lines if line]


def check_names(asked: Settings) -> None:
    """Raises ValueError, listing the known ones, for a sampler or a grid that does not exist."""
    if asked.sampler or asked.grid:
        from sukashi.diffusion.names import diffusers_class, grid_key, plain, split

        if asked.sampler and not diffusers_class(asked.sampler):
            split(asked.sampler)
        if asked.grid and plain(asked.grid) != "automatic":
            grid_key(asked.grid)


def say(args: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Print what was run and where the picture is."""
    if args.json:
        print(json.dumps(facts, ensure_ascii=not speaks_unicode()), flush=True)
    else:
        print(facts["path"] if args.quiet else account(facts), flush=True)


def facts(pipe: Pipeline, result: Result, path: Path | None, k: int = 0, said: Sequence[str] = ()) -> dict[str, Any]:
    """Everything there is to say of picture k of a result, as JSON values; ``said`` goes before its notes."""
    from sukashi.fast.portions import peaks

    settings = result.requests[k]
    return {
        "path": None if path is None else str(path),
        "prompt": settings.prompt,
        "negative_prompt": settings.negative_prompt,
        "model": result.model,
        "family": pipe.parts.family.title,
        "sampler": result.sampler,
        "grid": result.grid,
        "steps": settings.steps,
        "calls": result.calls,
        "guidance": settings.guidance,
        "seed": settings.seed,
        "width": result.images[k].width,
        "height": result.images[k].height,
        "device": str(pipe.loading.get("device", pipe.device)),
        "dtype": str(pipe.dtype).removeprefix("torch."),
        "seconds": round(result.seconds, 3),
        "peak_memory": peaks(),
        "notes": [*map(str, pipe.loras), *said, *result.notes],
        "loading_notes": list(pipe.parts.report.notes),
        "record": result.record(k),
    }


def account(facts: dict[str, Any]) -> str:
    """The same for a person: the path, and below it what was run."""
    from sukashi.tasks import grid_label, sampler_label

    how = f"{sampler_label(facts['sampler'])} ({grid_label(facts['grid']).lower()} grid)"
    lines = [
        f"{facts['model']} ({facts['family']}): {quoted(facts['prompt'])}"
        + (f", not {quoted(facts['negative_prompt'])}" if facts["negative_prompt"] else ""),
        f"{how}, {counted(facts['steps'], 'step')}, {counted(facts['calls'], 'U-Net call')}, "
        f"guidance {facts['guidance']:g}, seed {facts['seed']}",
        f"{facts['width']} x {facts['height']} in {facts['seconds']:.1f} s on {facts['device']}, {facts['dtype']}",
        *(f"note: {visible(note)}" for note in facts["notes"]),
    ]
    return "\n  ".join([facts["path"] or "drawn again, not saved", *lines])


def counted(number: int, thing: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number} {thing}{'s' * (number != 1)}"


def quoted(text: str) -> str:
    """A prompt between quotation marks."""
    return f'"{visible(text)}"'


def visible(text: str) -> str:
    """Text whose control characters are escaped, so that nobody's prompt commands the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def speaks_unicode() -> bool:
    """Whether standard output can show every letter."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
