"""Tokenizer folders as transformers writes them: ``vocab.json`` + ``merges.txt`` (to 4.x) or ``tokenizer.json`` (5.x).

What stands where, and which file wins, is transformers' rule: ``added_tokens_decoder`` in ``tokenizer_config.json``
if it is there; else ``special_tokens_map.json`` over ``tokenizer_config.json``, and ``added_tokens.json``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import AddedToken

from sukashi.nets.vocabulary import END, START, Vocabulary, read_files, read_json, read_tokenizer_json

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
DEFAULTS = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
LENGTH = 77


class Settings(NamedTuple):
    """What a tokenizer needs besides its vocabulary."""

    bos: str = START
    eos: str = END
    unk: str = END
    pad: str = END
    length: int = LENGTH
    added: tuple[AddedToken, ...] = (AddedToken(START, special=True), AddedToken(END, special=True))
    places: Mapping[str, int] = {}  # the ids that the folder says its added tokens have


def padded(wanted: Settings, vocabulary: Vocabulary, pad: str) -> Settings:
    """These settings with another padding token ("<|endoftext|>" in SD 1.x, "!" in SD 2.x).

    Raises ValueError when it is not in the vocabulary.
    """
    kept = [t for t in wanted.added if str(t) != wanted.pad or wanted.pad in (wanted.bos, wanted.eos, wanted.unk)]
    if pad not in map(str, kept):
        if pad not in vocabulary.ids:
            raise ValueError(f"the padding token {pad!r} is not in the vocabulary of {len(vocabulary.ids)} tokens")
        kept.append(AddedToken(pad, special=True))
    return wanted._replace(pad=pad, added=tuple(kept))


def read_folder(folder: str | Path) -> tuple[Vocabulary, Settings]:
    """A ``tokenizer/`` folder. Raises FileNotFoundError when no vocabulary is in it."""
    folder = Path(folder)
    listed: list[dict[str, Any]] = []
    if (folder / "tokenizer.json").is_file():
        vocabulary, listed = read_tokenizer_json(folder / "tokenizer.json")
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        vocabulary = read_files(folder / "vocab.json", folder / "merges.txt")
    else:
        raise FileNotFoundError(f"{folder} has no vocabulary: neither tokenizer.json nor vocab.json with merges.txt")
    config = _object(folder / "tokenizer_config.json")
    named: dict[str, Any] = {**DEFAULTS, **{k: _token(config[k]) for k in NAMED if config.get(k)}}
    extra = list(config.get("additional_special_tokens") or [])
    added: dict[int, AddedToken] = {}
    if "added_tokens_decoder" in config:
        added = {int(i): AddedToken(**t) for i, t in config["added_tokens_decoder"].items()}
    else:
        special = _object(folder / "special_tokens_map.json")
        named.update({k: _token(v, special=True) for k, v in special.items() if k in NAMED and v})
        extra = list(special.get("additional_special_tokens") or extra)
        marked = {str(v) for v in named.values()}
        for name, i in _object(folder / "added_tokens.json").items():
            added[i] = AddedToken(name, normalized=name not in marked, special=name in marked)
        for token in listed:
            flags = {k: v for k, v in token.items() if k != "id"}
            added[token["id"]] = AddedToken(**flags)
    by_name = {str(token): token for token in added.values()}
    named = {k: by_name.get(str(v), v) for k, v in named.items()}
    length = config.get("model_max_length") or LENGTH
    return vocabulary, Settings(
        bos=str(named["bos_token"]),
        eos=str(named["eos_token"]),
        unk=str(named["unk_token"]),
        pad=str(named["pad_token"]),
        length=int(length) if length < 1 << 20 else LENGTH,  # transformers writes 1e30 for "not known"
        added=tuple(_in_order(added, named, [_token(t, special=True) for t in extra])),
        places={str(token): i for i, token in added.items()},
    )


def write_folder(folder: str | Path, vocabulary: Vocabulary, wanted: Settings, added: Mapping[int, AddedToken]) -> None:
    """Write a tokenizer folder that this module, transformers 4 and transformers 5 read alike.

    ``added`` are the special and added tokens by id. Each file appears whole or not at all.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    named = {"bos_token": wanted.bos, "eos_token": wanted.eos, "unk_token": wanted.unk, "pad_token": wanted.pad}
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(i): _flags(token) for i, token in sorted(added.items())},
        **named,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": wanted.length,
        "tokenizer_class": "CLIPTokenizer",
    }
    pairs = "\n".join(" ".join(pair) for pair in vocabulary.merges)
    _write(folder / "vocab.json", json.dumps(vocabulary.ids, ensure_ascii=False))
    _write(folder / "merges.txt", f"#version: 0.2\n{pairs}\n")
    _write(folder / "special_tokens_map.json", json.dumps(named, indent=2) + "\n")
    _write(folder / "tokenizer_config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _in_order(added: dict[int, AddedToken], named: Mapping[str, Any], extra: list[Any]) -> list[AddedToken]:
    """The tokens in the order transformers registers them; one registered twice takes the later flags."""
    tokens: list[Any] = [added[i] for i in sorted(added)]
    known = {str(token) for token in tokens}
    for value in [*(named[k] for k in NAMED if k in named), *extra]:
        if str(value) not in known and value not in tokens:
            tokens.append(value)
    marked = {str(value) for value in named.values()}
    result = []
    for token in tokens:
        if isinstance(token, str):
            token = AddedToken(token, special=True)
        elif str(token) in marked and not token.special:
            token = AddedToken(**{**_flags(token), "special": True})
        result.append(token)
    return result


def _token(value: Any, special: bool = False) -> Any:
    """A token as a string, or with its flags."""
    if not isinstance(value, dict):
        return value
    flags = {k: v for k, v in value.items() if k not in ("__type", "special")}
    return AddedToken(**flags, special=special or bool(value.get("special", False)))


def _flags(token: AddedToken) -> dict[str, Any]:
    names = ("lstrip", "normalized", "rstrip", "single_word", "special")
    return {"content": str(token), **{name: getattr(token, name) for name in names}}


def _object(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a JSON object")
    return content


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
