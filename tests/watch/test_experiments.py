"""Every experiment: what stands in its sheet and table is what the pipeline draws and an independent count finds."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sukashi
from sukashi.cli import main
from sukashi.cli.experiment_options import TRIALS
from sukashi.kirie.world import sample
from sukashi.pipeline import Pipeline
from sukashi.watch.experiments.blending import blend
from sukashi.watch.experiments.captioning import captions, errors
from sukashi.watch.experiments.dropping import words
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.guidance import guidance
from sukashi.watch.experiments.inverting import inversion
from sukashi.watch.experiments.measure import change, psnr
from sukashi.watch.experiments.nearest import nearest
from sukashi.watch.experiments.roundtrip import vae
from sukashi.watch.experiments.sampling import samplers
from sukashi.watch.experiments.windows import negative
from tiny_models import tiny_model


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.tobytes() == b.tobytes()


def test_guidance(pipe: Pipeline) -> None:
    found = guidance(pipe, "a cat", scales=(0.0, 1.0, 3.0), seeds=(4,), steps=2)
    for scale, picture in zip((0.0, 1.0, 3.0), found.pictures[0], strict=True):
        assert same(picture, pipe("a cat", guidance=scale, seed=4, steps=2).images[0])
    assert same(found.pictures[0][0], pipe("", guidance=1.0, seed=4, steps=2).images[0])  # 0: the prompt left out
    values = np.asarray(found.pictures[0][2], dtype=float)
    assert found.rows[2]["contrast"] == pytest.approx(values.std())
    assert found.rows[1]["change from 1"] == 0 < found.rows[2]["change from 1"]


def test_blend(pipe: Pipeline) -> None:
    found = blend(pipe, "a cat", "a dog", pictures=3, seed=2, steps=1)
    for row in found.pictures:
        assert same(row[0], pipe("a cat", seed=2, steps=1).images[0])
        assert same(row[2], pipe("a dog", seed=2, steps=1).images[0])
    lerp, slerp = found.rows[1], found.rows[4]
    assert lerp["length"] < slerp["length"] and lerp["part"] == slerp["part"] == 0.5
    assert found.rows[0]["cosine to first"] == pytest.approx(1)


def test_words(pipe: Pipeline) -> None:
    found = words(pipe, "a cat a hat", seed=3, steps=1)
    assert found.above == ["whole", "no 'a' (1)", "no 'cat'", "no 'a' (3)", "no 'hat'", "nothing"]
    drawn = found.pictures[0]
    assert same(drawn[2], pipe("a a hat", seed=3, steps=1).images[0])
    assert [row["change of 255"] for row in found.rows] == sorted(row["change of 255"] for row in found.rows)[::-1]
    by_name = {row["left out"]: row["change of 255"] for row in found.rows}
    assert by_name["no 'hat'"] == change(drawn[4], drawn[0])
    with pytest.raises(ValueError, match=r"the prompt 'cat' has 1 word\(s\); at least 2"):
        words(pipe, "cat")


def test_negative_windows(pipe: Pipeline) -> None:
    found = negative(pipe, "a girl", "hat", windows=3, seed=1, steps=2)
    until, since = found.pictures
    assert same(until[0], pipe("a girl", seed=1, steps=2).images[0]) and same(since[2], until[0])
    assert same(until[2], pipe("a girl", negative_prompt="hat", seed=1, steps=2).images[0]) and same(since[0], until[2])
    half = pipe("a girl", negative_prompt="hat", negative_start=0.5, seed=1, steps=2)
    assert same(since[1], half.images[0]) and not same(since[1], since[0])
    assert [row["holds"] for row in found.rows][:2] == ["until 0%", "until 50%"]


@pytest.mark.slow
def test_samplers_come_nearer_with_steps_unless_they_add_noise(pipe: Pipeline) -> None:
    found = samplers(pipe, "a cat", names=("ddim", "euler a", "Heun"), steps=(3, 8), seed=1, fine=12)
    distance = {(row["sampler"], row["steps"]): row["distance"] for row in found.rows}
    assert distance["DDIM", 8] < 0.6 * distance["DDIM", 3] and distance["Heun", 8] < distance["DDIM", 3]
    assert distance["Euler a", 8] > 2 * distance["DDIM", 8]
    assert [row["calls"] for row in found.rows] == [3, 8, 3, 8, 5, 15]
    assert {row["grid"] for row in found.rows} == {"uniform"}


@pytest.mark.slow
def test_inversion_is_better_with_more_steps(pipe: Pipeline) -> None:
    picture = sample(8).picture.resize((140, 131))
    found = inversion(pipe, "a dog", image=picture, steps=(2, 16))
    few, many = found.rows
    assert many["latent error"] < 0.5 * few["latent error"] and many["PSNR"] > few["PSNR"]
    original, back, _, plain, _ = found.pictures[1]
    assert original.size == (136, 128) and many["PSNR"] == psnr(plain, back)
    assert found.facts["autoencoder_psnr"] == pytest.approx(psnr(back, original), abs=0.01)


def test_vae(pipe: Pipeline, tmp_path: Path) -> None:
    found = vae(pipe, pictures=2, seed=7)
    picture, _, back, _ = found.pictures[1]
    assert same(picture, sample(8).picture) and found.rows[1]["picture"] == "world 8"
    square = ((np.asarray(picture, dtype=float) - np.asarray(back, dtype=float)) ** 2).mean()
    assert found.rows[1]["PSNR"] == pytest.approx(10 * np.log10(255**2 / square)) == pytest.approx(psnr(picture, back))
    picture.save(tmp_path / "a.png")
    assert vae(pipe, images=[str(tmp_path / "a.png")]).rows[0]["PSNR"] == found.rows[1]["PSNR"]
    assert "48 values of colour for each number" in found.title


def test_captions_find_their_pictures(pipe: Pipeline) -> None:
    found = captions(pipe, pictures=4, questions=3)
    assert sum(row["rank of its caption"] == 1 for row in found.rows) >= 3  # 1 by chance
    assert found.facts["mean rank by chance"] == 2.5
    drawn = pipe("a cat eating pizza", seed=1, steps=6).images[0]
    best = captions(pipe, ["a robot on mars", "a cat eating pizza", "the sea"], image=drawn, questions=3).rows[0]
    assert best["caption"] == "a cat eating pizza" and best["gain"] > 2 * best["±"]


def test_errors_are_paired(pipe: Pipeline) -> None:
    picture = Image.new("RGB", (128, 128), "red")
    found = errors(pipe, picture, ["a cat", "a dog", "a cat"], questions=2, seed=3)
    assert found.shape == (2, 4)
    torch.testing.assert_close(found[:, 0], found[:, 2])  # the same caption, the same noise
    assert (found[:, 0] - found[:, 1]).abs().min() > 1e-6


def test_the_nearest_words_of_a_known_vector(pipe: Pipeline, tmp_path: Path) -> None:
    [cat] = pipe.parts.tokenizers[0].encode("cat")
    rows = pipe.parts.text_encoders[0].text_model.embeddings.token_embedding.weight
    torch.save({"<thing>": rows[cat].detach().clone()}, tmp_path / "thing.bin")
    found = nearest(pipe, tmp_path / "thing.bin", count=2, template="a {}", seed=1, steps=2)
    assert found.rows[0]["word"] == "cat" and found.rows[0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert same(found.pictures[0][0], found.pictures[0][1]) and not same(found.pictures[0][0], found.pictures[0][2])
    with pytest.raises(ValueError, match=r"the template 'cat' has no {} for the word"):
        nearest(pipe, tmp_path / "thing.bin", template="cat")


SMALL: dict[str, dict[str, Any]] = {
    "guidance": {"scales": (1.0, 2.0), "seeds": (1,)},
    "blend": {"pictures": 2},
    "unscheduled": {"seeds": (1,)},
    "words": {"prompt": "at cat"},
    "negative": {"windows": 2},
    "samplers": {"names": ("ddim",), "steps": (2,), "fine": 2},
    "inversion": {"steps": (2,)},
    "vae": {"pictures": 1},
    "loss": {"weights": (0.0, 1.0), "seeds": (1,), "through": "unet"},
    "captions": {"pictures": 2, "questions": 2},
}


@pytest.mark.parametrize("name", SMALL)
def test_any_model_will_do(name: str) -> None:
    tiny = Pipeline(tiny_model("sd1"), {"width": 64, "height": 64, "steps": 2, "guidance": 2.0}, "tiny")
    trial = TRIALS[name]
    call = getattr(import_module(f"sukashi.watch.experiments.{trial.module}"), trial.function)
    if name == "unscheduled":
        SMALL[name]["steps"] = 2
    found: Found = call(tiny, **SMALL[name])
    assert found.name == name and found.rows and found.picture().size[0] >= 64
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["facts"]["model"] == "tiny"


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["experiment"]) == 0
    listed = capsys.readouterr().out.split()
    assert all(name in listed for name in TRIALS)
    words_ = ["experiment", "guidance", "a cat", "--scales", "1", "3", "-s", "2", "--steps", "1", "-o", str(tmp_path)]
    assert main(words_) == 0
    printed = capsys.readouterr().out
    assert "Guidance of 1, 3 for 'a cat'" in printed and str(tmp_path / "guidance.png") in printed
    assert json.loads((tmp_path / "guidance.json").read_text())["facts"]["seeds"] == [2]
    assert Image.open(tmp_path / "guidance.png").width > 256
    before = (tmp_path / "guidance.png").read_bytes()
    assert main(words_) == 2 and "guidance.png exists; --overwrite" in capsys.readouterr().err
    assert (tmp_path / "guidance.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    assert main([*words_, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["guidance"] == 1
    assert main(["experiment", "dance"]) == 2 and "invalid choice: 'dance'" in capsys.readouterr().err
