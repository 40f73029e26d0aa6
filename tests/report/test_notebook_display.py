"""Result objects in a notebook: what they say, small and escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from sukashi.pipeline import Pipeline
from sukashi.prompts.table import tokens
from sukashi.rich import cells
from sukashi.watch.recording import Recording

HOSTILE = "<script>alert(1)</script> & \"x\" 'y'"


def markup(html: str) -> set[str]:
    return set(re.findall(r"<(\w+)", html))


def test_a_result(watched: Recording) -> None:
    result = watched.result
    html = result._repr_html_()
    assert markup(html) == {"figure", "img", "figcaption", "div", "br"}
    assert "a (cat:1.3) with round glasses (seed 1)" in html and "not: hat" in html and "5 U-Net calls" in html
    assert len(html) < 20_000
    request = replace(result.requests[0], prompt=HOSTILE, negative_prompt=HOSTILE)
    hostile = replace(result, requests=[request], notes=[HOSTILE], model=HOSTILE)._repr_html_()
    assert markup(hostile) == markup(html) and hostile.count("&lt;script&gt;") == 5


def test_many_results_are_counted(watched: Recording) -> None:
    result = watched.result
    many = replace(result, images=list(result.images) * 30, requests=list(result.requests) * 30)._repr_html_()
    assert many.count("<img") == 12 and "and 18 more" in many


def test_a_run_that_has_not_begun(kirie: Pipeline) -> None:
    run = kirie.steps("a cat", steps=30, seed=1)
    html, last = run._repr_html_(), run.levels[-1]
    assert "30 steps, 30 U-Net calls, not run yet" in html and markup(html) <= {
        "div", "br", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert html.count("<tr>") == 1 + 13 and f"<td>{last.alpha:.4f}</td><td>{last.sigma:.4f}</td></tr></tbody>" in html


def test_a_step(watched: Recording) -> None:
    step = watched.steps[1]
    html = step._repr_html_()
    assert re.findall(r"<figcaption[^>]*>([^<]*), [\d.]+<", html) == [
        f"x at t = {step.now.t:g}", "x0", "eps", *step.prediction.parts, f"x at t = {step.to.t:g}",
    ]  # fmt: skip
    assert f">x0, {step.prediction.x0.square().mean() ** 0.5:.3f}<" in html and len(html) < 30_000
    assert "picture 1 of" not in html and f"<td>{step.now.sigma:.4f}</td></tr><tr><td>to</td>" in html


def test_the_cells_of_a_latent() -> None:
    latent = torch.zeros(4, 2, 3)
    latent[0, 1, 2], latent[2, 0, 0] = 3, -9
    picture = cells(latent)
    assert picture.size == (96, 64) and picture.getpixel((0, 63)) == (128, 128, 128)
    assert picture.getpixel((95, 63)) == (255, 128, 128) and picture.getpixel((0, 0)) == (128, 128, 0)


def test_tokens(kirie: Pipeline) -> None:
    html = tokens(kirie, "a (cat:1.3) <b>")._repr_html_()
    assert "<td>1.2</td><td>cat&lt;/w&gt;</td>" in html and "<td>1.3</td>" in html and "<b>" not in html
    assert "cut off: cat" in tokens(kirie, "cat " * 50, truncate=True)._repr_html_()


def test_reports(kirie: Pipeline) -> None:
    report = kirie.parts.report
    html = report._repr_html_()
    assert html.startswith("<pre>") and f"{report.parts[0].matched} of {report.parts[0].total} tensors" in html
    assert replace(report, source=HOSTILE)._repr_html_().count("<") == 2


def test_recordings_and_maps(watched: Recording) -> None:
    html = watched._repr_html_()
    assert html.count("<img") == 5 + 1 + 5 and "5 steps watched" in html and len(html) < 100_000
    maps = watched.attention[0]._repr_html_()
    assert re.findall(r"<figcaption[^>]*>([^<]*)<", maps) == ["a", "cat", "with", "round", "glasses"]


def test_displaying_asks_for_nothing_new(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sukashi.rich, sys; assert 'torch' not in sys.modules and 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
