"""Begin a generator with what another model folder has learnt, so that hours of training are not lost.

Weights of the same name and shape are taken over; the rows of the token table go by the spelling of the tokens, so that
the vocabulary may have grown. A transformer block that the old U-Net did not have starts silent: its output is zero.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sukashi.nets.vae import VAE
from sukashi.train.generator import Generator
from sukashi.train.vocabulary import Vocabulary
from sukashi.weights.load import load_parts

TABLE = "text_model.embeddings.token_embedding.weight"


class Transfer(NamedTuple):
    """What was taken over: the autoencoder as it is, and how many of the weights and tokens were found."""

    vae: VAE
    weights: tuple[int, int]  # found, of how many
    tokens: tuple[int, int]
    silent: tuple[str, ...]  # new transformer blocks

    def __str__(self) -> str:
        return (
            f"matched {self.weights[0]} of {self.weights[1]} weights and {self.tokens[0]} of {self.tokens[1]} tokens; "
            f"new, and silent at first: {', '.join(self.silent) or 'nothing'}"
        )


@torch.no_grad()
def transfer(folder: Path, model: Generator, vocabulary: Vocabulary) -> Transfer:
    """Fill ``model`` (and its average) from the diffusers folder at ``folder``.

    Raises the loader's errors for a folder that is no model, ValueError for one of other widths.
    """
    parts = load_parts(folder, dtype=torch.float32)
    old_ids: dict[str, int] = json.loads((folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    old_text, found, total = parts.text_encoders[0].state_dict(), 0, 0
    rows, table = old_text.pop(TABLE), model.text.state_dict()[TABLE]
    if rows.shape[1:] != table.shape[1:]:
        raise ValueError(f"{folder}: its text encoder is {rows.shape[1]} wide, this recipe's {table.shape[1]}")
    known = [(new, old_ids[token]) for new, token in enumerate(vocabulary.tokens) if token in old_ids]
    table[[new for new, _ in known]] = rows[[old for _, old in known]]
    for net, source in ((model.text, old_text), (model.unet, parts.unet.state_dict())):
        for name, weight in net.state_dict().items():
            total += 1
            if name in source and source[name].shape == weight.shape:
                weight.copy_(source[name])
                found += 1
    silent = tuple(name for name in new_blocks(model.unet, parts.unet) if hush(model.unet.get_submodule(name)))
    model.average.load_state_dict({f"{k}.{n}": w for k in ("text", "unet") for n, w in states(model, k).items()})
    return Transfer(parts.vae, (found, total - 1), (len(known), len(vocabulary.tokens)), silent)


def new_blocks(net: nn.Module, old: nn.Module) -> list[str]:
    """The transformers of ``net`` that ``old`` does not have, by name."""
    before = {name for name, _ in old.named_modules()}
    return [name for name, module in net.named_modules() if hasattr(module, "proj_out") and name not in before]


def hush(block: nn.Module) -> bool:
    """Zero the last layer of a residual block, which then changes nothing until it has learnt something."""
    last = block.proj_out
    assert isinstance(last, nn.Linear | nn.Conv2d)
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return True


def states(model: Generator, name: str) -> dict[str, Tensor]:
    """The weights of one of the two networks."""
    net: nn.Module = getattr(model, name)
    return net.state_dict()
