"""Custom Diffusion: keys and values of cross-attention, and a new word (Kumari et al. 2022, arXiv:2212.04488)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.shallow import twin_of, with_modules
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Result, Watch, teach
from sukashi.train.methods.prior import with_class
from sukashi.train.methods.rows import with_taught_word
from sukashi.train.methods.taught import Facts, Taught
from sukashi.train.methods.ti import check_captions
from sukashi.train.outputs.custom import write_custom
from sukashi.train.outputs.words import write_word
from sukashi.weights.parts import Parts


class Followed(nn.Linear):
    """A projection that trains, except by the first token: what the start of a text means must stay.

    As diffusers' ``CustomDiffusionAttnProcessor`` has it; the gradient of the start would move it for every prompt.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, C)."""
        y = F.linear(x, self.weight, self.bias)
        return torch.cat([y[:, :1].detach(), y[:, 1:]], dim=1)


def train(
    model: Pipeline | Parts,
    examples: Examples,
    config: Config,
    folder: Path,
    watch: Watch = lambda step, loss: None,
) -> Result:
    """Teach ``config.word``, which begins as ``config.start``, and how the U-Net reads it.

    The captions of the pictures must say the word ("a <new> dog"). ``config.class_prompt`` works as in DreamBooth.
    Files: the word's, and ``custom.safetensors`` with the new keys and values: as differences with Kohya's names, which
    any loader of LoRAs takes, or as diffusers keeps them (``config.keys``).
    """
    check_captions(examples, config.word)
    seen = with_class(model, examples, config, Path(folder))
    return teach("custom", prepare, model, seen, config, folder, watch)


def prepare(base: Parts, config: Config) -> Taught:
    """Keys and values of every cross-attention train, and the word's rows."""
    known, rows = with_taught_word(base, config)
    layers = {
        path: followed(module)
        for path, module in known.unet.named_modules()
        if path.endswith((".attn2.to_k", ".attn2.to_v")) and isinstance(module, nn.Linear)
    }
    parts = replace(known, unet=with_modules(known.unet, cast("dict[str, nn.Module]", layers)))

    def write(folder: Path, facts: Facts) -> list[Path]:
        weights = {path: layer.weight.detach() for path, layer in layers.items()}
        word = write_word(folder, config.word, [row.detach() for row in rows.values()], facts)
        return [write_custom(folder / "custom.safetensors", weights, base, facts), *word]

    trained = {f"unet.{path}.weight": cast("nn.Parameter", layer.weight) for path, layer in layers.items()}
    return Taught(parts=parts, trained=trained, trained_text=rows, write=write)


def followed(layer: nn.Linear) -> Followed:
    """A layer beside ``layer`` with a weight of its own, in float32."""
    twin = twin_of(layer, Followed)
    twin.weight = nn.Parameter(layer.weight.detach().float().clone())
    return twin
