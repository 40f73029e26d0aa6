"""Errors as one sentence for a client; no path of this machine in it that the client did not send."""

from __future__ import annotations

import re
from typing import Any


def sentence_of(error: BaseException) -> str:
    """What went wrong: known errors by their own sentence, others by their kind."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory ({text}); a smaller picture needs less"
    if not isinstance(error, ValueError | ArithmeticError | OSError) and not type(error).__module__.startswith(
        "sukashi"
    ):
        text = f"{type(error).__name__}: {text} (this is a fault of sukashi's)"
    return re.sub(r"(?<![\w.])/(?:[^\s/:'\"]+/)+", "", text)


def code_of(error: BaseException) -> tuple[str, dict[str, Any]]:
    """The same for programs: a code, and the values in the sentence."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out_of_memory", {}
    code = getattr(error, "code", None)
    return (code, getattr(error, "values", {})) if isinstance(code, str) else ("failed", {"text": sentence_of(error)})
