"""Watching is outside: who does not watch pays nothing."""

from __future__ import annotations

import subprocess
import sys

import torch

import sukashi
from sukashi.watch.recording import record


def test_a_plain_run_never_meets_the_watching() -> None:
    code = (
        "import sys, sukashi\n"
        "sukashi.load('kirie', device='cpu')('a cat', steps=1, seed=1)\n"
        "print([m for m in sys.modules if m.startswith(('sukashi.watch', 'matplotlib'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_loop_is_the_samplers_own_and_nothing_stays_behind() -> None:
    pipe = sukashi.load("kirie", device="cpu")
    run = pipe.steps("a cat", steps=2, seed=1)
    with torch.no_grad():
        *_, bare = run.walk()
    *_, iterated = run
    recorded = record(pipe, "a cat", steps=2, seed=1)
    assert torch.equal(bare.x_next, iterated.x_next) and torch.equal(recorded.result.latents, bare.x_next)
    for module in pipe.unet.modules():
        assert not (module._forward_hooks or module._forward_pre_hooks or "attend" in vars(module))
