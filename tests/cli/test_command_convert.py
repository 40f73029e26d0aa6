"""Folder to single file and back by the command."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from sukashi.tasks import compare


def test_there_and_back_draws_the_same(sukashi, model: Path) -> None:
    code, out, err = sukashi("convert", model, "one.safetensors")
    assert code == 0 and not err and "written: one.safetensors (single file)" in out and "unet:" in out
    assert sukashi("convert", "one.safetensors", "folder").code == 0
    same = ["-s", 1, "-W", 64, "-H", 64, "--steps", 2, "--guidance", 3, "--sampler", "ddim"]
    pictures = []
    for k, source in enumerate((model, "one.safetensors", "folder")):
        assert sukashi("a cat", "-m", source, "-o", f"{k}.png", *same).code == 0
        pictures.append(Image.open(f"{k}.png"))
    assert all(compare(pictures[0], picture).within(1) for picture in pictures)  # a CPU's sums depend on alignment


def test_half_precision_and_json(sukashi, model: Path) -> None:
    ended = sukashi("convert", model, "half", "--dtype", "fp16", "--json")
    [facts] = ended.json()
    assert ended.code == 0 and (facts["path"], facts["kind"], facts["predicts"]) == ("half", "folder", "epsilon")
    sizes = [sum(p.stat().st_size for p in Path(f).rglob("*.safetensors")) for f in (model, "half")]
    assert 0.45 < sizes[1] / sizes[0] < 0.6


def test_the_model_inside_the_package(sukashi) -> None:
    ended = sukashi("convert", "kirie", "kirie.safetensors")
    assert ended.code == 0 and "sd2-v, predicts v_prediction" in ended.out and Path("kirie.safetensors").is_file()


def test_what_cannot_be_converted(sukashi, model: Path) -> None:
    Path("here").mkdir()
    for words, code, said in (
        ([model, "here"], 2, "here exists; --overwrite replaces it"),
        ([model, "x.ckpt"], 2, "pickles are read but never written"),
        ([model, "here", "--overwrite", "--dtype", "fp7"], 2, "invalid choice"),
        (["nowhere", "x"], 3, "nowhere: no such file or folder"),
        (["here", "x"], 3, "no model_index.json"),
    ):
        ended = sukashi("convert", *words)
        assert (ended.code, ended.out) == (code, "") and said in ended.err and ended.err.count("\n") <= 2


def test_what_the_loader_noticed_is_said_once_and_apart(sukashi, model: Path) -> None:
    sukashi("convert", model, "one.safetensors")
    Path("one.vae.safetensors").write_bytes(b"")
    words = ["a cat", "-m", "one.safetensors", "-b", 2, "-W", 64, "-H", 64, "--steps", 1]
    code, out, err = sukashi(*words)
    assert code == 0 and err.startswith("note: ") and err.count("one.vae.safetensors lies beside") == 1
    assert "lies beside" not in out
    ended = sukashi(*words, "--json")
    assert not ended.err and "lies beside" in ended.json()[0]["loading_notes"][-1]
    assert not sukashi(*words, "--quiet").err
