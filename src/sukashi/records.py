"""What the lists of ``Settings`` may hold, LoRAs, words and adapters, and its shortcuts, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sukashi.moments import moment


def check_lists(loras: Any, embeddings: Any, controls: Any) -> None:
    """Raise ValueError where one of them is given and is not what ``Settings`` has there."""
    for check, records in ((check_controls, controls), (check_loras, loras), (check_embeddings, embeddings)):
        if records is not None:
            check(records)


def check_shortcuts(deepcache: Any, tgate: Any) -> None:
    """Raise ValueError unless these are the shortcuts of ``Settings``, or None."""
    numbers = deepcache if isinstance(deepcache, list | tuple) else [deepcache]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
    if deepcache is not None and not (whole and 1 <= len(numbers) <= 2 and numbers[0] >= 1):
        raise ValueError(f"deepcache is {deepcache!r}; a whole number of at least 1 is accepted, or [number, branch]")
    steps = isinstance(tgate, int) and not isinstance(tgate, bool)
    if tgate is None or (steps and tgate >= 1):
        return
    if steps:
        raise ValueError(f"tgate is {tgate}; at least 1 step is accepted, or a moment such as 0.4 or 'step 10'")
    moment(tgate, "tgate")


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
