"""Every tensor of a recording in one file of numpy's (.npz), to go on with elsewhere."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sukashi.watch.curves import curves
from sukashi.watch.maps import SIDES, Maps
from sukashi.watch.recording import SEEN, Recording
from sukashi.weights.tensors import write_atomically

Array = NDArray[Any]


def arrays(recording: Recording) -> dict[str, Array]:
    """Arrays by name; n steps, B pictures, letters as everywhere.

    x, x0, eps, x_next (n, B, C, h, w); part_NAME the same, for what guidance combined: the U-Net's raw outputs;
    t, alpha, sigma (n + 1,) the levels, sigma with alpha^2 + sigma^2 = 1; curve_NAME (n,) the numbers of ``curves`` of
    picture 0, NaN where there is none; latents (B, C, h, w); images (B, H, W, 3) bytes; embedding_SIDE (T, D);
    attention_SIDE (words, H, W) of picture 0 and attention_SIDE_steps (n, words, H, W) with words_SIDE; record, JSON.
    A run of two passes has the first pass's arrays as pass1_NAME.
    """
    found: dict[str, Array] = {}
    bounds = [*recording.starts, len(recording)]
    for p, (first, end) in enumerate(pairwise(bounds), 1):
        prefix = f"pass{p}_" if p < len(recording.starts) else ""
        found |= {f"{prefix}{name}": array for name, array in of_steps(recording, first, end).items()}
    for axis, values in (("t", "t"), ("alpha", "alpha"), ("sigma", "sigma")):
        found[axis] = np.array([getattr(level, values) for level in recording.walk.levels], dtype=np.float64)
    points = curves(recording)
    for name in points[0]._fields if points else ():
        column = [getattr(point, name) for point in points]
        found[f"curve_{name}"] = np.array([np.nan if value is None else value for value in column], dtype=np.float64)
    found["latents"] = recording.result.latents.detach().float().cpu().numpy()
    found["images"] = np.stack([np.asarray(image.convert("RGB")) for image in recording.result.images])
    found |= {f"embedding_{side}": context.numpy() for side, context in recording.embedding.items()}
    if recording.attention:
        found |= attended(recording.attention[0])
    found["record"] = np.array(json.dumps(recording.result.record(), ensure_ascii=False))
    return found


def of_steps(recording: Recording, first: int, end: int) -> dict[str, Array]:
    """The tensors of steps first ... end - 1, which are of one size."""
    found = {name: np.stack([recording.latents(i, name).numpy() for i in range(first, end)]) for name in SEEN}
    steps = recording.steps[first:end]
    for name in steps[0].prediction.parts if steps else ():
        if all(name in step.prediction.parts for step in steps):
            found[f"part_{name}"] = np.stack([step.prediction.parts[name].numpy() for step in steps])
    return found


def attended(maps: Maps) -> dict[str, Array]:
    """The maps of every word, by side."""
    found: dict[str, Array] = {}
    for side in SIDES:
        if not (words := maps.words(side)):
            continue
        found[f"words_{side}"] = np.array([word.text for word in words])
        found[f"attention_{side}"] = np.stack([maps.word(n, side).numpy() for n in range(len(words))])
        steps = [i for i in maps.steps if all(i in sheet.steps for sheet in maps.sheets[side])]
        if steps:
            by_step = [[maps.word(n, side, step=i).numpy() for n in range(len(words))] for i in steps]
            found[f"attention_{side}_steps"] = np.array(by_step)
            found[f"attention_{side}_which"] = np.array(steps)
    return found


def write_npz(path: Path, recording: Recording, *, overwrite: bool = False) -> None:
    """Write ``arrays``, compressed; numpy reads them without pickle. Raises FileExistsError."""
    found = arrays(recording)
    write_atomically(path, lambda file: np.savez_compressed(file, **found), overwrite=overwrite)  # type: ignore[arg-type]
