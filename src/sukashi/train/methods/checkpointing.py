"""Gradient checkpointing from outside: blocks forget their activations and compute them again for the gradient.

Chen et al. 2016, arXiv:1604.06174. Memory of activations falls to that between blocks, for about a third more time.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from torch import nn
from torch.utils.checkpoint import checkpoint

from sukashi.nets.clip import Layer
from sukashi.nets.shallow import shallow
from sukashi.nets.unet import Resnet, SpatialTransformer

Net = TypeVar("Net", bound=nn.Module)
BLOCKS = (Resnet, SpatialTransformer, Layer)


def forgetful(net: Net) -> Net:
    """A network with the same weights whose blocks are checkpointed; ``net`` stays as it was."""
    twin = shallow(net)
    for module in twin.modules():
        if isinstance(module, BLOCKS):
            vars(module)["forward"] = partial(checkpoint, module.forward, use_reentrant=False)
    return twin
