"""One door for control networks: what a folder or a file holds decides which it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sukashi.adapters.control.controlnet import is_controlnet, read_controlnet
from sukashi.adapters.control.t2i import is_t2i, read_t2i
from sukashi.adapters.fetching import adapter_path
from sukashi.nets.controlnet import ControlNet
from sukashi.nets.t2i_adapter import T2IAdapter
from sukashi.nets.unet import UNetConfig
from sukashi.weights.errors import CheckpointError
from sukashi.weights.files import read_json
from sukashi.weights.kinds import kind_of
from sukashi.weights.load import Source
from sukashi.weights.parts import Hold, PartReport
from sukashi.weights.tensors import open_tensors


@dataclass(frozen=True)
class Control:
    """A loaded control network; it holds no picture and no run."""

    net: ControlNet | T2IAdapter
    report: PartReport
    source: str  # as it was asked for

    @property
    def kind(self) -> str:
        """What it is called."""
        return "ControlNet" if isinstance(self.net, ControlNet) else "T2I-Adapter"

    def check(self, unet: UNetConfig) -> None:
        """Raise ValueError where it was made for another kind of U-Net."""
        if isinstance(self.net, ControlNet):
            own, theirs = self.net.config, unet
            if (own.context_dim, list(own.channels)) != (theirs.context_dim, list(theirs.channels)):
                raise ValueError(
                    f"{self.source} is a ControlNet for a text of width {own.context_dim}{known(own.context_dim)}, "
                    f"but this model has {theirs.context_dim}{known(theirs.context_dim)}"
                )
            return
        widths, stages = self.net.config.widths, list(unet.channels)
        if widths[: len(stages)] != stages or (self.net.config.kind == "full_adapter_xl") != (
            len(widths) > len(stages)
        ):
            raise ValueError(
                f"{self.source} is a T2I-Adapter ({self.net.config.kind}) for stages of {widths} channels, but this "
                f"model has {stages}"
            )


def known(context_dim: int) -> str:
    """The family with such a text, in brackets."""
    names = {768: " (SD 1.x)", 1024: " (SD 2.x)", 2048: " (SDXL)", 1280: " (SDXL refiner)"}
    return names.get(context_dim, "")


def load_control(
    source: Source,
    *,
    like: UNetConfig | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    variant: str | None = None,
    offline: bool = False,
) -> Control:
    """Load a ControlNet or a T2I-Adapter: a diffusers folder, a file of either format, a hub id, or the name of a file
    in the known folders.

    ``like`` is the config of the U-Net it is for; a file with the original's names needs it where that is no standard
    SD 1.x, SD 2.x or SDXL. ``dtype`` None keeps what is stored. The report of ``Control`` says what was matched.
    Raises ``CheckpointError`` or ``ConfigError`` naming what does not fit, or what the file is instead.
    """
    path = adapter_path(source, "ControlNet", variant=variant, offline=offline)
    hold = Hold(dtype, device, variant)
    if path.is_dir():
        kind = str(read_json(path / "config.json").get("_class_name", "ControlNetModel"))
        adapter = kind == "T2IAdapter"
    else:
        file = open_tensors(path)
        adapter = is_t2i(file)
        if not adapter and not is_controlnet(file):
            what = kind_of(file) or f"of no known kind; it has {', '.join(list(file)[:3]) or 'no tensors'}"
            raise CheckpointError(f"{path} is no ControlNet and no T2I-Adapter: it is {what}")
    net, report = read_t2i(path, hold) if adapter else read_controlnet(path, hold, like)
    return Control(net, report, str(source))
