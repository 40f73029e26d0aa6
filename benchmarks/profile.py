"""Where the time of a network goes, kind of work by kind of work: ``python -m benchmarks.profile --part unet``.

The network has the size of SD 1.5 and random weights. Every operation of torch is timed (seconds of the processor, so
that a busy machine changes little) and counted for the layer that it works for; both sides run in turns in one process.
GFLOP are those of the plain network, multiplication and addition counted as two: a technique that multiplies less
shows as more GFLOP/s. Where normalisation happens inside a convolution, its time is in the convolution's row.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measure import facts
from sukashi.fast.convolution import Convolution
from sukashi.fast.twin import Quick
from sukashi.nets import unet, vae
from sukashi.nets.shallow import with_attend

Call = Callable[[nn.Module], Tensor]
FUNCTIONS = {
    "silu": "SiLU",
    "gelu": "GELU",
    "cat": "joining",
    "copy_": "copies",
    "clone": "copies",
    "dot_product": "attention",
}
SIZES = {
    "unet": {
        "full": unet.UNetConfig(),
        "tiny": unet.UNetConfig(channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, resnets=1),
    },
    "vae": {"full": vae.VAEConfig(), "tiny": vae.VAEConfig(channels=(32, 64), resnets=1)},
}


class Clock(TorchDispatchMode):
    """Seconds of the processor, calls and GFLOP by kind of work, while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []  # of the layers that are being computed, the outermost first
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.flops: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of torch."""
        start = time.process_time()
        out = func(*args, **(kwargs or {}))
        spent = time.process_time() - start
        name = func.__name__
        kind = (
            self.kinds[0] if self.kinds else next((said for f, said in FUNCTIONS.items() if f in name), "sums and more")
        )
        self.seconds[kind] += spent
        self.calls[kind] += not self.kinds
        return out

    def enter(self, kind: str) -> None:
        """A layer begins."""
        self.kinds.append(kind)

    def leave(self, flops: float) -> None:
        """It ends."""
        if len(self.kinds) == 1:
            self.calls[self.kinds[0]] += 1
            self.flops[self.kinds[0]] += flops
        self.kinds.pop()


def kind_of(layer: nn.Module) -> str:
    """What a layer is called in the table; "" for one whose parts are looked at instead."""
    if isinstance(layer, unet.Upsample | vae.Upsample):
        return "doubling and 3 x 3 convolution"
    if isinstance(layer, nn.Conv2d):
        side, stride = layer.kernel_size[0], layer.stride[0]
        narrow = min(layer.in_channels, layer.out_channels) < 32
        return f"{side} x {side} convolution" + (", halving" if stride > 1 else ", first and last" if narrow else "")
    names = {nn.Linear: "linear layers", nn.GroupNorm: "group norm", nn.LayerNorm: "layer norm"}
    return next((name for kind, name in names.items() if isinstance(layer, kind)), "")


def flops(layer: nn.Module, out: Tensor) -> float:
    """Of the plain computation of a layer."""
    layer = layer.conv if isinstance(layer, unet.Upsample | vae.Upsample) else layer
    if isinstance(layer, nn.Conv2d):
        return 2.0 * out.numel() * layer.in_channels * math.prod(layer.kernel_size)
    return 2.0 * out.numel() * layer.in_features if isinstance(layer, nn.Linear) else 0.0


def watched(net: nn.Module, clock: Clock) -> nn.Module:
    """A copy of a network, or of its twin, whose layers tell ``clock`` what they are."""

    def attending(layer: unet.Attention) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        inner = layer.attend

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            clock.enter("attention to itself" if k.shape[2] == q.shape[2] else "attention to the prompt")
            out = inner(q, k, v)
            clock.leave(4.0 * q.numel() * k.shape[2])
            return out

        return attend

    def normalising(layer: Convolution) -> Callable[[Tensor, nn.GroupNorm], Tensor]:
        inner = layer.of_normalised

        def of_normalised(x: Tensor, norm: nn.GroupNorm) -> Tensor:
            if not layer.tiled(x.shape[2] * x.shape[3]):
                return inner(x, norm)
            clock.enter(kind_of(layer))
            out = inner(x, norm)
            clock.leave(flops(layer, out))
            return out

        return of_normalised

    copy = with_attend(net, lambda _, layer: attending(layer), to_text=True)
    copy = with_attend(copy, lambda _, layer: attending(layer), to_text=False)
    for layer in copy.modules():
        if kind := kind_of(layer):
            if isinstance(layer, Convolution):
                vars(layer)["of_normalised"] = normalising(layer)
            layer.register_forward_pre_hook(lambda *_, kind=kind: clock.enter(kind))
            layer.register_forward_hook(lambda layer, _, out: clock.leave(flops(layer, out)))
    return copy


def made(part: str, size: str) -> nn.Module:
    """A network with random weights."""
    kind: Any = {"unet": unet.UNet, "vae": vae.VAE}[part]
    with torch.device("meta"):
        net: nn.Module = kind(SIZES[part][size])
    net.to_empty(device="cpu").eval().requires_grad_(False)
    for weight in net.parameters():
        weight.normal_(0, weight[0].numel() ** -0.5) if weight.ndim > 1 else weight.fill_(1.0)
    return net


def call_of(part: str, net: nn.Module, cells: int) -> Call:
    """A guided step (two pictures), or decoding one."""
    dtype = next(net.parameters()).dtype
    if part == "vae":
        z = torch.randn(1, 4, cells, cells, dtype=dtype)
        return lambda net: cast("Tensor", cast("vae.VAE", net).decode(z))
    width = cast("unet.UNetConfig", net.config).context_dim
    x, context = torch.randn(2, 4, cells, cells, dtype=dtype), torch.randn(2, 77, width, dtype=dtype)
    return lambda net: cast("Tensor", net(x, torch.full((2,), 501.0), context))


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--part", choices=tuple(SIZES), default="unet")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--cells", type=int, default=64, help="latent cells per side; 64 is 512 pixels (default 64)")
    parser.add_argument("--turns", type=int, default=1, help="of which the quickest counts (default 1)")
    asked = parser.parse_args()
    net = made(asked.part, asked.size).to(getattr(torch, asked.dtype))
    call, quick = call_of(asked.part, net, asked.cells), Quick()
    sides: dict[str, Callable[[], nn.Module]] = {"plain torch": lambda: net, "sukashi": lambda: quick(net)}
    best: dict[str, tuple[float, Clock]] = {}
    with torch.no_grad():
        outs = [call(side()) for side in sides.values()]  # and everything is made ready
        with Clock():
            torch.zeros(1).add(1)  # entering one for the first time takes a second
        for _ in range(asked.turns):
            for name, side in sides.items():
                clock = Clock()
                run = watched(side(), clock)
                start = time.process_time()
                with clock:
                    call(run)
                spent = time.process_time() - start
                if name not in best or spent < best[name][0]:
                    best[name] = spent, clock
    error = ((outs[0] - outs[1]).abs().max() / outs[0].abs().max()).item()
    what = f"{asked.part}, {asked.size}, {asked.dtype}, {asked.cells} cells, {torch.get_num_threads()} threads"
    print(f"{what}, differ by {error:.1e}")
    print(f"{facts()}\n\n{table(best)}")


def table(best: dict[str, tuple[float, Clock]]) -> str:
    """Seconds and GFLOP/s of both sides, in Markdown."""
    (whole_a, a), (whole_b, b) = best.values()
    lines = ["| kind of work | layers | GFLOP | plain torch | GFLOP/s | sukashi | GFLOP/s | gain |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind in sorted({**a.seconds, **b.seconds}, key=lambda kind: -a.seconds[kind]):
        work, one, two = a.flops[kind] / 1e9, a.seconds[kind], b.seconds[kind]
        speeds = [f"{work / max(spent, 1e-9):.0f}" if work else "" for spent in (one, two)]
        gain = f"{one / two:.2f}" if two else ""
        lines.append(
            f"| {kind} | {a.calls[kind]} | {f'{work:.0f}' if work else ''} | {one:.2f} s | {speeds[0]} "
            f"| {two:.2f} s | {speeds[1]} | {gain} |"
        )
    rest = [whole - sum(clock.seconds.values()) for whole, clock in best.values()]
    lines.append(f"| Python and this clock | | | {rest[0]:.2f} s | | {rest[1]:.2f} s | | |")
    work = sum(a.flops.values()) / 1e9
    lines.append(
        f"| **all** | | {work:.0f} | {whole_a:.2f} s | {work / whole_a:.0f} | {whole_b:.2f} s | {work / whole_b:.0f} "
        f"| **{whole_a / whole_b:.2f}** |"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
