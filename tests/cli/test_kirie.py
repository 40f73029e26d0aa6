"""``sukashi kirie``: a sheet, a sample, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from sukashi.kirie.canvas import PARTS
from sukashi.kirie.world import sample


def test_sheet(sukashi, tmp_path: Path) -> None:
    path = tmp_path / "new" / "sheet.png"
    words = ["kirie", "sheet", "-o", str(path), "--rows", "1", "--columns", "2", "--seed", "4"]
    code, out, err = sukashi(*words)
    assert (code, out.strip(), err) == (0, str(path), "")
    assert np.array_equal(np.asarray(Image.open(path))[4:132, 4:132], np.asarray(sample(4).picture))
    code, _, err = sukashi(*words)
    assert code == 2 and "--overwrite replaces it" in err
    assert sukashi(*words, "--overwrite", "--captions")[0] == 0
    assert Image.open(path).height > 150


def test_sample(sukashi, tmp_path: Path) -> None:
    code, out, _ = sukashi("kirie", "sample", "--seed", "12", "-o", str(tmp_path / "s"))
    assert code == 0 and out.splitlines()[0] == sample(12).caption
    facts = json.loads((tmp_path / "s" / "sample.json").read_text())
    assert facts["caption"] == sample(12).caption and facts["scene"]["place"] == sample(12).scene.place
    parts = np.asarray(Image.open(tmp_path / "s" / "parts.png"))
    masks = {path.stem.removeprefix("mask-") for path in (tmp_path / "s").glob("mask-*.png")}
    assert masks == {PARTS[k] for k in np.unique(parts)}
    mask = np.asarray(Image.open(tmp_path / "s" / f"mask-{PARTS[1]}.png"))
    assert np.array_equal(mask > 0, parts == 1)


def test_misuse(sukashi, tmp_path: Path) -> None:
    for words, said in (
        (["kirie"], "wants one of"),
        (["kirie", "sheet", "-o", str(tmp_path / "x.gif")], ".png"),
        (["kirie", "sheet", "-o", str(tmp_path / "x.png"), "--rows", "0"], "at least 1"),
        (["kirie", "eval", "--prompts", "1"], "at least 2 prompts"),
        (["kirie", "eval", "--probe", str(tmp_path / "none")], "there is no probe"),
    ):
        code, out, err = sukashi(*words)
        assert code == 2 and said in err and not out, (words, err)
