"""How the command ends: exit codes that do not change, and every error in one sentence."""

from __future__ import annotations

OK, FAILED, USAGE, MODEL, NUMERICAL, INTERRUPTED = 0, 1, 2, 3, 4, 130

TABLE = """\
exit codes:
  0    done
  1    a check failed: the replayed picture differs, an operation of the device is wrong; or something broke
  2    the command line or a file given to it cannot be used
  3    the model could not be loaded
  4    the networks gave NaN or infinity, in float32 too; no picture was written
  130  interrupted (Ctrl-C); finished pictures stay, nothing half-written does
"""


class Misuse(Exception):
    """What was asked cannot be done as it was asked; the message is one sentence for the user (exit code 2)."""


class Unloadable(Exception):
    """The model could not be loaded; the message says which and why (exit code 3)."""


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence for whatever a verb raised."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, Unloadable):
        return MODEL, str(error)
    if type(error).__name__ == "NumericalError":  # by name: its module imports torch
        return NUMERICAL, f"{error}; no picture was written"
    if isinstance(
        error, FileNotFoundError | NotADirectoryError | IsADirectoryError | PermissionError | FileExistsError
    ):
        return USAGE, named(error)
    if isinstance(error, OSError):
        return FAILED, named(error)
    if isinstance(error, Misuse | ValueError):
        return USAGE, str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return FAILED, f"out of memory ({first_line(error)}); a smaller picture (-W, -H) or --dtype float16 needs less"
    return FAILED, f"{type(error).__name__}: {first_line(error)} (this is a fault of sukashi's; -v shows where)"


def named(error: OSError) -> str:
    """An operating system's complaint with the file it is about."""
    if error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The message of an error without what follows its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
