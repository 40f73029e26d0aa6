"""An adapter with its picture, as a pipeline is given it: what is recorded, and what it does in a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from sukashi.adapters.control.acting import controlnet_act, t2i_act
from sukashi.adapters.control.hint import FITS, hint
from sukashi.adapters.control.load import Control, load_control
from sukashi.adapters.ip.image_prompt import IPAdapter, load_ip_adapter
from sukashi.adapters.steering import Act, window
from sukashi.diffusion.types import Level
from sukashi.guides import guides
from sukashi.nets.controlnet import ControlNet
from sukashi.nets.unet import UNet
from sukashi.opening import open_picture
from sukashi.settings import Settings
from sukashi.weights.load import Source

GIVE = "give it (--control-picture, control_pictures=[...])"
KINDS = ("control", "image-prompt")
FIELDS = {"kind", "model", "picture", "scale", "start", "stop", "guess", "fit", "image_encoder"}


@dataclass(frozen=True, kw_only=True)
class Use:
    """A control network or an image prompt, its picture (RGB), and how it is to act.

    ``start`` and ``stop`` are fractions of the run. ``guess`` (ControlNet: act on the prompt alone, softly) and ``fit``
    ("crop" or "stretch" a picture of another shape) are for control networks. ``shown`` is the record of the picture,
    ``encoder`` where an IP-Adapter's image encoder came from. Raises ValueError for values that cannot be.
    """

    adapter: Control | IPAdapter
    picture: Image.Image
    shown: Mapping[str, Any]
    encoder: str | None = None
    scale: float = 1.0
    start: float = 0.0
    stop: float = 1.0
    guess: bool = False
    fit: str = "crop"

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale) or abs(self.scale) > 10:
            raise ValueError(f"control scale is {self.scale!r}; a number in -10..10 is accepted")
        if not 0 <= self.start < self.stop <= 1:
            raise ValueError(
                f"control start is {self.start!r} and stop {self.stop!r}; 0 <= start < stop <= 1 is accepted"
            )
        if self.fit not in FITS:
            raise ValueError(f"control fit is {self.fit!r}; accepted: {', '.join(FITS)}")
        if self.guess and not (isinstance(self.adapter, Control) and isinstance(self.adapter.net, ControlNet)):
            raise ValueError("guess is for ControlNets; this is another kind of adapter")

    def check(self, unet: UNet) -> None:
        """Raise ValueError where the adapter was made for another kind of U-Net."""
        if isinstance(self.adapter, Control):
            self.adapter.check(unet.config)
        else:
            self.adapter.check(unet)

    def record(self) -> dict[str, Any]:
        """How to do it again, as JSON values."""
        own: dict[str, Any] = {"scale": self.scale, "start": self.start, "stop": self.stop}
        if isinstance(self.adapter, Control):
            own |= {"guess": self.guess, "fit": self.fit}
        elif self.encoder:
            own |= {"image_encoder": lasting(self.encoder)}
        return {
            "kind": "control" if isinstance(self.adapter, Control) else "image-prompt",
            "model": lasting(self.adapter.source),
            "picture": dict(self.shown),
            **own,
        }

    def act(
        self,
        size: tuple[int, int],
        levels: Sequence[Level],
        notes: list[str],
        running: list[str],
        quick: Callable[[Any], Any] = lambda net: net,
    ) -> Act:
        """What it does in a run over ``levels`` that draws (width, height) pixels.

        ``notes`` says what was done to the picture, ``running`` what happens while drawing; ``quick`` gives what is run
        in the place of a network.
        """
        inside = window(self.start, self.stop, levels)
        if inside.until == -math.inf:
            notes.append(f"{self.adapter.source} acts in no step: {self.start:g} to {self.stop:g} is less than one")
        adapter, (width, height) = self.adapter, size
        if isinstance(adapter, IPAdapter):
            if self.picture.width != self.picture.height:
                notes.append(f"{adapter.source} sees the square in the middle of its picture")
            return adapter.act(adapter.see(self.picture), self.scale, inside)
        if isinstance(adapter.net, ControlNet):
            config = adapter.net.config
            picture = hint(self.picture, width, height, channels=config.picture_channels, fit=self.fit, notes=notes)
            told: dict[str, Any] = {"name": f"ControlNet {adapter.source}", "notes": running, "quick": quick}
            return controlnet_act(adapter.net, picture, self.scale, inside, guess=self.guess, **told)
        whole = [-(-side // adapter.net.config.factor) * adapter.net.config.factor for side in size]  # rounded up
        channels = adapter.net.config.picture_channels
        picture = hint(self.picture, whole[0], whole[1], channels=channels, fit=self.fit, notes=notes)
        with torch.no_grad():
            return t2i_act(adapter.net, picture, self.scale, inside)


def opened(adapter: Control | IPAdapter, picture: Any, **options: Any) -> Use:
    """``Use`` of any picture: a path, a PIL picture, an array, a tensor (C, H, W) in [0, 1]; others are its fields."""
    found = open_picture(picture, "control picture")
    return Use(adapter=adapter, picture=found.picture, shown=found.record, **options)


def control_use(control: Control | Source, picture: Any, unet: UNet, **options: Any) -> Use:
    """A control network for ``unet``, loaded where it is not yet, in the U-Net's precision and place."""
    if not isinstance(control, Control):
        control = load_control(control, like=unet.config, **place_of(unet))
    return opened(control, picture, **options)


