"""Guidance methods as they are asked for: 'apg(eta=0, norm=7.5) pag', and what does not go together."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from sukashi.moments import AUTO, PRESETS, moment

Options = Mapping[str, float | str]

METHODS: dict[str, dict[str, float | str]] = {  # every method with its options and their defaults
    "interval": {"start": "sigma 5.42", "stop": "sigma 0.28"},  # guidance only then, arXiv:2404.07724
    "apg": {"eta": 0.0, "norm": 7.5, "momentum": -0.75},  # adaptive projected guidance, arXiv:2410.02416
    "cfg++": {"scale": 0.6},  # takes the place of the guidance scale, arXiv:2406.08070
    "pag": {"scale": 3.0, "layers": "mid"},  # perturbed-attention guidance, arXiv:2403.17377
    "nag": {"scale": 5.0, "tau": 2.5, "alpha": 0.25},  # normalized attention guidance, arXiv:2505.21179
    "cutoff": {"similarity": 0.991},  # adaptive guidance, arXiv:2312.12487
    "perp-neg": {"weight": 1.0},  # perpendicular negative prompt, arXiv:2304.04968
}
RANGES = {("cfg++", "scale"): 1.0, ("nag", "alpha"): 1.0, ("cutoff", "similarity"): 1.0}  # others: 0 and above
OUTSIDE = ("empty", "off")  # outside its window the empty prompt takes the negative one's place, or guidance is off
ONE_EPS = "cfg++ moves with the noise of the unwanted branch alone, which leaves no one output to work on"
ONE_DIRECTION = "apg projects one direction, and there would be two"
ONE_WEIGHT = "both weigh the negative prompt"
CUT_NEGATIVE = "the cut-off would drop the negative prompt with the empty one"
CLASHES = {
    ("cfg++", "apg"): ONE_EPS,
    ("cfg++", "pag"): ONE_EPS,
    ("cfg++", "cutoff"): ONE_EPS,
    ("cfg++", "perp-neg"): ONE_EPS,
    ("cfg++", "rescale"): ONE_EPS,
    ("cfg++", "negative_scale"): ONE_EPS,
    ("apg", "perp-neg"): ONE_DIRECTION,
    ("apg", "negative_scale"): ONE_DIRECTION,
    ("perp-neg", "negative_scale"): ONE_WEIGHT,
    ("nag", "perp-neg"): ONE_WEIGHT,
    ("nag", "negative_scale"): ONE_WEIGHT,
    ("cutoff", "perp-neg"): CUT_NEGATIVE,
    ("cutoff", "negative_scale"): CUT_NEGATIVE,
}


def guides(spelled: str) -> dict[str, Options]:
    """Methods by name with all their options, from 'pag(scale=2, layers=mid) interval(start=0.2)'.

    Raises ValueError for a method or an option that does not exist, and for a value that cannot be.
    """
    asked: dict[str, Options] = {}
    for name, inside, junk in re.findall(r"([^\s(),]+)\s*(?:\(([^()]*)\))?|(\S)", spelled):
        if junk or name not in METHODS or name in asked:
            what = f"names {name} twice" if name in asked else f"cannot be read at {name or junk!r}"
            raise ValueError(f"guide {spelled!r} {what}; accepted: {', '.join(METHODS)}, as in 'apg pag(scale=2)'")
        asked[name] = METHODS[name] | options(name, inside)
    return asked


def options(name: str, inside: str) -> dict[str, float | str]:
    """What stands in the brackets behind a method."""
    given: dict[str, float | str] = {}
    for part in filter(None, map(str.strip, inside.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in METHODS[name]:
            known = ", ".join(METHODS[name])
            raise ValueError(f"guide {name} has no option {part!r}; it has {known}, written as in 'pag(scale=2)'")
        given[key] = checked(name, key, value)
    return given


def checked(name: str, key: str, value: str) -> float | str:
    """One value of one option."""
    if name == "interval":
        moment(value, f"{key} of guide {name}")
        return value
    if isinstance(METHODS[name][key], str):
        return value
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    low, high = (-1.0, 1.0) if key == "momentum" else (0.0, RANGES.get((name, key), 1000.0))
    if not low <= number <= high:
        raise ValueError(f"{key} of guide {name} is {value!r}; a number in {low:g}..{high:g} is accepted")
    return number


def refuse_clashes(names: Collection[str]) -> None:
    """Raise ValueError where two of the methods cannot work together, naming them and why."""
    for (one, other), why in CLASHES.items():
        if one in names and other in names:
            raise ValueError(f"{one} and {other} cannot be combined: {why}")


def check_steering(
    guide: str,
    rescale: float,
    negative_start: float | str,
    negative_stop: float | str | None,
    negative_outside: str,
    negative_scale: float | None,
) -> None:
    """Raise ValueError, in one sentence, where these fields of ``Settings`` cannot be run."""
    names = {
        *guides(guide),
        *(["rescale"] if rescale else []),
        *(["negative_scale"] if negative_scale is not None else []),
    }
    refuse_clashes(names)
    if negative_start not in (AUTO, *PRESETS):
        try:
            moment(negative_start, "negative_start")
        except ValueError as error:
            raise ValueError(f"{error}, and so are {', '.join((AUTO, *PRESETS))}") from None
    if negative_stop is not None:
        moment(negative_stop, "negative_stop")
    if negative_outside not in OUTSIDE:
        raise ValueError(f"negative_outside is {negative_outside!r}; {' and '.join(OUTSIDE)} are accepted")
    if negative_scale is not None and not 0 <= negative_scale < 1000:
        raise ValueError(f"negative_scale is {negative_scale!r}; a number in 0..1000 is accepted")
