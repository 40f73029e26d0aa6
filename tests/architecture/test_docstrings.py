"""Every public name says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from layer_table import modules

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undocumented(name: str, body: list[ast.stmt]) -> Iterator[str]:
    """Public definitions without a docstring. What a network's ``forward`` takes, the docstring of its class says."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from undocumented(name, node.body)
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        shapes_said_above = node.name == "forward" and ".nets." in name
        overload = any(ast.unparse(d).endswith("overload") for d in node.decorator_list)
        setter = any(ast.unparse(d).endswith(".setter") for d in node.decorator_list)
        if not (ast.get_docstring(node) or shapes_said_above or overload or setter):
            yield f"{name}.{node.name}, line {node.lineno}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(f"{name}.{node.name}", node.body)


def missing(found: dict[str, Path]) -> list[str]:
    wrong = []
    for name, path in found.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not ast.get_docstring(tree):
            wrong.append(f"{name} (the module)")
        wrong += undocumented(name, tree.body)
    return wrong


def test_every_public_name_has_a_docstring() -> None:
    assert not (wrong := missing(modules())), "without a docstring:\n" + "\n".join(wrong)


def test_the_checker_sees(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""M."""\ndef f(): ...\nclass C:\n    """C."""\n    def g(self): ...\n    def _h(self): ...\n')
    assert missing({"a": path}) == ["a.f, line 2", "a.C.g, line 5"]
