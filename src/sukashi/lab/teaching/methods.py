"""How each method teaches the concepts to kirie: what is said of the pictures, for how long, how fast.

Rates are far above those of large models: kirie is a hundred times smaller, and its whole world is one style.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sukashi.loading import load
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods import custom, dreambooth, finetune, lora, ti
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Result

WORD = "<new>"
NEAR = {"penguin": "bear", "king": "bear", "waves": "green"}  # what kirie knows that comes near: where a word begins
RARE = "sks"  # three letters that kirie's captions never have; a class behind it ("sks bear") would suffer
LAYERS = ("attention", "feed-forward", "projections", "conv")
KEPT = 72  # pictures of what kirie knows


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way of teaching; ``kept`` pictures of kirie's own are learnt beside the concept.

    They are those of prior preservation, or, ``mixed``, as good as the others.
    """

    title: str
    train: Callable[..., Result]
    config: Config
    kept: int = 0
    mixed: bool = False

    @property
    def called(self) -> str:
        """What captions and prompts call the concept."""
        return WORD if self.train in (ti.train, custom.train) else RARE

    def open(self, folder: Path, model: str = "kirie") -> Pipeline:
        """The taught model, from the files that training wrote."""
        if (folder / "model").is_dir():
            return named_as_kirie(load(folder / "model", device="cpu"), model)
        pipe = load(model, device="cpu")
        for name in ("lora", "custom"):
            if (folder / f"{name}.safetensors").is_file():
                pipe = pipe.with_lora(folder / f"{name}.safetensors")
        return pipe.with_embedding(folder / "new.safetensors") if self.called == WORD else pipe


def named_as_kirie(pipe: Pipeline, model: str) -> Pipeline:
    """With the habits (steps, guidance) of the model that was taught: a written folder may lack them."""
    pipe.defaults = load(model, device="cpu").defaults
    return pipe


COMMON = Config(
    batch=2, schedule="cosine", warmup=20, ema=0.98, weight_decay=0.01, device="cpu", save_every=150, keep=True
)
WHOLE = replace(COMMON, steps=600, rate=2e-4, text=True)
FACTORS = replace(COMMON, steps=600, rate=1e-3, rank=16, layers=LAYERS)
VECTORS = replace(COMMON, weight_decay=0.0, word=WORD, templates="captions")
METHODS: dict[str, Method] = {
    "dreambooth-prior": Method(title="DreamBooth", train=dreambooth.train, config=WHOLE, kept=KEPT),
    "dreambooth": Method(title="DreamBooth, nothing kept", train=dreambooth.train, config=replace(WHOLE, steps=300)),
    "dreambooth-lora": Method(
        title="DreamBooth with a LoRA", train=dreambooth.train, config=replace(FACTORS, lora=True), kept=KEPT
    ),
    "lora-prior": Method(
        title="LoRA, of the text encoder too", train=lora.train, config=replace(FACTORS, text=True), kept=KEPT
    ),
    "lora": Method(title="LoRA, nothing kept", train=lora.train, config=replace(FACTORS, steps=300, text=True)),
    "custom": Method(
        title="Custom Diffusion",
        train=custom.train,
        config=replace(VECTORS, steps=600, rate=1e-3, text_rate=2e-2, vectors=8, zoom=False),
        kept=KEPT,
    ),
    "finetune": Method(
        title="fine-tuning", train=finetune.train, config=replace(WHOLE, batch=4), kept=KEPT, mixed=True
    ),
    "ti": Method(
        title="textual inversion",
        train=ti.train,
        config=replace(VECTORS, steps=450, batch=4, rate=2e-2, vectors=8),
    ),
}
WAYS: Mapping[str, tuple[str, ...]] = {
    "penguin": tuple(METHODS),
    "king": ("ti",),
    "waves": ("dreambooth-lora", "lora-prior", "lora", "custom", "ti"),
}
"""By what each concept is taught."""


def for_concept(method: Method, concept: str, steps: int | None = None) -> Method:
    """The method with a word to begin at that fits the concept, and with ``steps`` instead of its own.

    A style is learnt in half of the steps of a character.
    """
    own = (method.config.steps or 0) // (2 if concept == "waves" and method.config.steps == WHOLE.steps else 1)
    config = replace(method.config, start=NEAR[concept], steps=steps or own)
    return replace(method, config=config)


def teach(method: Method, pipe: Pipeline, examples: Examples, folder: Path, say: Callable[[str], object]) -> Result:
    """Train, or go on; a line every 50 steps."""

    def watch(step: int, loss: float) -> None:
        if step % 50 == 0:
            say(f"{method.title}: step {step} of {method.config.steps}, loss {loss:.3f}")

    return method.train(pipe, examples, method.config, folder, watch)
