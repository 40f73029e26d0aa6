"""What the probe learns from: drawings with their labels, and the same drawings after a trip through an autoencoder."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.kirie.canvas import OWNER, PARTS, SIZE
from sukashi.kirie.chance import any_scene, draw_scene
from sukashi.kirie.palette import SHAPE
from sukashi.kirie.scene import SHAPES, SIZES, Scene
from sukashi.kirie.world import draw, spoil
from sukashi.lab.heads import about_figure, about_picture, numbers
from sukashi.lab.probe import GRID
from sukashi.lab.views import LEFT, RIGHT, WHOLE, Window, look
from sukashi.nets.vae import VAE

Bytes = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
BATCH = 16


@dataclass
class Drawings:
    """``count`` scenes, their pictures (N, 128, 128, 3) and label maps (N, 128, 128); N may exceed the scenes.

    Pictures beyond the scenes are reconstructions of the first ones.
    """

    scenes: list[Scene]
    pixels: Bytes
    labels: Bytes

    @cached_property
    def with_shapes(self) -> list[int]:
        """The numbers of the pictures that show shapes."""
        return [k for k in range(len(self.pixels)) if self.scenes[self.scene_of(k)].shapes]

    def image(self, which: list[int]) -> Tensor:
        """Pictures as (B, 3, 128, 128) in [-1, 1]."""
        return torch.tensor(self.pixels[which]).permute(0, 3, 1, 2).float() / 127.5 - 1

    def scene_of(self, number: int) -> int:
        """Which scene the picture ``number`` shows."""
        return number % len(self.scenes)

    def with_reconstructions(self, vae: VAE, count: int, *, rough: float, seed: int = 0) -> Drawings:
        """Also the first ``count`` pictures after encoding, noise of up to ``rough``, and decoding by ``vae``."""
        found = [reconstruct(vae, self.image(which), rough, seed + which[0]) for which in chunks(count)]
        return replace(self, pixels=np.concatenate([self.pixels, *found]))


def chunks(count: int) -> list[list[int]]:
    """0..count-1 in lists of at most :data:`BATCH`."""
    return [list(range(k, min(k + BATCH, count))) for k in range(0, count, BATCH)]


@torch.inference_mode()
def reconstruct(vae: VAE, image: Tensor, rough: float, seed: int) -> Bytes:
    """(B, 3, H, W) -> bytes (B, H, W, 3), with noise of 0..``rough`` on each picture's latent, whose spread is 1."""
    g = torch.Generator().manual_seed(seed)
    latent = vae.encode(image)
    share = rough * torch.rand(len(image), 1, 1, 1, generator=g)
    shown = vae.decode(latent + share * torch.randn(latent.shape, generator=g))
    return ((shown.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def draw_all(name: str, count: int, held_out: bool | None = None) -> Drawings:
    """``count`` scenes named after ``name``: with held-out pairs, without, or (None) as they come."""
    scenes, pixels, labels = [], [], []
    for k in range(count):
        rng = Random(f"{name} {k}")
        scene = any_scene(rng) if held_out is None else draw_scene(rng, held_out=held_out)
        canvas = draw(scene, labels=True)
        scenes.append(scene)
        pixels.append(np.asarray(spoil(canvas.picture(), scene.flaw, scene.layout)))
        labels.append(canvas.parts() + OWNER * canvas.owners())
    return Drawings(scenes, np.stack(pixels), np.stack(labels))


def cached(folder: Path, name: str, count: int, vae: VAE | None, reconstructions: int) -> Drawings:
    """The drawings for training, drawn once and kept in ``folder``."""
    path = folder / f"{name}-{count}-{reconstructions}.npz"
    if path.exists():
        kept = np.load(path)
        scenes = [any_scene(Random(f"{name} {k}")) for k in range(count)]
        return Drawings(scenes, kept["pixels"], kept["labels"])
    drawn = draw_all(name, count)
    if vae is not None and reconstructions:
        drawn = drawn.with_reconstructions(vae, reconstructions, rough=0.12)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    np.savez(unfinished, pixels=drawn.pixels, labels=drawn.labels)
    os.replace(unfinished, path)
    return drawn


@dataclass(frozen=True)
class Targets:
    """The truth of a batch of views: class numbers (B, heads) and maps (B, 32, 32), -100 where nothing is asked."""

    heads: Tensor
    maps: dict[str, Tensor]
    offset: Tensor  # (B, 2, 32, 32), from each cell to the middle of its shape, in half views


def windows_of(scene: Scene) -> list[Window]:
    """The views that a scene is read in: the whole, and one around each of two figures."""
    return [WHOLE, LEFT, RIGHT] if len(scene.figures) == 2 else [WHOLE]


def answers(scene: Scene, window: Window, ship_pixels: int) -> dict[str, str | None]:
    """The true answers that can be given in one view; ``window`` must be one of :func:`windows_of`."""
    if window == WHOLE:
        found = about_picture(scene, ship_pixels)
        return found | about_figure(scene.figures[0]) if len(scene.figures) == 1 else found
    return about_figure(scene.figures[0 if window == LEFT else 1])


def targets(drawings: Drawings, which: list[int], base: list[Window], windows: list[Window]) -> Targets:
    """The truth of the pictures ``which`` seen through ``windows``, each a shaken version of one in ``base``."""
    scenes = [drawings.scene_of(k) for k in which]
    labels = torch.tensor(drawings.labels[scenes])
    ships = (labels % OWNER == PARTS.index("ship")).sum((1, 2)).tolist()
    heads = [numbers(answers(drawings.scenes[k], b, ship)) for k, b, ship in zip(scenes, base, ships, strict=True)]
    seen = cells_of(look(labels[:, None].float(), windows, SIZE, nearest=True))
    maps, offset = shape_maps([drawings.scenes[k] for k in scenes], seen, windows)
    return Targets(torch.tensor(heads), {"part": seen % OWNER, **maps}, offset)


def cells_of(labels: Tensor) -> Tensor:
    """Labels of pixels (B, 1, 128, 128) -> of cells (B, 32, 32): that of a pixel near the middle, but glasses are thin.

    A cell shows glasses when a fifth of its pixels do.
    """
    cell = SIZE // GRID
    middle = labels[:, 0, cell // 2 :: cell, cell // 2 :: cell]
    glasses = labels % OWNER == PARTS.index("glasses")
    many = F.avg_pool2d(glasses.float(), cell)[:, 0] >= 0.2
    return torch.where(many, F.max_pool2d(labels * glasses, cell)[:, 0], middle).long()


def shape_maps(scenes: list[Scene], seen: Tensor, windows: list[Window]) -> tuple[dict[str, Tensor], Tensor]:
    """Kind, colour and size of the shape in every cell of ``seen`` (B, 32, 32), and the way to its middle."""
    maps = {name: torch.full_like(seen, -100) for name in ("shape", "colour", "size")}
    offset = torch.zeros(len(scenes), 2, *seen.shape[1:])
    cells = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
    for b, (scene, window) in enumerate(zip(scenes, windows, strict=True)):
        for owner, shape in enumerate(scene.shapes, 1):
            here = (seen[b] // OWNER == owner) & (seen[b] % OWNER == PARTS.index("shape"))
            maps["shape"][b][here] = SHAPES.index(shape.kind)
            maps["colour"][b][here] = list(SHAPE).index(shape.colour)
            maps["size"][b][here] = SIZES.index(shape.size)
            x, y = (shape.x * 2 / SIZE - 1 - window.x) / window.size, (shape.y * 2 / SIZE - 1 - window.y) / window.size
            offset[b, 0][here] = (x - cells[None, :]).expand(GRID, GRID)[here]
            offset[b, 1][here] = (y - cells[:, None]).expand(GRID, GRID)[here]
    return maps, offset
