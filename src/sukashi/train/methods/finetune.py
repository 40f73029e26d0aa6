"""Fine-tuning: the whole U-Net goes on training on captioned pictures (Rombach et al. 2022, arXiv:2112.10752)."""

from __future__ import annotations

from pathlib import Path

from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Result, Watch, teach
from sukashi.train.methods.whole import prepare
from sukashi.weights.parts import Parts


def train(
    model: Pipeline | Parts,
    examples: Examples,
    config: Config,
    folder: Path,
    watch: Watch = lambda step, loss: None,
) -> Result:
    """Train every weight of the U-Net, and with ``config.text`` of the text encoders. Writes the folder ``model``."""
    return teach("finetune", prepare, model, examples, config, folder, watch)
