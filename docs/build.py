"""Write the reference of every public name as HTML: ``python docs/build.py build/docs``. Needs pdoc, no network."""

from __future__ import annotations

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import sukashi


def main(folder: Path) -> None:
    """Write one page per module of the package into ``folder``."""
    warnings.filterwarnings("ignore", "Error parsing type annotation", module="pdoc")  # shown as written, then
    names = [found.name for found in pkgutil.walk_packages(sukashi.__path__, "sukashi.")]
    public = [name for name in names if not any(part.startswith("_") for part in name.split("."))]
    pdoc.render.configure(docformat="markdown", footer_text=f"Sukashi {sukashi.__version__}", search=True)
    pdoc.pdoc("sukashi", *public, output_directory=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs"))