def image_use(
    adapter: IPAdapter | Source, picture: Any, unet: UNet, *, image_encoder: Source | None = None, **options: Any
) -> Use:
    """An image prompt for ``unet``, loaded where it is not yet."""
    if not isinstance(adapter, IPAdapter):
        adapter = load_ip_adapter(adapter, image_encoder=image_encoder, **place_of(unet))
    return opened(adapter, picture, encoder=None if image_encoder is None else str(image_encoder), **options)


def lasting(source: str) -> str:
    """A path that holds in every folder; a hub id as it is."""
    path = Path(source).expanduser()
    return str(path.absolute()) if path.exists() else source


def place_of(unet: UNet) -> dict[str, Any]:
    """Precision and device of a U-Net, as loaders take them."""
    weight = next(unet.parameters())
    return {"dtype": weight.dtype, "device": weight.device}


def acts_of(
    uses: Sequence[Use],
    asked: Settings,
    levels: Sequence[Level],
    notes: list[str],
    quick: Callable[[Any], Any] = lambda net: net,
) -> list[Act]:
    """What ``uses`` do in a run; what there is to say of their pictures goes to ``notes``, once.

    Raises ValueError where the settings speak of adapters that are not among ``uses``.
    """
    if asked.controls is not None and [use.record() for use in uses] != asked.controls:
        if not asked.controls:
            return []
        names = ", ".join(str(record.get("model")) for record in asked.controls)
        raise ValueError(f"controls asks for {names}, which this pipeline was not given (pipe.with_control(...))")
    if "nag" in guides(asked.guide) and any(isinstance(use.adapter, IPAdapter) for use in uses):
        raise ValueError("guide nag does not go with an image prompt: both work inside the attention to the prompt")
    said: list[str] = []
    width, height, _, _ = asked.numbers()
    acts = [use.act((width, height), levels, said, notes, quick) for use in uses]
    notes += [note for note in dict.fromkeys(said) if note not in notes]
    return acts


def from_record(record: Mapping[str, Any], unet: UNet, picture: Any = None) -> Use:
    """The ``Use`` that a record speaks of, loaded for ``unet``.

    The picture is opened where it was, and must be the same still; ``picture`` is given in its place.
    Raises ValueError or FileNotFoundError naming what the record needs.
    """
    kind, model, shown = record.get("kind"), record.get("model"), record.get("picture")
    if kind not in KINDS or not isinstance(model, str) or not isinstance(shown, Mapping):
        raise ValueError(f"controls: {dict(record)} has no kind ({', '.join(KINDS)}), model and picture")
    if unknown := set(record) - FIELDS:
        raise ValueError(f"controls: unknown field {sorted(unknown)[0]!r}; known: {', '.join(sorted(FIELDS))}")
    path = shown.get("path")
    if picture is None and (path is None or not Path(path).is_file()):
        what = "was never a file" if path is None else f"is not at {path} any more"
        raise FileNotFoundError(f"the record draws with {model}, whose picture {what}; {GIVE}")
    options = {key: record[key] for key in ("scale", "start", "stop", "guess", "fit", "image_encoder") if key in record}
    make = control_use if kind == "control" else image_use
    made = make(model, path if picture is None else picture, unet, **options)
    if picture is None and shown.get("pixels") not in (None, made.shown["pixels"]):
        raise ValueError(f"{path} is not the picture any more that the record speaks of; {GIVE}")
    return made
