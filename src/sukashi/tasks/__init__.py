"""What a loaded model can be asked for, as plain functions; and what follows: files, replays, comparisons.

A task takes a pipeline and options and returns a ``Result``. ``TASKS`` has them by the name that records give them, so
that ``replay`` finds the one that drew a picture.
"""

from __future__ import annotations

from sukashi.tasks.comparing import Comparison, compare
from sukashi.tasks.depth import depth_to_image
from sukashi.tasks.driving import Show
from sukashi.tasks.grids import grid
from sukashi.tasks.image import image_to_image
from sukashi.tasks.inpaint import inpaint
from sukashi.tasks.instruct import instruct
from sukashi.tasks.outpaint import outpaint
from sukashi.tasks.refine import refine
from sukashi.tasks.replaying import TASKS, replay
from sukashi.tasks.saving import fingerprint, grid_label, infotext, sampler_label, save
from sukashi.tasks.twopass import two_pass
from sukashi.tasks.upscale import upscale
from sukashi.tasks.words import text_to_image

__all__ = [
    "TASKS",
    "Comparison",
    "Show",
    "compare",
    "depth_to_image",
    "fingerprint",
    "grid",
    "grid_label",
    "image_to_image",
    "infotext",
    "inpaint",
    "instruct",
    "outpaint",
    "refine",
    "replay",
    "sampler_label",
    "save",
    "text_to_image",
    "two_pass",
    "upscale",
]
