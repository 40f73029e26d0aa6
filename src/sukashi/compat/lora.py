"""LoRAs in diffusers' spelling: loaded by a name of their own, weighed, merged ("fused") and taken out again.

As in diffusers the pipeline itself changes, for everyone who uses it; ``sukashi.Pipeline.with_lora`` makes another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import nn

from sukashi.adapters.lora.apply import Use, collected
from sukashi.adapters.lora.find import fetch_lora
from sukashi.adapters.lora.layers import adapted, merged
from sukashi.adapters.lora.match import Lora, match
from sukashi.adapters.lora.read import lora_of, read_lora
from sukashi.compat.basics import say_once
from sukashi.compat.textual_inversion import TextualInversions
from sukashi.weights.embeddings import install

F = TypeVar("F", bound=Callable[..., Any])
PARTS = ("unet", "text_encoder", "text_encoder_2")
Weights = float | Mapping[str, float | None] | None


@dataclass(frozen=True)
class PartUse(Use):
    """A LoRA with a factor for each part of the model, times one for all."""

    by_part: Mapping[str, float] = field(default_factory=dict)
    scale: float = 1.0

    def factor(self, part: str) -> float:
        """The factor for a part of the model."""
        return self.scale * self.by_part.get(part, 1.0)


@dataclass
class Loaded:
    """The LoRAs of a pipeline: all by name, the factors of the active ones, those merged, and the layers replaced."""

    loras: dict[str, Lora] = field(default_factory=dict)
    active: dict[str, dict[str, float]] = field(default_factory=dict)
    fused: dict[str, float] = field(default_factory=dict)  # with the scale they were fused with
    off: bool = False
    replaced: list[tuple[nn.Module, str, nn.Module]] = field(default_factory=list)  # parent, name, original layer


class Loras(TextualInversions):
    """The methods of a pipeline that has ``unet`` and ``text_encoder`` (and perhaps a second of those)."""

    _loras: Loaded

    def _lora_nets(self) -> dict[str, nn.Module]:
        """Our networks behind the pipeline's views."""
        views = {part: getattr(self, part, None) for part in PARTS}
        return {part: view.net for part, view in views.items() if view is not None}

    def load_lora_weights(
        self,
        pretrained_model_name_or_path_or_dict: Any,
        adapter_name: str | None = None,
        *,
        weight_name: str | None = None,
        subfolder: str | None = None,
        local_files_only: bool = False,
        strict: bool = True,
        **others: Any,
    ) -> None:
        """Load a file, a folder, a hub id, a name in the known folders, or tensors by name; it is active at once.

        ``strict=False`` leaves out tensors that find no layer. Raises CheckpointError for what does not fit, ValueError
        for a name that is taken.
        """
        if ignored := sorted(key for key, value in others.items() if value is not None):
            say_once(f"load_lora_weights: {', '.join(ignored)} has no effect here")
        source = pretrained_model_name_or_path_or_dict
        name = adapter_name or f"default_{len(self._loras.loras)}"
        if name in self._loras.loras:
            raise ValueError(f"there is an adapter {name!r} already; choose another adapter_name")
        if isinstance(source, Mapping):
            file = lora_of(source, {}, "the tensors given")
        else:
            inside = f"{subfolder}/{weight_name}" if subfolder and weight_name else weight_name
            source = Path(source) / subfolder if subfolder and Path(source).is_dir() else source
            file = read_lora(fetch_lora(source, weight_name=inside, offline=local_files_only))
        lora = match(file, self._lora_nets(), strict=strict)
        for word in lora.words:
            install(word, *self._text_parts())
        self._loras.loras[name] = lora
        self._loras.active[name] = {}
        self._refresh()

    def set_adapters(
        self, adapter_names: str | Sequence[str], adapter_weights: Weights | Sequence[Weights] = None
    ) -> None:
        """Use these LoRAs and no others, each with a factor or one per part: {"unet": 0.8, "text_encoder": 0.5}.

        Raises ValueError for a name that is not loaded, and for weights of single blocks.
        """
        names = [adapter_names] if isinstance(adapter_names, str) else list(adapter_names)
        several = isinstance(adapter_weights, Sequence)
        weights: list[Any] = list(adapter_weights) if several else [adapter_weights] * len(names)  # type: ignore[arg-type]
        if len(weights) != len(names):
            raise ValueError(f"{len(weights)} weights for {len(names)} adapters")
        self._known(names)
        self._loras.active = {name: by_part(weight) for name, weight in zip(names, weights, strict=True)}
        self._refresh()

    def fuse_lora(
        self, components: Sequence[str] = (), lora_scale: float = 1.0, adapter_names: Sequence[str] | None = None
    ) -> None:
        """Merge the active LoRAs, or those named, into the weights: no step costs more, ``unfuse_lora`` undoes it."""
        if set(components) - {*PARTS}:
            raise ValueError(f"components are {list(components)}; accepted: {', '.join(PARTS)}")
        names = list(adapter_names) if adapter_names is not None else list(self._loras.active)
        self._known(names)
        for name in names:
            chosen = {part: 0.0 for part in PARTS if components and part not in components}
            self._loras.active[name] = self._loras.active.get(name, {}) | chosen
            self._loras.fused[name] = lora_scale
        self._refresh()

    def unfuse_lora(self, components: Sequence[str] = (), **others: Any) -> None:
        """Put the original weights back, bit for bit; the LoRAs stay active, computed on the fly."""
        self._loras.fused = {}
        self._refresh()

    def unload_lora_weights(self) -> None:
        """Forget all LoRAs. Those that are fused stay in the weights, as in diffusers."""
        fused = self._loras.fused
        self._loras.active = {name: parts for name, parts in self._loras.active.items() if name in fused}
        self._refresh()
        if fused:
            say_once("unload_lora_weights() after fuse_lora(): the merged weights stay and cannot be unfused")
        self.__dict__["_loras"] = Loaded()

    def delete_adapters(self, adapter_names: str | Sequence[str]) -> None:
        """Forget these LoRAs."""
        names = [adapter_names] if isinstance(adapter_names, str) else list(adapter_names)
        self._known(names)
        for name in names:
            for kept in (self._loras.loras, self._loras.active, self._loras.fused):
                kept.pop(name, None)
        self._refresh()

    def disable_lora(self) -> None:
        """Compute without LoRAs until ``enable_lora``; those that are fused stay."""
        self._loras.off = True
        self._refresh()

    def enable_lora(self) -> None:
        """Undo ``disable_lora``."""
        self._loras.off = False
        self._refresh()

    def get_active_adapters(self) -> list[str]:
        """Names of the LoRAs in use."""
        return [] if self._loras.off else list(self._loras.active)

    def get_list_adapters(self) -> dict[str, list[str]]:
        """Names of all LoRAs by the part of the model that they change."""
        loras = self._loras.loras.items()
        found = {part: [name for name, lora in loras if lora.changes.get(part)] for part in PARTS}
        return {part: names for part, names in found.items() if names}

    def _known(self, names: Sequence[str]) -> None:
        if unknown := [name for name in names if name not in self._loras.loras]:
            raise ValueError(f"no adapter is called {unknown[0]!r}; loaded are {list(self._loras.loras)}")

    def _refresh(self, scale: float = 1.0) -> None:
        """Put the layers in that the present state asks for, in place of the original ones."""
        state, nets = self._loras, self._lora_nets()
        for parent, name, layer in reversed(state.replaced):
            parent._modules[name] = layer
        state.replaced.clear()
        for make, fused in ((merged, True), (adapted, False)):
            uses = [
                PartUse(state.loras[name], by_part=parts, scale=state.fused[name] if fused else scale)
                for name, parts in state.active.items()
                if (name in state.fused) == fused and (fused or not state.off)
            ]
            for target, changes in collected(uses).items():
                path, _, name = target.path.rpartition(".")
                parent = nets[target.part].get_submodule(path)
                layer = parent.get_submodule(name)
                state.replaced.append((parent, name, layer))
                parent._modules[name] = make(layer, changes)


