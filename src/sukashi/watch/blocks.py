"""Every block of a network: what goes in and comes out, parameters, time and memory, and where its source is.

Hooks hang on a shallow copy, so the network itself is not touched. Without weights (on torch's meta device) shapes and
parameters are found in the same way, for a network of any size on any machine.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import sukashi
from sukashi.nets.shallow import shallow

ROOT = Path(sukashi.__file__).parent


@dataclass
class Block:
    """One module as it was run. Shapes have the batch first; ``bytes`` are those of its weights."""

    name: str  # in checkpoints; "" is the whole network
    kind: str
    depth: int  # 0: the whole
    input: list[int]
    output: list[int]
    parameters: int
    bytes: int
    made: int  # bytes of what comes out
    ms: float | None  # of the quickest run, with everything inside; None on the meta device
    source: str  # file and line, from the folder of the package

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def blocks(net: nn.Module, run: Callable[[nn.Module], object], *, depth: int = 2, repeat: int = 4) -> list[Block]:
    """The modules of ``net`` down to ``depth`` names, in the order they are run by ``run(net)``.

    ``run`` is called ``repeat`` times, and the quickest counts. Lists of modules are passed over.
    """
    watched, log = shallow(net), Log(next(net.parameters()).device, sources(net, depth))
    for name, module in watched.named_modules():
        if levels_of(name) <= depth and not isinstance(module, nn.ModuleList):
            module.register_forward_pre_hook(partial(log.before, name))
            module.register_forward_hook(partial(log.after, name))
    with torch.no_grad():
        for _ in range(1 if log.device.type == "meta" else repeat):
            run(watched)
    return [log.found[name] for name in log.began if name in log.found]


class Log:
    """What hooks saw."""

    def __init__(self, device: torch.device, places: Mapping[str, str]) -> None:
        self.device, self.places = device, places
        self.found: dict[str, Block] = {}
        self.began: dict[str, float] = {}  # in the order in which the modules were first entered

    def now(self) -> float:
        """Seconds, when everything before is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def before(self, name: str, module: nn.Module, inputs: Any) -> None:
        """A module begins."""
        self.began[name] = self.now()

    def after(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        """A module has ended."""
        ms = None if self.device.type == "meta" else (self.now() - self.began[name]) * 1000
        if (known := self.found.get(name)) is not None:
            known.ms = known.ms and ms and min(known.ms, ms)
            return
        taken, made, own = first_tensor(inputs), first_tensor(output), list(module.parameters())
        self.found[name] = Block(
            name=name,
            kind=type(module).__name__,
            depth=levels_of(name),
            input=[] if taken is None else list(taken.shape),
            output=[] if made is None else list(made.shape),
            parameters=sum(p.numel() for p in own),
            bytes=sum(p.numel() * p.element_size() for p in own),
            made=0 if made is None else made.numel() * made.element_size(),
            ms=ms,
            source=self.places[name],
        )


def levels_of(name: str) -> int:
    """How deep a module lies: 'down_blocks.0' 1, 'down_blocks.0.resnets.1' 2. Numbers in lists do not count."""
    return sum(not part.isdigit() for part in name.split(".")) if name else 0


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor in what a module takes or gives."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (tuple, list)):
        return next((found for item in value if (found := first_tensor(item)) is not None), None)
    return None


def sources(net: nn.Module, depth: int) -> dict[str, str]:
    """Where each module is written: our classes by their own line, those of torch by the line that makes them."""
    found = {}
    for name, module in net.named_modules():
        if levels_of(name) > depth:
            continue
        if type(module).__module__.startswith("sukashi."):
            found[name] = place(type(module))
            continue
        parent, _, last = name.rpartition(".")
        while last.isdigit():  # an item of a list: the line that makes the list
            parent, _, last = parent.rpartition(".")
        found[name] = made_at(type(net.get_submodule(parent)), last)
    return found


def place(kind: type) -> str:
    """File and line of one of our classes."""
    file, (_, line) = Path(inspect.getfile(kind)), inspect.getsourcelines(kind)
    return f"{file.relative_to(ROOT).as_posix()}:{line}"


def made_at(kind: type, attribute: str) -> str:
    """File and line where a class, or one it inherits from, sets an attribute; the class itself where none does."""
    ours = [each for each in kind.__mro__ if each.__module__.startswith("sukashi.")]
    for each in ours:
        lines, start = inspect.getsourcelines(each)
        for offset, line in enumerate(lines):
            if re.search(rf"\bself\.{re.escape(attribute)}\b.*=[^=]", line):
                file = Path(inspect.getfile(each)).relative_to(ROOT)
                return f"{file.as_posix()}:{start + offset}"
    return place(ours[0]) if ours else ""


def table(found: Sequence[Block]) -> str:
    """The blocks as text."""
    rows = [("block", "kind", "input", "output", "output has", "parameters", "weights", "ms", "source")]
    for block in found:
        name = "  " * max(block.depth - 1, 0) + (block.name or "all of it")
        ms = "-" if block.ms is None else f"{block.ms:.2f}"
        shapes = (shape(block.input), shape(block.output), size(block.made))
        rows.append((name, block.kind, *shapes, f"{block.parameters:,}", size(block.bytes), ms, block.source))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    right = (4, 5, 6, 7)
    lines = []
    for row in rows:
        sized = enumerate(zip(row, widths, strict=True))
        cells = [cell.rjust(width) if k in right else cell.ljust(width) for k, (cell, width) in sized]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def shape(sizes: Sequence[int]) -> str:
    """'2x320x64x64'."""
    return "x".join(map(str, sizes)) or "-"


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"
