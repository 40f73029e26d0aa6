"""Imports go down the layers, and the checker that says so sees what it should."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from layer_table import PACKAGE, cycles, modules, violations


def test_imports_go_down_the_layers() -> None:
    assert not (wrong := violations(modules())), "\n".join(wrong)


def test_no_module_imports_itself_through_others() -> None:
    assert not (wrong := cycles(modules())), "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("diffusion/grids.py", "from sukashi.pipeline import Pipeline", "a layer above"),
        ("nets/unet.py", "def f():\n    from ..diffusion import types", "a neighbour"),
        ("nets/unet.py", "import numpy", "imports numpy"),
        ("pipeline.py", "import diffusers", "imports diffusers"),
        ("weights/hub.py", "import huggingface_hub", "only the function"),
        ("utilities.py", "", "sukashi.utilities has no place"),
        ("text.py", "from sukashi import helpers", None),
        ("weights/load.py", "from sukashi.families import Family\nfrom . import errors", None),
        ("run.py", "from sukashi import __version__", None),
    ],
)
def test_the_checker_sees(tmp_path: Path, module: str, source: str, said: str | None) -> None:
    others = ["__init__", "pipeline", "families", "diffusion/types", "diffusion/__init__", "weights/errors"]
    for name in others:
        (tmp_path / PACKAGE / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / PACKAGE / f"{name}.py").write_text("")
    path = tmp_path / PACKAGE / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    wrong = violations(modules(tmp_path))
    if said is None:
        assert not wrong
    else:
        assert len(wrong) == 1, wrong
        assert said in wrong[0]


def test_the_checker_sees_cycles(tmp_path: Path) -> None:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "a.py").write_text("from sukashi import b")
    (folder / "b.py").write_text("import sukashi.a")
    assert cycles(modules(tmp_path)) == ["sukashi.a -> sukashi.b -> sukashi.a"]


def test_networks_and_mathematics_do_not_know_that_they_are_watched() -> None:
    for name, path in modules().items():
        if not name.startswith((f"{PACKAGE}.nets", f"{PACKAGE}.diffusion")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{name}, line {getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "breakpoint"), f"{where} calls {node.func.id}"
            if isinstance(node, ast.arg):
                assert "callback" not in node.arg, f"{where} takes {node.arg}: let the caller iterate instead"
            if isinstance(node, ast.If):
                words = {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
                assert not words & {"debug", "verbose", "inspect"}, f"{where} asks whether it is watched"
