"""How to train, for every method: one record, checked when it is made, that is written as JSON beside the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

OPTIMIZERS = ("adamw", "adam", "sgd", "radam", "nadam", "adafactor")
SCHEDULES = ("constant", "linear", "cosine")
PRECISIONS = ("no", "fp16", "bf16")
LAYERS = ("attention", "feed-forward", "projections", "conv")
TEMPLATES = ("object", "style", "captions")
KEYS = ("kohya", "peft")
SAVED_AS = ("float32", "float16", "bfloat16")
CROPS = ("center", "random")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "templates": TEMPLATES,
    "keys": KEYS,
    "saved_as": SAVED_AS,
    "crop": CROPS,
}
LOWEST: Mapping[str, float] = {  # the least that each number may be
    **dict.fromkeys(("steps", "batch", "accumulation", "rank", "vectors", "class_pictures", "clip_skip", "size"), 1),
    **dict.fromkeys(("warmup", "seed", "save_every", "sample_every", "minutes", "weight_decay", "max_norm"), 0),
    **dict.fromkeys(("noise_offset", "prior_weight", "forget", "ema", "flip", "rate", "text_rate"), 0),
    **dict.fromkeys(("snr_gamma", "alpha"), 0),
}
SHARES = ("forget", "ema", "flip")  # between 0 and 1
ABOVE = ("snr_gamma", "alpha")  # 0 itself means nothing
HABITS: Mapping[str, Mapping[str, Any]] = {  # what the field does unless told otherwise: the scripts of diffusers
    "ti": {"steps": 3000, "rate": 5e-4, "flip": 0.5},
    "lora": {"steps": 1000, "rate": 1e-4, "flip": 0.0},
    "dreambooth": {"steps": 800, "rate": 5e-6, "flip": 0.0},
    "finetune": {"steps": 1000, "rate": 1e-5, "flip": 0.0},
    "custom": {"steps": 500, "rate": 1e-5, "flip": 0.0, "zoom": True},
}
MAY_CHANGE = ("steps", "minutes", "save_every", "sample_every", "samples", "device")  # when a run is gone on with


@dataclass(frozen=True, kw_only=True)
class Config:
    """How to train. ``None`` means the habit of the method (:data:`HABITS`) or of the model.

    Raises ValueError, naming the value and what is accepted, for what cannot be trained with.
    """

    # how long, how fast
    steps: int | None = None  # of the optimiser
    minutes: float = 0.0  # stop after so long even if steps are left; 0: no such limit
    batch: int = 1  # pictures of the concept in one pass; those of the class come on top
    accumulation: int = 1  # passes whose gradients make one step
    rate: float | None = None  # learning rate
    text_rate: float | None = None  # of what is trained in the text encoders; None: the same
    schedule: str = "constant"  # of the learning rate after the warm-up: "constant", "linear" or "cosine" down to 0
    warmup: int = 0  # steps over which the learning rate rises
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    max_norm: float = 1.0  # gradients longer than that are cut; 0: never
    seed: int = 0
    # what it sees
    size: int | None = None  # side in pixels; None: what the model was trained at
    buckets: bool = False  # keep the shapes of pictures: sizes of the same area
    crop: str = "center"
    flip: float | None = None  # share of pictures that are mirrored
    zoom: bool | None = None  # pictures smaller and larger, said in the caption; the habit of Custom Diffusion
    forget: float = 0.0  # share of captions that are left empty, for guidance
    clip_skip: int = 1
    # the loss
    snr_gamma: float | None = None  # min-SNR weights (Hang et al. 2023); 5 is usual
    noise_offset: float = 0.0  # noise that is one number for a whole channel; 0.1 is usual
    zero_snr: bool = False  # the last noise level without signal (Lin et al. 2023); only for v-prediction
    prior_weight: float = 1.0  # of the pictures of the class
    # what trains
    text: bool = False  # the text encoders too
    word: str = "<new>"  # textual inversion, Custom Diffusion: the word that is taught
    vectors: int = 1  # how many tokens the word stands for
    start: str = ""  # the word it begins as; required by textual inversion, "ktn" is usual in Custom Diffusion
    templates: str = "object"  # textual inversion: sentences around the word, or "captions" as they are
    rank: int = 4  # LoRA
    alpha: float | None = None  # the LoRA is scaled by alpha / rank; None: alpha = rank
    layers: tuple[str, ...] = ("attention",)
    dora: bool = False
    lora: bool = False  # DreamBooth: teach a LoRA instead of the whole U-Net
    class_prompt: str = ""  # DreamBooth, Custom Diffusion: what pictures to draw for prior preservation; "": none
    class_pictures: int = 100
    # the machine
    device: str | None = None  # "cpu", or what accelerate finds
    precision: str = "no"  # mixed precision: "fp16", "bf16"
    checkpointing: bool = False  # compute activations twice instead of keeping them
    cache: bool = True  # keep encoded pictures, and encoded captions where the text encoders do not train
    # what is kept
    ema: float = 0.0  # decay of the moving average of the weights, which is then what is written; 0: none
    save_every: int = 250  # steps between checkpoints; 0: only at the end
    keep: bool = False  # write the result at every checkpoint too, under its step
    sample_every: int = 0  # steps between sheets of samples, beginning with step 0; 0: none
    samples: tuple[str, ...] = ()  # their prompts
    keys: str = "kohya"  # names in a LoRA's file
    saved_as: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "samples", tuple(self.samples))
        for name, least in LOWEST.items():
            value = getattr(self, name)
            whole = any(f.name == name and str(f.type).startswith("int") for f in fields(self))
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise ValueError(f"{name} is {value!r}; {'a whole number' if whole else 'a number'} is accepted")
            if not value >= least or (name in ABOVE and value == 0):
                raise ValueError(
                    f"{name} is {value!r}; {'above 0' if name in ABOVE else f'{least} or more'} is accepted"
                )
            if name in SHARES and value > 1:
                raise ValueError(f"{name} is {value!r}; a share from 0 to 1 is accepted")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; accepted: {', '.join(choices)}")
        if not self.layers or set(self.layers) - set(LAYERS):
            raise ValueError(f"layers are {', '.join(self.layers) or 'none'}; accepted: {', '.join(LAYERS)}")
        if self.sample_every and not self.samples:
            raise ValueError(
                f"sample_every is {self.sample_every}, but there are no samples to draw: give their prompts"
            )
        if self.ema == 1:
            raise ValueError("ema is 1: the average would never move; a share below 1 is accepted")

    def filled(self, method: str) -> Config:
        """The same with the method's habits for whatever is None. Raises ValueError for an unknown method."""
        if method not in HABITS:
            raise ValueError(f"unknown method {method!r}; known: {', '.join(HABITS)}")
        habits = {key: value for key, value in HABITS[method].items() if getattr(self, key) is None}
        if method == "dreambooth" and self.lora and self.rate is None:
            habits["rate"] = HABITS["lora"]["rate"]
        return replace(self, **habits)

    def as_json(self) -> dict[str, Any]:
        """Every field as a JSON value."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def same_run(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the field, where a run cannot be gone on with because something was asked differently.

    How long it is, and what is saved and drawn on the way, may change (:data:`MAY_CHANGE`).
    """
    for key, value in now.items():
        if key not in MAY_CHANGE and before.get(key) != value:
            raise ValueError(
                f"the folder holds a run with {key} = {before.get(key)!r}, asked is {value!r}: go on with what it was "
                "begun with, or take another folder"
            )
