"""LoRAs that a request names: in ``Settings.loras``, or in its prompt as ``<lora:name:weight>``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sukashi.prompts.names import networks
from sukashi.run import Run
from sukashi.settings import Settings

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def run_with_loras(pipe: Pipeline, prompts: Sequence[str], asked: Settings, options: Mapping[str, Any]) -> Run:
    """``pipe.steps`` of a pipeline that has them; the pipeline given stays as it is.

    Requests keep their prompts as they were written. Raises ValueError when the prompts of one batch name different
    ones, and what ``with_lora`` raises.
    """
    spoken = asked.emphasis != "none"  # else nothing in a prompt is syntax
    read = [networks(prompt) if spoken else (prompt, []) for prompt in prompts]
    if any(found != read[0][1] for _, found in read):
        raise ValueError("the prompts of one batch name different LoRAs; draw them one after another")
    given = [list(record) for record in asked.loras or [] if record not in (pipe.defaults.get("loras") or [])]
    with_given = pipe.with_loras(given)
    tagged = [[n.name, n.unet_weight, n.text_weight, *([n.rank] if n.rank else [])] for n in read[0][1]]
    whole = with_given.with_loras(tagged)
    own = dict(options) | {"loras": whole.defaults.get("loras"), "count": 1}
    run = whole.steps([text for text, _ in read], **own)
    kept = with_given.defaults.get("loras")
    requests = [replace(r, prompt=prompt, loras=kept) for r, prompt in zip(run.requests, prompts, strict=True)]
    run.notes.extend(str(report) for report in whole.loras[len(pipe.loras) :])
    return replace(run, requests=requests)
