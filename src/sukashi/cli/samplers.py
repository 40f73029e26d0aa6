"""``sukashi samplers``: every sampler and grid, with the names that other tools give them."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sukashi.cli.exits import OK


def run(args: argparse.Namespace) -> int:
    """List them."""
    from sukashi.diffusion.names import ALSO, GRID_ALSO
    from sukashi.diffusion.registry import GRIDS, SAMPLERS

    samplers: list[dict[str, Any]] = [
        {
            "name": key,
            "label": sampler.label,
            "also": [*ALSO.get(key, []), sampler.home],
            "automatic": sampler.automatic,
            "calls": sampler.calls(20) if sampler.calls else 20,
            "noisy": sampler.noisy,
        }
        for key, sampler in SAMPLERS.items()
    ]
    grids = [{"name": key, "also": GRID_ALSO.get(key, [])} for key in GRIDS]
    if args.json:
        print(json.dumps({"samplers": samplers, "grids": grids}))
        return OK
    print("samplers (--sampling-method); as diffusers, A1111, ComfyUI and k-diffusion write them, in any case:")
    for entry in samplers:
        marks = [f"{entry['calls']} calls for 20 steps"] * (entry["calls"] != 20) + ["fresh noise"] * bool(
            entry["noisy"]
        )
        print(f"  {entry['name']:<18} {entry['label']:<18} {', '.join(marks)}".rstrip())
        if args.verbose:
            print(f"  {'':<18} also {', '.join(entry['also'])}; A1111's schedule: {entry['automatic']}")
    print("\ngrids (--scheduler), the noise levels that are visited; also at a sampler's end, as in 'DPM++ 2M Karras':")
    for grid in grids:
        print(f"  {grid['name']:<18} {', '.join(grid['also'])}".rstrip())
    print("  automatic          the one that A1111 gives the sampler")
    if not args.verbose:
        print("\n-v also lists the other names")
    return OK
