"""The methods by which a pipeline is given LoRAs and words; it stays as it is, another is made."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from sukashi.adapters.lora.apply import Use, open_lora, with_loras
from sukashi.adapters.lora.few import few_steps
from sukashi.adapters.lora.find import fetch_lora
from sukashi.adapters.lora.match import LoraReport
from sukashi.adapters.words import with_words
from sukashi.nets.unet import UNet
from sukashi.places import find
from sukashi.weights.embeddings import Embedding, read_embedding
from sukashi.weights.parts import Parts

P = TypeVar("P", bound="LoraHolder")


class LoraHolder:
    """Something with a model that may be given LoRAs; each method returns a copy that shares its weights."""

    parts: Parts
    unet: UNet
    defaults: dict[str, Any]
    words: Mapping[str, Path] = MappingProxyType({})  # textual inversions that prompts may name, by their files' names
    loras: tuple[LoraReport, ...] = ()  # what was found in each file: ``print(*pipe.loras, sep="\n")``

    def with_lora(
        self: P,
        source: str | Path,
        weight: float = 1.0,
        *,
        text: float | None = None,
        rank: int | None = None,
        strict: bool = True,
        merge: bool = False,
        offline: bool = False,
    ) -> P:
        """The pipeline with a LoRA (or LoCon, LoHa, LoKr, ...); call it again for several.

        ``source`` is a file, a folder, a name in the known folders (``sukashi models`` lists them) or a hub id.
        ``weight`` is for the U-Net and, where ``text`` is None, for the text encoders too; ``rank`` takes only the
        first so many ranks. ``merge`` gives the changed layers weights of their own instead of computing on the fly.
        Of files for few steps (LCM, Lightning, Hyper-SD, TCD) the sampler becomes the default: ``adapters.lora.few``.
        ``strict=False`` leaves out tensors that find no layer. Words that come with the file are added.

        Raises ValueError saying which family the file is for, or naming the tensors that do not fit.

        >>> pipe.with_lora("ink.safetensors", 0.8, text=0.6)("a cat")  # doctest: +SKIP
        """
        lora = open_lora(fetch_lora(source, offline=offline), self._parts(), strict=strict)
        twin = self._over(with_loras(self._parts(), [Use(lora, weight, text, rank)], merge=merge))
        record = [str(source), weight, weight if text is None else text, *([] if rank is None else [rank])]
        few = few_steps(str(source))
        twin.loras = (*self.loras, replace(lora.report, few=str(few)) if few else lora.report)
        twin.defaults = {**self.defaults, "loras": [*(self.defaults.get("loras") or []), record]}
        twin.defaults |= few.settings if few else {}
        return twin

    def with_loras(self: P, records: Sequence[Sequence[Any]]) -> P:
        """The pipeline with LoRAs as ``Settings.loras`` has them: [source, weight, weight in the text, rank]."""
        for source, *numbers in records:
            named = dict(zip(("weight", "text", "rank"), numbers, strict=False))
            self = self.with_lora(source, **named)
        return self

    def with_embedding(self: P, source: str | Path | Embedding, token: str | None = None) -> P:
        """The pipeline with a textual inversion: a file, a name in the known folders, or one that was read.

        ``token`` names the word instead of the file. Raises ValueError for a word that exists or is for another family.
        """
        if isinstance(source, Embedding):
            word = replace(source, token=token) if token else source
        else:
            word = read_embedding(find("embedding", str(source)), token)
        twin = self._over(with_words(self._parts(), [word]))
        name = word.source if isinstance(source, Embedding) else str(source)
        record = [name, token] if token else name
        twin.defaults = {**self.defaults, "embeddings": [*(self.defaults.get("embeddings") or []), record]}
        return twin

    def with_embeddings(self: P, records: Sequence[Any]) -> P:
        """The pipeline with words as ``Settings.embeddings`` has them: a file or name each, or [file or name, word]."""
        for record in records:
            self = self.with_embedding(*([record] if isinstance(record, str) else record))
        return self

    def _parts(self) -> Parts:
        """The model, with its U-Net as other adapters have left it."""
        return replace(self.parts, unet=self.unet)

    def _over(self: P, parts: Parts) -> P:
        """A copy of the pipeline over other parts."""
        twin = copy.copy(self)
        twin.parts, twin.unet = parts, parts.unet
        return twin
