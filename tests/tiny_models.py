"""Models of every family at a tiny size, with random weights and a vocabulary of bytes."""

from __future__ import annotations

import functools
from dataclasses import replace

import torch

from sukashi.families import FAMILIES, Family
from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.nets.vocabulary import from_merges
from sukashi.weights.parts import LoadReport, Parts

MERGES = [("a", "t</w>"), ("c", "at</w>")]  # two words that are not spelt out


def shrink(family: Family) -> Family:
    """The same family with few channels: everything that its traits do not fix is small."""
    levels = len(family.unet.channels)
    width = 32  # of the text
    context = width * len(family.text)
    pooled = width + family.size_numbers * 8 if family.unet.pooled_dim else 0
    unet = replace(
        family.unet,
        channels=(8, 16, 16, 32)[:levels],
        depth=tuple(min(d, 2) for d in family.unet.depth),
        mid_depth=min(family.unet.mid_depth, 2),
        heads=(2,) * levels,
        resnets=2,
        context_dim=context,
        noise_levels=min(family.unet.noise_levels, 50),
        pooled_dim=pooled,
        size_dim=8 if pooled else family.unet.size_dim,
        groups=4,
    )
    vae = replace(family.vae, channels=(8, 16, 16, 16)[: len(family.vae.channels)], groups=4)
    text = tuple(
        replace(
            config,
            vocab_size=514 + len(MERGES),
            eos_token_id=513 + len(MERGES),
            width=width,
            mlp_width=48,
            layers=3,
            heads=4,
            projection_dim=config.projection_dim and width,
        )
        for config in family.text
    )
    return replace(family, unet=unet, vae=vae, text=text, size=8 * vae.factor)


@functools.cache
def tiny_model(name: str) -> Parts:
    """A whole random model of the family with this name."""
    family = shrink(FAMILIES[name])
    generator = torch.Generator().manual_seed(sum(map(ord, name)))

    def random(net):
        state = {k: torch.randn(t.shape, generator=generator) * 0.1 for k, t in net.state_dict().items()}
        net.load_state_dict(state)
        return net.requires_grad_(False).eval()

    tokenizers = tuple(Tokenizer(from_merges(MERGES)).with_pad(pad) for pad in family.pad)
    report = LoadReport("random", family.name, family.predicts, "the test", ())
    texts = tuple(random(CLIPText(config)) for config in family.text)
    return Parts(family, random(UNet(family.unet)), random(VAE(family.vae)), texts, tokenizers, report)


def tensors(parts: Parts) -> dict[str, torch.Tensor]:
    """Every tensor of a model by part and name."""
    nets = {"unet": parts.unet, "vae": parts.vae}
    nets |= {f"text_{i}": text for i, text in enumerate(parts.text_encoders)}
    return {f"{part}.{name}": t for part, net in nets.items() for name, t in net.state_dict().items()}


def equal(a: Parts, b: Parts) -> bool:
    """Whether two models have the same names and bits."""
    x, y = tensors(a), tensors(b)
    return list(x) == list(y) and all(torch.equal(x[k], y[k]) and x[k].dtype == y[k].dtype for k in x)
