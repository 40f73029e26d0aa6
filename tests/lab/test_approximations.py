"""What computing less does to pictures: counted, compared and tabled."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
import torch

import sukashi
from sukashi.lab.approximations import measure, report
from sukashi.lab.approximations.ways import EXACT, OTHER, Way, told, ways
from sukashi.lab.approximations.work import Work, adding, kind
from sukashi.lab.probe import load_probe
from sukashi.nets.unet import Attention, UNet, UNetConfig

FEW = [Way(EXACT, {}), Way(OTHER, {}), Way("T-GATE", {"tgate": 1}), Way("DeepCache", {"deepcache": 1})]


def test_operations_are_those_of_the_literature() -> None:
    """16.938 T multiplications for 25 guided steps of SD 1.5 without attention: arXiv:2404.02747, table 2."""
    with torch.device("meta"):
        net, every, linear = UNet(UNetConfig()), Work(), Work()
        for layer in net.modules():
            for work in (every, linear) if kind(layer) and not isinstance(layer, Attention) else (every,):
                if kind(layer):
                    layer.register_forward_hook(adding(work))
        with torch.no_grad():
            net(torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, 77, 768))
    assert linear.operations * 25 * 2 / 2 == pytest.approx(16.938e12, rel=1e-3)
    tokens = [4096 >> (2 * k) for k in range(4)]  # of each resolution: blocks there, their width
    sizes = zip(tokens, (320, 640, 1280, 1280), (5, 5, 5, 1), strict=True)
    cores = sum(4 * n * width * (n + 77) * blocks for n, width, blocks in sizes)
    assert every.operations - linear.operations == cores


def test_rows_are_told_apart() -> None:
    for steps in (4, 20, 50):
        names = [told(way) for way in ways(steps)]
        assert len(set(names)) == len(names) and names[:2] == [EXACT, OTHER]
    with pytest.raises(ValueError, match="at least 4"):
        ways(3)


def test_the_distance_is_none_for_equal_pictures_and_grows() -> None:
    torch.manual_seed(0)
    probe, image, noise = load_probe(), torch.rand(1, 3, 64, 64) * 2 - 1, torch.randn(3, 3, 64, 64)
    weak = torch.tensor([0.0, 0.05, 0.5])[:, None, None, None]
    found = measure.feature_distance(probe, image + weak * noise, image)
    assert found[0] < 1e-6 < found[1] < found[2]


def test_the_error_of_a_share_counts_prompts() -> None:
    parts = [3.0, 4.0, 4.0, 2.0]
    ratio, error = report.share(parts, [4.0] * 4)
    assert ratio == sum(parts) / 16
    assert error == pytest.approx(statistics.stdev(parts) / 2 / 4)


@pytest.mark.slow
def test_a_measurement_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (measure, report):
        monkeypatch.setattr(module, "ways", lambda steps: FEW)
    pipe, probe = sukashi.load("kirie", device="cpu"), load_probe()
    first = measure.run(pipe, probe, tmp_path, prompts=1, steps=2)
    assert measure.run(pipe, probe, tmp_path, prompts=1, steps=2) == first
    exact, other, gated, cached = report.rows(first)
    assert exact.psnr == cached.psnr == (measure.SAME,) * 3 and max(exact.distance, cached.distance) < 1e-6
    assert other.distance > gated.distance > 0 and other.psnr[0] < gated.psnr[0]
    assert (exact.pictures, gated.pictures, cached.pictures) == (4, 3, 4)
    assert cached.operations == other.operations == 1 and 0.6 < gated.operations < 0.75  # 3 of 4, and less attention
    text = report.report(first, tmp_path)
    assert "| T-GATE | `tgate=1` | 3.0 |" in text and text == (tmp_path / "approximations.md").read_text()
    assert json.loads((tmp_path / "approximations.json").read_text())["rows"][0]["operations"] == 1
    assert (tmp_path / "approximations.png").is_file()
    with pytest.raises(ValueError, match="another model or other settings"):
        measure.run(pipe, probe, tmp_path, prompts=1, steps=3)
