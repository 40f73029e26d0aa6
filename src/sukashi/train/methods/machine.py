"""Devices, mixed precision, several processes, accumulated gradients: Hugging Face's ``accelerate`` does these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

    from sukashi.train.methods.config import Config

MISSING = "training needs {name}, which is not installed: pip install 'sukashi[train]'"


def accelerator(config: Config) -> Accelerator:
    """What runs the training: as ``accelerate launch`` began this process, else on the best device there is.

    Raises ModuleNotFoundError naming the extra, ValueError for a device that accelerate would not take and for a
    precision that the device does not have.
    """
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
        from accelerate.state import AcceleratorState
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING.format(name="accelerate"), name="accelerate") from error
    # accelerate remembers the first precision and device of a process; of several processes the group must stay
    distributed = bool(PartialState._shared_state) and PartialState().num_processes > 1
    AcceleratorState._reset_state(reset_partial_state=not distributed)
    there = Accelerator(
        cpu=config.device is not None and torch.device(config.device).type == "cpu",
        mixed_precision=config.precision,
        gradient_accumulation_steps=config.accumulation,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if config.device and torch.device(config.device).type != there.device.type:
        raise ValueError(f"device {config.device!r} is not here; accelerate found {there.device}")
    if config.precision == "fp16" and there.device.type == "cpu":
        raise ValueError("precision fp16 needs an accelerator; on a CPU take bf16 or no")
    if config.minutes and there.num_processes > 1:
        raise ValueError("minutes do not end several processes at the same step; give steps")
    return there
