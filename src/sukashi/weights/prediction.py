"""What a U-Net predicts (noise, velocity or the picture) and the evidence for it.

Nothing in the shapes of a network says whether it was trained on epsilon or on v (Salimans & Ho 2022,
arXiv:2202.00512), and the wrong choice draws noise. So the evidence is looked at in a fixed order; the first decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sukashi.families import Family
from sukashi.nets.unet import UNet
from sukashi.weights.errors import ConfigError
from sukashi.weights.files import read_json

SPELLINGS = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "v_prediction": "v_prediction",
    "v": "v_prediction",
    "sample": "sample",
    "x0": "sample",
}


class Verdict(NamedTuple):
    """What the U-Net predicts, which fact said so, and whether its schedule ends at no signal at all."""

    predicts: str
    evidence: str
    zero_snr: bool = False


def prediction_type_named(name: str) -> str:
    """One of "epsilon", "v_prediction", "sample" for any of its spellings."""
    if name.lower() not in SPELLINGS:
        raise ConfigError(f"prediction type {name!r} is not known; accepted: {', '.join(SPELLINGS)}")
    return SPELLINGS[name.lower()]


def from_yaml(path: Path) -> str | None:
    """The prediction type in the LDM or sgm yaml that lies beside a checkpoint; None where it does not speak of it."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8", errors="replace"))
    if match := re.search(r"^\s*parameterization:\s*[\"']?(\w+)", text, re.MULTILINE):
        return SPELLINGS.get(match[1].lower())
    if match := re.search(r"denoiser_scaling\.(Eps|V)Scaling", text):
        return SPELLINGS[match[1].lower()]
    # LDM's models predict epsilon unless their yaml says otherwise
    return "epsilon" if re.search(r"target:\s*[\w.]*diffusion\.ddpm", text) else None


def decide(
    family: Family,
    *,
    argument: str | None = None,
    names: frozenset[str] | set[str] = frozenset(),
    metadata: Mapping[str, str] | None = None,
    path: Path | None = None,
) -> Verdict | None:
    """Evidence that needs no call: argument, marker keys, ModelSpec metadata, sidecar yaml, scheduler json, in order.

    ``names`` are the tensors of the file at ``path``, ``metadata`` what its header says. None when nothing speaks.
    """
    zero_snr = "ztsnr" in names
    if argument:
        return Verdict(prediction_type_named(argument), "the argument", zero_snr)
    if marks := sorted({"v_pred", "ztsnr"} & set(names)):
        return Verdict("v_prediction", f"the key {marks[0]} in the file", zero_snr)
    if (spec := (metadata or {}).get("modelspec.prediction_type", "")).lower() in SPELLINGS:
        return Verdict(SPELLINGS[spec.lower()], f"modelspec.prediction_type = {spec} in the file's header")
    if path:
        for sidecar in (path.with_suffix(".yaml"), path.with_suffix(".yml")):
            if sidecar.is_file() and (found := from_yaml(sidecar)):
                return Verdict(found, f"the file {sidecar.name} beside it")
        for config in (path.parent / "scheduler" / "scheduler_config.json", path.parent / "scheduler_config.json"):
            if config.is_file() and (found := read_scheduler_type(config)):
                return Verdict(found, f"{config.relative_to(path.parent)} beside it")
    return None


def read_scheduler_type(path: Path) -> str | None:
    """``prediction_type`` of a scheduler_config.json, if it has one."""
    value = read_json(path).get("prediction_type")
    return prediction_type_named(value) if isinstance(value, str) else None


@torch.no_grad()
def probe(unet: UNet) -> Verdict:
    """Ask a 4-channel SD 2 U-Net once, as AUTOMATIC1111 does: the latent 0.5 at t = 999 with a context of 0.5.

    At t = 999 nearly all of x is noise, so a model of epsilon answers about x, a model of v = alpha eps - sigma x0
    something far below it.
    """
    weight = unet.conv_in.weight
    x = torch.full((1, unet.config.in_channels, 8, 8), 0.5, dtype=weight.dtype, device=weight.device)
    context = torch.full((1, 2, unet.config.context_dim), 0.5, dtype=weight.dtype, device=weight.device)
    out = unet(x, torch.tensor([999], device=weight.device), context)
    difference = (out - x).float().mean().item()
    predicts = "v_prediction" if difference < -1 else "epsilon"
    return Verdict(predicts, f"one probing call: mean(output - x) = {difference:.3f}, v below -1")


def with_prediction(scheduler: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Scheduler keys with the verdict in them; a zero-SNR schedule starts at its very end ("trailing" steps)."""
    keys = {**scheduler, "prediction_type": verdict.predicts}
    if verdict.zero_snr and verdict.predicts == "v_prediction":
        keys |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return keys
