"""Words learnt by textual inversion, loaded into a pipeline's tokenizers and text encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from sukashi.weights.embeddings import Embedding, install, read_embedding, uninstall

USUAL = ("learned_embeds.safetensors", "learned_embeds.bin")


class TextualInversions:
    """The two methods of a pipeline that has ``tokenizer`` and ``text_encoder`` (and perhaps a second of each)."""

    def _text_parts(self) -> tuple[list[Any], list[Any]]:
        """Our tokenizers and text encoders behind the pipeline's views."""
        numbered = ("", "_2")
        tokenizers = [getattr(self, f"tokenizer{end}", None) for end in numbered]
        encoders = [getattr(self, f"text_encoder{end}", None) for end in numbered]
        return [view.core for view in tokenizers if view], [view.net for view in encoders if view is not None]

    def load_textual_inversion(
        self,
        pretrained_model_name_or_path: Any,
        token: str | Sequence[str] | None = None,
        *,
        weight_name: str | None = None,
        subfolder: str | None = None,
        local_files_only: bool = False,
    ) -> None:
        """Give the model a word: a file, a folder, a hub id, or tensors by name; a list loads several.

        The word is ``token``, or what the file calls it. With n vectors it gets n ids, named X, X_1, ... X_{n-1}, and
        the word X in a prompt stands for all of them. Raises ValueError when the word exists or is for another kind of
        model, CheckpointError for a file that holds no word.
        """
        if isinstance(pretrained_model_name_or_path, list):
            count = len(pretrained_model_name_or_path)
            tokens = list(token) if isinstance(token, Sequence) and not isinstance(token, str) else [token] * count
            if len(tokens) != count:
                raise ValueError(f"{len(tokens)} tokens for {count} embeddings")
            for source, name in zip(pretrained_model_name_or_path, tokens, strict=True):
                self.load_textual_inversion(
                    source, name, weight_name=weight_name, subfolder=subfolder, local_files_only=local_files_only
                )
            return
        name = token if token is None or isinstance(token, str) else token[0]
        if isinstance(pretrained_model_name_or_path, Mapping | Tensor):
            found = from_tensors(pretrained_model_name_or_path, name)
        else:
            path = located(pretrained_model_name_or_path, weight_name, subfolder, local_files_only)
            found = read_embedding(path, name)
        install(found, *self._text_parts())

    def unload_textual_inversion(self, tokens: str | Sequence[str] | None = None) -> None:
        """Take words out again: those named, or all. Raises ValueError for one that was not loaded."""
        tokenizers, encoders = self._text_parts()
        names = list(tokenizers[0].added) if tokens is None else [tokens] if isinstance(tokens, str) else list(tokens)
        for name in names:
            uninstall(name, tokenizers, encoders)


def located(source: str | Path, weight_name: str | None, subfolder: str | None, offline: bool) -> Path:
    """The file of an embedding: itself, or in a folder or hub repository under ``weight_name`` or its usual names."""
    path = Path(source).expanduser()
    if path.is_file():
        return path
    names = [weight_name] if weight_name else list(USUAL)
    names = [f"{subfolder}/{name}" if subfolder else name for name in names]
    if not path.is_dir():
        from sukashi.weights.hub import fetch_files

        path = fetch_files(str(source), names, offline=offline)
    return next((path / name for name in names if (path / name).is_file()), path / names[0])


def from_tensors(source: Mapping[str, Any] | Tensor, token: str | None) -> Embedding:
    """An embedding from memory: a tensor (n, d) or (d,), or a mapping of its name to it."""
    tensors = {token: source} if isinstance(source, Tensor) else {k: v for k, v in source.items()}
    if len(tensors) != 1 or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise ValueError(f"one tensor with the vectors of one word is accepted, not {list(tensors)}")
    name, vectors = next(iter(tensors.items()))
    if not (word := token or name):
        raise ValueError("a tensor has no name: say the word with token=...")
    return Embedding(word, (vectors.detach().reshape(-1, vectors.shape[-1]),), "tensor", "a tensor in memory")
