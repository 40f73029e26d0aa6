"""What all methods share: steps, their randomness, checkpoints, the log, sheets of samples, and writing the result.

A run lives in one folder: ``run.json`` (what was asked), ``log.jsonl`` and ``tensorboard/``, ``samples/``,
``checkpoint.pt``, and at the end the files of the method. Everything random at a step comes from (seed, step), so a
run that was killed goes on from its checkpoint as if nothing had happened, on a CPU bit for bit.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from sukashi.loading import defaults as habits_of
from sukashi.pipeline import Pipeline
from sukashi.prompts.encode import chunks_needed
from sukashi.train.data.examples import Examples
from sukashi.train.methods.averaging import Average
from sukashi.train.methods.checkpointing import forgetful
from sukashi.train.methods.config import Config
from sukashi.train.methods.folder import begin, digest
from sukashi.train.methods.journal import Journal
from sukashi.train.methods.learner import HELD, Learner, moved, parts_of
from sukashi.train.methods.machine import accelerator
from sukashi.train.methods.objective import objective
from sukashi.train.methods.optimizers import optimizer_for, share_of_rate
from sukashi.train.methods.passes import Classroom, batches_for, lessons, one_step, texts_for
from sukashi.train.methods.samples import draw_sheet
from sukashi.train.methods.taught import Facts, Taught
from sukashi.train.run import Budget, Run
from sukashi.weights.parts import Parts

if TYPE_CHECKING:
    from accelerate import Accelerator

Prepare = Callable[[Parts, Config], Taught]
"""(a model of which nothing trains, what is asked with every habit filled in) -> a method made ready."""
Watch = Callable[[int, float], None]
"""Told the number of every finished step and its loss."""


@dataclass(frozen=True)
class Result:
    """A finished training: the files it wrote, and the model as it is now."""

    files: tuple[Path, ...]
    folder: Path
    steps: int
    loss: float  # mean of the last steps, 100 at most; NaN when there was none to do
    parts: Parts
    notes: tuple[str, ...]


def teach(
    method: str,
    prepare: Prepare,
    model: Pipeline | Parts,
    examples: Examples,
    config: Config,
    folder: Path,
    watch: Watch = lambda step, loss: None,
) -> Result:
    """Train, or go on training where ``folder`` says; the model given is never changed.

    Raises ValueError for a family that cannot be taught, and for a folder whose run was begun with other settings.
    """
    asked, folder = config.filled(method), Path(folder)
    machine = accelerator(asked)
    base = moved(parts_of(model), machine.device, HELD[asked.precision])
    taught = prepare(base, asked)
    habits = model.defaults if isinstance(model, Pipeline) else habits_of(base)
    facts = Facts(
        method=method,
        model=name_of(model),
        family=base.family,
        config=asked,
        examples=examples,
        trigger=trigger_of(examples),
        habits=habits,
    )
    room, average, run = made_ready(machine, taught, facts, folder)
    journal = Journal(folder, run.step) if machine.is_main_process else None
    losses: deque[float] = deque(maxlen=100)
    if journal and run.step == 0:
        show(taught, facts, average, journal, machine)
    for step, spent in run:
        begun = time.perf_counter()
        for group in room.optimizer.param_groups:
            group["lr"] = group["peak"] * share_of_rate(asked, step, spent)
        value, norm = one_step(room, step)
        average.follow(step)
        losses.append(value)
        if journal:
            rate = max(group["lr"] for group in room.optimizer.param_groups)
            journal.note(step, loss=value, norm=norm, rate=rate, seconds=time.perf_counter() - begun)
            watch(step + 1, value)
            show(taught, replace(facts, steps=step + 1), average, journal, machine)
    average.swap()  # from here on the model is what is written
    files: list[Path] = []
    if journal:
        files = taught.write(folder, replace(facts, steps=run.step))
        journal.close()
    machine.wait_for_everyone()
    mean = sum(losses) / len(losses) if losses else math.nan
    notes = (*taught.notes, *examples.notes, *long_captions(taught.parts, examples))
    return Result(tuple(files), folder, run.step, mean, taught.parts, notes)


def made_ready(machine: Accelerator, taught: Taught, facts: Facts, folder: Path) -> tuple[Classroom, Average, Run]:
    """Everything that a step needs, restored from the checkpoint in ``folder`` where there is one."""
    config, parts = facts.config, taught.parts
    goal, batches = objective(parts, config), batches_for(facts.examples, parts, config)
    if machine.is_main_process:
        data = {"model": facts.model, "data": digest(facts.examples)}
        begin(folder, {"method": facts.method, **data, **config.as_json()})
    machine.wait_for_everyone()
    trained = nn.ParameterList(taught.everything)
    average, optimizer = Average(trained, config.ema), optimizer_for(taught, config)
    if config.checkpointing:
        texts = tuple(forgetful(text) for text in parts.text_encoders)
        parts = replace(parts, unet=forgetful(parts.unet), text_encoders=texts)
    learner, stepper = machine.prepare(Learner(parts, config.clip_skip), optimizer)
    kept: dict[str, Any] = {"weights": trained, "average": average, "optimizer": optimizer}
    kept |= {} if machine.scaler is None else {"scaler": machine.scaler}
    run = Run(
        folder / "checkpoint.pt",
        Budget(steps=config.steps or 0, minutes=config.minutes),
        kept,
        save_every=math.inf,
        save_steps=config.save_every,
        writes=machine.is_main_process,
    )
    room = Classroom(
        machine=machine,
        learner=learner,
        optimizer=stepper,
        trained=trained,
        lessons=lessons(taught, batches, config),
        texts=texts_for(taught, config),
        goal=goal,
        config=config,
        sized=bool(parts.family.size_numbers),
    )
    return room, average, run


def show(taught: Taught, facts: Facts, average: Average, journal: Journal, machine: Accelerator) -> None:
    """After a step: a sheet of samples where one is due, and the files where each state is kept."""
    config, step, folder = facts.config, facts.steps, journal.folder
    due = config.sample_every and step % config.sample_every == 0
    kept = config.keep and step and config.save_every and step % config.save_every == 0
    if not due and not kept:
        return
    with average.in_place():
        if due:
            with machine.autocast():
                path = folder / "samples" / f"step-{step:06d}.png"
                sheet = draw_sheet(taught.parts, facts.habits, config.samples, config.seed + 1, path)
            journal.show(step, sheet)
        if kept:
            taught.write(folder / f"step-{step:06d}", facts)


def name_of(model: Pipeline | Parts) -> str:
    """What files call the model that was taught."""
    return model.name if isinstance(model, Pipeline) else model.report.source


def long_captions(parts: Parts, examples: Examples) -> list[str]:
    """A note about captions that are longer than the text encoder reads at once."""
    counts = [chunks_needed(parts, [example.caption], emphasis="none") for example in examples]
    if max(counts) == 1:
        return []
    long = sum(count > 1 for count in counts)
    return [f"captions that are read in more than one chunk of tokens: {long}; the longest in {max(counts)}"]


def trigger_of(examples: Examples) -> str:
    """What all pictures to learn from are called; "" where their captions differ."""
    captions = {example.caption for example in examples if not example.prior}
    return captions.pop() if len(captions) == 1 else ""
