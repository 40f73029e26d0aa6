"""One step of the optimiser: what is shown, one or more passes through the networks, and the step itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from sukashi.train.data.batches import Batches
from sukashi.train.data.buckets import bucket_sizes
from sukashi.train.data.examples import Examples
from sukashi.train.data.zoom import inside, share_of, told
from sukashi.train.methods.caches import Pictures, Texts
from sukashi.train.methods.config import Config
from sukashi.train.methods.learner import Learner, Told
from sukashi.train.methods.objective import Objective, loss
from sukashi.train.methods.taught import Taught
from sukashi.train.run import generator
from sukashi.weights.parts import Parts

if TYPE_CHECKING:
    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer


class Lesson(NamedTuple):
    """What one pass shows: latents (B, C, h, w), the sizes SDXL is told (B, 6), captions, which are of the class.

    ``mask`` (B, 1, h, w) is 1 where a picture lies that does not fill its place; None where all do.
    """

    x0: Tensor
    sizes: Tensor
    captions: list[str | None]  # None: left empty
    prior: Tensor  # (B,) bool
    mask: Tensor | None = None


Lessons = Callable[[int, torch.Generator], Lesson]
"""(number of the pass, its randomness) -> what it shows."""


def batches_for(examples: Examples, parts: Parts, config: Config) -> Batches:
    """The pictures of every pass, cut to the size that the model was trained at unless another is asked for.

    Raises ValueError for a size that is no whole number of latent cells.
    """
    size, cell = config.size or parts.family.size, parts.vae.config.factor
    if size % cell:
        raise ValueError(f"size is {size}; this model takes multiples of {cell} pixels")
    sizes = bucket_sizes(size, step=min(64, size // 4 // cell * cell or cell)) if config.buckets else None
    flip, zoom = config.flip or 0.0, bool(config.zoom)
    return examples.batches(config.seed, config.batch, size, sizes, crop=config.crop, flip=flip, zoom=zoom)


def lessons(taught: Taught, batches: Batches, config: Config) -> Lessons:
    """What each pass shows; all that is random in it comes from the generator it is given."""
    keep = config.cache and config.crop == "center" and not config.zoom  # a random crop is never seen twice
    pictures, cell = Pictures(batches.examples, taught.parts.vae, keep=keep), taught.parts.vae.config.factor

    def draw(number: int, g: torch.Generator) -> Lesson:
        views = batches.views(number)
        x0, sizes = pictures.draw(views, g)
        chances, dropped = torch.rand(2, len(views), generator=g).tolist()
        shown = [batches.examples[view.example] for view in views]
        said = [e.caption if e.prior else taught.caption(e.caption, c) for e, c in zip(shown, chances, strict=True)]
        mask = None
        if config.zoom:
            shares, picks = [share_of(v.shrunk, v.size) for v in views], torch.rand(len(views), generator=g).tolist()
            said = [e.caption if e.prior else told(*row) for e, *row in zip(shown, said, shares, picks, strict=True)]
            mask = torch.stack([inside(v.size, v.shrunk, v.crop, v.flipped, cell) for v in views])[:, None]
        captions = [None if d < config.forget else text for text, d in zip(said, dropped, strict=True)]
        return Lesson(x0, sizes, captions, torch.tensor([e.prior for e in shown]), mask)

    return draw


class Classroom(NamedTuple):
    """What a step needs and never changes."""

    machine: Accelerator
    learner: nn.Module  # as accelerate wraps it
    optimizer: AcceleratedOptimizer
    trained: nn.ParameterList
    lessons: Lessons
    texts: Texts | None  # where encoded captions are kept
    goal: Objective
    config: Config
    sized: bool  # whether the U-Net is told sizes


def texts_for(taught: Taught, config: Config) -> Texts | None:
    """A memory of encoded captions, where nothing in the text encoders trains and it is wanted."""
    return None if taught.trained_text or not config.cache else Texts(Learner(taught.parts, config.clip_skip))


def predicted(
    learner: nn.Module, said: Told | Sequence[str | None], sizes: Tensor | None, x: Tensor, t: Tensor
) -> Tensor:
    """What a learner that was told something answers to noisy latents x (B, C, h, w) at steps t (B,)."""
    answer: Tensor = learner(x, t, said, sizes)
    return answer


def one_step(room: Classroom, step: int) -> tuple[float, float]:
    """Make step ``step`` of the optimiser. Returns the loss and the length of the gradient before it was cut."""
    machine, config, total, norm = room.machine, room.config, 0.0, 0.0
    for k in range(config.accumulation):
        number = (step * config.accumulation + k) * machine.num_processes + machine.process_index
        g = generator(config.seed, number)
        lesson = room.lessons(number, g)
        said = room.texts.tell(lesson.captions) if room.texts else lesson.captions
        sizes = lesson.sizes.to(machine.device) if room.sized else None
        with machine.accumulate(room.learner):
            x0 = lesson.x0.to(machine.device)
            predict = partial(predicted, room.learner, said, sizes)
            value = loss(predict, x0, lesson.prior, room.goal, g, lesson.mask)
            machine.backward(value)
            if machine.sync_gradients:
                norm = float(machine.clip_grad_norm_(room.trained.parameters(), config.max_norm or float("inf")))
            room.optimizer.step()
            room.optimizer.zero_grad()
        total += value.item() / config.accumulation
    return total, norm
