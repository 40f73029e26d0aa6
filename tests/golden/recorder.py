"""What goes into and comes out of a pipeline's networks, under the names of the recorded traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sukashi.pipeline import Pipeline


class Recorder:
    """Notes what the networks of a pipeline of ours are given and say; a context, so that shared networks come back."""

    def __init__(self, pipe: Pipeline, encoded: Tensor | None = None) -> None:
        """``encoded`` is what the autoencoder's encoder is to say, whatever it says (noted all the same)."""
        self.pipe, self.seen, self.encoded = pipe, {}, encoded
        self.calls: dict[str, int] = {}

    def __enter__(self) -> Recorder:
        parts = self.pipe.parts
        names = ["text_encoder", "text_encoder_2"] if len(parts.text_encoders) == 2 else ["text_encoder"]
        self.hooks = [parts.unet.register_forward_hook(self.unet, with_kwargs=True)]
        self.hooks += [
            net.register_forward_hook(self.text(name)) for name, net in zip(names, parts.text_encoders, strict=True)
        ]
        for name in ("encoder", "decoder"):
            self.hooks.append(getattr(parts.vae, name).register_forward_hook(self.vae(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def count(self, name: str) -> str:
        self.calls[name] = self.calls.get(name, 0) + 1
        return f"{name}{self.calls[name] - 1}"

    def text(self, name: str) -> Any:
        def hook(_: Any, inputs: tuple[Tensor, ...], out: Any) -> None:
            at = self.count(name)
            told = {"input_ids": inputs[0], "last_hidden_state": out.last, "penultimate": out.hidden[-2]}
            self.seen |= {f"{at}.{key}": value for key, value in (told | {"pooled": out.pooled}).items()}

        return hook

    def unet(self, _: Any, inputs: tuple[Tensor, ...], named: dict[str, Any], out: Tensor) -> None:
        told = {"sample": inputs[0], "t": inputs[1][:1], "ctx": inputs[2], "out": out}
        names = {"added.text_embeds": "pooled", "added.time_ids": "sizes", "class_labels": "noise_level"}
        told |= {name: named[ours] for name, ours in names.items() if named[ours] is not None}
        at = self.count("unet")
        self.seen |= {f"{at}.{key}": value.clone() for key, value in told.items()}

    def vae(self, name: str) -> Any:
        def hook(_: Any, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor | None:
            at = self.count("vae.encoder") if name == "encoder" else "vae.decoder"
            self.seen |= {f"{at}.in": inputs[0], f"{at}.out": out}
            return self.encoded if name == "encoder" else None

        return hook


def stages(recorded: Any, seen: dict[str, Tensor]) -> Iterator[tuple[str, float]]:
    """Every recorded stage with how far ours is from it, as a share of its largest value where that is above 1.

    An image that comes several times is encoded once here.
    """
    for key in (key for key in recorded.files if key.startswith("trace.")):
        ours = seen[key.removeprefix("trace.")].numpy()
        ours = np.broadcast_to(ours, recorded[key].shape) if "encoder" in key and len(ours) == 1 else ours
        assert ours.shape == recorded[key].shape, f"{key}: {ours.shape} instead of {recorded[key].shape}"
        scale = max(1.0, float(np.abs(recorded[key]).max()))
        yield key, float(np.abs(ours.astype(np.float64) - recorded[key]).max()) / scale


def one_generator(seeds: Any, kind: str, device: Any) -> Any:
    """A source of noise as diffusers has it with a single generator: the whole batch is drawn from the first seed."""
    generator = torch.Generator().manual_seed(seeds[0])
    return lambda shape: torch.randn((len(seeds), *shape), generator=generator)
