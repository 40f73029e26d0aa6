"""What a loaded model is: its networks, and the report of what was loaded, from where, and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sukashi.families import Family
from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.rich import AsText

if TYPE_CHECKING:
    from sukashi.nets.tokenizer import Tokenizer


@dataclass(frozen=True)
class Hold:
    """How networks are to be held: ``dtype`` None as they are stored; ``variant`` e.g. "fp16" picks among files."""

    dtype: torch.dtype | None = None
    device: torch.device | str = "cpu"
    variant: str | None = None


@dataclass(frozen=True)
class Request:
    """What was asked for beside the path; paths here are local already."""

    source: str  # as the user wrote it
    hold: Hold
    prediction_type: str | None = None
    vae: Path | None = None
    text_encoders: Sequence[Path] = ()
    vocabulary: Path | None = None
    offline: bool = False
    notes: tuple[str, ...] = ()  # how the files were had


@dataclass(frozen=True)
class PartReport(AsText):
    """One network: how many of its tensors were found, how they were stored and how they are held now."""

    name: str
    matched: int
    total: int
    stored: str  # e.g. "float16"
    dtype: torch.dtype
    source: str
    ignored: tuple[str, ...] = ()  # names in its files that are known and not needed
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        held = str(self.dtype).removeprefix("torch.")
        how = held if held == self.stored else f"{self.stored} -> {held}"
        return f"{self.name}: {self.matched} of {self.total} tensors, {how}, from {self.source}"


@dataclass(frozen=True)
class LoadReport(AsText):
    """Everything worth knowing about one loading; ``str()`` of it is for people."""

    source: str
    family: str
    predicts: str
    evidence: str  # which fact decided ``predicts``
    parts: tuple[PartReport, ...]
    ignored: tuple[str, ...] = ()  # names of tensors that are known and not needed
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        request: Request,
        family: Family,
        evidence: str,
        parts: tuple[PartReport, ...],
        ignored: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> LoadReport:
        """Gather what the request, the parts and the loader have to say."""
        return cls(
            source=request.source,
            family=family.name,
            predicts=family.predicts,
            evidence=evidence,
            parts=parts,
            ignored=(*(name for part in parts for name in part.ignored), *ignored),
            notes=(*request.notes, *(note for part in parts for note in part.notes), *notes),
        )

    def __str__(self) -> str:
        lines = [f"{self.source}: {self.family}, predicts {self.predicts} ({self.evidence})"]
        lines += [f"  {part}" for part in self.parts]
        if self.ignored:
            shown = ", ".join(self.ignored[:3]) + (", ..." if len(self.ignored) > 3 else "")
            lines.append(f"  not needed: {len(self.ignored)} tensors ({shown})")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


@dataclass(frozen=True)
class Parts:
    """A whole model in memory. ``family`` holds the configs it really has, not only those of its row in the table."""

    family: Family
    unet: UNet
    vae: VAE
    text_encoders: tuple[CLIPText, ...]
    tokenizers: tuple[Tokenizer, ...]
    report: LoadReport

    @property
    def scheduler(self) -> Mapping[str, Any]:
        """The keys of scheduler_config.json, with the prediction type that was decided on."""
        return self.family.scheduler
