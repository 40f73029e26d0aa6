"""Every weight of the U-Net trains, and of the text encoders where asked: what fine-tuning and DreamBooth share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sukashi.train.methods.config import Config
from sukashi.train.methods.learner import own
from sukashi.train.methods.taught import Facts, Taught
from sukashi.train.outputs.models import write_model
from sukashi.weights.parts import Parts


def prepare(base: Parts, config: Config) -> Taught:
    """Copies of the networks train; the autoencoder, and the text encoders unless ``config.text``, stay the same."""
    unet = own(base.unet)
    texts = tuple(own(text) if config.text else text for text in base.text_encoders)
    family = base.family
    if config.zero_snr:  # the folder must say what its model was trained with
        family = replace(family, scheduler={**family.scheduler, "rescale_betas_zero_snr": True})
    parts = replace(base, family=family, unet=unet, text_encoders=texts)
    trained_text = {
        f"text_encoder{'_2' * i}.{name}": parameter
        for i, text in enumerate(texts)
        for name, parameter in text.named_parameters()
        if config.text
    }

    def write(folder: Path, facts: Facts) -> list[Path]:
        return [write_model(folder / "model", parts, getattr(torch, config.saved_as), facts.habits)]

    trained = {f"unet.{name}": parameter for name, parameter in unet.named_parameters()}
    return Taught(parts=parts, trained=trained, trained_text=trained_text, write=write)
