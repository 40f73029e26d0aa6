"""IP-Adapters as diffusers has them: ``load_ip_adapter``, ``set_ip_adapter_scale``, ``ip_adapter_image=``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import nn

from sukashi.adapters.ip.image_prompt import IPAdapter, cross_attentions, load_ip_adapter
from sukashi.adapters.ip.scales import Scales, scales_of
from sukashi.adapters.steering import Act, Window, steered, tell
from sukashi.compat.models import View
from sukashi.compat.text_to_image import TextToImage, Told
from sukashi.diffusion.denoiser import Conditioning, UNetLike
from sukashi.diffusion.types import Level
from sukashi.nets.shallow import twin_of

F = TypeVar("F", bound=Callable[..., Any])
USUAL = "image_encoder"


class ImagePrompts(TextToImage):
    """A pipeline that may be shown a picture of what is meant beside the prompt."""

    _adapters: tuple[IPAdapter, ...] = ()
    _adapter_scales: tuple[Scales, ...] = ()
    _shown: Sequence[Any] = ()
    _acts: Sequence[Act] = ()

    def load_ip_adapter(
        self,
        pretrained_model_name_or_path_or_dict: str | Path,
        subfolder: str = "",
        weight_name: str | Sequence[str] = "",
        image_encoder_folder: str = USUAL,
        *,
        local_files_only: bool = False,
    ) -> None:
        """Load one adapter, or with several ``weight_name`` several, in the place of those that are there.

        Each draws with scale 1 until ``set_ip_adapter_scale``. Raises ValueError where one is for another family.
        """
        root, names = pretrained_model_name_or_path_or_dict, weight_name
        encoder = None
        if image_encoder_folder != USUAL:
            beside = Path(root) / ("" if "/" in image_encoder_folder else subfolder) / image_encoder_folder
            if not beside.is_dir():
                raise ValueError(f"image_encoder_folder: there is no folder {beside}; fetch it and name its place")
            encoder = beside
        found = []
        for name in [names] if isinstance(names, str) else names:
            source = "/".join(part for part in (str(root), subfolder, name) if part)
            place: dict[str, Any] = {"dtype": self.unet.dtype, "device": self.device, "offline": local_files_only}
            found.append(load_ip_adapter(source, image_encoder=encoder, **place))
            found[-1].check(self.unet.net)
        self._adapters, self._adapter_scales = tuple(found), (1.0,) * len(found)

    def set_ip_adapter_scale(self, scale: Scales | Sequence[Scales]) -> None:
        """How much the pictures count beside the text, for all adapters, or one for each in a list.

        A number, or numbers by block: ``{"up": {"block_0": [0.0, 1.0, 0.0]}}``; blocks that are not named have 0.
        Raises ValueError for another count, and for blocks that are not there.
        """
        scales: list[Any] = list(scale) if isinstance(scale, list | tuple) else [scale] * len(self._adapters)
        if len(scales) != len(self._adapters):
            raise ValueError(f"{len(scales)} scales for {len(self._adapters)} IP-Adapters")
        for one in scales:
            scales_of(cross_attentions(self.unet.net), one)
        self._adapter_scales = tuple(scales)

    def unload_ip_adapter(self) -> None:
        """Draw without pictures again."""
        self._adapters, self._adapter_scales = (), ()

    def _acts_of(self, levels: Sequence[Level]) -> list[Act]:
        """What works around the U-Net in a run over ``levels``."""
        acts = []
        for adapter, picture, scale in zip(self._adapters, self._shown, self._adapter_scales, strict=True):
            adapter.nets.to(self.device, self.unet.dtype)
            adapter.vision.to(self.device, self.unet.dtype)
            acts.append(adapter.act(adapter.see(picture), scale, Window()))
        return acts

    def _around(self, guard: Callable[[Any], UNetLike], levels: Sequence[Level]) -> UNetLike:
        self._acts = self._acts_of(levels)
        if not self._acts:
            return super()._around(guard, levels)
        return steered(self.unet.net, lambda net: guard(seen_as(self.unet, net)), self._acts)

    def _halves(self, told: Told) -> tuple[Conditioning | None, Conditioning]:
        negative, positive = super()._halves(told)
        unwanted = None if negative is None else tell(negative, self._acts, wanted=False)
        return unwanted, tell(positive, self._acts, wanted=True)


def seen_as(view: View, net: nn.Module) -> View:
    """A view of another network, with all else that ``view`` has."""
    twin = twin_of(view, type(view))
    twin._modules, twin._parameters, twin._buffers = net._modules, net._parameters, net._buffers
    twin.__dict__["net"] = net
    return twin


def shows_pictures(call: F) -> F:
    """A pipeline's ``__call__`` that also takes ``ip_adapter_image``: a picture, or one for each adapter."""

    @functools.wraps(call)
    def showing(self: Any, *args: Any, ip_adapter_image: Any = None, **kwargs: Any) -> Any:
        given = ip_adapter_image if isinstance(ip_adapter_image, list | tuple) else [ip_adapter_image]
        pictures = [] if ip_adapter_image is None else list(given)
        if len(pictures) != len(self._adapters):
            raise ValueError(f"ip_adapter_image has {len(pictures)} pictures for {len(self._adapters)} IP-Adapters")
        self._shown = pictures
        try:
            return call(self, *args, **kwargs)
        finally:
            self._shown, self._acts = (), ()

    return cast("F", showing)
