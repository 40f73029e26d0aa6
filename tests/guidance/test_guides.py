"""How guidance methods and moments are spelt, and what is refused."""

from __future__ import annotations

import pytest

from sukashi.guides import CLASHES, METHODS, guides, refuse_clashes
from sukashi.moments import moment


def test_methods_with_and_without_options() -> None:
    assert guides("") == {}
    read = guides("apg(eta=0.5, norm=15) pag interval(start=0.2,stop=sigma 0.28)")
    assert read["apg"] == {"eta": 0.5, "norm": 15.0, "momentum": -0.75}
    assert read["pag"] == METHODS["pag"]
    assert read["interval"] == {"start": "0.2", "stop": "sigma 0.28"}
    assert guides("pag(layers=mid+up_blocks.1)cfg++(scale=0.3)") == {
        "pag": {"scale": 3.0, "layers": "mid+up_blocks.1"},
        "cfg++": {"scale": 0.3},
    }


@pytest.mark.parametrize(
    ("spelled", "said"),
    [
        ("sag", "guide 'sag' cannot be read at 'sag'; accepted: interval, apg,"),
        ("pag pag(scale=1)", "names pag twice"),
        ("pag(scale=1", "cannot be read at '\\('"),
        ("pag(weight=1)", "guide pag has no option 'weight=1'; it has scale, layers"),
        ("pag(3)", "guide pag has no option '3'"),
        ("cfg\\+\\+(scale=7.5)", "cannot be read"),
        ("cfg++(scale=7.5)", "scale of guide cfg\\+\\+ is '7.5'; a number in 0..1 is accepted"),
        ("apg(norm=much)", "norm of guide apg is 'much'"),
        ("interval(start=soon)", "start of guide interval is 'soon'; a fraction in 0..1, 'step 5' or 'sigma 3.2'"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(spelled: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        guides(spelled)
    assert "\n" not in str(error.value)


def test_what_does_not_go_together_is_refused_by_name() -> None:
    for pair in CLASHES:
        with pytest.raises(ValueError, match="cannot be combined"):
            refuse_clashes([*pair, "interval"])
    refuse_clashes(["apg", "pag", "nag", "interval", "cutoff", "rescale"])


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (0, ("fraction", 0)), (0.3, ("fraction", 0.3)), ("0.3", ("fraction", 0.3)), (1, ("fraction", 1)),
        ("step 5", ("step", 5)), ("sigma 3.2", ("sigma", 3.2)), ("sigma 0", ("sigma", 0)),
    ],
)  # fmt: skip
def test_moments(value: float | str, read: tuple[str, float]) -> None:
    assert moment(value, "x") == read


@pytest.mark.parametrize("value", [5, -0.1, "step 1.5", "step -1", "sigma inf", "sigma", "5 steps", "", True, "nan"])
def test_moments_that_are_none(value: float | str) -> None:
    with pytest.raises(ValueError, match=r"negative_start is .*; a fraction in 0..1, 'step 5' or 'sigma 3.2'"):
        moment(value, "negative_start")
