"""Who wants to know how one picture is made has so much to read, and no more."""

from __future__ import annotations

import runpy
from collections import defaultdict
from pathlib import Path

import pytest
from path_probe import Entered, entered

import sukashi

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "one_image.py"
PROMPT = "a girl with glasses eating pizza"
BUDGET = {  # files, functions, lines of these files
    "by hand": (10, 45, 2500),  # the method: text, noise, U-Net, decoder
    "pipe(prompt)": (18, 93, 2500),  # the same with requests, batches, any sampler, guards and reports around it
}


def by_hand() -> list[Entered]:
    """What examples/one_image.py runs through once its networks are loaded, itself included."""
    example = runpy.run_path(str(EXAMPLE))
    parts = example["load"]()
    call = lambda: example["draw"](PROMPT, *parts)  # noqa: E731
    return entered(call) + entered(call, EXAMPLE.parent)


def whole_call() -> list[Entered]:
    """What a loaded pipeline runs through from a prompt to a picture."""
    pipe = sukashi.load("kirie", device="cpu", fast=False)  # the way that is to be read
    return entered(lambda: pipe(PROMPT, seed=1, steps=4))


@pytest.fixture(scope="module", params=list(BUDGET))
def path(request: pytest.FixtureRequest) -> tuple[str, list[Entered]]:
    """Which of the two, and its functions."""
    return request.param, {"by hand": by_hand, "pipe(prompt)": whole_call}[request.param]()


def told(path: list[Entered]) -> str:
    """The path as a table of contents."""
    names: dict[Path, list[str]] = defaultdict(list)
    for function in path:
        names[function.path].append(function.name)
    return "\n".join(
        f"{file.parent.name}/{file.name} ({len(file.read_text().splitlines())} lines): {', '.join(inside)}"
        for file, inside in names.items()
    )


def test_one_image_stays_within_its_budget(path: tuple[str, list[Entered]]) -> None:
    name, functions = path
    files = {function.path for function in functions}
    lines = sum(len(file.read_text().splitlines()) for file in files)
    measured = (len(files), len(functions), lines)
    assert all(m <= b for m, b in zip(measured, BUDGET[name], strict=True)), (
        f"{name} enters {len(files)} files, {len(functions)} functions, {lines} lines:\n{told(functions)}"
    )


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
