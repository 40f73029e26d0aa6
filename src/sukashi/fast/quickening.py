"""A loaded pipeline is given what makes it quick: a chain from the network as it reads to what runs in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from sukashi.fast import eighths, ops
from sukashi.fast.compiled import Compiled
from sukashi.fast.graphs import Graphs
from sukashi.fast.normalising import channels_last
from sukashi.fast.offload import Offload
from sukashi.fast.portions import Portions
from sukashi.fast.remembered import Remembered
from sukashi.fast.twin import Quick, twin
from sukashi.nets.vae import VAE
from sukashi.text import encode_text
from sukashi.weights.parts import Parts


def check(device: torch.device, dtype: torch.dtype, *, compile: bool, fp8: bool, offload: bool) -> None:
    """Raise ValueError for options that do not go with the device, or not with one another."""
    if fp8:
        eighths.check(device, dtype)
    if offload and device.type == "cpu":
        raise ValueError("offload moves networks to another device when they are used; on the CPU there is none")
    if offload and compile:
        raise ValueError("offload and compile do not go together: what was compiled would have to be made again")
    if offload and fp8:
        raise ValueError("offload and fp8 do not go together: the error of fp8 is measured with the network in place")


def quicken(
    pipe: Any, device: torch.device, *, compile: bool = False, fp8: bool = False, offload: bool = False
) -> None:
    """Set what runs the networks of a pipeline: twins, compiled or not, on another device or as CUDA graphs, and in
    portions where memory is short. ``device`` is where they are run.
    """
    quick = Quick(eighths=fp8)
    inner: Any = Compiled(quick) if compile else quick
    pipe.encode_text = Remembered(quick.encoding(encode_text))
    if offload:
        inner = Offload(inner, device)
        pipe.encode_text = Remembered(inner.encoding(encode_text))
    elif device.type == "cuda":
        if compile or not ops.problem("fused normalisation", pipe.dtype):
            channels_last(pipe.unet)
            channels_last(pipe.vae)
        inner = Graphs(inner)
        pipe.whole_step = inner.whole
    pipe.quick = Portions(inner)
    if fp8:
        off = eighths.error(pipe.unet, twin(pipe.unet, quick.tools(pipe.unet)))
        quick.said.append(f"linear layers in float8: the U-Net is off by {off:.1e} of its output (root mean square)")


def without_overflow(parts: Parts, device: torch.device) -> Parts:
    """The parts, with an autoencoder that overflows float16 in bfloat16 where the device has it, and a note of that.

    SDXL's is one. Elsewhere it would be run in vain in float16 first, and then again in float32.
    """
    vae = parts.vae
    half = next(vae.parameters()).dtype == torch.float16
    if not (isinstance(vae, VAE) and vae.config.force_upcast and half and brain(device)):
        return parts
    vae.to(torch.bfloat16)
    note = "the autoencoder computes in bfloat16: its numbers are too large for float16"
    return replace(parts, report=replace(parts.report, notes=(*parts.report.notes, note)))


def brain(device: torch.device) -> bool:
    """Whether a device has matrix products in bfloat16."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
