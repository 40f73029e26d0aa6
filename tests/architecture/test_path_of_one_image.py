"""Who wants to know how one picture is made has so much to read, and no more."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from path_probe import Entered, entered

import sukashi

PROMPT = "a girl with glasses eating pizza"
FILES, FUNCTIONS, LINES = 10, 45, 2500


@pytest.fixture(scope="module")
def path() -> list[Entered]:
    """What a loaded pipeline runs through from a prompt to a picture."""
    pipe = sukashi.load("kirie", device="cpu")
    return entered(lambda: pipe(PROMPT, seed=1, steps=4))


def told(path: list[Entered]) -> str:
    """The path as a table of contents."""
    names: dict[Path, list[str]] = defaultdict(list)
    for function in path:
        names[function.path].append(function.name)
    return "\n".join(
        f"{file.parent.name}/{file.name} ({len(file.read_text().splitlines())} lines): {', '.join(inside)}"
        for file, inside in names.items()
    )


def test_one_image_runs_through_few_files_and_functions(path: list[Entered]) -> None:
    files = {function.path for function in path}
    assert len(files) <= FILES, f"{len(files)} files:\n{told(path)}"
    assert len(path) <= FUNCTIONS, f"{len(path)} functions:\n{told(path)}"


def test_the_files_of_one_image_are_read_in_an_afternoon(path: list[Entered]) -> None:
    lines = sum(len(file.read_text().splitlines()) for file in {function.path for function in path})
    assert lines <= LINES, f"{lines} lines:\n{told(path)}"


def test_the_probe_sees(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "class A:\n    def f(self):\n        return [i for i in map(lambda i: i, range(3))]\n"
        "def g():\n    yield A().f()\ndef h():\n    raise KeyError\ndef never(): ...\n"
    )
    inside: dict[str, object] = {}
    exec(compile((tmp_path / "a.py").read_text(), str(tmp_path / "a.py"), "exec"), inside)

    def call() -> None:
        list(inside["g"]())  # type: ignore[operator]
        with pytest.raises(KeyError):
            inside["h"]()  # type: ignore[operator]

    assert [function.name for function in entered(call, tmp_path)] == ["g", "f", "h"]
