"""Methods of diffusers' pipelines that save memory or time there: what they do here, or that they do nothing."""

from __future__ import annotations

from typing import Any

from sukashi.compat.basics import say_once
from sukashi.loading import best_device


class Verbs:
    """The verbs. Each one that has no effect says so once, as a warning."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move or cast all networks; the pipeline itself is returned. Pipelines say how."""
        raise AttributeError(f"{type(self).__name__} has no networks to move")

    def _nothing(self, verb: str, why: str) -> None:
        say_once(f"{verb}() has no effect here: {why}")

    def enable_xformers_memory_efficient_attention(self, attention_op: object = None) -> None:
        """Without effect: torch's own attention is as sparing."""
        self._nothing("enable_xformers_memory_efficient_attention", "torch's own attention is as sparing")

    def disable_xformers_memory_efficient_attention(self) -> None:
        """Without effect, since xformers is not used."""

    def enable_attention_slicing(self, slice_size: str | int | None = "auto") -> None:
        """Without effect: torch's own attention keeps no matrix of weights that could be sliced."""
        self._nothing("enable_attention_slicing", "torch's own attention keeps no matrix that could be sliced")

    def disable_attention_slicing(self) -> None:
        """Without effect, since nothing is sliced."""

    def enable_vae_slicing(self) -> None:
        """Without effect: the whole batch is decoded at once."""
        self._nothing("enable_vae_slicing", "the whole batch is decoded at once")

    def disable_vae_slicing(self) -> None:
        """Without effect, since nothing is sliced."""

    def enable_vae_tiling(self) -> None:
        """Without effect: pictures are decoded whole."""
        self._nothing("enable_vae_tiling", "pictures are decoded whole")

    def disable_vae_tiling(self) -> None:
        """Without effect, since nothing is tiled."""

    def enable_model_cpu_offload(self, gpu_id: int | None = None, device: object = None) -> None:
        """Move everything to the accelerator, where offloading would move each part in its turn."""
        self._offload("enable_model_cpu_offload", gpu_id, device)

    def enable_sequential_cpu_offload(self, gpu_id: int | None = None, device: object = None) -> None:
        """Move everything to the accelerator, where offloading would move each layer in its turn."""
        self._offload("enable_sequential_cpu_offload", gpu_id, device)

    def _offload(self, verb: str, gpu_id: int | None, device: object) -> None:
        place = str(device or best_device())
        say_once(f"{verb}() moves the whole model to {place} and leaves it there: nothing is offloaded")
        self.to(place if gpu_id is None or ":" in place else f"{place}:{gpu_id}")

    def set_progress_bar_config(self, **options: Any) -> None:
        """There is no progress bar: ``disable=True`` is always so, other options are without effect."""
        if not options.get("disable"):
            self._nothing("set_progress_bar_config", "no progress bar is shown; callback_on_step_end tells the steps")
