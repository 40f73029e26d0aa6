"""``sukashi read``: how pictures were made, whichever tool made them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sukashi.cli.draw import speaks_unicode
from sukashi.cli.exits import OK, USAGE

if TYPE_CHECKING:
    from sukashi.metadata.recipe import Recipe


def run(args: argparse.Namespace) -> int:
    """Print the recipe of every picture; one that has none is said on stderr and makes the exit code 2."""
    from sukashi.metadata.readers import read
    from sukashi.metadata.recipe import MetadataError, describe, to_dict

    code = OK
    for k, file in enumerate(args.files):
        try:
            recipe = read(file)
        except MetadataError as error:
            print(f"sukashi: {error}", file=sys.stderr)
            code = USAGE
            continue
        if args.json:
            print(json.dumps({"path": file, **to_dict(recipe)}, ensure_ascii=not speaks_unicode()), flush=True)
            continue
        if len(args.files) > 1:
            print(f"{chr(10) * (k > 0)}{file}")
        print(describe(shown(recipe)), flush=True)
    return code


def shown(recipe: Recipe) -> Recipe:
    """Of our own record only what no other line says."""
    loading = recipe.raw.get("loading")
    if recipe.tool != "sukashi" or not isinstance(loading, Mapping):
        return recipe
    version = recipe.raw.get("version")
    settings = recipe.raw.get("settings")
    extra = (
        {key: settings[key] for key in ("rescale", "eta") if settings.get(key)} if isinstance(settings, Mapping) else {}
    )
    return replace(recipe, tool=f"sukashi {version}", raw={**extra, **loading})
