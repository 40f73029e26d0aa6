"""Text that is made anew between two marks of a page, ``<!-- name -->`` and ``<!-- end of name -->``."""

from __future__ import annotations

import re
from pathlib import Path


def put(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of ``name``; ValueError where the page does not have them."""
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(old):
        raise ValueError(f"{page} has no <!-- {name} --> ... <!-- end of {name} -->")
    new = pattern.sub(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", old)
    page.write_text(new, encoding="utf-8")


def tables(markdown: str) -> list[str]:
    """The tables of a text, in order."""
    return [block for block in re.split(r"\n\s*\n|\n(?!\|)", markdown) if block.lstrip().startswith("|")]
