"""How the weights of tokens change what a text encoder says: the algorithms in use, by name.

Letters: N chunks, T tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sukashi.settings import EMPHASES


def known_mode(mode: str) -> str:
    """The mode itself. Raises ValueError for one that does not exist."""
    if mode not in EMPHASES:
        raise ValueError(f"emphasis is {mode!r}; accepted are {', '.join(EMPHASES)}")
    return mode


def weigh(said: Tensor, weights: Tensor, mode: str, silence: Tensor | None = None) -> Tensor:
    """What an encoder said (N, T, D), with every token as strong as its weight in (N, T).

    'a1111': times the weight, then all numbers of a chunk scaled so that their mean is what it was (A1111's "Original",
    there over all prompts of a batch; here a picture does not depend on its neighbours). 'no-norm': times the weight.
    'comfy': weight of the way from what the encoder says to the empty text, ``silence`` (1, T, D), to what it said
    (ComfyUI). 'ignore' and 'none': unchanged. A chunk in which all weights are 1 keeps its bits.
    """
    known_mode(mode)
    stressed = (weights != 1).any(dim=1)
    if mode in ("ignore", "none") or not stressed.any():
        return said
    z, w = said[stressed].float(), weights[stressed].float().unsqueeze(-1)  # (n, T, D), (n, T, 1)
    if mode == "comfy":
        if silence is None:
            raise ValueError("emphasis 'comfy' needs what the encoder says to the empty text")
        weighed = torch.where(w == 1, z, silence.float() + w * (z - silence.float()))
    else:
        weighed = z * w
        if mode == "a1111":
            before, after = z.mean(dim=(1, 2), keepdim=True), weighed.mean(dim=(1, 2), keepdim=True)
            weighed = torch.where(after == 0, weighed, weighed * (before / after))
    result = said.clone()
    result[stressed] = weighed.to(said.dtype)
    return result
