"""The folder of a run: what was asked is written at its beginning, and must be the same when it is gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from sukashi.train.data.examples import Examples
from sukashi.train.methods.config import same_run
from sukashi.weights.tensors import write_json

RUN = "run.json"


def begin(folder: Path, asked: Mapping[str, Any]) -> None:
    """Write ``run.json``, or compare with the one that is there.

    Raises ValueError where another run was begun in the folder, FileExistsError where there is a result without one.
    """
    path = folder / RUN
    if path.exists():
        same_run(json.loads(path.read_text(encoding="utf-8")), asked)
    elif (there := next(folder.glob("*.safetensors"), folder / "model")).exists():
        raise FileExistsError(f"{there} is there, but no run of ours ({RUN}); train into another folder")
    write_json(path, dict(asked), overwrite=True)


def digest(examples: Examples) -> str:
    """A short name for the data: files, captions, repeats."""
    rows = [(e.path.name if e.path else "", e.caption, e.repeats, e.prior) for e in examples]
    return sha256(json.dumps(rows).encode()).hexdigest()[:12]
