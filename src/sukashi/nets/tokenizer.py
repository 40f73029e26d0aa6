"""The CLIP tokenizer: text -> ids of pieces of words.

Byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909) of lower-cased text, as in Radford et al. 2021,
arXiv:2103.00020, sec. 2.4. The ids are those of transformers' CLIPTokenizer for every text, including what it does
with special tokens: SD 2.x pads with "!", which makes "!" in a prompt a token of its own.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import tokenizers
import torch
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from torch import Tensor

from sukashi.nets.added_words import Words, words
from sukashi.nets.tokenizer_folder import Settings, padded, read_folder, write_folder
from sukashi.nets.vocabulary import END, WORD_END, Vocabulary, read_bpe_file, read_files, read_instant_clip

# Special tokens, English endings, letters, single digits, anything else but blanks.
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Piece(NamedTuple):
    """One token and the characters of the text it was made from: ``text[start:end]``."""

    id: int
    start: int
    end: int


class Tokenizer:
    """Text <-> ids of CLIP. Threads may share one: encoding changes nothing in it.

    ``bos``, ``eos``, ``pad`` are ids, ``length`` the number of places of the text encoder (77).
    """

    def __init__(self, vocabulary: Vocabulary, wanted: Settings | None = None) -> None:
        wanted = wanted or Settings()
        self.vocabulary, self.settings, self.length = vocabulary, wanted, wanted.length
        bpe = models.BPE(
            vocab=vocabulary.ids,
            merges=vocabulary.merges,
            continuing_subword_prefix="",
            end_of_word_suffix=WORD_END,
            fuse_unk=False,
            unk_token=wanted.unk,
        )
        self._rust = tokenizers.Tokenizer(bpe)
        self._rust.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        self._rust.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        self._rust.decoder = decoders.ByteLevel()
        self._rust.add_tokens(list(wanted.added))
        for name, place in wanted.places.items():
            if self._rust.token_to_id(name) != place:
                raise ValueError(
                    f"the added token {name!r} is to have the id {place}, but the vocabulary before it makes it "
                    f"{self._rust.token_to_id(name)}"
                )
        self._base_size = self._rust.get_vocab_size(with_added_tokens=True)
        self._words = Words()
        self.bos, self.eos, self.pad = self.ids([wanted.bos, wanted.eos, wanted.pad])
        self._lock = threading.Lock()  # among those who add and remove words

    # Where a vocabulary comes from

    @classmethod
    def from_folder(cls, folder: str | Path) -> Tokenizer:
        """A ``tokenizer/`` folder of a diffusers model. Raises FileNotFoundError when it holds no vocabulary."""
        return cls(*read_folder(folder))

    @classmethod
    def from_files(cls, vocab: str | Path, merges: str | Path, *, pad_token: str = END) -> Tokenizer:
        """``vocab.json`` and ``merges.txt``."""
        vocabulary = read_files(vocab, merges)
        return cls(vocabulary, padded(Settings(), vocabulary, pad_token))

    @classmethod
    def from_bpe_file(cls, path: str | Path, *, pad_token: str = END) -> Tokenizer:
        """OpenAI's ``bpe_simple_vocab_16e6.txt.gz``."""
        vocabulary = read_bpe_file(path)
        return cls(vocabulary, padded(Settings(), vocabulary, pad_token))

    @classmethod
    def from_instant_clip(cls, *, pad_token: str = END) -> Tokenizer:
        """The vocabulary in the optional package instant-clip-tokenizer. Raises ModuleNotFoundError without it."""
        vocabulary = read_instant_clip()
        return cls(vocabulary, padded(Settings(), vocabulary, pad_token))

    def with_pad(self, pad_token: str) -> Tokenizer:
        """A tokenizer like this one when it was read, without words added since, that pads with another token."""
        return Tokenizer(self.vocabulary, padded(self.settings, self.vocabulary, pad_token))

    def save(self, folder: str | Path) -> None:
        """Write a ``tokenizer/`` folder; added words become its added tokens."""
        added = dict(self._rust.get_added_tokens_decoder())
        added |= {self._base_size + i: AddedToken(name) for i, name in enumerate(self._words.names)}
        write_folder(folder, self.vocabulary, self.settings, added)

    # Text to ids

    def pieces(self, text: str) -> list[Piece]:
        """The tokens of a text, without start and end, each with its place in the text."""
        if not isinstance(text, str):
            raise TypeError(f"a prompt must be a string, not {type(text).__name__}: {text!r}")
        added, found, at = self._words, list[Piece](), 0
        for match in added.pattern.finditer(text) if added.pattern else ():
            found += self._plain(text, at, match.start())
            first, n = added.targets[(match.lastindex or 1) - 1]
            found += [Piece(self._base_size + first + i, *match.span()) for i in range(n)]
            at = match.end()
        return found + self._plain(text, at, len(text))

    def _plain(self, text: str, start: int, end: int) -> list[Piece]:
        if start == end:
            return []
        try:
            encoding = self._rust.encode(text[start:end], add_special_tokens=False)
        except TypeError:  # all that it says of a string that is not Unicode
            raise ValueError(f"the prompt has half a character (a lone surrogate) in it: {text!a}") from None
        return [Piece(i, start + a, start + b) for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True)]

    def encode(self, text: str) -> list[int]:
        """The ids of a text of any length, without start, end and padding."""
        return [piece.id for piece in self.pieces(text)]

    def __call__(self, texts: str | Sequence[str], length: int | None = None) -> Tensor:
        """Ids (B, T) of B texts: start, at most T - 2 pieces, end, padding. What falls off is ``cut(text)``."""
        length = self._room(length)
        rows = []
        for text in [texts] if isinstance(texts, str) else texts:
            ids = [self.bos, *self.encode(text)[: length - 2], self.eos]
            rows.append(ids + [self.pad] * (length - len(ids)))
        return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), length)

    def cut(self, text: str, length: int | None = None) -> str:
        """The end of the text that has no place among ``length`` tokens (an empty string when all fits)."""
        room, pieces = self._room(length) - 2, self.pieces(text)
        return text[pieces[room].start :] if len(pieces) > room else ""

    def _room(self, length: int | None) -> int:
        if length is None:
            return self.length
        if length < 2:
            raise ValueError(f"length {length} has no place for the start and the end of a text; it must be 2 or more")
        return length

    # Ids and names

    @property
    def vocab_size(self) -> int:
        """The number of ids, added words included: the rows that the token embedding must have."""
        return self._base_size + len(self._words.names)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The names of ids as the vocabulary writes them: bytes as printable characters, ``</w>`` at a word's end."""
        return [self._name(int(i)) for i in ids]

    def _name(self, i: int) -> str:
        added = self._words.names
        if not 0 <= i < self._base_size + len(added):
            raise IndexError(f"no token has the id {i}; ids go from 0 to {self._base_size + len(added) - 1}")
        if i >= self._base_size:
            return added[i - self._base_size]
        return self._rust.id_to_token(i) or f"<no token {i}>"  # a vocabulary with a hole

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of names. Raises KeyError for a name that is not in the vocabulary."""
        return [self._id(token) for token in tokens]

    def _id(self, token: str) -> int:
        found: int | None = self._rust.token_to_id(token)
        if found is None and token in self._words.names:
            found = self._base_size + self._words.names.index(token)
        if found is None:
            raise KeyError(f"{token!r} is not in the vocabulary of {self._base_size} tokens")
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """Text that would give these ids; parts of a character that do not make one are shown as U+FFFD."""
        parts: list[str] = []
        run: list[int] = []
        for i in [*map(int, ids), None]:
            if i is not None and i < self._base_size:
                run.append(i)
                continue
            if run:
                parts.append(self._rust.decode(run, skip_special_tokens=False).replace(WORD_END, " "))
                run = []
            if i is not None:
                parts.append(self._name(i) + " ")
        return "".join(parts).strip()

    # Words of one's own

    def add_word(self, word: str, count: int = 1) -> list[int]:
        """Add a word that stands for ``count`` new ids, after the vocabulary, named word, word_1, ...; return them.

        It is found in a text in any case of letters, but not inside a longer word. Raises ValueError when it exists.
        """
        return self._add([(word, count)])

    def add_tokens(self, names: Iterable[str]) -> list[int]:
        """Add words of one id each; return their ids. Either all are added or none."""
        return self._add([(name, 1) for name in names])

    def _add(self, counts: list[tuple[str, int]]) -> list[int]:
        counts = [(unicodedata.normalize("NFC", word), n) for word, n in counts]
        for word, n in counts:
            if not word or word != word.strip() or n < 1:
                raise ValueError(
                    f"an added word needs a name without blanks around it and 1 or more ids: {word!r}, {n}"
                )
        with self._lock:
            old, new = self._words.names, words([*self._words.counts, *counts])
            taken = {name.lower() for name in old}
            for name in new.names[len(old) :]:
                places = [self._rust.token_to_id(form) for form in (name, name.lower(), name.lower() + WORD_END)]
                if name.lower() in taken or any(place is not None for place in places):
                    raise ValueError(f"the tokenizer already has a word {name!r}; choose another name for the new one")
                taken.add(name.lower())
            self._words = new
            return list(range(self._base_size + len(old), self._base_size + len(new.names)))

    def remove_tokens(self, names: Iterable[str]) -> list[int]:
        """Remove added words and return the ids they had; those of words added later move down to close the gap."""
        gone = {unicodedata.normalize("NFC", name) for name in names}
        with self._lock:
            unknown = gone - {word for word, _ in self._words.counts}
            if unknown:
                known = ", ".join(repr(word) for word, _ in self._words.counts) or "none"
                raise ValueError(f"{sorted(unknown)[0]!r} is not an added word; added words: {known}")
            free = [i for word, ids in self.added.items() if word in gone for i in ids]
            self._words = words((word, n) for word, n in self._words.counts if word not in gone)
            return free

    @property
    def added(self) -> dict[str, list[int]]:
        """The added words and the ids each stands for."""
        result, first = {}, self._base_size
        for word, n in self._words.counts:
            result[word] = list(range(first, first + n))
            first += n
        return result
