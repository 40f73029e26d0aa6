"""Measure a model that draws kirie's world: prompts from the world, pictures by the model, read by the probe."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sukashi.kirie.captions import THOROUGH, tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim
from sukashi.kirie.scene import Scene
from sukashi.kirie.sheet import contact_sheet
from sukashi.kirie.world import draw, spoil
from sukashi.lab.frechet import frechet, kernel_distance
from sukashi.lab.probe import Probe
from sukashi.lab.read import read
from sukashi.lab.score import Tally, asked, judge
from sukashi.nets.vae import VAE
from sukashi.pipeline import Pipeline

SEEDS_APART = 1_000_000
DRAWINGS, REBUILT, SHOWN = "drawings", "reconstructions", 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to draw; the fields below ``guidance`` are those of ``Settings``."""

    prompts: int = 1000
    seeds: int = 2  # pictures of each prompt
    held_out: bool = True  # only scenes with a pair that training never showed, or only the others
    salt: str = "eval"  # another one gives other prompts
    guidance: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0, 8.0)
    steps: int = 25
    sampler: str | None = None
    grid: str | None = None

    def __post_init__(self) -> None:
        if self.prompts < 2 or self.seeds < 1 or not self.guidance:
            raise ValueError(f"at least 2 prompts, 1 seed and 1 guidance are needed, not {self}")


@dataclass(frozen=True)
class Question:
    """A prompt, what it claims, and the scene that it came from."""

    prompt: str
    claims: list[Claim]
    scene: Scene


def questions(plan: Plan) -> list[Question]:
    """Thorough captions of scenes by chance."""
    found = []
    for k in range(plan.prompts):
        scene = draw_scene(Random(f"{plan.salt} {k}"), held_out=plan.held_out)
        said = tell(scene, Random(f"{plan.salt} caption {k}"), THOROUGH)
        found.append(Question(said.text, asked(scene, said.claims), scene))
    return found


Pictures = Iterator[tuple[list[Question], list[Image.Image]]]


def drawn_by_model(pipe: Pipeline, plan: Plan, guidance: float, batch: int) -> Pictures:
    """Every question with a picture for each seed, in batches. The seed of a picture does not depend on the batch."""
    all_questions = questions(plan)
    options: dict[str, Any] = {"guidance": guidance, "steps": plan.steps, "sampler": plan.sampler, "grid": plan.grid}
    for seed in range(plan.seeds):
        for k in range(0, len(all_questions), batch):
            some = all_questions[k : k + batch]
            result = pipe([q.prompt for q in some], seed=seed * SEEDS_APART + k, **options)
            yield some, list(result.images)


def drawn_by_hand(plan: Plan, batch: int) -> Pictures:
    """Every question with the drawing of its scene."""
    for some in batches(questions(plan), batch):
        scenes = [q.scene for q in some]
        yield some, [spoil(draw(s).picture(), s.flaw, s.layout) for s in scenes]


