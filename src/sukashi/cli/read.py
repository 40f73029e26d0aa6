"""``sukashi read``: how pictures were made, whichever tool made them."""

from __future__ import annotations

import argparse
import json
import sys

from sukashi.cli.draw import speaks_unicode
from sukashi.cli.exits import OK, USAGE


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
        print(describe(recipe), flush=True)
    return code
