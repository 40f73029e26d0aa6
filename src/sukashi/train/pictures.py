"""The training set of kirie: drawn once, kept as bytes in one file, captioned anew every time it is looked at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from sukashi.kirie.canvas import PARTS, SIZE
from sukashi.kirie.captions import caption
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.scene import Scene
from sukashi.kirie.world import draw, sample

CELL = 8  # pixels along a side of a cell of the latent
HEADS = tuple(PARTS.index(part) for part in ("head", "hair", "face", "glasses"))
FIRST_SEED = 10_000  # pictures of smaller seeds are never trained on
CHUNK = 256


class Pictures:
    """``count`` pictures of kirie's world, from seed :data:`FIRST_SEED` on, kept in a file and in memory."""

    def __init__(self, folder: Path, count: int, *, workers: int = 1) -> None:
        path = folder / f"pictures-{count}.npy"
        if not path.exists():
            _draw_all(path, count, workers)
        self.pixels, self.folder, self.workers = np.load(path), folder, workers
        self.scenes: list[Scene] = [draw_scene(Random(f"scene {FIRST_SEED + k}")) for k in range(count)]

    def __len__(self) -> int:
        return len(self.scenes)

    def images(self, which: Sequence[int]) -> Tensor:
        """The pictures numbered ``which`` as (B, 3, 128, 128) in [-1, 1]."""
        return to_image(self.pixels[np.asarray(which)])

    def captions(self, which: Sequence[int], salt: str) -> list[str]:
        """A caption for each; another ``salt`` words them differently."""
        return [caption(self.scenes[k], Random(f"{salt} {k}")) for k in which]

    def shares(self) -> Tensor:
        """How often each (N,) is to be drawn, on average 1: the more, the more there is to learn from it."""
        share = torch.tensor([interest(scene) for scene in self.scenes])
        return share / share.mean()

    def heads(self) -> Tensor:
        """The cells (N, 16, 16) in and around heads, where glasses, hats, scarves and food are."""
        path = self.folder / f"heads-{len(self)}.npy"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            with ProcessPoolExecutor(self.workers) as pool, unfinished.open("wb") as file:
                np.save(file, np.stack(list(pool.map(_heads, self.scenes, chunksize=CHUNK))))
            os.replace(unfinished, path)
        cells = torch.from_numpy(np.load(path)).float()
        return max_pool2d(cells[:, None], kernel_size=3, stride=1, padding=1)[:, 0] > 0


def to_image(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """Bytes (B, H, W, 3) -> (B, 3, H, W) in [-1, 1]."""
    return torch.tensor(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(B, 3, H, W) in [-1, 1] -> bytes (B, H, W, 3), rounded."""
    return ((image.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def draw_pictures(seeds: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The pictures of ``seeds`` as bytes (N, 128, 128, 3)."""
    return np.stack([np.asarray(sample(seed).picture) for seed in seeds])


def interest(scene: Scene) -> float:
    """What a picture is worth to training, beside one figure in the middle.

    Two figures, shapes, scarves and places aside are rare in the world and learnt last; a place without anybody is
    learnt at once.
    """
    if scene.shapes:
        return 5.0
    if len(scene.figures) > 1:
        return 6.0
    if not scene.figures:
        return 0.4
    (figure,) = scene.figures
    return (1.5 if figure.scarf else 1.0) * (1.0 if figure.side == "middle" else 1.6)


def _draw_all(path: Path, count: int, workers: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    pixels = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=(count, SIZE, SIZE, 3))
    chunks = [range(k, min(k + CHUNK, count)) for k in range(0, count, CHUNK)]
    with ProcessPoolExecutor(workers) as pool:
        drawn = pool.map(draw_pictures, [[FIRST_SEED + k for k in chunk] for chunk in chunks])
        for chunk, pictures in zip(chunks, drawn, strict=True):
            pixels[chunk.start : chunk.stop] = pictures
    pixels.flush()
    os.replace(unfinished, path)


def _heads(scene: Scene) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The cells (16, 16) of which a head takes a tenth or more."""
    shown = np.isin(draw(scene, labels=True).parts(), HEADS)
    n = SIZE // CELL
    return shown.reshape(n, CELL, n, CELL).mean((1, 3)) > 0.1
