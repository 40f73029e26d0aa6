"""A control network with its picture, in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from sukashi.adapters.steering import Act, Window
from sukashi.nets.controlnet import ControlNet, scaled
from sukashi.nets.shallow import with_modules
from sukashi.nets.t2i_adapter import T2IAdapter
from sukashi.nets.unet import UNet
from sukashi.precision import guarded


def controlnet_act(
    net: ControlNet,
    picture: Tensor,
    scale: float,
    window: Window,
    *,
    guess: bool = False,
    name: str = "ControlNet",
    notes: list[str] | None = None,
    quick: Callable[[Any], Any] = lambda net: net,
) -> Act:
    """A ControlNet that looks at ``picture`` (1 or B, 3, H, W) in [0, 1]; B is the number of pictures drawn.

    In guess mode (sec. 4.3 of the paper) it acts on the prompt alone, not on the negative one, and its residuals count
    the less the finer they are. One that averages its residuals (shuffle) acts on the prompt alone always.
    Where it overflows it is computed again in float32, once and for all; ``notes`` then says so of ``name``.
    ``quick`` gives what is run in the place of a network.
    """
    weight = net.conv_in.weight
    picture = picture.to(weight)
    said = [] if notes is None else notes
    call = guarded(net, lambda net, *inputs, **named: ask_net(quick(net), *inputs, **named), name, said)

    def residuals(x: Tensor, t: Tensor, context: Tensor, more: Mapping[str, Any]) -> list[Tensor]:
        latent = x[:, : net.config.in_channels]  # an inpainting U-Net is told more
        rows = picture.repeat(len(x) // len(picture), 1, 1, 1)
        told = {key: more[key].to(weight) for key in ("pooled", "sizes") if more.get(key) is not None}
        found = call(latent, t, context.to(weight), rows, **told)
        return scaled(found, scale, guess=guess, pooled=net.config.pooled_residuals)

    return Act(window=window, residuals=residuals, wanted_only=guess or net.config.pooled_residuals)


def ask_net(net: nn.Module, *inputs: Tensor, **named: Tensor) -> list[Tensor]:
    """What a ControlNet says."""
    found: list[Tensor] = net(*inputs, **named)
    return found


class Plus(nn.Module):
    """A layer with a constant (1 or B, C, H, W) added to what it makes."""

    def __init__(self, layer: nn.Module, more: Tensor) -> None:
        super().__init__()
        self.layer, self.more = layer, more

    def forward(self, *inputs: Tensor) -> Tensor:
        """(n B, C, H, W), as the layer."""
        out: Tensor = self.layer(*inputs)
        return out + self.more.to(out).repeat(len(out) // len(self.more), 1, 1, 1)


def last_layers(unet: UNet) -> list[str]:
    """Paths of the layers that a T2I-Adapter adds to: the last of each stage of the way down, the last of the middle.

    Before the downsampling where the stage has attention, after it where it has none (diffusers; sec. 3.3).
    """
    paths, last = [], unet.config.resnets - 1
    for k, stage in enumerate(unet.down_blocks):
        ends = (f"attentions.{last}", "downsamplers.0", f"resnets.{last}")
        present = [end for end in ends if hasattr(stage, end.split(".")[0])]
        paths.append(f"down_blocks.{k}.{present[0]}")
    return [*paths, "mid_block.resnets.1"]


def t2i_act(net: T2IAdapter, picture: Tensor, scale: float, window: Window) -> Act:
    """A T2I-Adapter that has looked at ``picture`` (1 or B, 3 or 1, H, W) in [0, 1], whose sides are whole cells."""
    features = [feature * scale for feature in net(picture.to(next(net.parameters())))]

    def rebuild(unet: UNet, acts: bool) -> UNet:
        if not acts:
            return unet
        new = {
            path: Plus(unet.get_submodule(path), more) for path, more in zip(last_layers(unet), features, strict=False)
        }
        return with_modules(unet, new)

    return Act(window=window, rebuild=rebuild)
