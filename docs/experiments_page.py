"""Draw the page of experiments: ``python docs/experiments_page.py [NAME ...]``, all of them unless named.

Writes docs/experiments.md and docs/images/experiment-*.png. Every picture is made by the model inside the package with
the defaults of the command, and none is picked; times are left out, for they are another machine's.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from experiments_text import ABOUT, HEAD

import sukashi
from sukashi.cli.experiment_options import TRIALS
from sukashi.watch.experiments.found import Found

HERE = Path(__file__).resolve().parent
PAGE = HERE / "experiments.md"
LEFT_OUT = {"seconds"}


def section(name: str, found: Found) -> str:
    """One experiment on the page."""
    title, before, after = ABOUT[name]
    rows = [{key: value for key, value in row.items() if key not in LEFT_OUT} for row in found.rows]
    lines = [f"<!-- {name} -->", f"## {title}", "", before.strip(), ""]
    lines += ["```console", f"$ sukashi experiment {name}", replace(found, rows=rows).table(), "```", ""]
    lines += [f"![{found.title}](images/experiment-{name}.png)", "", after.strip(), "", f"<!-- /{name} -->"]
    return "\n".join(lines)


def main(names: list[str]) -> None:
    """Run experiments and put their sections into the page."""
    pipe = sukashi.load("kirie", device="cpu")
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = {name: found for name in ABOUT if (found := between(page, name))}
    for name in names or list(ABOUT):
        trial = TRIALS[name]
        found = getattr(import_module(f"sukashi.watch.experiments.{trial.module}"), trial.function)(pipe)
        sheet = found.picture()
        sheet.quantize(256).save(HERE / "images" / f"experiment-{name}.png", optimize=True)
        parts[name] = section(name, found)
        PAGE.write_text(
            HEAD.strip() + "\n\n" + "\n\n".join(parts[n] for n in ABOUT if n in parts) + "\n", encoding="utf-8"
        )
        print(name, flush=True)


def between(page: str, name: str) -> str:
    """The section that the page has already."""
    match = re.search(rf"<!-- {name} -->.*<!-- /{name} -->", page, re.DOTALL)
    return match[0] if match else ""


if __name__ == "__main__":
    main(sys.argv[1:])
