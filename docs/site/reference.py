"""The reference: one page for each package of ``sukashi``, made of its docstrings by mkdocstrings."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE, PAGES = ROOT / "src" / "sukashi", ROOT / "docs" / "reference"


def dotted(path: Path) -> str:
    """``src/sukashi/nets/unet.py`` -> ``sukashi.nets.unet``."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def write(name: str, text: str) -> None:
    """A page, touched only where it changes."""
    path = PAGES / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_all() -> None:
    """Write docs/reference: a page for each package, and one that lists them."""
    packages = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))
    modules = {"sukashi": sorted(path for path in SOURCE.glob("*.py") if path.stem != "__main__")}
    modules |= {folder.name: sorted(folder.rglob("*.py")) for folder in packages}
    lines = ["# Reference\n", "Every public name, from its docstring, with its source.\n"]
    for name, paths in modules.items():
        title = name if name == "sukashi" else f"sukashi.{name}"
        write(name, "\n".join([f"# {title}\n", *(f"::: {dotted(path)}\n" for path in paths)]))
        said = ast.get_docstring(ast.parse(paths[0].read_text(encoding="utf-8"))) or ""
        lines.append(f"- [{title}]({name}.md): {said.splitlines()[0] if said else ''}")
    write("index", "\n".join(lines) + "\n")
