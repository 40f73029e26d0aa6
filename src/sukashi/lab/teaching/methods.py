"""How each method teaches the concepts to kirie: what is said of the pictures, for how long, how fast.

Rates are far above those of large models: kirie is a hundred times smaller, and its whole world is one style.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sukashi.loading import load
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods import dreambooth, lora, ti
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Result

WORD = "<new>"
NEAR = {"penguin": "bear", "waves": "green"}  # what kirie knows that comes near: where a taught word begins
RARE = "sks"  # three letters that kirie's captions never have; a class behind it ("sks bear") would suffer
LAYERS = ("attention", "feed-forward", "projections", "conv")


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way of teaching; ``kept`` pictures of kirie's own are learnt beside the concept."""

    title: str
    train: Callable[..., Result]
    config: Config
    kept: int = 0

    @property
    def called(self) -> str:
        """What captions and prompts call the concept."""
        return WORD if self.train is ti.train else RARE

    def open(self, folder: Path, model: str = "kirie") -> Pipeline:
        """The taught model, from the files that training wrote."""
        if self.train is dreambooth.train:
            return named_as_kirie(load(folder / "model", device="cpu"), model)
        pipe = load(model, device="cpu")
        if self.train is lora.train:
            return pipe.with_lora(folder / "lora.safetensors")
        return pipe.with_embedding(folder / "new.safetensors")


def named_as_kirie(pipe: Pipeline, model: str) -> Pipeline:
    """With the habits (steps, guidance) of the model that was taught: a written folder may lack them."""
    pipe.defaults = load(model, device="cpu").defaults
    return pipe


COMMON = Config(batch=4, flip=0.5, schedule="cosine", warmup=10, device="cpu", weight_decay=0.01, save_every=100)
WHOLE = replace(COMMON, rate=2e-4, text=True)
FACTORS = replace(COMMON, rate=2e-3, rank=16, layers=LAYERS, text=True)
KEPT = 48  # pictures of prior preservation
METHODS: dict[str, Method] = {
    "ti": Method(
        title="textual inversion",
        train=ti.train,
        config=replace(
            COMMON, steps=400, warmup=20, rate=2e-2, weight_decay=0.0, vectors=16, word=WORD, templates="captions"
        ),
    ),
    "lora": Method(title="LoRA", train=lora.train, config=replace(FACTORS, steps=200)),
    "lora-prior": Method(title="LoRA, prior kept", train=lora.train, config=replace(FACTORS, steps=300), kept=KEPT),
    "dreambooth": Method(title="DreamBooth", train=dreambooth.train, config=replace(WHOLE, steps=200)),
    "dreambooth-prior": Method(
        title="DreamBooth, prior kept", train=dreambooth.train, config=replace(WHOLE, steps=420), kept=KEPT
    ),
}


def for_concept(method: Method, concept: str, steps: int | None = None) -> Method:
    """The method with a word to begin at that fits the concept, and with ``steps`` instead of its own."""
    config = replace(method.config, start=NEAR[concept], steps=steps or method.config.steps)
    return replace(method, config=config)


def teach(method: Method, pipe: Pipeline, examples: Examples, folder: Path, say: Callable[[str], object]) -> Result:
    """Train, or go on; a line every 50 steps."""

    def watch(step: int, loss: float) -> None:
        if step % 50 == 0:
            say(f"{method.title}: step {step} of {method.config.steps}, loss {loss:.3f}")

    return method.train(pipe, examples, method.config, folder, watch)