def at_lora_scale(call: F) -> F:
    """A pipeline's ``__call__`` that computes with ``cross_attention_kwargs={"scale": s}`` times its LoRAs."""

    @functools.wraps(call)
    def scaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(kwargs.get("cross_attention_kwargs") or {})
        if unknown := set(given) - {"scale"}:
            raise ValueError(f"cross_attention_kwargs: only scale has an effect here, not {sorted(unknown)[0]!r}")
        if not given:
            return call(self, *args, **kwargs)
        self._refresh(float(given["scale"]))
        try:
            return call(self, *args, **kwargs)
        finally:
            self._refresh()

    return cast("F", scaled)


def by_part(weight: Any) -> dict[str, float]:
    """One factor, or factors by part (None is 1)."""
    if not isinstance(weight, Mapping):
        return dict.fromkeys(PARTS, 1.0 if weight is None else float(weight))
    if unknown := set(weight) - {*PARTS}:
        raise ValueError(f"adapter weights are for {', '.join(PARTS)}; {sorted(unknown)[0]!r} is none of them")
    if blocks := [part for part, value in weight.items() if isinstance(value, Mapping)]:
        raise ValueError(f"the weight of {blocks[0]} is by blocks, which is not supported: give one number")
    return {part: 1.0 if (value := weight.get(part)) is None else float(value) for part in PARTS}
