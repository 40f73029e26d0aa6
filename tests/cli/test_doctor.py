"""The doctor finds this machine sound, and names an operation that is not."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch.nn import functional as F

from sukashi import doctor


def test_this_machine_is_sound() -> None:
    findings = list(doctor.examine("cpu"))
    assert [f.check for f in findings] == [check.__name__ for check in doctor.CHECKS] == list(doctor.ANSWERS)
    assert all(f.ok and f.dtype == "float32" for f in findings), [f for f in findings if not f.ok]


def test_halves_are_checked_when_asked_for() -> None:
    findings = list(doctor.examine("cpu", (torch.bfloat16,)))
    assert all(f.ok and f.dtype == "bfloat16" and f.error > 0 for f in findings)


def wrong_by_a_little(function):
    def broken(x, *args, **named):
        out = function(x, *args, **named)
        return out * 1.01 if x.dtype == torch.float32 else out

    return broken


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("group_norm", {"group_norm", "unet", "autoencoder"}),
        ("interpolate", {"interpolation", "autoencoder", "unet"}),
        ("scaled_dot_product_attention", {"attention", "causal_attention", "unet", "autoencoder", "text_encoder"}),
    ],
)
def test_a_broken_operation_is_named(monkeypatch, name: str, checks: set[str]) -> None:
    monkeypatch.setattr(F, name, wrong_by_a_little(getattr(F, name)))
    bad = {f.check for f in doctor.examine("cpu") if not f.ok}
    assert bad and bad <= checks and {"group_norm", "interpolation", "attention"} & bad


def test_nan_and_exceptions_are_findings(monkeypatch) -> None:
    def raising(*_: object, **__: object) -> None:
        raise RuntimeError("not implemented on this device\nsee elsewhere")

    def fails_in_float32(function, failure):
        return lambda x, *a, **k: failure(x) if x.dtype == torch.float32 else function(x, *a, **k)

    monkeypatch.setattr(F, "linear", fails_in_float32(F.linear, raising))
    monkeypatch.setattr(F, "layer_norm", fails_in_float32(F.layer_norm, lambda x: x * math.nan))
    found = {f.check: f for f in doctor.examine("cpu")}
    assert not found["linear"].ok and found["linear"].note == "not implemented on this device"
    assert not found["layer_norm"].ok and found["layer_norm"].note == "the answer holds NaN or infinity"


def test_a_cpu_cannot_vouch_for_itself(monkeypatch) -> None:
    gelu = F.gelu
    monkeypatch.setattr(F, "gelu", lambda x: gelu(x) * 1.01)
    bad = [f for f in doctor.examine("cpu") if not f.ok]
    distrusted = [(f.check, f.device, f.dtype) for f in bad if "the CPU itself" in f.note]
    assert distrusted == [("activations", "cpu", "float64"), ("unet", "cpu", "float64")]


def test_the_command_reports(sukashi) -> None:
    code, out, err = sukashi("doctor", "--device", "cpu")
    assert code == 0 and not err and f"{len(doctor.CHECKS)} of {len(doctor.CHECKS)} checks are right" in out
    for fact in ("sukashi", "torch 2", "vocabulary", "kirie", "cpu:"):
        assert fact in out
    report = json.loads(sukashi("doctor", "--json").out)
    assert report["ok"] and len(report["checks"]) >= len(doctor.CHECKS) and report["packages"]["torch"]
    assert "convolution_of_a_part" in sukashi("doctor", "-v").out


def test_the_command_fails_where_something_is_wrong(sukashi, monkeypatch) -> None:
    monkeypatch.setattr(F, "group_norm", wrong_by_a_little(F.group_norm))
    code, out, _ = sukashi("doctor", "--device", "cpu")
    assert code == 1 and "WRONG  group_norm" in out and "wrong: group_norm on cpu in float32" in out
    assert not json.loads(sukashi("doctor", "--device", "cpu", "--json").out)["ok"]


def test_samplers_are_listed_with_their_names(sukashi) -> None:
    code, out, _ = sukashi("samplers")
    assert code == 0 and "dpmpp_2m " in out and "DPM++ 2M" in out and "karras" in out
    listed = json.loads(sukashi("samplers", "--json").out)
    from sukashi.diffusion.names import resolve

    for entry in listed["samplers"]:
        assert {resolve(name).sampler for name in (entry["name"], entry["label"])} == {entry["name"]}
    assert "DPMSolverMultistepScheduler" in sukashi("samplers", "-v").out
