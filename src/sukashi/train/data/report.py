"""The training data as it was understood, before anything is trained: in words, in numbers, and as a sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from PIL import Image
from torch import nn

from sukashi.kirie.sheet import contact_sheet
from sukashi.train.data.batches import Batches, picture_of
from sukashi.train.data.examples import Example

SHOWN = 20  # pictures that are listed one by one
CROPS, SIDE = 16, 160  # of the sheet


def describe(batches: Batches, *, steps: int | None = None, accumulation: int = 1) -> list[str]:
    """Lines about pictures, captions and where each is from, repeats, buckets, and steps of an epoch."""
    examples = batches.examples
    lines = list(examples.notes)
    lines += [_line(number, example, batches) for number, example in enumerate(examples[:SHOWN])]
    if len(examples) > SHOWN:
        lines.append(f"... and {len(examples) - SHOWN} more")
    sources = Counter(_kind(example.caption_from) for example in examples)
    lines.append("captions from " + ", ".join(f"{source} ({count})" for source, count in sources.most_common()))
    for (width, height), members in batches.members.items():
        lines.append(f"bucket {width} x {height}: {len(set(members))} pictures, {len(members)} with repeats")
    if prior := sum(example.prior for example in examples):
        lines.append(f"{prior} pictures of the class, cut to the size of the batch they stand in")
    own = sum(len(members) for members in batches.members.values())
    rounds = -(-batches.per_epoch // accumulation)
    doubled = f" and {batches.batch_size} of the class" if prior else ""
    lines.append(
        f"an epoch: {own} pictures in {batches.per_epoch} batches of {batches.batch_size}{doubled}, {rounds} steps"
    )
    if steps is not None:
        shown = steps * accumulation * batches.batch_size
        lines.append(f"{steps} steps: {steps / rounds:.1f} epochs, each picture shown {shown / own:.1f} times a repeat")
    return lines


def _line(number: int, example: Example, batches: Batches) -> str:
    width, height = batches.examples.sizes[number]
    name = example.path.name if example.path else "a picture in memory"
    what = " (class)" if example.prior else f", {example.repeats} times" if example.repeats > 1 else ""
    return f"{name}{what}, {width} x {height}: {example.caption!r}, from {example.caption_from}"


def _kind(source: str) -> str:
    """'a.txt' and 'b.txt' are of one kind, and so are lines of one metadata file."""
    name = source.partition(", line ")[0]
    return f"{name[name.rindex('.') :]} beside the picture" if name.endswith((".txt", ".caption")) else name


def crops(batches: Batches, count: int = CROPS) -> Image.Image:
    """The first ``count`` crops that a training would see, mirrored where it would, their captions under them."""
    views = []
    for step in range(count):
        views += batches.views(step)
        if len(views) >= count:
            break
    pictures = [_fitted(picture_of(batches.examples[view.example], view)) for view in views[:count]]
    captions = [batches.examples[view.example].caption for view in views[:count]]
    return contact_sheet(pictures, min(4, len(pictures)), captions=captions)


def _fitted(picture: Image.Image) -> Image.Image:
    """On a white square of :data:`SIDE` pixels."""
    share = SIDE / max(picture.size)
    small = picture.resize((max(1, round(picture.width * share)), max(1, round(picture.height * share))))
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    return square


def memory_plan(
    batches: Batches,
    networks: Iterable[nn.Module],
    trained: Sequence[nn.Parameter],
    *,
    factor: int,
    channels: int,
    states: int = 2,
    averaged: bool = False,
    cached: bool = True,
) -> list[str]:
    """Lines about the memory that is needed for certain: weights, gradients, the optimiser's ``states`` per weight
    (AdamW: 2), a moving average, and what is kept of the pictures. Activations come on top, and depend on the batch.

    ``factor`` is the pixels of a latent cell, ``channels`` those of a latent.
    """
    weights = {id(p): p.numel() * p.element_size() for net in networks for p in net.parameters()}
    learnt = sum(p.numel() for p in trained)
    fresh = sum(p.numel() * p.element_size() for p in trained if id(p) not in weights)
    parts = [
        ("weights", sum(weights.values()) + fresh),
        (f"gradients of {learnt:,} weights that learn", 4 * learnt),
        (f"optimiser, {states} numbers for each", 4 * states * learnt),
        ("moving average", 4 * learnt if averaged else 0),
        ("pictures as latents (mean and spread)", _latents(batches, factor, channels) if cached else 0),
    ]
    lines = [f"memory: {name} {_megabytes(count)}" for name, count in parts if count]
    return [*lines, f"memory: {_megabytes(sum(count for _, count in parts))} and the activations of a batch"]


def _latents(batches: Batches, factor: int, channels: int) -> int:
    mirrored = 2 if 0 < batches.flip < 1 else 1
    cells = sum(
        len(set(members)) * (width // factor) * (height // factor)
        for (width, height), members in batches.members.items()
    )
    largest = max((w // factor) * (h // factor) for w, h in batches.members)
    prior = sum(example.prior for example in batches.examples) * largest * len(batches.members)
    return 8 * channels * mirrored * (cells + prior)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.2f} GB"
