"""The README and the documents: their links lead somewhere and their code runs as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_links import ROOT, blocks, fixed, named, pages, wrong_links

from sukashi.cli.parser import parse

README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = list(blocks(README))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SHELLS = ("", "bash", "sh", "console", "shell")
SCRIPTS = {
    "sukashi": [sys.executable, "-c", "import sys; from sukashi.cli import main; sys.exit(main())"],
    "python": [sys.executable],
}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert not (wrong := list(wrong_links(page))), "\n".join(wrong)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_make_target_spoken_of_exists(page: Path) -> None:
    spoken = set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert spoken <= TARGETS


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder in which the README's commands are typed, beside the examples."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("examples", "src"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def typed(command: str) -> list[str]:
    """A shell command of the README as arguments for this Python; [] for what is checked in another way."""
    words = shlex.split(command, comments=True)
    if not words or words[0] in ("git", "cd", "make"):
        return []
    if words[:2] == ["pip", "install"]:
        return []
    assert words[0] in SCRIPTS, f"the README says {command!r}, and nothing here knows how to check {words[0]!r}"
    return SCRIPTS[words[0]] + words[1:]


def run(arguments: list[str], folder: Path) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.slow
def test_commands_of_the_readme_run(desk: Path) -> None:
    for block in CODE:
        if block.language in SHELLS and not block.reason:
            for command in block.code.replace("\\\n", " ").splitlines():
                if arguments := typed(command.removeprefix("$ ")):
                    run(arguments, desk)


def test_python_of_the_readme_runs(desk: Path) -> None:
    """All blocks in one process, one after another, as a reader would type them."""
    code = "\n".join(b.code for b in CODE if b.language == "python" and not b.reason)
    if code:
        run([sys.executable, "-c", code], desk)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_of_the_pages_can_be_read(page: Path) -> None:
    """Verbs and options exist; nothing is run."""
    for block in blocks(page.read_text(encoding="utf-8")):
        lines = block.code.replace("\\\n", " ").splitlines() if block.language in SHELLS else []
        for line in [line.removeprefix("$ ") for line in lines]:
            words = shlex.split(line, comments=True) if line.startswith("sukashi ") else []
            if words and "--help" not in words:
                assert len(getattr(parse(words[1:]), "words", [])) <= 1, f"{line}: more than one prompt"


def test_what_is_not_run_says_why() -> None:
    for block in CODE:
        assert block.language, f"the block at line {block.line} names no language"


def test_the_checker_sees(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("X = 1\n\n\nclass A:\n    def f(self):\n        self.f = 2\n")
    page = tmp_path / "page.md"
    page.write_text("[`A.f`](a.py#L5) [X](a.py#L1) [there](a.py) ![p](no.png) [`f`](a.py#L1) [s](https://x.org/a#L9)\n")
    wrong = list(wrong_links(page))
    assert len(wrong) == 2
    assert "no.png" in wrong[0]
    assert "line 1 of a.py does not define f" in wrong[1]
    page.write_text(fixed(page))
    assert list(wrong_links(page)) == wrong[:1]
    assert "[`f`](a.py#L5)" in page.read_text()
    assert named("`Pipeline.encode_prompt()`") == "encode_prompt"


def test_blocks_are_found_with_their_reasons() -> None:
    text = "a\n\n```bash\nsukashi x\n```\n<!-- not run: needs the hub -->\n\n```python\nload()\n```\n"
    first, second = blocks(text)
    assert (first.language, first.code, first.line, first.reason) == ("bash", "sukashi x\n", 4, "")
    assert (second.code, second.reason) == ("load()\n", "needs the hub")
