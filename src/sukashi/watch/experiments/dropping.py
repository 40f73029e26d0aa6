"""Leaving one word out: how much each word of a prompt matters for one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, difference, facts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def words(
    pipe: Pipeline, prompt: str = "a girl with glasses and a hat eating pizza", *, seed: int = 1, **options: Any
) -> Found:
    """Draw the prompt, and the prompt without each of its words, from the same noise.

    Below each picture is where it differs, three times as bright. Words are what spaces divide. Raises ValueError for
    a prompt of fewer than two.
    """
    said = prompt.split()
    if len(said) < 2:
        raise ValueError(f"the prompt {prompt!r} has {len(said)} word(s); at least 2 are needed to leave one out")
    whole = pipe(prompt, seed=seed, **options)
    without = [pipe(" ".join(said[:k] + said[k + 1 :]), seed=seed, **options) for k in range(len(said))]
    nothing = pipe("", seed=seed, **options)
    drawn = [whole.images[0], *(result.images[0] for result in without), nothing.images[0]]
    changes = [change(picture, drawn[0]) for picture in drawn]
    names = [f"no {word!r}" + (f" ({k + 1})" if said.count(word) > 1 else "") for k, word in enumerate(said)]
    labels = ["whole", *names, "nothing"]
    order = sorted(range(1, len(drawn)), key=lambda k: -changes[k])
    rows = [
        {"left out": labels[k], "change of 255": changes[k], "of saying nothing": changes[k] / (changes[-1] or 1.0)}
        for k in order
    ]
    return Found(
        name="words",
        title=f"What each word of {prompt!r} changes in this picture",
        facts=facts(pipe, whole),
        rows=rows,
        pictures=[drawn, [difference(picture, drawn[0]) for picture in drawn]],
        above=labels,
        beside=["picture", "change"],
        notes=whole.notes,
    )
