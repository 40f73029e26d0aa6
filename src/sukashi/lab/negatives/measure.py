"""What a negative prompt does to the pictures of a small model, as a function of when it holds.

The questions of Ban et al. 2024, arXiv:2406.02965, asked of kirie with a probe in place of people: does "glasses" in
the negative prompt remove glasses, does it draw them when it holds in the first steps alone (reverse activation), and
how much else does it change. ``sukashi kirie negatives`` runs it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.diffusion.denoiser import Conditioning, guided
from sukashi.diffusion.types import Denoise
from sukashi.pipeline import Pipeline
from sukashi.settings import Settings

PROMPTS = (
    "a girl eating pizza", "a boy in the forest", "a cat eating a donut", "a dog at night", "a bear eating ice cream",
    "a robot on mars", "a girl with black hair in the sky", "a boy eating an apple", "a cat in a red scarf",
    "a bear wearing a hat",
)  # fmt: skip
NEGATIVE, POSITIVE = "glasses", " with glasses"
WINDOWS = (  # as fractions of the run; the last is the paper's for nouns
    (0.0, 0.1), (0.0, 0.2), (0.0, 0.3), (0.0, 0.5), (0.1, 1.0), (0.2, 1.0), (0.3, 1.0), (0.5, 1.0), (0.7, 1.0),
    (5 / 30, 15 / 30),
)  # fmt: skip


class Seen(NamedTuple):
    """What a probe sees in B pictures: the probability of the thing (B,), and where it is (B, H, W) bool."""

    probability: Tensor
    place: Tensor


Look = Callable[[Tensor], Seen]
"""Images (B, 3, H, W) in [0, 1] -> what is in them."""


class Drawing(NamedTuple):
    """One prompt and its negative prompt, encoded, and the seeds that it is drawn from."""

    wanted: Conditioning  # (B, T, D), as the others
    positive: Conditioning
    empty: Conditioning
    negative: Conditioning
    x: Tensor  # (B, C, h, w)


def stretches(windows: Sequence[tuple[float, float]], n: int) -> list[list[int]]:
    """The first step in each window of fractions and the first after it, once; not those of all steps or none."""
    pairs = dict.fromkeys((int(a * n), int(b * n)) for a, b in windows)
    return [[a, b] for a, b in pairs if a < b and (a, b) != (0, n)]


def draw(
    pipe: Pipeline, drawing: Drawing, settings: Settings, windows: Sequence[tuple[float, float]]
) -> dict[str, Tensor]:
    """Images (B, 3, H, W) in [0, 1] by variant: 'none', 'all', 'positive', and 'a-b' for every window's steps.

    What the first steps of two variants share is computed once: DDIM without fresh noise can go on from any step.
    """
    plan = pipe.plan(settings)
    _, _, n, scale = settings.numbers()
    levels, predicts = plan.levels(n), plan.schedule.predicts
    plain, negative, positive = (
        guided(pipe.unet, predicts, wanted, unwanted, scale, settings.rescale)
        for wanted, unwanted in (
            (drawing.wanted, drawing.empty),
            (drawing.wanted, drawing.negative),
            (drawing.positive, drawing.empty),
        )
    )

    def path(denoise: Denoise, x: Tensor, first: int, last: int) -> list[Tensor]:
        """X at the steps first ... last."""
        found = [x]
        for _, step in zip(range(first, last), plan.run(denoise, x, levels, no_noise, first), strict=False):
            found.append(step.x_next)
        return found

    with torch.no_grad():
        start = drawing.x * plan.start_scale(levels)
        none, every = path(plain, start, 0, n), path(negative, start, 0, n)
        ends = {"none": none[n], "all": every[n], "positive": path(positive, start, 0, n)[n]}
        for a, b in stretches(windows, n):
            x = every[b] if a == 0 else path(negative, none[a], a, b)[-1]
            ends[f"{a}-{b}"] = path(plain, x, b, n)[-1]
    return {name: pipe.vae_decode(x) for name, x in ends.items()}


def no_noise() -> Tensor:
    """DDIM with eta 0 asks for none."""
    raise AssertionError("a sampler without fresh noise asked for some")


def measure(images: dict[str, Tensor], look: Look) -> dict[str, dict[str, list[float]]]:
    """By variant and picture: probability of the thing, mean change of 255 from 'none', and that outside the thing."""
    base = images["none"]
    before = look(base)
    found = {}
    for name, these in images.items():
        seen = look(these)
        difference = (these - base).abs().mean(dim=1) * 255  # (B, H, W)
        outside = ~widened(before.place | seen.place)
        rest = (difference * outside).sum(dim=(1, 2)) / outside.sum(dim=(1, 2)).clamp(min=1)
        found[name] = {
            "probability": rounded(seen.probability),
            "change": rounded(difference.mean(dim=(1, 2))),
            "outside": rounded(rest),
        }
    return found


def widened(place: Tensor, by: int = 4) -> Tensor:
    """A mask (B, H, W), ``by`` pixels wider on every side."""
    return F.max_pool2d(place.float()[:, None], 2 * by + 1, stride=1, padding=by)[:, 0] > 0


def rounded(values: Tensor) -> list[float]:
    """Values (B,) with four decimals."""
    return [round(float(value), 4) for value in values]


def prepare(pipe: Pipeline, prompt: str, seeds: Sequence[int], settings: Settings) -> Drawing:
    """Encode one prompt for as many seeds."""
    width, height, _, _ = settings.numbers()
    texts = (prompt, prompt + POSITIVE, None, NEGATIVE)
    wanted, positive, empty, negative = (pipe.encode_prompt([text] * len(seeds)) for text in texts)
    return Drawing(wanted, positive, empty, negative, pipe.get_latents(width, height, seeds=seeds))


def run(
    pipe: Pipeline,
    look: Look,
    folder: Path,
    *,
    prompts: Sequence[str] = PROMPTS,
    seeds: int = 10,
    steps: int = 10,
    windows: Sequence[tuple[float, float]] = WINDOWS,
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure every prompt with ``seeds`` seeds; one line of ``folder/negatives.jsonl`` each, so that it can go on.

    Raises ValueError when the folder holds lines of another model or other settings.
    """
    settings = Settings(steps=steps, sampler="ddim", eta=0.0).filled(pipe.defaults)
    facts = {
        "model": pipe.name, "weights": fingerprint(pipe), "negative": NEGATIVE, "steps": steps, "seeds": seeds,
        "guidance": settings.guidance, "windows": stretches(windows, steps),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "negatives.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if any(line["facts"] != facts for line in lines):
        raise ValueError(f"{file} was measured with another model or other settings; name another folder")
    done = {line["prompt"] for line in lines}
    for k, prompt in enumerate(prompts):
        if prompt in done:
            continue
        numbers = range(k * seeds, (k + 1) * seeds)
        images = draw(pipe, prepare(pipe, prompt, numbers, settings), settings, windows)
        lines.append({"facts": facts, "prompt": prompt, "variants": measure(images, look)})
        with file.open("a") as out:
            out.write(json.dumps(lines[-1]) + "\n")
        say(f"{k + 1} of {len(prompts)}: {prompt}")
    return [line for line in lines if line["prompt"] in prompts]


def fingerprint(pipe: Pipeline) -> str:
    """Ten digits that tell one U-Net's weights from another's."""
    found = hashlib.sha256()
    for tensor in pipe.unet.state_dict().values():
        found.update(tensor.detach().float().cpu().numpy().tobytes())
    return found.hexdigest()[:10]
