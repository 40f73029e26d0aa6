"""What the Markdown files promise: links that lead somewhere, and code that can be run.

A link to a line names what stands there: [`encode_prompt`](src/sukashi/pipeline.py#L45) holds when line 45 of that file
says ``def encode_prompt``, ``class encode_prompt`` or ``encode_prompt =``. Run as a program with ``--fix``, this puts
such numbers right.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!--\s*not run:\s*(?P<reason>.+?)\s*-->\s*\Z")


class Block(NamedTuple):
    """A fenced piece of code; ``reason`` is why it is not run, when ``<!-- not run: reason -->`` stands above it."""

    language: str
    code: str
    line: int
    reason: str


def pages(root: Path = ROOT) -> list[Path]:
    """The Markdown files at the top and in docs, examples and benchmarks."""
    return [
        *sorted(root.glob("*.md")),
        *(p for d in ("docs", "examples", "benchmarks") for p in sorted(root.glob(f"{d}/**/*.md"))),
    ]


def blocks(text: str) -> Iterator[Block]:
    """The fenced pieces of code of a page, in order."""
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        skipped = NOT_RUN.search(before)
        yield Block(match["language"], match["code"], before.count("\n") + 2, skipped["reason"] if skipped else "")


def defines(line: str, name: str) -> bool:
    """Whether a line of Python is where ``name`` is defined."""
    return bool(re.match(rf"\s*(?:async\s+def|def|class)\s+{name}\b|\s*{name}\s*(?::[^=]+)?=", line))


def named(text: str) -> str:
    """The Python name that a link's text speaks of: the last of "`Pipeline.encode_prompt()`"."""
    words = re.findall(r"[A-Za-z_]\w*", text)
    return words[-1] if words else ""


def wrong_links(page: Path) -> Iterator[str]:
    """Links of a page that lead nowhere, or to a line that holds something else."""
    for match in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target, _, place = match["target"].partition("#")
        if re.match(r"[a-z]+:", target) or not target:
            continue
        path = page.parent / target
        if not path.exists():
            yield f"{page.name}: {match[0]} leads nowhere"
        elif place.startswith("L") and path.suffix == ".py":
            lines = path.read_text(encoding="utf-8").splitlines()
            number, name = int(place[1:].split("-")[0]), named(match["text"])
            if not (number <= len(lines) and defines(lines[number - 1], name)):
                yield f"{page.name}: line {number} of {target} does not define {name} (`make links` puts it right)"


def fixed(page: Path) -> str:
    """The page with every line number where its name is defined now; the nearest definition wins."""

    def replace(match: re.Match[str]) -> str:
        target, _, place = match["target"].partition("#")
        path = page.parent / target
        if not place.startswith("L") or path.suffix != ".py" or not path.exists():
            return match[0]
        number, name = int(place[1:].split("-")[0]), named(match["text"])
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [i for i, line in enumerate(lines, 1) if defines(line, name)]
        definitions = [i for i in found if re.match(r"\s*(async|def|class)\b", lines[i - 1])]
        if not found:
            return match[0]
        return match[0].replace(f"#{place}", f"#L{min(definitions or found, key=lambda i: abs(i - number))}")

    return LINK.sub(replace, page.read_text(encoding="utf-8"))


def main() -> None:
    """With --fix, rewrite the pages; say what is wrong in them."""
    for page in pages():
        if "--fix" in sys.argv[1:]:
            page.write_text(fixed(page), encoding="utf-8")
        print(*wrong_links(page), sep="\n", end="")


if __name__ == "__main__":
    main()
