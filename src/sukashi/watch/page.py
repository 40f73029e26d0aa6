"""One HTML page out of the modules of ``sukashi/web``: nothing to fetch, nothing to serve."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WEB = Path(__file__).resolve().parents[1] / "web"
STYLES = ("vendor/uPlot.min.css", "see.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_IMPORT = re.compile(r'^import (?:\{ ([\w, ]+) \}|(\w+)) from "(\.[\w./-]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |const |class )", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export \{ (\w+) as default \};$", re.MULTILINE)

PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="sukashi {version}">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{styles}</style>
</head>
<body class="see-page">
<div id="see"></div>
<noscript>This page is drawn by a script that it carries; please allow it.</noscript>
<script type="application/json" id="see-data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def page(view: Mapping[str, Any], *, compare: Mapping[str, Any] | None = None, language: str = "en") -> str:
    """A whole page that shows a view (``sukashi.watch.export.view``), beside it another with the same cursor."""
    from sukashi import __version__

    data = {"view": view, "compare": compare, "language": language}
    return PAGE.format(
        language=html.escape(language),
        version=__version__,
        policy=POLICY,
        title=html.escape(f"{view['prompt'] or 'Sukashi'} – {view['model']}"),
        styles="\n".join((WEB / name).read_text(encoding="utf-8") for name in STYLES).replace("</", "<\\/"),
        data=embedded(data),
        script=bundle(WEB / "report.js").replace("</script", "<\\/script"),
    )


def embedded(data: Any) -> str:
    """JSON for the inside of a script element: no '<' of a prompt can end it.

    Raises ValueError for NaN and infinity, which are no JSON.
    """
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def bundle(entry: Path) -> str:
    """An ES module and those it imports, as one script; each keeps its own names, inside a function.

    Modules must say ``import { a, b } from "./x.js";`` or ``import a from "./x.js";``, each in one line, and export
    functions, constants and classes where they are made. Raises ValueError for a module that says it otherwise.
    """
    numbers: dict[Path, int] = {}
    return "\n".join(_modules(entry.resolve(), numbers))


def _modules(path: Path, numbers: dict[Path, int]) -> Iterator[str]:
    """``path`` after all that it imports; ``numbers`` has what was put out already."""
    source = path.read_text(encoding="utf-8")
    for found in _IMPORT.finditer(source):
        other = (path.parent / found[3]).resolve()
        if other not in numbers:
            yield from _modules(other, numbers)
    numbers[path] = len(numbers)

    def bound(found: re.Match[str]) -> str:
        names = f"{{ {found[1]} }}" if found[1] else f"{{ default: {found[2]} }}"
        return f"const {names} = module{numbers[(path.parent / found[3]).resolve()]};"

    exported = [f"default: {name}" for name in _DEFAULT.findall(source)] or _EXPORTED.findall(source)
    body = _DEFAULT.sub("", _EXPORT.sub("", _IMPORT.sub(bound, source)))
    if left := re.search(r"^(?:import|export)\b.*$", body, re.MULTILINE):
        raise ValueError(f"{path.name}: a report cannot carry {left[0]!r}")
    yield f"const module{numbers[path]} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"
