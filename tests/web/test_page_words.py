"""The page's files: two dictionaries with the same keys, everything said is in them, nothing is too long or missing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import sukashi

WEB = Path(sukashi.__file__).parent / "web"
OURS = [p for p in WEB.rglob("*") if p.suffix in (".js", ".css", ".html") and "vendor" not in p.parts]
PAGE = [p for p in OURS if p.suffix == ".js" and p.name not in ("see.js", "report.js") and "see" not in p.parts]
ENTRY = re.compile(r'\b(\w+): "((?:[^"\\]|\\.)*)"')


def dictionary(language: str) -> dict[str, str]:
    entries = ENTRY.findall((WEB / "words" / f"{language}.js").read_text(encoding="utf-8"))
    found = dict(entries)
    assert len(found) == len(entries), "a key stands there twice"
    return found


def test_both_languages_say_the_same_things() -> None:
    en, ja = dictionary("en"), dictionary("ja")
    assert len(en) > 100
    assert en.keys() == ja.keys()
    for key in en:
        assert sorted(re.findall(r"\{\w+\}", en[key])) == sorted(re.findall(r"\{\w+\}", ja[key])), key
    same = {key for key in en if en[key] == ja[key]}
    assert same == {"prompt_hint", "search_hint"}, "not translated"


def test_every_code_of_the_server_has_its_japanese_sentence() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (WEB.parent / "serve").rglob("*.py"))
    codes = set(re.findall(r'\bcode = "(\w+)"|\bcode="(\w+)"', source))
    others = [
        "queue_full",
        "share_full",
        "request_too_large",
        "no_credentials",
        "no_lora",
        "no_embedding",
        "out_of_memory",
        "failed",
    ]
    assert all(f'"{code}"' in source for code in others)
    named = {a or b for a, b in codes} | {*others, "too_many_steps", "too_many_count"}
    told = dict(ENTRY.findall((WEB / "words" / "server.ja.js").read_text(encoding="utf-8")))
    assert len(named) > 25 and named == told.keys()
    for text in told.values():
        assert re.search(r"[ぁ-ん]", text)
        for value in re.findall(r"\{(\w+)\}", text):
            assert re.search(rf'\b{value}=|"{value}": ', source), f"nothing gives {{{value}}}"


def test_everything_said_is_in_the_dictionary_and_nothing_else_is() -> None:
    code = "\n".join(p.read_text(encoding="utf-8") for p in PAGE if p.parent.name != "words")
    # a key is named in a string of its own; some are put together from a beginning and a name
    begun = re.findall(r"say\(`(\w+_)\$\{", code)
    named = set(re.findall(r'"([a-z][a-z_]*)"', code))
    endings = {f"{name}_title" for name in named}
    known = dictionary("en").keys()
    assert {key for key in re.findall(r'say\("(\w+)"', code)} <= known
    unused = {key for key in known - named - endings if not any(key.startswith(start) for start in begun)}
    assert not unused


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_file_is_longer_than_one_sitting(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 350
    if path in PAGE and path.parent.name != "words":
        assert not [f"{n}: {line}" for n, line in enumerate(lines, 1) if len(line) > 120]


def test_what_is_imported_is_there() -> None:
    for path in OURS:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'(?:from|import\()\s*"(\.[^"]+)"', text) if path.suffix == ".js" else ():
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"
    index = (WEB / "index.html").read_text(encoding="utf-8")
    for name in re.findall(r'(?:src|href)="web/([^"]+)"', index):
        assert (WEB / name).is_file(), name
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|<style|\sstyle=", index), "nothing may run or style inline"


def test_the_libraries_are_the_files_that_the_list_says() -> None:
    told = (WEB / "vendor" / "README.md").read_text(encoding="utf-8")
    sums = dict(re.findall(r"([0-9a-f]{64})  (\S+)", told))
    libraries = {p for p in (WEB / "vendor").iterdir() if p.suffix in (".js", ".css")}
    assert sums == {hashlib.sha256(p.read_bytes()).hexdigest(): p.name for p in libraries}
    for licence in re.findall(r"`(LICENSE-\S+)`", told):
        assert (WEB / "vendor" / licence).stat().st_size > 500
