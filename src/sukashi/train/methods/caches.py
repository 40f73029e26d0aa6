"""What need not be computed twice: encoded pictures, and encoded captions where the text encoders do not train.

Everything is encoded one by one, so that its bits do not depend on what stands beside it in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sukashi.nets.vae import VAE
from sukashi.train.data.batches import View, load
from sukashi.train.data.examples import Examples
from sukashi.train.methods.learner import Learner, Told


class Seen(NamedTuple):
    """An encoded view of a picture: mean and std (C, h, w) of the latent, scaled; the six sizes SDXL is told."""

    mean: Tensor
    std: Tensor
    sizes: Tensor


class Pictures:
    """Views of pictures as latents; with ``keep`` each is encoded once."""

    def __init__(self, examples: Examples, vae: VAE, *, keep: bool) -> None:
        self.examples, self.vae, self.keep = examples, vae, keep
        self.known: dict[View, Seen] = {}

    def see(self, view: View) -> Seen:
        """One view, encoded; kept in the memory of the CPU."""
        if view not in self.known:
            batch = load(self.examples, [view])
            weight = next(self.vae.parameters())
            with torch.no_grad():
                mean, std = (m[0].cpu() * self.vae.config.scale for m in self.vae.posterior(batch.pixels.to(weight)))
            seen = Seen(mean, std, torch.cat([size[0] for size in batch.sizes]).float())
            if not self.keep:
                return seen
            self.known[view] = seen
        return self.known[view]

    def draw(self, views: Sequence[View], g: torch.Generator) -> tuple[Tensor, Tensor]:
        """One latent (B, C, h, w) drawn for each view, and the sizes (B, 6)."""
        seen = [self.see(view) for view in views]
        mean, std = torch.stack([s.mean for s in seen]), torch.stack([s.std for s in seen])
        return mean + std * torch.randn(mean.shape, generator=g), torch.stack([s.sizes for s in seen])


class Texts:
    """Captions as the frozen text encoders see them, each encoded once."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.known: dict[tuple[str | None, int], Told] = {}

    def tell(self, captions: Sequence[str | None]) -> Told:
        """Context (B, T, D) and, for SDXL, pooled (B, P)."""
        chunks = self.learner.chunks(captions)
        with torch.no_grad():
            for caption in captions:
                if (caption, chunks) not in self.known:
                    self.known[caption, chunks] = self.learner.tell([caption], chunks)
        told = [self.known[caption, chunks] for caption in captions]
        pooled = [one.pooled for one in told if one.pooled is not None]
        return Told(torch.cat([one.context for one in told]), torch.cat(pooled) if pooled else None)
