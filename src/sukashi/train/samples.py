"""A sheet of samples: the same prompts from the same noise, to see a model in training grow."""

from __future__ import annotations

from pathlib import Path

from sukashi.kirie.sheet import contact_sheet
from sukashi.loading import load

PROMPTS = (
    "girl eating pizza",
    "girl eating pizza wearing glasses",
    "an astronaut flying like a bird in the sky of mars",
    "the sea, sunrise, ship",
    "a cat with a red top hat in the forest",
    "a boy with blond hair and a robot",
    "a red circle above a blue square",
    "a bear in a green scarf eating an apple at night",
)


def draw_samples(model: Path, path: Path, device: str, *, steps: int = 12, guidance: float = 3.0) -> Path:
    """Draw :data:`PROMPTS` with the folder ``model``, seeds 1, 2, ..., and write them side by side to ``path``."""
    pipe = load(model, device=device)
    result = pipe(list(PROMPTS), seed=1, steps=steps, guidance=guidance, width=128, height=128)
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(result.images, columns=4).save(path)
    return path
