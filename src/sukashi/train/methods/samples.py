"""Sheets of samples: the same prompts from the same noise, to see what is learnt, beginning with step 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from sukashi.kirie.sheet import contact_sheet
from sukashi.metadata.picture import save_picture
from sukashi.pipeline import Pipeline
from sukashi.weights.parts import Parts

COLUMNS = 4


def draw_sheet(parts: Parts, defaults: Mapping[str, Any], prompts: Sequence[str], seed: int, path: Path) -> Image.Image:
    """Draw ``prompts`` with seeds ``seed``, ``seed`` + 1, ... and write them side by side to ``path``."""
    with torch.no_grad():
        images = Pipeline(parts, defaults, "samples")(list(prompts), seed=seed).images
    sheet = contact_sheet(images, min(COLUMNS, len(images)), captions=prompts)
    save_picture(sheet, path, overwrite=True)
    return sheet
