"""The tokenizer with the arguments and results of transformers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from sukashi.nets.tokenizer import Tokenizer


class BatchEncoding(dict[str, Any]):
    """Ids and masks by item and by attribute: ``batch["input_ids"]`` is ``batch.input_ids``."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"this encoding has no {name!r}; it has {', '.join(self)}")

    def to(self, device: torch.device | str) -> BatchEncoding:
        """The same on another device."""
        return BatchEncoding({k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in self.items()})


class CLIPTokenizer:
    """Text to ids and back: ``tokenizer("a cat", padding="max_length", return_tensors="pt").input_ids``.

    A word added by ``load_textual_inversion`` stands for all its ids at once, wherever it is tokenized; in transformers
    that is the pipeline's doing.
    """

    def __init__(self, core: Tokenizer) -> None:
        self.core = core
        self.model_max_length = core.length
        self.bos_token_id, self.eos_token_id, self.pad_token_id = core.bos, core.eos, core.pad
        self.bos_token, self.eos_token, self.pad_token = core.tokens([core.bos, core.eos, core.pad])
        self.vocab_size = core.vocab_size  # without the words added later; ``len`` counts them

    @classmethod
    def from_pretrained(cls, source: str | Path, *, subfolder: str | None = None) -> CLIPTokenizer:
        """The tokenizer of a model's folder or hub id (``subfolder="tokenizer"``)."""
        from sukashi.compat.models import component_folder

        return cls(Tokenizer.from_folder(component_folder(source, subfolder)))

    def __len__(self) -> int:
        return self.core.vocab_size

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: bool | str = False,
        max_length: int | None = None,
        truncation: bool = False,
        return_tensors: str | None = None,
        return_attention_mask: bool = True,
        add_special_tokens: bool = True,
    ) -> BatchEncoding:
        """Texts to ``input_ids`` and ``attention_mask``: lists, or with ``return_tensors="pt"`` tensors (B, T).

        ``padding`` is "max_length", "longest" (True) or "do_not_pad" (False). Raises ValueError for other values, and
        when a tensor cannot be made because the texts differ in length.
        """
        texts = [text] if isinstance(text, str) else list(text)
        room = (max_length or self.model_max_length) if truncation else None
        rows = [self._row(each, room, add_special_tokens) for each in texts]
        width = self._width(padding, max_length, rows)
        masks = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        rows = [row + [self.pad_token_id] * (width - len(row)) for row in rows]
        result: dict[str, Any] = {"input_ids": rows} | ({"attention_mask": masks} if return_attention_mask else {})
        if return_tensors is None:
            return BatchEncoding({k: v[0] if isinstance(text, str) else v for k, v in result.items()})
        if return_tensors != "pt":
            raise ValueError(f"return_tensors is {return_tensors!r}; 'pt' (PyTorch) or None is accepted")
        if len({len(row) for row in rows}) > 1:
            raise ValueError("texts of different lengths make no tensor: give padding=True and truncation=True")
        return BatchEncoding({k: torch.tensor(v, dtype=torch.int64) for k, v in result.items()})

    def _row(self, text: str, room: int | None, special: bool) -> list[int]:
        ids = self.core.encode(text)
        kept = ids if room is None else ids[: room - 2 * special]
        return [self.bos_token_id, *kept, self.eos_token_id] if special else kept

    def _width(self, padding: bool | str, max_length: int | None, rows: Sequence[Sequence[int]]) -> int:
        if padding == "max_length":
            return max_length or self.model_max_length
        if padding in (True, "longest"):
            return max(map(len, rows), default=0)
        if padding in (False, "do_not_pad"):
            return 0
        raise ValueError(f"padding is {padding!r}; 'max_length', 'longest', 'do_not_pad' or a bool is accepted")

    def encode(self, text: str, **options: Any) -> list[int]:
        """The ids of one text, start and end included."""
        ids: list[int] = self(text, **options).input_ids
        return ids

    def tokenize(self, text: str) -> list[str]:
        """The names of a text's tokens, without start and end."""
        return self.core.tokens(self.core.encode(text))

    def convert_ids_to_tokens(self, ids: int | Iterable[int]) -> Any:
        """The names of ids: 0 is "!". One id gives one name, several a list."""
        if isinstance(ids, int) or (isinstance(ids, torch.Tensor) and not ids.dim()):
            return self.core.tokens([int(ids)])[0]
        return self.core.tokens(int(i) for i in ids)

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> Any:
        """The ids of names; a name that no token has gives the id of the end of text, as in transformers."""
        if isinstance(tokens, str):
            try:
                return self.core.ids([tokens])[0]
            except KeyError:
                return self.core.ids([self.core.settings.unk])[0]
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def decode(self, ids: int | Iterable[int], skip_special_tokens: bool = False) -> str:
        """The text of ids, (T,) or a list."""
        wanted = [int(ids)] if isinstance(ids, int) else [int(i) for i in ids]
        special = {self.bos_token_id, self.eos_token_id, self.pad_token_id} if skip_special_tokens else set()
        return self.core.decode(i for i in wanted if i not in special)

    def batch_decode(self, rows: Iterable[Iterable[int]], skip_special_tokens: bool = False) -> list[str]:
        """The texts of several rows of ids, (B, T) or lists."""
        return [self.decode(row, skip_special_tokens) for row in rows]

    def get_vocab(self) -> dict[str, int]:
        """Every token's name and id, added words included."""
        return {name: i for i, name in enumerate(self.core.tokens(range(len(self))))}

    @property
    def decoder(self) -> dict[int, str]:
        """Every id's name, as the tokenizers of transformers 4 had it."""
        return dict(enumerate(self.core.tokens(range(len(self)))))

    def add_tokens(self, new_tokens: str | Iterable[str]) -> int:
        """Add words of one id each; how many were new. ``text_encoder.resize_token_embeddings`` makes room for them."""
        names = [new_tokens] if isinstance(new_tokens, str) else list(new_tokens)
        known = self.get_vocab()
        return len(self.core.add_tokens([name for name in dict.fromkeys(names) if name not in known]))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a ``tokenizer/`` folder."""
        self.core.save(folder)

    def __repr__(self) -> str:
        return (
            f"CLIPTokenizer(vocab_size={self.vocab_size}, model_max_length={self.model_max_length}, bos_token="
            f"{self.bos_token!r}, eos_token={self.eos_token!r}, pad_token={self.pad_token!r}, added={self.core.added})"
        )
