"""What can be wrong with a model on disk, each said in one sentence that names the place and the value."""

from __future__ import annotations

from collections.abc import Sequence


class ConfigError(ValueError):
    """A config holds a key or a value that this library does not implement."""


class PickleError(ValueError):
    """A pickle asks for something other than tensors and plain containers; nothing of it was run."""


class HubError(OSError):
    """A model or a file could not be had from the hub or its cache."""


class CheckpointError(ValueError):
    """Tensors are missing, unexpected or of the wrong shape: all their names, ten of each in the message."""

    def __init__(
        self,
        message: str,
        *,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        misshaped: Sequence[str] = (),
    ) -> None:
        self.missing, self.unexpected, self.misshaped = tuple(missing), tuple(unexpected), tuple(misshaped)
        lines = [message]
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("wrong shape", misshaped)):
            if names:
                lines.append(f"{kind} ({len(names)}): " + ", ".join(names[:10]) + (", ..." if len(names) > 10 else ""))
        super().__init__("\n  ".join(lines))


class NotThereError(CheckpointError, FileNotFoundError):
    """There is no file or folder of that name, nor can it be a hub id."""
