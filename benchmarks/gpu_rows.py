"""One group of measurements on one device: ``python -m benchmarks.gpu_rows PART MODEL DTYPE DEVICE``; JSON lines come.

Parts: unet (a guided step by every way of ours and by diffusers), compiled, float8, batches (pictures a second by how
many at a time), vae (decode). Random weights; both sides hold the same. Errors are against the plain network in the
same type, as a part of the largest value.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.models import CROSS_DOWN, CROSS_UP, DOWN, FULL_UNET, FULL_VAE, TINY_UNET, TINY_VAE, UP
from sukashi.diffusion.denoiser import Conditioning, guided
from sukashi.diffusion.types import Denoise, Level
from sukashi.families import FAMILIES
from sukashi.fast import ops
from sukashi.fast.choice import Tools
from sukashi.fast.compiled import Compiled
from sukashi.fast.graphs import Graphs
from sukashi.fast.normalising import channels_last
from sukashi.fast.twin import Quick
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.weights.configs import unet_config, vae_config

SDXL_UNET: dict[str, Any] = {
    "sample_size": 128, "block_out_channels": (320, 640, 1280), "attention_head_dim": (5, 10, 20),
    "down_block_types": (DOWN, CROSS_DOWN, CROSS_DOWN), "up_block_types": (CROSS_UP, CROSS_UP, UP),
    "cross_attention_dim": 2048, "transformer_layers_per_block": (1, 2, 10), "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
THEIRS = {"sd1": FULL_UNET, "sdxl": SDXL_UNET, "tiny": TINY_UNET}
VAES = {"sd1": FULL_VAE, "sdxl": FULL_VAE, "tiny": TINY_VAE}
LEVELS = [Level(t, a, (1 - a * a) ** 0.5) for t, a in ((901.0, 0.1), (501.0, 0.5), (101.0, 0.9))]
How = tuple[str, Conditioning, Conditioning, float, float]


class Bench:
    """One U-Net on one device and the questions it is asked."""

    def __init__(self, model: str, dtype: torch.dtype, device: torch.device, count: int = 1) -> None:
        self.model, self.dtype, self.device, self.theirs = model, dtype, device, unet_of_diffusers(model)
        config = FAMILIES[model].unet if model in FAMILIES else tiny_config()
        torch.manual_seed(0)
        if self.theirs is None:
            with torch.device(device):
                self.net = UNet(config).to(dtype)
        else:
            self.theirs.to(device, dtype)
            with torch.device("meta"):
                self.net = UNet(config)
            self.net.load_state_dict(self.theirs.state_dict(), strict=True, assign=True)
        self.net.eval().requires_grad_(False)
        self.cells = 128 if model == "sdxl" else 64 if model == "sd1" else 16
        self.how = self.asked(count)
        self.x = torch.randn(count, 4, self.cells, self.cells, device=device)

    def asked(self, count: int) -> How:
        """A guided question of ``count`` pictures."""
        config, made = self.net.config, []
        for _ in range(2):
            told: dict[str, Tensor] = {}
            if config.pooled_dim:
                told["pooled"] = torch.randn(count, config.pooled_dim - 6 * config.size_dim).to(self.device, self.dtype)
                told["sizes"] = torch.full((count, 6), 1024.0, device=self.device)
            context = torch.randn(count, 77, config.context_dim).to(self.device, self.dtype)
            made.append(Conditioning(context=context, **told))
        return "epsilon", made[0], made[1], 7.5, 0.0

    def denoise(self, net: Callable[..., Tensor]) -> Denoise:
        """The guided step by one network."""
        return guided(lambda x, *more, **told: net(x.to(self.dtype), *more, **told), *self.how)

    def of_diffusers(self, x: Tensor, t: Tensor, context: Tensor, **told: Any) -> Tensor:
        """Theirs, called as ours is."""
        added = {"text_embeds": told["pooled"], "time_ids": told["sizes"]} if told.get("pooled") is not None else None
        out: Tensor = self.theirs(x, t, context, added_cond_kwargs=added).sample
        return out

    def row(self, name: str, denoise: Denoise, expected: Tensor | None = None, runs: int = 15) -> dict[str, Any]:
        """The time of a step, what it held, and how far it is from ``expected``."""
        first = time.perf_counter()
        for level in LEVELS:
            out = denoise(self.x, level).eps
        self.wait()
        first = time.perf_counter() - first
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        found = []
        for k in range(runs):
            start = time.perf_counter()
            denoise(self.x, LEVELS[k % 3])
            self.wait()
            found.append(time.perf_counter() - start)
        peak = torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else None
        said = {"ms": 1e3 * statistics.median(found), "least": 1e3 * min(found), "first": first, "peak GiB": peak}
        off = None if expected is None else ((out - expected).abs().max() / expected.abs().max()).item()
        return {"row": f"{self.model}, {str(self.dtype)[6:]}, {name}", **said, "error": off}

    def wait(self) -> None:
        """Until the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def tiny_config() -> UNetConfig:
    """Ours for ``TINY_UNET``."""
    return unet_config({**TINY_UNET, "in_channels": 4, "out_channels": 4})


def unet_of_diffusers(model: str) -> Any:
    """Theirs with random weights; None where diffusers is not installed."""
    try:
        from diffusers import UNet2DConditionModel
    except ImportError:
        return None
    return UNet2DConditionModel(**THEIRS[model]).eval().requires_grad_(False)


