"""LoRA: low-rank changes beside weights that stay (Hu et al. 2021, arXiv:2106.09685), also with DoRA's lengths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import nn

from sukashi.adapters.lora.apply import nets_of
from sukashi.adapters.lora.names import Target
from sukashi.nets.clip import CLIPText
from sukashi.nets.shallow import with_modules
from sukashi.nets.unet import UNet
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Result, Watch, teach
from sukashi.train.methods.lora_layers import Learning, learning
from sukashi.train.methods.lora_targets import targets
from sukashi.train.methods.taught import Facts, Taught
from sukashi.train.outputs.loras import write_lora
from sukashi.weights.parts import Parts


def train(
    model: Pipeline | Parts,
    examples: Examples,
    config: Config,
    folder: Path,
    watch: Watch = lambda step, loss: None,
) -> Result:
    """Teach a LoRA of ``config.rank`` on the kinds of ``config.layers``, with ``config.text`` in the text encoders too.

    File: ``lora.safetensors`` with Kohya's names or PEFT's (``config.keys``).
    """
    return teach("lora", prepare, model, examples, config, folder, watch)


def prepare(base: Parts, config: Config) -> Taught:
    """The factors train; every layer beside which they stand keeps its weight."""
    nets, changed = nets_of(base), dict[Target, Learning]()
    rank, alpha = config.rank, config.alpha or config.rank
    g = torch.Generator().manual_seed(config.seed)
    for part, net in nets.items():
        if part == "unet" or config.text:
            found = {path: learning(layer, rank, alpha, config.dora, g) for path, layer in targets(net, config.layers)}
            changed |= {Target(part, path): layer for path, layer in found.items()}
            nets[part] = with_modules(net, cast("dict[str, nn.Module]", found)) if found else net
    if not changed:
        raise ValueError(f"the model has no layers of the kinds {', '.join(config.layers)}")
    unet, *texts = nets.values()
    parts = replace(base, unet=cast("UNet", unet), text_encoders=tuple(cast("list[CLIPText]", texts)))

    def of(*wanted: str) -> dict[str, nn.Parameter]:
        return {
            f"{target.part}.{target.path}.{name}": factor
            for target, layer in changed.items()
            if target.part in wanted
            for name, factor in layer.factors().items()
        }

    def write(folder: Path, facts: Facts) -> list[Path]:
        factors = {target: {n: p.detach() for n, p in layer.factors().items()} for target, layer in changed.items()}
        return [write_lora(folder / "lora.safetensors", factors, alpha, base, facts)]

    note = f"a LoRA of rank {rank}, alpha {alpha:g}, on {len(changed)} layers"
    text = of("text_encoder", "text_encoder_2")
    return Taught(parts=parts, trained=of("unet"), trained_text=text, write=write, notes=(note,))
