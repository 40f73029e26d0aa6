"""Which module may import which: the layers of the package, read from its source without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "sukashi"

# From the top down. A module may import from the rows below its own, and from its own group; groups are separated by
# commas and hold the modules (with everything inside them) that may import one another. The longest name wins.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli", "compat"),
    ("serve",),
    ("lab",),
    ("train", "watch", "doctor"),
    ("tasks",),
    ("loading", "shelf"),
    ("pipeline run elaborate steering named",),
    ("prompts", "adapters", "fast"),
    ("text", "translate"),
    ("weights families", "beginning sizes seeds seamless memory", "guidance"),
    (
        "nets",
        "diffusion",
        "metadata",
        "kirie",
        "precision",
        "settings",
        "pictures",
        "places",
        "opening",
        "tiles",
        "pages",
        "outputs",
        "weights.errors",
    ),
    ("guides moments records rich",),
)

# What the modules may import from elsewhere, besides the standard library. The longest name wins here too.
LIBRARIES: dict[str, set[str]] = {
    "": {"torch", "numpy", "PIL", "safetensors", "tokenizers"},
    "nets": {"torch", "tokenizers", "instant_clip_tokenizer"},
    "nets.unet": {"torch"},
    "nets.vae": {"torch"},
    "nets.clip": {"torch"},
    "diffusion": {"torch", "numpy"},
    "metadata": {"PIL"},
    "kirie": {"numpy", "PIL"},
    "prompts": {"torch", "lark"},
    "fast.triton_norm": {"torch", "triton"},
    "weights.hub": {"huggingface_hub"},
    "tasks.depth": {"torch", "numpy", "PIL", "transformers"},
    "places": {"yaml"},
    "watch.plots": {"matplotlib"},
    "serve": {"torch", "numpy", "PIL", "fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client"},
    "train.methods": {"torch", "numpy", "PIL", "accelerate"},
}
ONLY_WHERE_USED = {
    "accelerate",
    "huggingface_hub",
    "transformers",
    "yaml",
    "instant_clip_tokenizer",
    "matplotlib",
}  # imported inside the function that needs them


class Import(NamedTuple):
    """One name imported at ``line``; ``top`` when that happens on import of the module itself."""

    name: str
    line: int
    top: bool


def modules(source: Path = ROOT / "src") -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((source / PACKAGE).rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[Import]:
    """What a module imports, each as the full name of a module (never of something inside one)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    inside = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for inner in ast.walk(node)
    }
    hidden = inside | typing_only
    for node in ast.walk(tree):
        top = id(node) not in hidden
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, top)
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield Import(inner if inner in known else origin, node.lineno, top)


def lookup(name: str, names: list[str]) -> str | None:
    """The longest of ``names`` that is ``name`` or a package around it."""
    fitting = [n for n in names if name == n or name.startswith(f"{n}.") or not n]
    return max(fitting, key=len, default=None)


def places() -> dict[str, tuple[int, int]]:
    """Every name of the table with its row, counted from the bottom, and its group."""
    return {
        name: (row, column)
        for row, groups in enumerate(reversed(LAYERS))
        for column, group in enumerate(groups)
        for name in group.split()
    }


def violations(found: dict[str, Path]) -> list[str]:
    """Every import that goes up or sideways, every library that has no business there, every module without a place."""
    table, wrong = places(), []
    for name, path in found.items():
        if name == PACKAGE:
            continue
        own = name.removeprefix(f"{PACKAGE}.")
        mine = lookup(own, list(table))
        if mine is None:
            wrong.append(f"{name} has no place in LAYERS of tests/architecture/layer_table.py: give it one")
            continue
        for imported in imports(name, path, set(found)):
            where = f"{name}, line {imported.line}"
            if imported.name == PACKAGE:
                continue  # the package itself holds only its version and names that are looked up later
            if not imported.name.startswith(f"{PACKAGE}."):
                wrong += library_violations(own, where, imported)
                continue
            other = lookup(imported.name.removeprefix(f"{PACKAGE}."), list(table))
            if other is None:
                wrong.append(f"{where} imports {imported.name}, which has no place in LAYERS")
            elif table[other][0] > table[mine][0]:
                wrong.append(f"{where} imports {imported.name}, which is in a layer above its own")
            elif table[other][0] == table[mine][0] and table[other][1] != table[mine][1]:
                wrong.append(f"{where} imports {imported.name}, a neighbour in its own layer")
    return wrong


def library_violations(own: str, where: str, imported: Import) -> list[str]:
    """What is wrong with importing something that is not ours: [] or one sentence."""
    library = imported.name.split(".")[0]
    if library in sys.stdlib_module_names:
        return []
    allowed = LIBRARIES[lookup(own, list(LIBRARIES)) or ""]
    if library not in allowed:
        return [f"{where} imports {library}; LIBRARIES allows {', '.join(sorted(allowed))} there"]
    if library in ONLY_WHERE_USED and imported.top:
        return [f"{where} imports {library} on import; only the function that needs it may"]
    return []


def cycles(found: dict[str, Path]) -> list[str]:
    """Modules that import one another on import, as 'a -> b -> a'."""
    edges = {
        name: {i.name for i in imports(name, path, set(found)) if i.top and i.name in found and i.name != PACKAGE}
        for name, path in found.items()
    }
    done: set[str] = set()
    wrong: list[str] = []

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            wrong.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for other in sorted(edges[name]):
                visit(other, [*trail, name])
            done.add(name)

    for name in edges:
        visit(name, [])
    return wrong
