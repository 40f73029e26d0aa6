"""A recording as JSON: what the page, a report and the server's clients are given. Version 1.

    version     1
    model, family, prompt, negative_prompt, sampler, grid, task      words
    settings    every field of ``Settings``, as asked and filled in
    notes       sentences: what was decided, guessed or left out
    calls, seconds                                  of the U-Net, of the whole run
    size, latent                                    [W, H] in pixels, [C, h, w] in cells
    image       the finished picture
    tokens      {positive, negative}: [{piece, id, position, chunk, weight, norm, kind, word, nearest, encoder}]
                kind is start, word, end or pad; word counts into attention.words; nearest is [[word, cosine], ...];
                chunk and position are null for what fell past the cut
    embedding   {positive, negative}: a picture of (T, D) numbers, T rows
    steps       [{i, t, to_t, sigma, alpha, snr, x, x0, eps, added, full, norms, cos_cond, cos_uncond, ms}]
                x, x0, full are pictures, eps and added one pixel a cell (channels 1 to 3, grey is 0); in long runs some
                are null: the one before holds. norms {x, x0, eps, cond, uncond, added} are root mean squares.
    attention   {words: [{word, side, tokens, map, steps, layers, share}], ratio, critical, note}, or null
    unet        [{name, kind, depth, input, output, parameters, ms, bytes, source}] in the order they are run
    schedule    {t, sigma, alpha, snr} of all levels, the last included, and alphas_cumprod_sampled [[t, alpha-bar]]

Pictures are data URLs (PNG or WebP), maps are grey. sigma is the noise for each part of signal, sigma / alpha. What is
infinite is null. All numbers of a step are those of ``watch.curves``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image
from torch import Tensor

from sukashi.rich import picture_url
from sukashi.watch import attended
from sukashi.watch.curves import added, curves
from sukashi.watch.encoding import SPREAD, grey, series, signed
from sukashi.watch.recording import Recording
from sukashi.watch.schedule import columns
from sukashi.watch.words import embedding_values

VERSION = 1
BUDGET = 6_000_000  # characters of pictures
SHARES = {"x": 0.22, "x0": 0.25, "eps": 0.12, "added": 0.08}  # of the budget
FULL_SHARE, MAP_SHARE = 0.08, 0.25
IMAGE_SIDE = 1024
BLOCK = ("name", "kind", "depth", "input", "output", "parameters", "ms", "bytes", "source")


def view(
    recording: Recording, k: int = 0, *, budget: float = BUDGET, full: Mapping[int, Image.Image] | None = None
) -> dict[str, Any]:
    """Picture k of a recording as JSON values, in about ``budget`` characters at most beside the finished picture.

    ``full`` has pictures of guesses that the whole autoencoder decoded, by step. Raises IndexError without a step.
    """
    if not len(recording):
        raise IndexError("the recording has no steps: nothing can be shown of it")
    result, request = recording.result, recording.result.requests[k]
    return {
        "version": VERSION,
        "model": result.model,
        "family": recording.family,
        "task": result.task,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "settings": request.to_dict(),
        "notes": [*result.notes, *recording.notes],
        "sampler": result.sampler,
        "grid": result.grid,
        "calls": result.calls,
        "seconds": attended.short(result.seconds),
        "size": list(result.images[k].size),
        "latent": list(result.latents.shape[1:]),
        "image": picture_url(result.images[k], IMAGE_SIDE),
        "tokens": attended.tokens(recording, k),
        "embedding": {side: embedded(context) for side, context in recording.embedding.items()},
        "steps": steps(recording, k, budget, full or {}),
        "attention": attended.attention(recording, k, MAP_SHARE * budget),
        "unet": [{key: value for key, value in block.to_dict().items() if key in BLOCK} for block in recording.blocks],
        "schedule": columns(recording.walk.levels) | {"alphas_cumprod_sampled": recording.training.sampled},
    }


def steps(recording: Recording, k: int, budget: float, full: Mapping[int, Image.Image]) -> list[dict[str, Any]]:
    """Every step with its pictures and numbers."""
    short, count = attended.short, len(recording)
    pushes = [added(step, recording.predicts) for step in recording.steps]
    strongest = max((float(push[k].std()) for push in pushes if push is not None), default=0.0)

    def push(i: int) -> Image.Image | None:
        found = pushes[i]
        return None if found is None else signed(found[k], SPREAD * strongest)

    def preview(which: str) -> list[str | None]:
        if recording.preview is None:
            return [None] * count
        return series(count, lambda i: recording.picture(i, which, k), SHARES[which] * budget)

    pictures = {
        "x": preview("x"),
        "x0": preview("x0"),
        "eps": series(count, lambda i: signed(recording.latents(i, "eps")[k], SPREAD), SHARES["eps"] * budget),
        "added": series(count, push, SHARES["added"] * budget),
        "full": series(count, full.get, FULL_SHARE * budget * count / max(1, len(full))),
    }
    return [
        {
            "i": i,
            "t": short(point.t),
            "to_t": short(point.to_t),
            "sigma": short(point.sigma),
            "alpha": short(point.alpha),
            "snr": short(point.snr),
            **{name: urls[i] for name, urls in pictures.items()},
            "norms": {key: short(getattr(point, key)) for key in ("x", "x0", "eps", "cond", "uncond", "added")},
            "cos_cond": short(point.cos_cond),
            "cos_uncond": short(point.cos_uncond),
            "ms": short(point.seconds * 1000),
        }
        for i, point in enumerate(curves(recording, k))
    ]


def embedded(context: Tensor) -> str:
    """What the U-Net is told, (T, D), as a picture of T rows."""
    return picture_url(grey(embedding_values(context).float() / 255))
