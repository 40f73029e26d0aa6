"""Pictures of the class, drawn by the model before it is taught, so that it goes on drawing them.

The prior preservation of DreamBooth (Ruiz et al. 2022, arXiv:2208.12242, sec. 3.2).
"""

from __future__ import annotations

from pathlib import Path

from sukashi.loading import defaults as habits_of
from sukashi.metadata.picture import save_picture
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Example, Examples
from sukashi.train.methods.config import Config
from sukashi.train.methods.learner import HELD, moved, parts_of
from sukashi.train.methods.machine import accelerator
from sukashi.weights.parts import Parts


def with_class(model: Pipeline | Parts, examples: Examples, config: Config, folder: Path) -> Examples:
    """``examples`` with the pictures that ``config.class_prompt`` asks for; without one, or a weight of 0, as they are.

    Where ``examples`` has pictures of the class already, only what is missing of ``config.class_pictures`` is drawn.
    """
    if not config.class_prompt or not config.prior_weight:
        return examples
    there = sum(example.prior for example in examples)
    paths = draw_class(model, config, folder, config.class_pictures - there)
    drawn = [Example(path, config.class_prompt, "the class prompt", prior=True) for path in paths]
    return Examples([*examples, *drawn], examples.notes)


def draw_class(model: Pipeline | Parts, config: Config, folder: Path, count: int) -> list[Path]:
    """Draw ``count`` pictures of ``config.class_prompt`` to ``folder``/class, each with a seed of its own.

    What is there already is kept, so that a run that was stopped goes on where it was. Several processes share them.
    """
    paths = [folder / "class" / f"{k:05d}.png" for k in range(max(count, 0))]
    if all(path.exists() for path in paths):
        return paths
    machine = accelerator(config)
    parts = moved(parts_of(model), machine.device, HELD[config.precision])
    habits = model.defaults if isinstance(model, Pipeline) else habits_of(parts)
    pipe, size = Pipeline(parts, habits, "the model before"), config.size or parts.family.size
    for k, path in enumerate(paths):
        if k % machine.num_processes == machine.process_index and not path.exists():
            result = pipe(config.class_prompt, seed=config.seed * 1_000_003 + k, width=size, height=size)
            save_picture(result.images[0], path, overwrite=True)
    machine.wait_for_everyone()
    return paths
