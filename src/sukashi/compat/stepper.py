"""A sampler turned inside out: instead of asking a model, it waits to be told what the model said.

Our samplers call ``denoise`` whenever they want to know something. With diffusers' ``scheduler.step`` it is the other
way round: the caller has run the model and hands its output in. A ``Stepper`` lets a sampler run until it asks the
next question. Most samplers ask once per step and stay suspended where they yielded. Those that ask in the middle of a
step (Heun, DPM2, PNDM) are started again with the answers known so far, which costs a few additions of latents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level, Noise, Prediction, Step

Start = Callable[[Denoise, Tensor, Noise], Iterator[Step]]


class Question(Exception):  # not an error: it leaves a sampler that asks what nobody has answered yet
    """The sampler wants to know what the model sees in x (B, C, H, W)."""

    def __init__(self, x: Tensor) -> None:
        super().__init__("the sampler waits for an answer")
        self.x = x


class Stepper:
    """One run of a sampler, fed from outside: ``start`` begins it with a denoiser, x and a source of noise.

    ``asks_once`` says that no step asks twice: then nothing needs to be remembered.
    """

    def __init__(self, start: Start, *, asks_once: bool) -> None:
        self.start, self.asks_once = start, asks_once
        self.answers: list[tuple[Tensor, Prediction]] = []  # to each question: x as it was, and what was seen in it
        self.noises: list[Tensor] = []  # drawn so far
        self.heard = self.used = 0  # answers and noises that the sampler, as it runs now, has had
        self.running: Iterator[Step] | None = None

    def tell(self, x: Tensor, prediction: Prediction, draw: Noise) -> tuple[Tensor, Prediction]:
        """Answer the open question: the model looked at x (B, C, H, W) and saw ``prediction``; ``draw`` makes noise.

        x may differ from what the sampler had asked about: it goes on from x. Returns x of the next question, or the
        end of the run, and the prediction as the sampler used it (with a clamped x0, for instance).
        """
        self.answers.append((x, prediction))
        self.draw = draw
        if self.running is None:
            self.heard = self.used = 0
            self.running = self.start(self._denoise, self.answers[0][0].clone(), self._noise)
        try:
            with torch.no_grad():
                step = next(self.running)
                while self.heard < len(self.answers):  # started anew: again through the steps made before
                    step = next(self.running)
        except Question as question:
            self.running = None
            return question.x.clone(), prediction
        if self.asks_once:
            self.answers, self.noises, self.heard, self.used = [], [], 0, 0
        return step.x_next.clone(), step.prediction

    def _denoise(self, x: Tensor, level: Level) -> Prediction:
        if self.heard == len(self.answers):
            raise Question(x)
        seen, prediction = self.answers[self.heard]
        self.heard += 1
        x.copy_(seen)  # the sampler's own tensor: it goes on from what the model really saw
        return prediction

    def _noise(self) -> Tensor:
        if self.used == len(self.noises):
            self.noises.append(self.draw())
        self.used += 1
        return self.noises[self.used - 1]


@dataclass(frozen=True)
class Call:
    """One time that a sampler asks the model."""

    level: Level
    first: int  # what ``Plan.run`` calls ``first`` to begin with this call


def calls_of(plan: Plan, levels: list[Level]) -> list[Call]:
    """Every time that a run over ``levels`` asks the model, found by running the sampler with a model that is blind."""
    asked: list[Level] = []
    calls: list[Call] = []
    nothing = torch.zeros(1, 1, 1, 1)

    def denoise(x: Tensor, level: Level) -> Prediction:
        asked.append(level)
        return Prediction(nothing, nothing)

    for i, _ in enumerate(plan.run(denoise, nothing.clone(), levels, lambda: nothing)):
        calls += [Call(level, i) for level in asked[len(calls) :]]
    if plan.sampler == "plms":  # its ``first`` counts calls instead of steps
        calls = [replace(call, first=i) for i, call in enumerate(calls)]
    return calls
