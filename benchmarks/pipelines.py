"""The whole way: loading a folder, the first picture of a fresh process, what one more step costs, memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import PEAK, Row, agree, compare, python

PROMPT = "a girl with glasses eating pizza"
LOAD = {
    "ours": "import sukashi\ndef load(folder, device):\n    return sukashi.load(folder, device=device, dtype=dtype)\n",
    "theirs": (
        "from diffusers import StableDiffusionPipeline\nfrom diffusers.utils.logging import disable_progress_bar\n"
        "disable_progress_bar()\ndef load(folder, device):\n"
        "    return StableDiffusionPipeline.from_pretrained(folder, dtype=dtype).to(device)\n"
    ),
}
DRAW = {
    "ours": (
        "def draw(pipe, n, size):\n"
        f"    return pipe({PROMPT!r}, steps=n, guidance=7.5, seed=1, width=size, height=size).images[0]\n"
    ),
    "theirs": (
        "def draw(pipe, n, size):\n    pipe.set_progress_bar_config(disable=True)\n"
        "    generator = [torch.Generator().manual_seed(1)]\n"
        f"    return pipe({PROMPT!r}, num_inference_steps=n, guidance_scale=7.5, generator=generator, width=size,"
        " height=size).images[0]\n"
    ),
}
LOAD["compiled"] = LOAD["ours"].replace("dtype=dtype", "dtype=dtype, compile=True")
DRAW["compiled"] = DRAW["ours"]
HEAD = PEAK + "import time\nstart = time.perf_counter()\nimport torch\ndtype = torch.float32\n"
LOADING = """
load(sys.argv[1], sys.argv[2])  # warm: everything imported, the files in the page cache
start = time.perf_counter()
pipe = load(sys.argv[1], sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - start}))
"""
COLD = """
pipe = load(sys.argv[1], sys.argv[2])
print(json.dumps({"peak": peak()}))
"""
FIRST = """
pipe = load(sys.argv[1], sys.argv[2])
draw(pipe, int(sys.argv[3]), int(sys.argv[4]))
print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak()}))
"""
Sides = tuple[Callable[[], float], Callable[[], float]]


def children(script: str, key: str, *arguments: object) -> Sides:
    """Both sides of a script as fresh processes, each giving the number ``key`` of what it prints."""

    def side(name: str) -> Callable[[], float]:
        code = HEAD + LOAD[name] + DRAW[name] + script
        return lambda: float(python(code, *map(str, arguments))[1][key])

    return side("ours"), side("theirs")


def inside(name: str, folder: Path, device: str) -> tuple[Any, Callable[[Any, int, int], Any]]:
    """A pipeline of one side in this process, and how it draws."""
    names: dict[str, Any] = {"torch": torch, "dtype": torch.float32}
    exec(LOAD[name] + DRAW[name], names)
    return names["load"](str(folder), device), names["draw"]


def same_picture(folder: Path, device: str, steps: int, size: int) -> str:
    """Draw on both sides and compare, in 8-bit values."""
    pictures = []
    for name in ("ours", "theirs"):
        pipe, draw = inside(name, folder, device)
        pictures.append(np.asarray(draw(pipe, steps, size), dtype=np.int16))
        del pipe
    return agree(float(np.abs(pictures[0] - pictures[1]).max()), 1.0, "8-bit values")


def per_step(folder: Path, device: str, size: int, few: int = 5, many: int = 25, ours: str = "ours") -> Sides:
    """Seconds of one more step, guidance included: the slope between two runs of the same pipeline."""

    def side(name: str) -> Callable[[], float]:
        pipe, draw = inside(name, folder, device)

        def once() -> float:
            times = []
            for n in (few, many):
                start = time.perf_counter()
                draw(pipe, n, size)
                times.append(time.perf_counter() - start)
            return (times[1] - times[0]) / (many - few)

        return once

    return side(ours), side("theirs")


def own_size(folder: Path) -> int:
    """Pixels per side that a folder's U-Net and autoencoder were made for."""
    unet, vae = (json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae"))
    return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)


def run(folder: Path, runs: int, *, what: str, size: int, steps: int, device: str) -> list[Row]:
    """Load, first picture, step, and the most memory held, for one model folder on both sides."""
    said = same_picture(folder, device, steps, size)
    load = children(LOADING, "seconds", folder, device)
    first = children(FIRST, "seconds", folder, device, steps, size)
    rows = [
        compare(f"load, {what}", "s", *load, runs),
        compare(f"first picture of a fresh process, {what}, {steps} steps", "s", *first, runs, agreement=said),
        compare(f"peak memory of loading, {what}", "MiB", *children(COLD, "peak", folder, device), 1),
        compare(f"peak memory of a picture, {what}", "MiB", *children(FIRST, "peak", folder, device, steps, size), 1),
    ]
    return rows