def rebuilt(pictures: Pictures, vae: VAE) -> Pictures:
    """The same pictures after encoding and decoding: the best that a U-Net could do with this autoencoder."""
    weight = next(vae.parameters())
    for some, images in pictures:
        with torch.inference_mode():
            shown = vae.decode(vae.encode(to_image(images).to(weight)))
        levels = ((shown.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        yield some, [Image.fromarray(picture) for picture in levels]


def batches(items: Sequence[Question], size: int) -> Iterator[list[Question]]:
    """Lists of at most ``size``."""
    for k in range(0, len(items), size):
        yield list(items[k : k + size])


def to_image(pictures: Sequence[Image.Image]) -> Tensor:
    """PIL pictures -> (B, 3, H, W) in [-1, 1]."""
    values = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(values).permute(0, 3, 1, 2).float() / 127.5 - 1


def measure(probe: Probe, pictures: Pictures, show: Callable[[Tally], object] = lambda tally: None) -> Scores:
    """Read and judge all pictures; ``show`` is called after every batch."""
    start, tally = time.perf_counter(), Tally()
    features: list[Tensor] = []
    first: list[Image.Image] = []
    for some, images in pictures:
        readings = read(probe, to_image(images))
        tally.add(judge(q.claims, reading) for q, reading in zip(some, readings, strict=True))
        features.append(torch.stack([reading.features for reading in readings]))
        first += images[: max(0, SHOWN - len(first))]
        show(tally)
    found = torch.cat(features)
    return Scores(tally.rows(), found[:, : found.shape[1] // 2], first, time.perf_counter() - start)


@dataclass(frozen=True)
class Scores:
    """Right answers and totals by row, mean features (N, D), the first pictures, and how long it took."""

    rows: dict[str, tuple[int, int]]
    features: Tensor
    pictures: list[Image.Image]
    seconds: float


def evaluate(
    pipe: Pipeline,
    probe: Probe,
    plan: Plan,
    out: Path,
    *,
    batch: int = 32,
    fingerprint: str = "",
    say: Callable[[str], object] = print,
    show: Callable[[str, Tally], object] = lambda name, tally: None,
) -> dict[str, Any]:
    """Measure ``pipe`` at every guidance of ``plan`` and return what eval.json holds.

    Each column is written to ``out`` as soon as it is known, and is not measured again when the same plan is run on
    the same model (told by ``fingerprint``). The columns :data:`DRAWINGS` and :data:`REBUILT` say what the probe makes
    of true drawings and of true drawings seen through the model's autoencoder: nothing can be expected beyond.
    """
    facts = {"model": pipe.name, "fingerprint": fingerprint, **asdict(plan), "guidance": list(plan.guidance)}
    same = {key: value for key, value in facts.items() if key != "guidance"}
    out.mkdir(parents=True, exist_ok=True)
    vae = pipe.vae
    assert isinstance(vae, VAE)
    ways: dict[str, Callable[[], Pictures]] = {
        DRAWINGS: lambda: drawn_by_hand(plan, batch),
        REBUILT: lambda: rebuilt(drawn_by_hand(plan, batch), vae),
    }
    for scale in plan.guidance:
        ways[f"guidance {scale:g}"] = partial(drawn_by_model, pipe, plan, scale, batch)
    reference = _drawings_again(probe, plan, batch)
    columns = {}
    for name, way in ways.items():
        path = out / f"{name.replace(' ', '-')}.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if kept.get("same") == same:
            columns[name] = kept
            say(f"{name}: kept from {path}")
            continue
        scores = measure(probe, way(), partial(show, name))
        columns[name] = _column(scores, reference, same)
        contact_sheet(scores.pictures, columns=SHOWN).save(path.with_suffix(".png"))
        write_json(path, columns[name])
        say(f"{name}: {columns[name]['pictures']} pictures in {scores.seconds:.1f} s")
    first = [q.prompt for q in questions(plan)[:SHOWN]]
    found = {
        **facts,
        "first prompts": first,
        "columns": {name: {k: v for k, v in c.items() if k != "same"} for name, c in columns.items()},
    }
    write_json(out / "eval.json", found)
    return found


def _drawings_again(probe: Probe, plan: Plan, batch: int) -> Tensor:
    """Features of other drawings of the same kind, which all columns are compared with."""
    return measure(probe, drawn_by_hand(Plan(**{**asdict(plan), "salt": f"{plan.salt} again"}), batch)).features


def _column(scores: Scores, reference: Tensor, same: dict[str, Any]) -> dict[str, Any]:
    n = min(len(scores.features), len(reference))
    return {
        "rows": scores.rows,
        "frechet": frechet(scores.features[:n], reference[:n]),
        "kernel distance": kernel_distance(scores.features[:n], reference[:n]),
        "distances of": n,
        "pictures": len(scores.features),
        "seconds": round(scores.seconds, 1),
        "same": same,
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
