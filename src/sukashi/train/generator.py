"""Train a U-Net, and its text encoder unless that is frozen, on the latents of captioned pictures.

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
from sukashi.train.loss import min_snr_weight, target
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
        """The weights that the optimiser moves: all that are not frozen."""
        return [p for net in (self.text, self.unet) for p in net.parameters() if p.requires_grad]

    def forward(self, x: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        """Noisy latent x (B, C, h, w), step t (B,), caption ids (B, T) -> prediction (B, C, h, w)."""
        return self.unet(x, t, self.text(ids).last)


def noise_levels(weight: Tensor, batch: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Steps t (B,) and what each counts (B,): on average the loss of all steps, each with its ``weight`` (steps,).

    A step is drawn as often as the root of its weight says and counts the other root, so that fewer pictures are spent
    on steps that hardly count. The B draws are spread evenly, which makes the loss of a batch vary less.
    """
    root = weight.double().sqrt()
    share = root.cumsum(0) / root.sum()
    spread = (torch.arange(batch, device=root.device) + torch.rand(batch, generator=g, device=root.device)) / batch
    t = torch.searchsorted(share, spread.double()).clamp(max=len(root) - 1)
    return t, (root[t] * root.mean()).float()


def generator_loss(
    model: nn.Module,
    x0: Tensor,
    ids: Tensor,
    signal: Tensor,
    g: torch.Generator,
    *,
    heads: Tensor | None = None,
    emphasis: float = 1.0,
    least: float = 0.0,
) -> Tensor:
    """The v loss at a random step for each latent x0 (B, C, h, w); ``signal`` (steps,) is alpha squared of each step.

    Steps have min-SNR weights, but at ``least`` that much: under much noise it is decided who stands where, and min-SNR
    alone counts those steps for next to nothing. Cells that are true in ``heads`` (B, h, w) count ``emphasis`` times.
    """
    alphas, sigmas = signal.sqrt().float(), (1 - signal).sqrt().float()
    t, counts = noise_levels(min_snr_weight("v_prediction", alphas, sigmas).clamp(min=least), len(x0), g)
    eps = torch.randn(x0.shape, generator=g, device=x0.device)
    alpha, sigma = alphas[t], sigmas[t]
    x = alpha[:, None, None, None] * x0 + sigma[:, None, None, None] * eps
    with torch.autocast(x0.device.type, torch.bfloat16, enabled=x0.device.type == "cuda"):
        answer = model(x, t, ids)
    error = (answer.float() - target("v_prediction", x0, eps, alpha, sigma)).square().mean(1)  # (B, h, w)
    if heads is None:
        return (error.mean((1, 2)) * counts).mean()
    cells = 1 + (emphasis - 1) * heads
    return ((error * cells).sum((1, 2)) * counts).sum() / cells.sum()


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
    heads: Tensor | None = None,
    emphasis: float = 1.0,
    least: float = 0.0,
    shares: Tensor | None = None,
    watch: Callable[[int], None] = lambda step: None,
) -> None:
    """Train to the end of the run's budget; ``run.parts`` must hold the optimiser as "optimizer".

    Everything happens where ``model`` is. ``forget`` is the share of captions that are dropped, ``average`` how slowly
    the moving average follows. Where ``heads`` (N, h, w) is true a cell counts ``emphasis`` times: a pair of glasses is
    a hundredth of a picture, and half of what a caption says is about it. ``least``: see :func:`generator_loss`.
    ``shares`` (N,) says how often each picture is drawn; None: all alike. ``watch`` is called after every step.
    """
    optimizer: torch.optim.Optimizer = run.parts["optimizer"]
    device = next(model.parameters()).device
    latents, labels, signal = latents.to(device), labels.to(device), signal.to(device)
    heads = None if heads is None else heads.to(device)
    shares = torch.ones(len(latents.mean), device=device) if shares is None else shares.to(device)
    model.train()
    losses: list[Tensor] = []
    for step, spent in run:
        g = generator(seed, step, device)
        which = torch.multinomial(shares, batch, replacement=True, generator=g)
        for group in optimizer.param_groups:
            group["lr"] = cosine(rate, step, spent)
        x0, ids = latents.draw(which, g), labels.draw(which, forget, g)
        part = None if heads is None else heads[which]
        loss = generator_loss(model, x0, ids, signal, g, heads=part, emphasis=emphasis, least=least)
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
