"""How much a U-Net is made to compute: pictures that it is asked about, and operations, counted and not timed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from sukashi.nets.shallow import shallow
from sukashi.nets.unet import Attention, UNet
from sukashi.pipeline import Pipeline


class Work:
    """What was counted: ``pictures`` (a guided step asks about two) and ``operations`` (multiplications and sums)."""

    def __init__(self) -> None:
        self.pictures = self.operations = 0


def asking(pipe: Pipeline) -> tuple[Pipeline, Work]:
    """A copy of a pipeline that counts the pictures its U-Net is asked about, and computes as the pipeline does."""
    twin, work, quick = copy.copy(pipe), Work(), pipe.quick

    def counting(net: Any) -> Any:
        run = quick(net)
        if not isinstance(net, UNet):
            return run

        def call(x: Tensor, *told: Tensor, **more: Any) -> Tensor:
            work.pictures += len(x)
            out: Tensor = run(x, *told, **more)
            return out

        return call

    twin.quick = counting
    return twin, work


@contextmanager
def counted(pipe: Pipeline) -> Iterator[tuple[Pipeline, Work]]:
    """A copy of a pipeline that counts the operations of convolutions, linear layers and attention as they read.

    Layers that compute the same with fewer (``sukashi.fast``) are not used; norms and activations are left out.
    """
    twin, work = asking(pipe)
    twin.unet = shallow(pipe.unet)
    handles = [layer.register_forward_hook(adding(work)) for layer in twin.unet.modules() if kind(layer)]
    try:
        yield twin, work
    finally:
        for handle in handles:
            handle.remove()


def kind(layer: nn.Module) -> bool:
    """Whether the operations of a layer are counted."""
    return isinstance(layer, nn.Conv2d | nn.Linear | Attention)


def adding(work: Work) -> Callable[[nn.Module, Any, Tensor], None]:
    """A hook that adds what a layer just did."""

    def hook(layer: nn.Module, given: Any, out: Tensor) -> None:
        work.operations += operations(layer, given, out)

    return hook


def operations(layer: nn.Module, given: tuple[Tensor | None, ...], out: Tensor) -> int:
    """Multiplications and additions of one call; of attention q k^T and its product with v, not the linear layers."""
    if isinstance(layer, nn.Conv2d):
        high, wide = layer.kernel_size
        return 2 * out.numel() * (layer.in_channels // layer.groups) * high * wide
    if isinstance(layer, nn.Linear):
        return 2 * out.numel() * layer.in_features
    context = given[1] if len(given) > 1 and given[1] is not None else given[0]
    assert context is not None
    return 4 * out.numel() * context.shape[1]  # (B, N, C) each with T tokens, twice
