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
    inside = [found.name for found in pkgutil.iter_modules(sukashi.__path__, "sukashi.")]  # with all that is in them
    for name in sukashi.__all__:  # found when asked for, and pdoc does not ask
        setattr(sukashi, name, getattr(sukashi, name))
    pdoc.render.configure(docformat="markdown", footer_text=f"Sukashi {sukashi.__version__}", search=True)
    pdoc.pdoc("sukashi", *inside, output_directory=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs"))
