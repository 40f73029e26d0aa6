"""What was asked of a run, complete enough to ask it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sukashi.guides import check_steering
from sukashi.records import check_lists, check_shortcuts

EMPHASES = ("a1111", "no-norm", "comfy", "ignore", "none")  # see ``sukashi.prompts.emphasis``

EVERY_RUN = (
    *("prompt", "negative_prompt", "width", "height", "steps", "guidance", "rescale", "sampler", "grid", "eta"),
    *("seed", "count", "rng", "clip_skip", "emphasis", "truncate"),
)  # the fields of a plain run; the others steer


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One text-to-image request. ``None`` means: as the model suggests (``Pipeline.defaults``).

    Raises ValueError, naming the value and what is accepted, for numbers that cannot be run.
    """

    prompt: str = ""
    negative_prompt: str | None = None  # takes the unconditional place in guidance; None: nothing said, "" or zeros
    width: int | None = None  # pixels
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None  # s in out_unwanted + s (out_wanted - out_unwanted)
    rescale: float = 0.0  # guidance rescale, 0..1
    sampler: str | None = None  # any spelling that ``sukashi.diffusion.names`` knows
    grid: str | None = None  # levels visited: "leading", "karras", ...
    eta: float | None = None  # fresh noise of DDIM, 0..1
    seed: int | None = None  # picture k of a batch uses seed + k; None draws one and reports it
    count: int = 1  # pictures
    rng: str = "cpu"  # kind of noise: "cpu" (torch) or "nv" (CUDA's Philox)
    clip_skip: int = 1  # layer counted from the end, as A1111 counts: 1 is the last
    emphasis: str = "a1111"  # what (a:1.3) does; "none": nothing in a prompt is syntax
    truncate: bool = False  # cut prompts after one chunk of tokens, as diffusers does
    negative_start: float | str = 0.0  # when the negative prompt begins to hold: a moment, a preset or "auto"
    negative_stop: float | str | None = None  # and when it ends; None: as the preset says, or with the run
    negative_outside: str = "empty"  # what takes its place before and after: the "empty" prompt, or guidance is "off"
    negative_scale: float | None = None  # of the negative prompt alone; None: tied to guidance
    guide: str = ""  # other ways to guide: "apg pag(scale=2)", see ``sukashi.guides``
    loras: list[list[Any]] | None = None  # [name or path, weight, weight in the text encoders] each; shorter ones too
    embeddings: list[Any] | None = None  # words to add: the file or name of each, or [file or name, word]
    controls: list[dict[str, Any]] | None = None  # records of control networks and image prompts: adapters.use.Use
    prompt_2: str | None = None  # for the second text encoder of SDXL; None: the prompt for both
    negative_prompt_2: str | None = None
    original_size: list[int] | None = None  # SDXL is told: width and height the picture had; None: as it is drawn
    crop: list[int] | None = None  # left and top of what was cut out of it
    target_size: list[int] | None = None  # width and height it is wanted at
    seamless: str = ""  # axes along which the picture continues on its other side: "x", "y" or "xy"
    variation_seed: int | None = None  # towards whose noise the first noise is turned; None: none
    variation: float = 0.0  # how far, 0..1
    deepcache: int | list[int] | None = None  # the whole U-Net every so many calls; [every, branch]: fast.deepcache
    tgate: float | str | None = None  # the prompt is heard until then: a whole number of steps or a moment; fast.tgate

    def __post_init__(self) -> None:
        lowest = {"width": 1, "height": 1, "steps": 1, "count": 1, "clip_skip": 1, "seed": 0, "variation_seed": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < low):
                raise ValueError(f"{name} is {value!r}; a whole number of at least {low} is accepted")
        for name in ("original_size", "crop", "target_size"):
            pair = getattr(self, name)
            if pair is not None and (len(pair) != 2 or any(not isinstance(n, int) or n < 0 for n in pair)):
                raise ValueError(f"{name} is {pair!r}; two whole numbers of pixels are accepted")
        for name, high in (("rescale", 1.0), ("eta", 1.0), ("variation", 1.0)):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= high:
                raise ValueError(f"{name} is {value!r}; a number in 0..{high:g} is accepted")
        if self.seamless not in ("", "x", "y", "xy"):
            raise ValueError(f"seamless is {self.seamless!r}; accepted: x, y, xy")
        if self.emphasis not in EMPHASES:
            raise ValueError(f"emphasis is {self.emphasis!r}; accepted are {', '.join(EMPHASES)}")
        if not isinstance(self.truncate, bool):
            raise ValueError(f"truncate is {self.truncate!r}; true or false is accepted")
        if self.guidance is not None and not 0 <= self.guidance < 1000:
            raise ValueError(f"guidance is {self.guidance!r}; a number in 0..1000 is accepted")
        if (self.loras, self.embeddings, self.controls) != (None, None, None):
            check_lists(self.loras, self.embeddings, self.controls)
        if (self.deepcache, self.tgate) != (None, None):
            check_shortcuts(self.deepcache, self.tgate)
        held = (self.negative_start, self.negative_stop, self.negative_outside, self.negative_scale)
        if self.guide or held != (0.0, None, "empty", None):
            check_steering(self.guide, self.rescale, *held)

    @property
    def steers(self) -> bool:
        """Whether more is asked for than words, noise and a U-Net with guidance."""
        return any(getattr(self, name) != getattr(PLAIN, name) for name in STEERING)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """The inverse of ``to_dict``. Raises ValueError naming a field that does not exist."""
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"unknown setting {unknown[0]!r}; known: {', '.join(known)}")
        return cls(**values)

    def filled(self, defaults: Mapping[str, Any]) -> Settings:
        """These settings, with every ``None`` that ``defaults`` has a value for replaced by it."""
        missing = {k: v for k, v in defaults.items() if v is not None and getattr(self, k) is None}
        return replace(self, **missing)

    def numbers(self) -> tuple[int, int, int, float]:
        """Width, height, steps and guidance of filled settings. Raises ValueError naming one that is still open."""
        width, height, steps, guidance = self.width, self.height, self.steps, self.guidance
        if width is None or height is None or steps is None or guidance is None:
            raise ValueError(f"width {width}, height {height}, steps {steps}, guidance {guidance}: all four are needed")
        return width, height, steps, guidance


PLAIN = Settings()
STEERING = tuple(f.name for f in fields(Settings) if f.name not in EVERY_RUN)