def plain_of(bench: Bench) -> Tensor:
    """What the network as it reads answers."""
    return bench.denoise(bench.net)(bench.x, LEVELS[-1]).eps


def unet(model: str, dtype: torch.dtype, device: torch.device) -> Iterator[dict[str, Any]]:
    """Every way to run a guided step that needs no compiler."""
    bench = Bench(model, dtype, device)
    expected = plain_of(bench)
    yield bench.row("sukashi, plain", bench.denoise(bench.net))
    if bench.theirs is not None:
        yield bench.row("diffusers, eager", bench.denoise(bench.of_diffusers), expected)
    if device.type == "cuda" and not ops.problem("fused normalisation", dtype):
        channels_last(bench.net)
    quick = Quick()
    yield bench.row("sukashi, twin", bench.denoise(lambda *x, **told: quick(bench.net)(*x, **told)), expected)
    if device.type == "cuda":
        graphs = Graphs(quick)
        whole = graphs.whole(bench.net, bench.denoise(lambda *x, **told: quick(bench.net)(*x, **told)), bench.how)
        yield bench.row("sukashi, twin as one graph", whole, expected) | {"notes": graphs.notes}


def compiled(model: str, dtype: torch.dtype, device: torch.device) -> Iterator[dict[str, Any]]:
    """Both sides through ``torch.compile``; ours last, as one graph on a GPU."""
    bench = Bench(model, dtype, device)
    expected = plain_of(bench)
    if device.type == "cuda":
        channels_last(bench.net)
        if bench.theirs is not None:
            bench.theirs.to(memory_format=torch.channels_last)
    inner = Compiled(Quick())
    quick: Any = Graphs(inner) if device.type == "cuda" else inner
    denoise = bench.denoise(lambda *x, **told: inner(bench.net)(*x, **told))
    whole = quick.whole(bench.net, denoise, bench.how) if device.type == "cuda" else denoise
    yield bench.row("sukashi, compiled", whole, expected) | {"notes": quick.notes}
    if bench.theirs is not None:
        bench.theirs = torch.compile(bench.theirs, mode="max-autotune" if device.type == "cuda" else None)
        yield bench.row("diffusers, compiled", bench.denoise(bench.of_diffusers), expected)


def float8(model: str, dtype: torch.dtype, device: torch.device) -> Iterator[dict[str, Any]]:
    """Linear layers in float8; on a CPU the emulation, whose error counts and whose time does not."""
    bench = Bench(model, dtype, device)
    expected, quick = plain_of(bench), Quick(eighths=True)
    if device.type == "cuda":
        if problem := ops.problem("float8 product", dtype):
            raise RuntimeError(problem)
        graphs = Graphs(quick)
        whole = graphs.whole(bench.net, bench.denoise(lambda *x, **told: quick(bench.net)(*x, **told)), bench.how)
        yield bench.row("sukashi, float8 as one graph", whole, expected) | {"notes": graphs.notes}
        return
    quick.tools = lambda net: Tools(eighths=True, kept=quick.kept)  # type: ignore[method-assign]
    yield bench.row("float8, emulated", bench.denoise(lambda *x, **told: quick(bench.net)(*x, **told)), expected)


def batches(model: str, dtype: torch.dtype, device: torch.device) -> Iterator[dict[str, Any]]:
    """Pictures a second by how many are drawn at a time."""
    bench, quick = Bench(model, dtype, device), Quick()
    for count in (1, 2, 4, 8, 16, 32) if device.type == "cuda" else (1, 2):
        bench.how, bench.x = bench.asked(count), torch.randn(count, *bench.x.shape[1:], device=device)
        denoise = bench.denoise(lambda *x, **told: quick(bench.net)(*x, **told))
        row = bench.row(f"{count} pictures at a time", denoise, runs=6)
        yield row | {"pictures per second and step": 1e3 * count / row["ms"]}


def vae(model: str, dtype: torch.dtype, device: torch.device) -> Iterator[dict[str, Any]]:
    """Decoding one picture, by the network as it reads and by its twin."""
    torch.manual_seed(0)
    config: VAEConfig = vae_config(dict(VAES[model]), None)
    with torch.device(device):
        net = VAE(config).eval().requires_grad_(False).to(dtype)
    cells = {"sd1": 64, "sdxl": 128}.get(model, 16)
    z, quick = torch.randn(1, 4, cells, cells).to(device, dtype), Quick()
    expected = net.decode(z).float()
    for name in ("plain", "twin"):
        if name == "twin" and device.type == "cuda" and not ops.problem("fused normalisation", dtype):
            channels_last(net)
        call = net.decode if name == "plain" else quick(net).decode
        found = []
        for _ in range(8):
            start = time.perf_counter()
            out = call(z)
            if device.type == "cuda":
                torch.cuda.synchronize()
            found.append(time.perf_counter() - start)
        off = ((out.float() - expected).abs().max() / expected.abs().max()).item()
        where = f"{model}, {str(dtype)[6:]}, decode of {8 * cells} pixels, {name}"
        yield {"row": where, "ms": 1e3 * statistics.median(found[2:]), "error": off}


PARTS = {"unet": unet, "compiled": compiled, "float8": float8, "batches": batches, "vae": vae}


def main() -> None:
    """Measure one part; a row is printed as soon as it is known."""
    part, model, dtype, device = sys.argv[1:]
    with torch.no_grad():
        for row in PARTS[part](model, getattr(torch, dtype), torch.device(device)):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
