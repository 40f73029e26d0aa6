"""A small network that says whether a picture shows the penguin, and whether it shows the waves.

It must not be fooled by half a penguin: it also learns from decoys (a penguin of another colour, without stripes or
without a star, everybody else of the world) and from reconstructions by kirie's autoencoder, which blurs.
``python -m sukashi.lab.teaching.probe`` trains it in a minute or two and says how often it is right.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.kirie.scene import pick
from sukashi.kirie.words import path as model_folder
from sukashi.kirie.world import sample as world_sample
from sukashi.lab.evaluate import to_image
from sukashi.lab.probe import convolution
from sukashi.lab.teaching.penguin import Look
from sukashi.lab.teaching.world import draw, sample, scene_by_chance
from sukashi.lab.train import disturb
from sukashi.loading import load
from sukashi.nets.vae import VAE
from sukashi.train.run import cosine, generator

WEIGHTS = Path(__file__).parent / "probe.safetensors"
SIDE = 64  # pixels that it looks at
OTHERS = ((214, 70, 60), (70, 160, 92), (142, 86, 188), (152, 154, 162), (62, 60, 68), (240, 152, 62))
DECOYS = (*(Look(coat=coat) for coat in OTHERS), Look(stripes=None), Look(star=None), Look(stripes=None, star=None))
UNKNOWN = ("penguin", "waves")  # to the probe of the laboratory, too
KINDS = (*UNKNOWN, "decoy", "world")


class ConceptProbe(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] -> scores (B, 2), above 0 where the penguin or the waves are seen."""

    def __init__(self, channels: tuple[int, int, int] = (24, 40, 56)) -> None:
        super().__init__()
        widths = (12, *channels)  # 2 x 2 pixels of three colours side by side
        steps = [
            nn.Sequential(convolution(a, b, stride), nn.ReLU(), convolution(b, b), nn.ReLU())
            for a, b, stride in zip(widths, channels, (1, 2, 2), strict=False)
        ]
        self.body, self.head = nn.Sequential(*steps), nn.Linear(2 * channels[-1], len(UNKNOWN))

    def forward(self, image: Tensor) -> Tensor:
        """Look at pictures of any size."""
        small = F.interpolate(image, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        x = self.body(F.pixel_unshuffle(small, 2))  # (B, 12, 32, 32) -> (B, C, 8, 8)
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))


class Pile(NamedTuple):
    """Pictures (N, 3, 128, 128) as bytes, what they show (N, 2) of 0 and 1, and of which kind each is."""

    pixels: Tensor
    truth: Tensor
    kinds: list[str]

    def image(self, which: Tensor) -> Tensor:
        """Those numbered ``which`` in [-1, 1]."""
        return self.pixels[which].float() / 127.5 - 1


def pile(name: str, count: int) -> Pile:
    """``count`` pictures of each kind, drawn for the set called ``name``."""
    pictures: list[Image.Image] = []
    kinds = [kind for kind in KINDS for _ in range(count)]
    for k, kind in enumerate(kinds):
        rng = Random(f"probe {name} {kind} {k}")
        pictures.append(picture_of(kind, rng))
    truth = torch.tensor([[float(kind == concept) for concept in UNKNOWN] for kind in kinds])
    return Pile(((to_image(pictures) + 1) * 127.5).round().byte(), truth, kinds)


def picture_of(kind: str, rng: Random) -> Image.Image:
    """A penguin, somebody on waves, a decoy, or anything of kirie's world."""
    seed = 5_000_000 + int(rng.random() * 1e9)
    if kind in UNKNOWN:
        return sample(kind, seed).picture
    if kind == "world":
        return world_sample(seed).picture
    return draw("penguin", scene_by_chance("penguin", rng), pick(rng, DECOYS))


@torch.inference_mode()
def rebuilt(drawn: Pile, vae: VAE, batch: int = 32) -> Pile:
    """The same pictures after a trip through the autoencoder."""
    parts = [vae.decode(vae.encode(drawn.image(which))) for which in torch.split(torch.arange(len(drawn.kinds)), batch)]
    return drawn._replace(pixels=((torch.cat(parts).clamp(-1, 1) + 1) * 127.5).round().byte())


def train(drawn: Pile, steps: int, *, batch: int = 32, rate: float = 3e-3, seed: int = 0) -> ConceptProbe:
    """Train with cross entropy on disturbed pictures."""
    torch.manual_seed(seed)
    probe = ConceptProbe().train()
    optimizer = torch.optim.AdamW(probe.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    for step in range(steps):
        g = generator(seed, step)
        which = torch.randint(len(drawn.kinds), (batch,), generator=g)
        for group in optimizer.param_groups:
            group["lr"] = cosine(rate, step, step / steps, warmup=20)
        answers = probe(disturb(drawn.image(which), g))
        loss = F.binary_cross_entropy_with_logits(answers, drawn.truth[which])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        optimizer.step()
    return probe.eval()


@torch.inference_mode()
def accuracies(probe: ConceptProbe, drawn: Pile) -> dict[str, float]:
    """Share of right answers to both questions, by kind of picture."""
    seen = torch.cat([probe(drawn.image(which)) > 0 for which in torch.split(torch.arange(len(drawn.kinds)), 64)])
    right = (seen == drawn.truth.bool()).all(1)
    return {kind: right[[k == kind for k in drawn.kinds]].float().mean().item() for kind in KINDS}


def save(probe: ConceptProbe, path: Path = WEIGHTS) -> None:
    """Write the weights in float16."""
    tensors = {name: x.half() if x.is_floating_point() else x for name, x in probe.state_dict().items()}
    save_file({name: x.contiguous() for name, x in tensors.items()}, path)


def load_concept_probe(path: Path = WEIGHTS) -> ConceptProbe:
    """The trained probe in evaluation mode; raises FileNotFoundError where there is none."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no probe at {path}; `python -m sukashi.lab.teaching.probe` trains one")
    probe = ConceptProbe()
    probe.load_state_dict(load_file(path))
    return probe.float().eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sukashi.lab.teaching.probe", description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go")
    parser.add_argument("--steps", type=int, default=900, help="of 32 pictures")
    parser.add_argument("--pictures", type=int, default=700, help="of each kind, and as many reconstructions")
    given = parser.parse_args(arguments)
    vae = load(str(model_folder()), device="cpu").vae
    assert isinstance(vae, VAE)
    drawn, unseen = pile("lessons", given.pictures), pile("unseen", 250)
    again = rebuilt(drawn, vae)
    both = Pile(torch.cat([drawn.pixels, again.pixels]), drawn.truth.repeat(2, 1), drawn.kinds * 2)
    save(train(both, given.steps), given.out)
    probe = load_concept_probe(given.out)
    for name, held_out in (("drawings", unseen), ("reconstructions", rebuilt(unseen, vae))):
        print(name, {kind: f"{share:.1%}" for kind, share in accuracies(probe, held_out).items()})


if __name__ == "__main__":
    torch.set_flush_denormal(True)
    main()
