"""DreamBooth: one subject from a few pictures, bound to a rare word (Ruiz et al. 2022, arXiv:2208.12242)."""

from __future__ import annotations

from pathlib import Path

from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods import lora, whole
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Prepare, Result, Watch, teach
from sukashi.train.methods.prior import with_class
from sukashi.weights.parts import Parts


def train(
    model: Pipeline | Parts,
    examples: Examples,
    config: Config,
    folder: Path,
    watch: Watch = lambda step, loss: None,
) -> Result:
    """Teach the whole U-Net, or with ``config.lora`` a LoRA, pictures whose captions name the subject ("sks dog").

    With ``config.class_prompt`` ("dog") ``config.class_pictures`` pictures of it are drawn first, to ``folder``/class,
    and go on being learnt beside the subject. Writes the folder ``model``, or ``lora.safetensors``.
    """
    seen = with_class(model, examples, config, Path(folder))
    prepare: Prepare = lora.prepare if config.lora else whole.prepare
    return teach("dreambooth", prepare, model, seen, config, folder, watch)
