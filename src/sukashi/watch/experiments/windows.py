"""When a negative prompt holds: from the start until some step, or from some step on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, facts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def negative(
    pipe: Pipeline,
    prompt: str = "a dog at night",
    negative_prompt: str = "night",
    *,
    windows: int = 5,
    seed: int = 1,
    **options: Any,
) -> Found:
    """A negative prompt held in one part of the run (Ban et al. 2024, arXiv:2406.02965, sec. 4), same noise.

    Above: it holds from the start until a share of the steps; below: from there to the end. The empty prompt takes its
    place elsewhere. The laboratory counts over many pictures (``sukashi kirie negatives``); this is one. Raises
    ValueError for fewer than 2 windows.
    """
    if windows < 2:
        raise ValueError(f"{windows} windows; at least 2 are accepted")
    shares = [k / (windows - 1) for k in range(windows)]
    none = pipe(prompt, seed=seed, **options)
    every = pipe(prompt, negative_prompt=negative_prompt, seed=seed, **options)

    def held(start: float, stop: float) -> Any:
        if start >= stop:
            return none
        if (start, stop) == (0.0, 1.0):
            return every
        window = {"negative_start": start, "negative_stop": stop}
        return pipe(prompt, negative_prompt=negative_prompt, seed=seed, **window, **options)

    results = [[held(0.0, share) for share in shares], [held(share, 1.0) for share in shares]]
    rows = []
    for name, row in zip(("until", "from"), results, strict=True):
        for share, result in zip(shares, row, strict=True):
            picture = result.images[0]
            rows.append(
                {
                    "holds": f"{name} {share:.0%}",
                    "change from none": change(picture, none.images[0]),
                    "change from all": change(picture, every.images[0]),
                }
            )
    return Found(
        name="negative",
        title=f"{prompt!r} with the negative prompt {negative_prompt!r} in a part of the run",
        facts=facts(pipe, every, negative_prompt=negative_prompt),
        rows=rows,
        pictures=[[result.images[0] for result in row] for row in results],
        above=[f"{share:.0%}" for share in shares],
        beside=["until", "from"],
        notes=every.notes,
    )
