"""DAAM as its authors wrote it (Tang et al. 2022, arXiv:2210.04885; castorini/daam), for one run, in plain loops."""

from __future__ import annotations

import copy
from collections import defaultdict

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.pipeline import Pipeline


class Oracle:
    """Hooks on a copy of the U-Net; ``calls`` has softmax(q k^T / sqrt(d)) of every layer in every call."""

    def __init__(self, pipe: Pipeline) -> None:
        self.pipe = copy.copy(pipe)
        self.pipe.unet = copy.deepcopy(pipe.unet)
        self.calls: list[dict[str, Tensor]] = []
        self.pipe.unet.register_forward_pre_hook(lambda *_: self.calls.append({}))
        for name, module in self.pipe.unet.named_modules():
            if name.endswith("attn2"):
                module.register_forward_hook(self.hook(name))

    def hook(self, name: str):
        def keep(module, inputs, _) -> None:
            hidden, context = inputs
            q = module.to_q(hidden).unflatten(-1, (module.heads, -1))
            k = module.to_k(context).unflatten(-1, (module.heads, -1))
            scores = torch.einsum("rnhd,rthd->rhnt", q, k) / q.shape[-1] ** 0.5
            self.calls[-1][name] = scores.float().softmax(dim=-1)

        return keep

    def map(self, places: list[int], row: int, size: tuple[int, int], *, calls=None, layer=None, head=None) -> Tensor:
        """The map of these places for one row of the batch: published layers unless ``layer`` is one's whole name."""
        sums: dict[tuple[str, int], Tensor] = defaultdict(lambda: torch.zeros(()))
        for call in self.calls if calls is None else calls:
            for name, maps in call.items():
                for h, one in enumerate(maps[row]):  # (N, T)
                    sums[name, h] = sums[name, h] + one
        found = []
        for (name, h), one in sums.items():
            width = round((len(one) * size[1] / size[0]) ** 0.5)
            height = len(one) // width
            skipped = "mid_block" in name or height * 8 == size[0] if layer is None else name != layer
            if skipped or (head is not None and h != head):
                continue
            stack = one.T.reshape(-1, 1, height, width)  # (T, 1, h, w)
            found.append(F.interpolate(stack, size=size, mode="bicubic").clamp_(min=0)[:, 0])
        heat = torch.stack(found).mean(0)
        return torch.stack([heat[place] for place in places]).mean(0)
