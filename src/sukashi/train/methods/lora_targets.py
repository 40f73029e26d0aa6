"""Which layers a LoRA changes: the four kinds that ``Config.layers`` names, by the paths of the model itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch import nn

from sukashi.nets.clip import CLIPText

KINDS = {  # of a U-Net; of a text encoder below
    "attention": r"\.attn[12]\.to_(q|k|v|out\.0)$",
    "feed-forward": r"\.ff\.net\.(0\.proj|2)$",
    "projections": r"\.attentions\.\d+\.proj_(in|out)$",  # around the transformer blocks; Kohya's trainer has them
    "conv": r"\.(resnets\.\d+\.(conv1|conv2|conv_shortcut|time_emb_proj)|(down|up)samplers\.0\.conv)$",
}
TEXT_KINDS = {"attention": r"\.self_attn\.(q|k|v|out)_proj$", "feed-forward": r"\.mlp\.fc[12]$"}


def targets(net: nn.Module, layers: Sequence[str]) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules of the layers of these kinds, in the order of the network."""
    kinds = TEXT_KINDS if isinstance(net, CLIPText) else KINDS
    wanted = re.compile("|".join(f"(?:{kinds[name]})" for name in layers if name in kinds) or r"(?!)")
    for path, module in net.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and wanted.search(path):
            yield path, module
