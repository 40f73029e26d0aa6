"""One side of one comparison in a process of its own: ``python -m benchmarks.peer NAME FOLDER PART DTYPE CELLS OUT``.

Loads one network of a diffusers folder, runs it once for warmth and once for the clock, saves what came out, and
prints seconds of the wall and of the processor, the most memory it held, and how long loading and warming took. PART
"picture" draws whole pictures (``benchmarks.picture``): its seconds are those of one more step. NAME "float64" is what
the others are compared with; it is not timed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import PEAK

Call = Callable[[], Any]
NAMES = ("sukashi", "sukashi plain", "diffusers", "diffusers compiled", "openvino", "stable-diffusion.cpp", "float64")


def inputs(part: str, cells: int, width: int) -> tuple[torch.Tensor, ...]:
    """The same numbers for everybody: a guided step of the U-Net (two pictures), or a latent to decode."""
    draw = torch.Generator().manual_seed(0)
    if part == "vae":
        return (torch.randn(1, 4, cells, cells, generator=draw),)
    x, context = torch.randn(1, 4, cells, cells, generator=draw), torch.randn(2, 77, width, generator=draw)
    return torch.cat([x, x]), torch.full((2,), 501.0), context


def sukashi(folder: Path, part: str, dtype: torch.dtype, cells: int, *, fast: bool) -> Call:
    """Ours, with ``sukashi.fast`` or without."""
    from sukashi.fast.twin import Quick
    from sukashi.weights.load import load_parts

    parts = load_parts(folder, device=torch.device("cpu"), dtype=dtype)
    net = {"unet": parts.unet, "vae": parts.vae}[part]
    quick: Callable[[Any], Any] = Quick() if fast else lambda net: net
    given = [x.to(dtype) for x in inputs(part, cells, parts.family.unet.context_dim)]
    if part == "vae":
        return lambda: quick(net).decode(given[0] * parts.vae.config.scale)
    return lambda: quick(net)(*given)


def diffusers(folder: Path, part: str, dtype: torch.dtype, cells: int, *, compiled: bool) -> Call:
    """Theirs, eager or through ``torch.compile`` with frozen weights."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    kinds: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
    net = kinds[part].from_pretrained(folder / part, torch_dtype=dtype).eval().requires_grad_(False)
    given = [x.to(dtype) for x in inputs(part, cells, getattr(net.config, "cross_attention_dim", 0))]
    run: Any = net.decode if part == "vae" else net
    if compiled:
        import torch._inductor.config as inductor

        inductor.freezing = True
        run = torch.compile(run)
    return lambda: run(*given).sample


def openvino(folder: Path, part: str, dtype: torch.dtype, cells: int) -> Call:
    """OpenVINO on the network of diffusers, converted once for this size; its precision is asked for, not guessed."""
    import openvino as ov
    from diffusers import AutoencoderKL, UNet2DConditionModel

    file = folder / f"openvino-{part}-{cells}.xml"
    config = json.loads((folder / part / "config.json").read_text())
    given = inputs(part, cells, config.get("cross_attention_dim", 0))
    if not file.is_file():
        kinds: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
        net = kinds[part].from_pretrained(folder / part).eval()

        class Plain(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = net

            def forward(self, *given: torch.Tensor) -> torch.Tensor:
                return (self.net.decode(*given) if part == "vae" else self.net(*given)).sample

        made = ov.convert_model(Plain(), example_input=given, input=[tuple(x.shape) for x in given])
        ov.save_model(made, file.with_suffix(".part.xml"), compress_to_fp16=False)
        file.with_suffix(".part.bin").rename(file.with_suffix(".bin"))
        file.with_suffix(".part.xml").rename(file)
        print(json.dumps({"converted": str(file)}))
        sys.exit()  # converting holds memory that running does not need: run in another process
    hint = {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype]
    threads = torch.get_num_threads()
    net = ov.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads})
    used = str(net.get_property("INFERENCE_PRECISION_HINT"))
    if hint not in used and str(dtype)[6:] not in used:  # "f32", or "<Type: 'float32'>" in newer versions
        raise SystemExit(f"OpenVINO was asked for {hint} and takes {used} on this processor")
    arrays = [x.numpy() for x in given]
    return lambda: torch.from_numpy(net(arrays)[0])


def prepare(name: str, folder: Path, part: str, dtype: torch.dtype, cells: int) -> Call:
    """The call to be timed."""
    if name == "float64":
        return sukashi(folder, part, torch.float64, cells, fast=False)
    if name.startswith("sukashi"):
        return sukashi(folder, part, dtype, cells, fast=name == "sukashi")
    if name.startswith("diffusers"):
        return diffusers(folder, part, dtype, cells, compiled=name.endswith("compiled"))
    return openvino(folder, part, dtype, cells)


def cpu() -> float:
    """Seconds of the processor, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def network(name: str, folder: Path, part: str, dtype: torch.dtype, cells: int) -> tuple[dict[str, float], np.ndarray]:
    """One network: what was measured, and what came out."""
    start = time.perf_counter()
    call = prepare(name, folder, part, dtype, cells)
    loaded = time.perf_counter()
    made = call()
    if name == "float64":
        return {}, made.numpy()
    warm, before = time.perf_counter(), cpu()
    made = call()
    times = {"seconds": time.perf_counter() - warm, "cpu": cpu() - before}
    return {**times, "load": loaded - start, "first": warm - loaded}, made.double().numpy()


def picture(name: str, folder: Path, dtype: torch.dtype, cells: int) -> tuple[dict[str, float], np.ndarray]:
    """Whole pictures; seconds and CPU seconds are those of one more step, "picture" those of a run of ``MANY``."""
    from benchmarks.picture import FEW, MANY, drawing

    if name == "float64":  # nobody draws so; our plain layers in float32 are taken for exact
        return {}, drawing("sukashi plain", folder, torch.float32, cells)(MANY)
    start = time.perf_counter()
    draw = drawing(name, folder, dtype, cells)
    loaded = time.perf_counter()
    draw(FEW)
    at, used = [time.perf_counter()], [cpu()]
    for steps in (FEW, MANY):
        made = draw(steps)
        at, used = [*at, time.perf_counter()], [*used, cpu()]
    more = {key: (x[2] - 2 * x[1] + x[0]) / (MANY - FEW) for key, x in (("seconds", at), ("cpu", used))}
    return {**more, "picture": at[2] - at[1], "load": loaded - start, "first": at[0] - loaded}, made


def main() -> None:
    """Measure, save, print."""
    name, folder, part, dtype, cells, out = sys.argv[1:]
    names: dict[str, Any] = {}
    exec(PEAK, names)
    given = (name, Path(folder)), (getattr(torch, dtype), int(cells))
    with torch.no_grad():
        found, made = picture(*given[0], *given[1]) if part == "picture" else network(*given[0], part, *given[1])
    np.save(out, made)
    print(json.dumps({**found, "peak": names["peak"](), "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
