"""``sukashi read``: how pictures were made, whichever tool made them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, replace

from sukashi.cli.draw import speaks_unicode
from sukashi.cli.exits import OK, USAGE
from sukashi.metadata.recipe import Recipe
from sukashi.settings import Settings


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
    told = {field.name for field in fields(Recipe)} | {"count"}
    usual = Settings().to_dict()
    given = settings.items() if isinstance(settings, Mapping) else ()
    extra = {key: value for key, value in given if key not in told and value not in (None, usual.get(key))}
    return replace(recipe, tool=f"sukashi {version}", raw={**extra, **loading})
