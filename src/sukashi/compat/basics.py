"""What every class here shares: configs read by attribute, results read by name or place, notes said once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NoReturn

_SAID: set[str] = set()


def say_once(note: str) -> None:
    """A warning the first time this note is given in a process, nothing after that."""
    if note not in _SAID:
        _SAID.add(note)
        warnings.warn(note, UserWarning, stacklevel=3)


class Config(dict[str, Any]):
    """A config whose keys are attributes too. It cannot be changed: what was built from it would not follow.

    >>> Config(sample_size=64).sample_size
    64

    Raises AttributeError for a key that is not there, TypeError when written to.
    """

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"the config has no key {name!r}; it has {', '.join(map(str, self))}")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "a config cannot be changed: build anew from it, as in Scheduler.from_config(config, key=value)"
        )

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


@dataclass
class Output:
    """A result in the manner of diffusers: ``out.images``, ``out["images"]`` and ``out[0]`` are the same.

    What is None counts for nothing in ``out[0]``, ``len`` and ``to_tuple``.
    """

    def keys(self) -> list[str]:
        """The names of what is there."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def to_tuple(self) -> tuple[Any, ...]:
        """What is there, in order."""
        return tuple(getattr(self, name) for name in self.keys())

    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, str):
            if key not in self.keys():
                raise KeyError(f"{key!r} is not in this output; it has {', '.join(self.keys())}")
            return getattr(self, key)
        return self.to_tuple()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())


def given(**values: Any) -> dict[str, Any]:
    """Those of the arguments that are not None."""
    return {name: value for name, value in values.items() if value is not None}
