"""The experiment on negative prompts: shared steps, windows, resuming, and what the table says."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import sukashi
from sukashi.cli import main
from sukashi.diffusion.denoiser import guided
from sukashi.lab.negatives.measure import Seen, draw, measure, prepare, run, stretches
from sukashi.lab.negatives.table import draw_curve, plain, rows, table
from sukashi.lab.probe import Probe, save_probe
from sukashi.settings import Settings

WINDOWS = ((0.0, 0.5), (0.25, 1.0), (0.25, 0.75))


@pytest.fixture(scope="module")
def pipe() -> sukashi.Pipeline:
    return sukashi.load("kirie", device="cpu")


def brightness(images: Tensor) -> Seen:
    """A probe for tests: 'glasses' are brightness, in the upper half."""
    place = torch.zeros(images.shape[0], *images.shape[2:], dtype=torch.bool)
    place[:, : images.shape[2] // 2] = True
    return Seen(images.mean(dim=(1, 2, 3)), place)


def test_sharing_steps_changes_nothing(pipe: sukashi.Pipeline) -> None:
    settings = Settings(steps=4, sampler="ddim", eta=0.0).filled(pipe.defaults)
    drawing = prepare(pipe, "a girl", range(2), settings)
    images = draw(pipe, drawing, settings, WINDOWS)
    assert list(images) == ["none", "all", "positive", "0-2", "1-4", "1-3"]
    plan = pipe.plan(settings)
    levels, (_, _, n, scale) = plan.levels(4), settings.numbers()
    for a, b in [*stretches(WINDOWS, n), (0, n), (0, 0)]:

        def denoise(x, level, a=a, b=b):
            negative = a <= levels.index(level) < b
            unwanted = drawing.negative if negative else drawing.empty
            return guided(pipe.unet, plan.schedule.predicts, drawing.wanted, unwanted, scale)(x, level)

        with torch.no_grad():
            *_, step = plan.run(denoise, drawing.x, levels, lambda: None)
        name = {(0, 4): "all", (0, 0): "none"}.get((a, b), f"{a}-{b}")
        torch.testing.assert_close(images[name], pipe.vae_decode(step.x_next), rtol=0, atol=1e-4)


def test_change_is_counted_outside_the_thing_with_a_margin() -> None:
    base = torch.zeros(1, 3, 32, 32)
    other = base.clone()
    other[:, :, :20] = 1.0  # the upper half and 4 rows are the thing's; nothing else changes
    found = measure({"none": base, "x": other}, brightness)
    assert found["none"] == {"probability": [0.0], "change": [0.0], "outside": [0.0]}
    assert found["x"] == {"probability": [0.625], "change": [round(255 * 20 / 32, 4)], "outside": [0.0]}
    other[:, :, 31] = 1.0
    assert measure({"none": base, "x": other}, brightness)["x"]["outside"] == [pytest.approx(255 / 12, abs=1e-4)]


def test_it_goes_on_where_it_stopped_and_refuses_another_model(pipe: sukashi.Pipeline, tmp_path: Path) -> None:
    said: list[str] = []
    options = {"seeds": 1, "steps": 2, "windows": ((0.0, 0.5),), "say": said.append}
    first = run(pipe, brightness, tmp_path, prompts=["a cat"], **options)
    both = run(pipe, brightness, tmp_path, prompts=["a cat", "a dog"], **options)
    assert said == ["1 of 1: a cat", "2 of 2: a dog"] and both[0] == first[0]
    assert len((tmp_path / "negatives.jsonl").read_text().splitlines()) == 2
    with pytest.raises(ValueError, match="another model or other settings; name another folder"):
        run(pipe, brightness, tmp_path, prompts=["a cat"], **{**options, "steps": 3})


def line(**probabilities: list[float]) -> dict:
    facts = {"model": "m", "weights": "w", "negative": "glasses", "steps": 10, "guidance": 3.0}
    changes = {"change": [10.0] * 3, "outside": [2.0] * 3}
    variants = {name: {"probability": p, **changes} for name, p in probabilities.items()}
    return {"facts": facts, "prompt": "p", "variants": variants}


def test_rates_are_of_the_pictures_they_say(tmp_path: Path) -> None:
    lines = [
        line(none=[0.9, 0.1, 0.2], all=[0.1, 0.1, 0.1], positive=[1, 1, 0.9], **{"0-1": [0.2, 0.8, 0.1]}),
        line(none=[0.8, 0.6, 0.2], all=[0.6, 0.1, 0.1], positive=[1, 0.2, 1], **{"0-1": [0.9, 0.1, 0.7]}),
    ]
    found = {row.variant: row for row in rows(lines)}
    early = found["0-1"]
    assert (early.glasses, early.pictures) == (0.5, 6)
    assert (early.brought, early.brought_of) == (pytest.approx(2 / 3), 3)
    assert (early.kept, early.kept_of) == (pytest.approx(1 / 3), 3)
    assert found["positive"].glasses == pytest.approx(5 / 6) and found["all"].kept == pytest.approx(1 / 3)
    text = table(list(found.values()), lines[0]["facts"])
    assert "| steps 0-1 of 10 | 0.50 ± 0.20 | 0.67 ± 0.27 | 0.33 ± 0.27 | 10.0 | 2.0 |" in text
    draw_curve(list(found.values()), 10, tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as picture:
        assert len(picture.convert("RGB").getcolors(100_000)) > 10


def test_a_rate_of_no_pictures_is_not_one() -> None:
    row = rows([line(none=[0.1], all=[0.1], positive=[0.9])])[0]
    assert math.isnan(row.kept) and row.kept_of == 0 and plain(row)["kept"] is None
    assert "| - |" in table([row], line(none=[0.1])["facts"])


def test_the_command_with_an_untrained_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_probe(Probe(), tmp_path / "probe.safetensors")
    words = ["kirie", "negatives", "--prompts", "1", "--seeds", "1", "--steps", "2", "--device", "cpu"]
    words += ["--probe", str(tmp_path / "probe.safetensors"), "--out", str(tmp_path / "out")]
    assert main(words) == 0 and "| negative prompt holds |" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "negatives.json").read_text())
    assert [row["variant"] for row in found["rows"]] == ["none", "all", "positive", "0-1", "1-2"]
    assert (tmp_path / "out" / "negatives.png").stat().st_size > 1000
