"""The alpha that PEFT keeps beside its tensors: in ``adapter_config.json``, or in metadata as diffusers does."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sukashi.weights.errors import CheckpointError
from sukashi.weights.files import read_json

KEY = "lora_adapter_metadata"  # in a safetensors header, since diffusers 0.34
PREFIXES = re.compile(r"^(base_model\.model\.|unet\.|text_encoder\.|text_encoder_2\.)+")


@dataclass(frozen=True)
class Scales:
    """PEFT's settings by part ("unet", ... or "" for all)."""

    settings: Mapping[str, Mapping[str, Any]]

    def of(self, stem: str, rank: int | None) -> tuple[float, float] | None:
        """Alpha and scale of a layer; None where nobody said."""
        part = stem.partition(".")[0]
        config = self.settings.get(part, self.settings.get(""))
        if not config:
            return None
        alpha = config.get("lora_alpha", config.get("alpha"))
        path = PREFIXES.sub("", stem)
        for pattern, other in (config.get("alpha_pattern") or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", path):  # as PEFT's get_pattern_key does
                alpha = other
        rank = rank or config.get("r")  # a LoKr of two whole factors shows none
        if alpha is None or not rank:
            return None
        return float(alpha), float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def read_scales(path: Path, metadata: Mapping[str, str]) -> Scales:
    """The settings in a file's metadata, else those of the ``adapter_config.json`` beside it."""
    if KEY in metadata:
        try:
            flat = json.loads(metadata[KEY])
            settings: dict[str, dict[str, Any]] = {}
            for name, value in flat.items():
                part, _, key = name.partition(".")
                settings.setdefault(part, {})[key] = value
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{path}: the metadata {KEY} is not a json object ({error})") from None
        return Scales(settings)
    config = path.parent / "adapter_config.json"
    if path.name.startswith("adapter_model") and config.is_file():
        return Scales({"": read_json(config)})
    return Scales({})
