"""Train the probe on drawings: ``python -m sukashi.lab.train --out DIR``.

Draws its pictures, sends some through the autoencoder of the model in the package, and trains; run again after an
interruption, it goes on. Unlike the model, the probe also learns the held-out pairs: it is the measure, not what is
measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.kirie.words import path as model_folder
from sukashi.lab.accuracy import accuracies, table
from sukashi.lab.drawings import Drawings, Targets, cached, draw_all, targets, windows_of
from sukashi.lab.heads import HEADS, UNKNOWN
from sukashi.lab.probe import Answers, Probe, save_probe
from sukashi.lab.views import Window, look
from sukashi.loading import load
from sukashi.nets.vae import VAE
from sukashi.train.run import Budget, Log, Run, cosine, generator, parameters

SIZE = 128
WEIGHTS = {"part": 3.0, "shape": 3.0, "colour": 1.0, "size": 2.0}  # of the maps' losses; each head's is 1
FLAWED = (0.25, 1.0, 1.0, 1.0)  # weights of the answers about flaws: seven of eight pictures have none
SHAPES_MORE = 0.15  # share of the views that show shapes, beside those that come up anyway


def view_batch(drawings: Drawings, batch: int, g: torch.Generator) -> tuple[Tensor, Targets]:
    """Random views of random pictures, (B, 3, 128, 128), shaken and a little spoilt, and their truth."""
    which = torch.randint(len(drawings.pixels), (batch,), generator=g).tolist()
    chance = torch.rand(batch, 4, generator=g)
    if shapes := drawings.with_shapes:
        often = torch.rand(batch, 2, generator=g).tolist()
        which = [
            shapes[int(luck * len(shapes))] if more < SHAPES_MORE else k
            for k, (more, luck) in zip(which, often, strict=True)
        ]
    base = []
    for k, row in zip(which, chance.tolist(), strict=True):
        choices = windows_of(drawings.scenes[drawings.scene_of(k)])
        base.append(choices[int(row[0] * len(choices))])
    shaken = [
        Window(w.x + 0.06 * (dx - 0.5), w.y + 0.06 * (dy - 0.5), w.size * (0.96 + 0.08 * dz))
        for w, (_, dx, dy, dz) in zip(base, chance.tolist(), strict=True)
    ]
    image = look(drawings.image(which), shaken, SIZE)
    return disturb(image, g), targets(drawings, which, base, shaken)


def disturb(image: Tensor, g: torch.Generator) -> Tensor:
    """A little blur, noise and change of tone, less than the flaws that have a name."""
    batch = len(image)
    amount = torch.rand(batch, 3, 1, 1, 1, generator=g)
    some = slice(batch // 3)
    soft = F.avg_pool2d(F.pad(image[some], (1, 1, 1, 1), mode="replicate"), 3, 1)
    image[some] += 0.8 * amount[some, 0] * (soft - image[some])
    image = image * (0.95 + 0.1 * amount[:, 1]) + 0.06 * (torch.rand(batch, 3, 1, 1, generator=g) - 0.5)
    speck = torch.randn(1, *image.shape[1:], generator=g)  # the same for the whole batch: randomness takes time
    return image + 0.06 * amount[:, 2] * speck


def loss_of(answers: Answers, truth: Targets) -> Tensor:
    """Cross entropy of every head and map, and the distance of the offsets."""
    total = torch.zeros(())
    for column, name in enumerate(HEADS):
        wanted = truth.heads[:, column]
        if (wanted != UNKNOWN).any():
            weight = torch.tensor(FLAWED) if name == "flaw" else None
            total = total + F.cross_entropy(answers.heads[name], wanted, weight, label_smoothing=0.02)
    for name, wanted in truth.maps.items():
        if (wanted != UNKNOWN).any():
            total = total + WEIGHTS[name] * F.cross_entropy(answers.maps[name], wanted)
    shapes = (truth.maps["shape"] != UNKNOWN)[:, None].float()
    distance = F.l1_loss(answers.maps["offset"] * shapes, truth.offset * shapes, reduction="sum")
    return total + 3 * distance / shapes.sum().clamp(min=1)


def train(
    out: Path,
    budget: Budget,
    *,
    pictures: int,
    reconstructions: int,
    batch: int = 16,
    rate: float = 3e-3,
    channels: tuple[int, int, int] = (32, 56, 96),
    vae: VAE | None = None,
    seed: int = 0,
) -> Probe:
    """Train to the end of the budget; returns the probe, also written to ``out``/probe.safetensors."""
    log = Log(out / "log.txt")
    drawings = cached(out / "data", "probe", pictures, vae, reconstructions)
    log(f"{len(drawings.scenes)} drawings, {len(drawings.pixels) - len(drawings.scenes)} reconstructions")
    torch.manual_seed(seed)
    probe = Probe(channels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    log(f"{parameters(probe):,} parameters")
    optimizer = torch.optim.AdamW(probe.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    run = Run(out / "checkpoint.pt", budget, {"probe": probe, "optimizer": optimizer}, save_every=60)
    probe.train()
    for step, spent in run:
        image, truth = view_batch(drawings, batch, generator(seed, step))
        for group in optimizer.param_groups:
            group["lr"] = cosine(rate, step, spent)
        loss = loss_of(probe(image.contiguous(memory_format=torch.channels_last)), truth)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        torch.nn.utils.clip_grad_norm_(probe.parameters(), 5.0)
        optimizer.step()
        if step % 50 == 0:
            log(f"{step} {spent:.1%} loss {loss:.3f}")
    save_probe(probe.eval(), out / "probe.safetensors")
    return probe


def report(probe: Probe, count: int, vae: VAE | None, log: Log) -> None:
    """Accuracy per head on drawings that were never trained on."""
    probe.eval()
    sets = {"drawings": draw_all("unseen", count, False), "held-out pairs": draw_all("unseen", count, True)}
    if vae is not None:
        rebuilt = sets["drawings"].with_reconstructions(vae, count, rough=0.0)
        sets["reconstructions"] = Drawings(rebuilt.scenes, rebuilt.pixels[count:], rebuilt.labels)
    for line in table({name: accuracies(probe, drawings) for name, drawings in sets.items()}):
        log(line)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sukashi.lab.train", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for data, checkpoint, log and probe.safetensors"
    )
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--steps", type=int, default=4500, help="of 16 pictures; whichever is over first")
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--reconstructions", type=int, default=3_500, help="by the autoencoder of --model; 0: none")
    parser.add_argument("--model", default=str(model_folder()), help="model folder whose autoencoder is used")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    vae = load(given.model, device="cpu").vae if given.reconstructions else None
    budget = Budget(minutes=given.minutes, steps=given.steps)
    probe = train(given.out, budget, pictures=given.pictures, reconstructions=given.reconstructions, vae=vae)
    report(probe, 400, vae, Log(given.out / "log.txt"))


if __name__ == "__main__":
    main()
