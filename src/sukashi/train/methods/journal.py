"""The log of a run: one JSON object a line in ``log.jsonl``, and the same for TensorBoard."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sukashi.train.methods.machine import MISSING

if TYPE_CHECKING:
    from PIL import Image
    from torch.utils.tensorboard import SummaryWriter


class Journal:
    """Writes what happens at each step. A run that is gone on with loses the lines that will be written anew."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder, self.path = folder, folder / "log.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        forget_after(self.path, step)
        self.board = board(folder / "tensorboard", step)

    def note(self, step: int, **facts: float) -> None:
        """Numbers of a step."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **facts}) + "\n")
        for name, value in facts.items():
            self.board.add_scalar(name, value, step)

    def show(self, step: int, sheet: Image.Image) -> None:
        """A sheet of samples."""
        self.board.add_image("samples", np.asarray(sheet), step, dataformats="HWC")

    def close(self) -> None:
        """Write what TensorBoard's writer still holds."""
        self.board.close()


def board(folder: Path, step: int) -> SummaryWriter:
    """TensorBoard's writer; raises ModuleNotFoundError naming the extra."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING.format(name="tensorboard"), name="tensorboard") from error
    return SummaryWriter(str(folder), purge_step=step)


def forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps from ``step`` on, and a last line that was cut short by a kill."""
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if before(line, step)]
    unfinished = path.with_suffix(".part")
    unfinished.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    os.replace(unfinished, path)


def before(line: str, step: int) -> bool:
    """Whether a line is whole and of an earlier step."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return False
    return int(found["step"]) < step
