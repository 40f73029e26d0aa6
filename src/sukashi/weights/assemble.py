"""Networks from named tensors: built without memory, then handed the mapped tensors; every name must fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sukashi.pages import page_out
from sukashi.weights.errors import CheckpointError
from sukashi.weights.names import Place, Places
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import Stored, TensorFile, floats

Net = TypeVar("Net", bound=nn.Module)

AS_STORED = Hold()


class NoInit(TorchFunctionMode):
    """While it is on (in this thread), the functions of ``torch.nn.init`` return the tensor as it is.

    There is nothing to initialise on the meta device, and torch imports its compiler to do it (some seconds).
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch for every function."""
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def empty(build: Callable[[], Net]) -> Net:
    """Call ``build`` so that the network has shapes but no memory, is frozen and in inference mode."""
    with torch.device("meta"), NoInit():
        return build().requires_grad_(False).eval()


def assemble(
    net: nn.Module,
    file: TensorFile,
    places: Places,
    *,
    part: str,
    hold: Hold = AS_STORED,
    ignore: str = r"(?!)",
    notes: tuple[str, ...] = (),
) -> PartReport:
    """Give the empty ``net`` its tensors from ``file``.

    A tensor that is already of the right type and on the right device stays the mapped file: no copy. Names of ``file``
    that match the pattern ``ignore`` are left out and reported.

    Raises ``CheckpointError`` naming every tensor that is missing, unexpected or of the wrong shape.
    """
    wanted = net.state_dict()
    plan, missing = locate(wanted, file, places)
    used = {place.name for place in plan.values()}
    ignored = [name for name in file if name not in used and re.search(ignore, name)]
    unexpected = sorted(set(file) - used - set(ignored))
    misshaped = [
        f"{place.name} {tuple(file[place.name].shape)} where {name} is {tuple(wanted[name].shape)}"
        for name, place in plan.items()
        if shape_after(place, file[place.name]) != wanted[name].shape
    ]
    if missing or unexpected or misshaped:
        message = f"{file.where}: {part}: {len(plan) - len(misshaped)} of {len(wanted)} tensors fit"
        raise CheckpointError(message, missing=missing, unexpected=unexpected, misshaped=misshaped)
    types = floats(file[place.name] for place in plan.values())
    dtype = hold.dtype or common_dtype(types, hold.device)
    state = {name: ready(place.read(file[place.name].read()), dtype, hold.device) for name, place in plan.items()}
    net.load_state_dict(state, strict=True, assign=True)
    stored = ", ".join(sorted(str(t).removeprefix("torch.") for t in types))
    return PartReport(part, len(plan), len(wanted), stored, dtype, file.where, tuple(ignored), notes)


def locate(
    wanted: Mapping[str, Tensor], file: Mapping[str, Stored], places: Places
) -> tuple[dict[str, Place], list[str]]:
    """Where each of our names is in ``file``, and the names (as that file would spell them) that are nowhere."""
    plan, missing = {}, []
    for name in wanted:
        candidates = places(name)
        found = next((place for place in candidates if place.name in file), None)
        if found:
            plan[name] = found
        else:
            missing.append(candidates[0].name)
    return plan, missing


def shape_after(place: Place, stored: Stored) -> torch.Size | None:
    """The shape that ``place`` makes of what is stored; None where it cannot. Nothing is read."""
    try:
        return place.read(torch.empty(stored.shape, device="meta")).shape
    except (RuntimeError, ValueError):
        return None


def common_dtype(types: set[torch.dtype], device: torch.device | str) -> torch.dtype:
    """What a network is held in when nobody says: as stored, or float32 where that is mixed or not computable."""
    if len(types) == 1 and (only := next(iter(types))) in (torch.float32, torch.float16, torch.bfloat16):
        return only
    eight_bits = all(t.itemsize == 1 for t in types) and torch.device(device).type != "cpu"
    return torch.float16 if types and eight_bits else torch.float32


def ready(tensor: Tensor, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """``tensor`` on ``device`` as ``dtype``, itself where it is both already; else its file need not stay in memory."""
    made = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None).contiguous()
    if made is not tensor:
        page_out(tensor, written=False)
    return made
