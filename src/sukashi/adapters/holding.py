"""The methods by which a pipeline is given control networks and image prompts; it stays as it is, another is made."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sukashi.adapters.control import Control
from sukashi.adapters.ip import IPAdapter
from sukashi.adapters.use import Use, control_use, from_record, image_use
from sukashi.nets.unet import UNet
from sukashi.weights.load import Source

P = TypeVar("P", bound="Holder")


class Holder:
    """Something with a U-Net that may be given adapters; each method returns a copy that shares the model."""

    unet: UNet
    defaults: dict[str, Any]
    uses: tuple[Use, ...] = ()

    def with_control(self: P, control: Control | Source, picture: Any, **options: Any) -> P:
        """The pipeline with a ControlNet or T2I-Adapter that looks at ``picture``; call it again for several.

        ``control`` is a loaded one (``sukashi.adapters.load_control``), a folder, a file or a hub id. Options: scale,
        start, stop, guess, fit (see ``adapters.use.Use``).
        Raises ValueError where it was made for another family, and what loading raises.

        >>> pipe.with_control("control_v11p_sd15_canny.pth", "edges.png", scale=0.8)("a cat")  # doctest: +SKIP
        """
        return self.with_use(control_use(control, picture, self.unet, **options))

    def with_image_prompt(self: P, adapter: IPAdapter | Source, picture: Any, **options: Any) -> P:
        """The pipeline with an IP-Adapter that looks at ``picture``. Options: scale, start, stop, image_encoder.

        >>> pipe.with_image_prompt("models/ip-adapter_sd15.safetensors", "cat.png", scale=0.6)("")  # doctest: +SKIP
        """
        return self.with_use(image_use(adapter, picture, self.unet, **options))

    def with_use(self: P, use: Use) -> P:
        """The pipeline with an adapter and its picture; runs record it in ``Settings.controls``."""
        use.check(self.unet)
        twin = copy.copy(self)
        twin.uses = (*self.uses, use)
        twin.defaults = {**self.defaults, "controls": [one.record() for one in twin.uses]}
        return twin

    def with_records(self: P, records: Sequence[Mapping[str, Any]], pictures: Sequence[Any] | None = None) -> P:
        """The pipeline with what ``Settings.controls`` of a run recorded; ``pictures`` come in place of the recorded.

        Raises ValueError or FileNotFoundError naming the model or the picture that a record needs.
        """
        if pictures and len(pictures) != len(records):
            raise ValueError(f"{len(pictures)} control pictures for {len(records)} records; one for each is accepted")
        for k, record in enumerate(records):
            self = self.with_use(from_record(record, self.unet, pictures[k] if pictures else None))
        return self
