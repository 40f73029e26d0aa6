"""What the lists of ``Settings`` may hold: LoRAs and words, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_loras(records: Any) -> None:
    """Raise ValueError unless these are LoRAs as ``Settings.loras`` has them."""
    for record in records if isinstance(records, list | tuple) else [records]:
        name, numbers = (record[0], record[1:]) if isinstance(record, list | tuple) and record else (None, ())
        finite = all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1000 for n in numbers)
        if not isinstance(name, str) or not name or len(numbers) > 3 or not finite:
            raise ValueError(f"loras: {record!r} is not [name or path, weight, weight in the text encoders]")


def check_embeddings(records: Any) -> None:
    """Raise ValueError unless these are words as ``Settings.embeddings`` has them."""
    for record in records if isinstance(records, list | tuple) else [None]:
        pair = [record] if isinstance(record, str) else record
        if not isinstance(pair, list | tuple) or len(pair) not in (1, 2) or not all(isinstance(p, str) for p in pair):
            raise ValueError(f"embeddings: {record or records!r} is not a file, a name, or [file or name, word]")


def check_controls(records: Any) -> None:
    """Raises ValueError for what is not a list of records of ``adapters.use.Use``."""
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise ValueError(f"controls is {records!r}; a list of records is accepted (see adapters.use.Use)")
