"""Watching what a pipeline attends to, from outside: ``seen = attention(pipe)`` draws the same pictures, bit for bit.

>>> seen = attention(pipe)  # doctest: +SKIP
>>> result = seen("a girl with glasses", negative_prompt="hat", seed=1)  # doctest: +SKIP
>>> seen.maps[0].word("glasses")  # (H, W), the heat map of picture 0  # doctest: +SKIP

Nothing below knows of it: a copy of the U-Net shares the weights, and the run is iterated through ``Walk``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Step
from sukashi.guidance.attention import watched
from sukashi.nets.shallow import twin_of
from sukashi.nets.unet import UNet
from sukashi.pipeline import Pipeline
from sukashi.run import Run
from sukashi.watch.calls import Call, Heard, Pictures
from sukashi.watch.maps import KEEPS, Maps
from sukashi.watch.words import spell


def attention(pipe: Pipeline, *, keep: str = "steps") -> Attentive:
    """The pipeline, sharing all weights, with its U-Net's cross-attention watched; ``maps`` has those of the last run.

    ``keep`` is "sum" (over the steps, as DAAM is published), "steps" (also for each step, over layers and heads, and
    the ratio of the negative prompt) or "all" (also for each step, layer and head). It works for every task.
    One run at a time: threads take a watched pipeline each. Raises ValueError for another ``keep``.
    """
    if keep not in KEEPS:
        raise ValueError(f"keep is {keep!r}; accepted: {', '.join(KEEPS)}")
    twin = Attentive.__new__(Attentive)
    vars(twin).update(vars(pipe))
    twin.log = Log(keep)
    twin.unet = looking(pipe.unet, twin.log)
    return twin


class Log:
    """What the last run of a watched pipeline showed, and what is going on now; copies of the pipeline share it."""

    def __init__(self, keep: str) -> None:
        self.keep = keep
        self.maps: list[Maps] = []
        self.heard: list[Heard] = []
        self.call: Callable[[Tensor, Tensor, Tensor], Call] | None = None  # while a step is being computed


class Attentive(Pipeline):
    """A pipeline that notes where its U-Net looks. ``attention`` makes one."""

    log: Log

    @property
    def maps(self) -> list[Maps]:
        """The maps of the last run that was iterated, one for each picture; while it goes on, of its steps so far."""
        return self.log.maps

    def encode_prompt(self, prompt: str | Sequence[str | None] | None, **how: Any) -> Conditioning:
        """As ``Pipeline.encode_prompt``; the texts are remembered with what they became."""
        told = super().encode_prompt(prompt, **how)
        tokenizer = self.parts.tokenizers[0]
        reading = {name: how[name] for name in ("emphasis", "truncate") if name in how}
        texts = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
        for text, context in zip(texts, told.context, strict=True):
            chunks = len(context) // self.tokens
            self.log.heard.append(Heard(spell(tokenizer, self.tokens, text or "", chunks=chunks, **reading), context))
        return told

    def steps(self, prompt: Any = "", prepare: Any = None, **options: Any) -> Run:
        """As ``Pipeline.steps``; iterating the run fills ``maps``."""
        heard = self.log.heard = []
        run = super().steps(prompt, prepare, **options)
        if isinstance(run.walk, Walk):  # LoRAs or words that the prompt names: a copy of this pipeline made the run
            return run
        return replace(run, walk=Walk(self, run, heard))


class Walk:
    """Starts a run anew and notes what its U-Net attends to, step by step."""

    def __init__(self, pipe: Attentive, run: Run, heard: list[Heard]) -> None:
        self.pipe, self.run, self.heard = pipe, run, heard

    def __call__(self) -> Iterator[Step]:
        """The steps of the run, from its start."""
        log = self.pipe.log
        log.heard = self.heard  # what is encoded only now belongs to this run
        steps, pictures = self.run.walk(), Pictures(self.pipe, self.run, log.keep)
        log.maps = pictures.maps
        for number in count():
            log.call = lambda x, t, context, step=number: pictures.call(step, self.heard, x, t, context)
            try:
                step = next(steps)
            except StopIteration:
                return
            finally:
                log.call = None
            yield step


class Looking(UNet):
    """A U-Net that says when it is asked and when it has answered; not by hooks, so that ``sukashi.fast`` goes on."""

    before: Callable[[Tensor, Tensor, Tensor], None]
    after: Callable[[Tensor], None]

    def forward(self, x: Tensor, t: Tensor, context: Tensor, **told: Any) -> Tensor:
        """As ``UNet.forward``."""
        self.before(x, t, context)
        out = super().forward(x, t, context, **told)
        self.after(out)
        return out


def looking(unet: UNet, log: Log) -> UNet:
    """A copy of a U-Net that shares its weights and shows its cross-attention to the log while a step is computed."""
    now: list[Call] = []  # the call going on, at most one

    def see(name: str, probabilities: Tensor) -> None:
        if now:
            now[0].see(name, probabilities)

    def before(x: Tensor, t: Tensor, context: Tensor) -> None:
        now[:] = [log.call(x, t, context)] if log.call else []

    def after(out: Tensor) -> None:
        if now and torch.isfinite(out).all():  # else it is computed again, in float32
            now[0].finish()
        now.clear()

    twin = twin_of(watched(unet, see), Looking)
    twin.before, twin.after = before, after
    return twin
