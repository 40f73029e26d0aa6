"""Guidance by its scale: 0 leaves the prompt out, 1 is the prompt alone, more pushes away from nothing said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, clipped, colourful, contrast, facts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

SCALES = (0.0, 1.0, 2.0, 10.0)


def guidance(
    pipe: Pipeline,
    prompt: str = "a girl with glasses eating pizza",
    *,
    scales: Sequence[float] = SCALES,
    seeds: Sequence[int] = (1, 2, 3),
    **options: Any,
) -> Found:
    """The same noise at several scales (Ho & Salimans 2022, arXiv:2207.12598, eq. 6: scale s = 1 + w).

    A column a scale, a row a seed; numbers are means over the seeds. Options are the fields of ``Settings``.
    """
    results = [[pipe(prompt, guidance=scale, seed=seed, **options) for scale in scales] for seed in seeds]
    pictures = [[result.images[0] for result in row] for row in results]
    one = scales.index(1.0) if 1.0 in scales else 0
    rows = []
    for k, scale in enumerate(scales):
        column = [row[k] for row in pictures]
        rows.append(
            {
                "guidance": float(scale),
                "contrast": mean([contrast(picture) for picture in column]),
                "colour": mean([colourful(picture) for picture in column]),
                "clipped": mean([clipped(picture) for picture in column]),
                f"change from {scales[one]:g}": mean([change(row[k], row[one]) for row in pictures]),
            }
        )
    return Found(
        name="guidance",
        title=f"Guidance of {', '.join(f'{scale:g}' for scale in scales)} for {prompt!r}",
        facts=facts(pipe, results[0][0], seeds=list(seeds)) | {"guidance": list(scales)},
        rows=rows,
        pictures=pictures,
        above=[f"guidance {scale:g}" for scale in scales],
        beside=[f"seed {seed}" for seed in seeds],
        notes=results[0][0].notes,
    )


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return sum(values) / len(values)
