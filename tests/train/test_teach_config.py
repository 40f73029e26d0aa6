"""What a training may be asked, and what is refused in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from teaching import some

from sukashi.train.methods import custom, lora, ti
from sukashi.train.methods.config import HABITS, Config
from sukashi.train.methods.optimizers import share_of_rate
from tiny_models import tiny_model


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"steps": 0}, "steps is 0; 1 or more is accepted"),
        ({"steps": 1.5}, "steps is 1.5; a whole number is accepted"),
        ({"rate": "fast"}, "rate is 'fast'; a number is accepted"),
        ({"rate": float("nan")}, "rate is nan; 0 or more is accepted"),
        ({"forget": 1.2}, "forget is 1.2; a share from 0 to 1 is accepted"),
        ({"snr_gamma": 0}, "snr_gamma is 0; above 0 is accepted"),
        ({"optimizer": "lion"}, "optimizer is 'lion'; accepted: adamw, adam"),
        ({"layers": ("attention", "norm")}, "layers are attention, norm; accepted: attention, feed-forward"),
        ({"layers": ()}, "layers are none"),
        ({"keys": "a1111"}, "keys is 'a1111'; accepted: kohya, peft"),
        ({"sample_every": 5}, "sample_every is 5, but"),
        ({"ema": 1}, "ema is 1"),
        ({"batch": True}, "batch is True"),
    ],
)
def test_refused(given: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        Config(**given)
    assert sentence in str(error.value)


def test_habits() -> None:
    assert {method: Config().filled(method).steps for method in HABITS} == {m: HABITS[m]["steps"] for m in HABITS}
    assert Config(steps=7, rate=0.5).filled("ti").rate == 0.5
    assert Config(lora=True).filled("dreambooth").rate == HABITS["lora"]["rate"]
    with pytest.raises(ValueError, match="unknown method 'hypernetwork'"):
        Config().filled("hypernetwork")


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [0.5, 1, 1, 1]), ("linear", [0.5, 0.75, 0.5, 0.25]), ("cosine", [0.5, 0.854, 0.5, 0.146])],
)
def test_rates(schedule: str, rates: list[float]) -> None:
    config = Config(schedule=schedule, warmup=2)
    assert [share_of_rate(config, k, k / 4) for k in range(4)] == pytest.approx(rates, abs=1e-3)


def test_words_that_cannot_be_taught(tmp_path: Path) -> None:
    parts = tiny_model("sd1")
    small = {"device": "cpu", "size": 32, "steps": 1}
    with pytest.raises(ValueError, match=r"start 'xyz' is 3 tokens, <new> has 1 vector; take .* or vectors=3"):
        ti.train(parts, some(), Config(**small, start="xyz"), tmp_path)
    with pytest.raises(ValueError, match="start is ''"):
        ti.train(parts, some(), Config(**small), tmp_path)
    with pytest.raises(ValueError, match="already has a word 'cat'"):
        ti.train(parts, some(), Config(**small, start="at", word="cat"), tmp_path)
    for method, more in ((custom, {}), (ti, {"templates": "captions"})):
        with pytest.raises(ValueError, match="its caption 'a dog' does not say '<new>'"):
            method.train(parts, some("a dog"), Config(**small, start="at", **more), tmp_path)
    with pytest.raises(ValueError, match="size is 33; this model takes multiples of 8 pixels"):
        ti.train(parts, some(), Config(start="at", size=33, device="cpu"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("module", "named"), [("accelerate", "accelerate"), ("tensorboard", "tensorboard")])
def test_without_the_extra(module: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"training needs {named}, .* pip install 'sukashi\[train\]'"):
        lora.train(tiny_model("sd1"), some(), Config(device="cpu", size=32, steps=1), tmp_path)
