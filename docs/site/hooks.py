"""What the site does beside Markdown: its reference, and pages of source that links to lines lead to."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = re.compile(
    r"\]\((?:\.\./)+(?P<path>(?:src|examples|benchmarks)/[\w./-]+\.(?:py|md|js|css))(?:#L(?P<line>\d+))?\)"
)


def on_config(config: Any, **_: Any) -> Any:
    """The reference is written before the pages are looked for; what the pages run finds ``showing``."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    import reference

    reference.write_all()
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """``../src/sukashi/x.py#L12`` -> the page of that source, at that line."""
    here = posixpath.dirname(page.file.dest_uri)

    def replace(match: re.Match[str]) -> str:
        away = posixpath.relpath(f"source/{match['path']}.html", here or ".")
        return f"]({away}#L-{match['line']})" if match["line"] else f"]({away})"

    return SOURCE.sub(replace, markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Write a page for every source file, each line with an anchor."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_for_filename

    for path in [*ROOT.glob("src/sukashi/**/*.py"), *ROOT.glob("examples/**/*.py"), *ROOT.glob("benchmarks/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        page = HtmlFormatter(full=True, title=name, linenos="inline", lineanchors="L", anchorlinenos=True)
        target = Path(config["site_dir"]) / "source" / f"{name}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            highlight(path.read_text(encoding="utf-8"), get_lexer_for_filename(name), page), encoding="utf-8"
        )
