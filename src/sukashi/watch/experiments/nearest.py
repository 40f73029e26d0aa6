"""What a textual inversion is near to: the words of the vocabulary around each of its vectors, and what they draw.

A learned vector need not lie near any word (Gal et al. 2022, arXiv:2208.01618, sec. 5); its neighbours say what it
began as rather than what it means, which the pictures show.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, facts
from sukashi.watch.words import nearest_to_inversion

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

NAME = "the-inversion"
END = "</w>"


def nearest(
    pipe: Pipeline, embedding: str | Path, *, count: int = 4, template: str = "{}", seed: int = 1, **options: Any
) -> Found:
    """Draw ``template`` with the inversion's word, and with each of the ``count`` words nearest to its first vector.

    ``embedding`` is a file, or the name of an installed one. Raises ValueError for a template without {}, and what
    ``with_embedding`` raises.
    """
    if "{}" not in template:
        raise ValueError(f"the template {template!r} has no {{}} for the word")
    whole = pipe.with_embedding(embedding, NAME)
    near = nearest_to_inversion(whole, NAME, count)
    rows = [
        {"encoder": e + 1, "vector": v + 1, "rank": r + 1, "word": word.removesuffix(END), "cosine": float(cosine)}
        for e, vectors in enumerate(near)
        for v, pairs in enumerate(vectors)
        for r, (word, cosine) in enumerate(pairs)
    ]
    words = [word.removesuffix(END) for word, _ in near[0][0]]
    results = [whole(template.replace("{}", word), seed=seed, **options) for word in (NAME, *words)]
    pictures = [result.images[0] for result in results]
    apart = {word: round(change(picture, pictures[0]), 2) for word, picture in zip(words, pictures[1:], strict=True)}
    return Found(
        name="nearest",
        title=f"The words nearest to {Path(embedding).name}",
        facts=facts(pipe, results[0]) | {"prompt": template, "change of 255 by word": apart},
        rows=rows,
        pictures=[pictures],
        above=["inversion", *words],
        notes=[note for note in results[0].notes if "does not know" not in note],
    )
