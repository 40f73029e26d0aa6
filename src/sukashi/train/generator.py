"""Train a U-Net and its text encoder together on the latents of captioned pictures.

Rombach et al. 2022, arXiv:2112.10752, sec. 3.3; the caption is dropped now and then for classifier-free guidance
(Ho & Salimans 2022, arXiv:2207.12598, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.train.labels import Labels
from sukashi.train.loss import diffusion_loss, min_snr_weight, target
from sukashi.train.run import Log, Run, cosine, follow, generator


@dataclass(frozen=True, kw_only=True)
class Latents:
    """The encoded pictures, as a distribution each: mean and std (N, C, h, w), already scaled for the U-Net."""

    mean: Tensor
    std: Tensor

    def draw(self, which: Tensor, g: torch.Generator) -> Tensor:
        """One latent (B, C, h, w) for each picture of ``which`` (B,)."""
        mean = self.mean[which].float()
        return mean + self.std[which].float() * torch.randn(mean.shape, generator=g, device=mean.device)

    def to(self, device: torch.device | str) -> Latents:
        """The same on another device."""
        return Latents(mean=self.mean.to(device), std=self.std.to(device))


class Generator(nn.Module):
    """Text encoder and U-Net as one thing to train, and the moving average of both, which is what is kept."""

    def __init__(self, text: CLIPText, unet: UNet) -> None:
        super().__init__()
        self.text, self.unet = text, unet
        self.average = deepcopy(nn.ModuleDict({"text": text, "unet": unet})).requires_grad_(False)

    def trained(self) -> list[nn.Parameter]:
        """The weights that the optimiser moves."""
        return [*self.text.parameters(), *self.unet.parameters()]

    def forward(self, x: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        """Noisy latent x (B, C, h, w), step t (B,), caption ids (B, T) -> prediction (B, C, h, w)."""
        return self.unet(x, t, self.text(ids).last)


def generator_loss(
    model: nn.Module, x0: Tensor, ids: Tensor, signal: Tensor, g: torch.Generator, *, predicts: str = "v_prediction"
) -> Tensor:
    """The loss at a random step for each latent x0 (B, C, h, w); ``signal`` (steps,) is alpha squared of each step.

    The B steps are spread evenly over all (one in each B-th part), which makes the loss of a batch vary less.
    """
    b, device = len(x0), x0.device
    spread = (torch.arange(b, device=device) + torch.rand(b, generator=g, device=device)) / b  # (B,) in 0..1
    t = (spread * len(signal)).long().clamp(max=len(signal) - 1)
    eps = torch.randn(x0.shape, generator=g, device=device)
    alpha, sigma = signal[t].sqrt().float(), (1 - signal[t]).sqrt().float()
    x = alpha[:, None, None, None] * x0 + sigma[:, None, None, None] * eps
    weight = min_snr_weight(predicts, alpha, sigma)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        answer = model(x, t, ids)
    return diffusion_loss(answer, target(predicts, x0, eps, alpha, sigma), weight)


def train_generator(
    model: Generator,
    latents: Latents,
    labels: Labels,
    signal: Tensor,
    run: Run,
    *,
    batch: int,
    rate: float,
    seed: int,
    log: Log,
    forget: float = 0.1,
    average: float = 0.999,
    watch: Callable[[int], None] = lambda step: None,
) -> None:
    """Train to the end of the run's budget; ``run.parts`` must hold the optimiser as "optimizer".

    Everything happens where ``model`` is. ``forget`` is the share of captions that are dropped, ``average`` how slowly
    the moving average follows; ``watch`` is called after every step.
    """
    optimizer: torch.optim.Optimizer = run.parts["optimizer"]
    device = next(model.parameters()).device
    latents, labels, signal = latents.to(device), labels.to(device), signal.to(device)
    model.train()
    losses: list[Tensor] = []
    for step, spent in run:
        g = generator(seed, step, device)
        which = torch.randint(len(latents.mean), (batch,), generator=g, device=device)
        for group in optimizer.param_groups:
            group["lr"] = cosine(rate, step, spent)
        loss = generator_loss(model, latents.draw(which, g), labels.draw(which, forget, g), signal, g)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        nn.utils.clip_grad_norm_(model.trained(), 1.0)
        optimizer.step()
        follow(model.average["text"], model.text, step, average)
        follow(model.average["unet"], model.unet, step, average)
        losses.append(loss.detach())
        if step % 50 == 49:
            log(f"generator {step + 1} {spent:.1%} loss {torch.stack(losses).mean().item():.4f}")
            losses.clear()
        watch(step + 1)
    model.eval()
