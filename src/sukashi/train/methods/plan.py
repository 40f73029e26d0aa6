"""What a training would do, without doing it: the data as it is understood, the steps, the memory, a sheet of crops."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image

from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.data.report import crops, describe, memory_plan
from sukashi.train.methods import custom, lora, ti, whole
from sukashi.train.methods.config import Config
from sukashi.train.methods.learner import moved, parts_of
from sukashi.train.methods.loop import Prepare, long_captions
from sukashi.train.methods.objective import objective
from sukashi.train.methods.passes import batches_for
from sukashi.weights.parts import Parts

PREPARE: Mapping[str, Prepare] = {
    "ti": ti.prepare,
    "lora": lora.prepare,
    "dreambooth": whole.prepare,
    "finetune": whole.prepare,
    "custom": custom.prepare,
}
STATES = {"sgd": 0, "adafactor": 0}  # numbers that an optimiser keeps for each weight; 2 for the others


def plan(method: str, model: Pipeline | Parts, examples: Examples, config: Config) -> tuple[list[str], Image.Image]:
    """Lines for people, and the crops that the first steps would see. Raises what the training itself would."""
    asked = config.filled(method)
    base = moved(parts_of(model), torch.device("cpu"), torch.float32)
    taught = (lora.prepare if asked.lora else PREPARE[method])(base, asked)
    goal, batches = objective(base, asked), batches_for(examples, base, asked)
    lines = describe(batches, steps=asked.steps, accumulation=asked.accumulation)
    drawn = asked.class_pictures - sum(example.prior for example in examples)
    if asked.class_prompt and asked.prior_weight and drawn > 0:
        lines.append(f"{drawn} pictures of {asked.class_prompt!r} will be drawn first")
    if asked.zoom:
        lines.append("pictures are shown smaller and larger, and their captions say so (--no-zoom: as they are)")
    lines += [*taught.notes, *long_captions(taught.parts, examples)]
    lines.append(f"the model predicts {goal.predicts}; learning rate {asked.rate:g}, {asked.schedule}")
    lines += memory_plan(
        batches,
        [taught.parts.unet, taught.parts.vae, *taught.parts.text_encoders],
        taught.everything,
        factor=base.vae.config.factor,
        channels=base.vae.config.latent_channels,
        states=STATES.get(asked.optimizer, 2),
        averaged=bool(asked.ema),
        cached=asked.cache and asked.crop == "center" and not asked.zoom,
    )
    return lines, crops(batches)
