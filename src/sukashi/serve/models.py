"""Models by name: those of this machine, loaded when asked for; beyond a number of bytes the least used go."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sukashi.adapters.control import Control
from sukashi.loading import load
from sukashi.pipeline import Pipeline
from sukashi.places import SAFE, files, names_of, trees, words
from sukashi.serve.errors import Refused
from sukashi.shelf import Found, look
from sukashi.tasks.saving import fingerprint

KINDS = ("folder", "single file")
CONTROLS = ("ControlNet", "T2I-Adapter")


@dataclass(frozen=True)
class Offer:
    """A model that may be asked for: its public name, and where it is (never told to clients)."""

    name: str
    source: str
    family: str | None
    bytes: int


class Models:
    """The models of one server. ``source`` is the default one: what its owner named, be it a path or a hub id."""

    def __init__(
        self,
        source: str = "kirie",
        *,
        budget: int = 2**34,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        found: Callable[[], Iterable[Found]] = look,
    ) -> None:
        self.source, self.budget, self.found = source, budget, found
        self.how: dict[str, Any] = {"device": device, "dtype": dtype}
        self.default = public(source)
        self.lock = threading.RLock()  # one model is loaded at a time
        self.kept: OrderedDict[str, Pipeline] = OrderedDict()
        self.helpers: OrderedDict[tuple[str, str], Control] = OrderedDict()  # control networks by name and model
        self.hashes: dict[str, str | None] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look again which models, LoRAs and words there are."""
        offers = {self.default: Offer(self.default, self.source, None, 0)}
        controls: dict[str, Path] = {}
        for found in self.found():
            if found.usable and found.kind in CONTROLS:
                named = found.path.parent if (found.path.parent / "config.json").is_file() else found.path
                controls.setdefault(named.name if named.is_dir() else named.stem, named)
            if not found.usable or found.kind not in KINDS:
                continue
            if found.name == self.source or str(found.path) == self.source:
                offers[self.default] = Offer(self.default, self.source, found.family, found.size)
                continue
            name = found.name if found.where == "Hugging Face cache" else public(found.name)
            name = name if name not in offers else f"{found.path.parent.name}/{name}"
            offers.setdefault(name, Offer(name, found.name, found.family, found.size))
        folders = trees()
        self.offers, self.controls = offers, controls
        self.loras = {path.stem: path for path in files("LoRA", folders)}
        self.networks = {name for path in self.loras.values() for name in names_of(path)}
        self.words = words()

    def find(self, name: str | None) -> Offer:
        """The model that a client means: a name, an A1111 title or hash; None is the default. Raises Refused (404)."""
        if not name or name == self.default:
            return self.offers[self.default]
        plain = name.rpartition(" [")[0] if name.endswith("]") else name
        stem = plain.removesuffix(".safetensors").removesuffix(".ckpt")
        for known, offer in self.offers.items():
            if plain == known or stem == known or name == self.hashes.get(known):
                return offer
        known_names = ", ".join(list(self.offers)[:8])
        raise Refused(
            f"there is no model {name!r} here; there is {known_names}",
            404,
            param="model",
            code="model_not_found",
            name=name,
            known=known_names,
        )

    def get(self, name: str) -> Pipeline:
        """The pipeline of a model, loaded when it is not there. Raises what ``sukashi.load`` raises."""
        with self.lock:
            offer = self.find(name)
            pipe = self.kept.get(offer.name)
            if pipe is None:
                self.tidy(offer.bytes)
                # the owner may name what must be fetched, clients may not
                pipe = load(offer.source, offline=offer.source != self.source, **self.how)
                pipe.name = offer.source if offer.source == "kirie" else offer.name
                self.kept[offer.name] = pipe
                self.hashes[offer.name] = fingerprint(pipe)
            self.kept.move_to_end(offer.name)
            self.tidy()
            return pipe

    def tidy(self, coming: int = 0) -> None:
        """Give up the least used where all are more than the budget, with what is ``coming``; the last used stays.

        Control networks go first: they are the quicker to load again.
        """
        while len(self.helpers) > 1 and self.bytes() + coming > self.budget:
            self.helpers.popitem(last=False)
        while len(self.kept) > (0 if coming else 1) and self.bytes() + coming > self.budget:
            self.kept.popitem(last=False)

    def loaded(self, name: str) -> Pipeline | None:
        """The pipeline of a model if it is loaded."""
        return self.kept.get(name)

    def unload(self) -> None:
        """Give all of them up."""
        with self.lock:
            self.kept.clear()
            self.helpers.clear()

    def bytes(self) -> int:
        """Bytes of the models and control networks that are kept."""
        helpers = sum(bytes_of(control.net) for control in list(self.helpers.values()))
        return helpers + sum(map(weight, list(self.kept.values())))

    def title(self, name: str) -> str:
        """A1111's title: the name, and the hash of the weights where it is known."""
        digits = self.hashes.get(name)
        return f"{name} [{digits}]" if digits else name


def public(source: str) -> str:
    """What clients call a model: the last part of a path without its ending, a hub id as it is."""
    path = Path(source)
    if path.suffix.lower() in SAFE:
        return path.stem
    return path.name if path.is_absolute() or path.exists() else source


def weight(pipe: Pipeline) -> int:
    """Bytes of a pipeline's weights."""
    return sum(map(bytes_of, [pipe.unet, pipe.vae, *pipe.parts.text_encoders]))


def bytes_of(net: torch.nn.Module) -> int:
    """Bytes of a network's weights."""
    return sum(p.numel() * p.element_size() for p in net.parameters())
