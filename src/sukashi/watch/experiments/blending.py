"""Between two prompts: what is drawn when the U-Net is told a mixture of what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import functional as F

from sukashi.prompts.blend import blend as mixed
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, facts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

METHODS = ("lerp", "slerp")


def blend(
    pipe: Pipeline,
    prompt: str = "a cat in the forest",
    other: str = "a dog at the sea",
    *,
    pictures: int = 5,
    seed: int = 1,
    **options: Any,
) -> Found:
    """Pictures from one prompt to another, along the straight line (lerp) and along the arc (slerp).

    The mixture is made of prompt embeddings, token by token (``sukashi.prompts.blend``), so a prompt is mixed with the
    padding of a shorter one. Raises ValueError for fewer than 2 pictures.
    """
    if pictures < 2:
        raise ValueError(f"{pictures} pictures between two prompts; at least 2 are accepted")
    told = pipe.encode_prompt([prompt, other])
    ends = told.context[0], told.context[1]
    parts = [k / (pictures - 1) for k in range(pictures)]
    rows, sheet, last = [], [], None
    for method in METHODS:
        drawn = []
        for part in parts:
            given = mixed(told, [1 - part, part], method)
            last = pipe(given, seed=seed, **options)
            drawn.append(last.images[0])
            context = given.context[0]
            rows.append(
                {
                    "method": method,
                    "part": part,
                    "length": float(context.norm(dim=-1).mean() / ends[0].norm(dim=-1).mean()),
                    "cosine to first": float(F.cosine_similarity(context, ends[0], dim=-1).mean()),
                    "cosine to second": float(F.cosine_similarity(context, ends[1], dim=-1).mean()),
                    "change from first": change(drawn[-1], drawn[0]),
                    "change from the one before": change(drawn[-1], drawn[-2]) if len(drawn) > 1 else None,
                }
            )
        sheet.append(drawn)
    return Found(
        name="blend",
        title=f"From {prompt!r} to {other!r}",
        facts=facts(pipe, last) | {"prompt": prompt, "other": other},
        rows=rows,
        pictures=sheet,
        above=[f"{part:.2f}" for part in parts],
        beside=METHODS,
    )
