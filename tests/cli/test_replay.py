"""A picture says how it was made, and is made again from that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sukashi.metadata.picture import save_picture


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--sampler dpmpp_2m_sde --grid karras --rng nv -n ugly --rescale 0.3",
        "-W 40 -H 56 --clip-skip 2 --sampler ddim --eta 0.5 --deepcache 2 --tgate 0.5",
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_drawn_read_and_replayed_is_the_same_picture(sukashi, model: Path, options: str, name: str) -> None:
    [drawn] = sukashi("a (cat), 猫", "-m", model, "-s", 7, "-o", name, "--json", *options.split()).json()
    [recipe] = sukashi("read", name, "--json").json()
    assert recipe["raw"]["settings"] == drawn["record"]["settings"] and recipe["prompt"] == "a (cat), 猫"
    ended = sukashi("replay", name, "--check", "--json", "--tolerance", 0)
    [again] = ended.json()
    assert ended.code == 0 and again["check"]["equal"] and again["check"]["largest"] == 0
    assert again["path"] is None and again["notes"] == drawn["notes"]
    assert {**again["record"], "model_hash": ""} == {**drawn["record"], "model_hash": ""}
    assert sukashi("replay", name, "--check", "--quiet") == (0, f"the same picture as {name}, every pixel\n", "")


def test_a_changed_picture_is_found_out(sukashi, model: Path) -> None:
    sukashi("a cat", "-m", model, "-o", "a.png")
    picture = Image.open("a.png")
    changed = picture.copy()
    red, green, blue = changed.getpixel((3, 4))
    changed.putpixel((3, 4), (red, green, (blue + 9) % 256))
    save_picture(changed, "b.png", record=json.loads(picture.text["sukashi"]))
    code, out, _ = sukashi("replay", "b.png", "--check")
    largest = abs((blue + 9) % 256 - blue)
    assert code == 1 and f"not the picture in b.png: largest difference {largest} of 255, PSNR" in out
    assert sukashi("replay", "b.png", "--check", "--tolerance", largest).code == 0


def test_a_resized_picture_cannot_be_compared(sukashi, model: Path) -> None:
    sukashi("a cat", "-m", model, "-o", "a.png")
    picture = Image.open("a.png")
    save_picture(picture.resize((32, 32)), "b.png", record=json.loads(picture.text["sukashi"]))
    code, out, err = sukashi("replay", "b.png", "--check")
    assert code == 1 and "32 x 32 and 64 x 64" in out and not err


def test_a_jpeg_differs_by_what_it_loses(sukashi, model: Path) -> None:
    sukashi("a cat", "-m", model, "-o", "a.jpg")
    code, out, err = sukashi("replay", "a.jpg", "--check", "--tolerance", 0)
    assert code == 1 and "not the picture" in out and "--tolerance" in out and not err


def test_without_check_the_picture_is_written_anew(sukashi, model: Path) -> None:
    sukashi("a cat", "-m", model, "-s", 3, "-o", "a.png")
    code, out, _ = sukashi("replay", "a.png", "--quiet")
    assert code == 0 and Path(out.strip()) == Path("outputs/00000-3.png")
    assert Image.open(out.strip()).tobytes() == Image.open("a.png").tobytes()
    assert sukashi("replay", "a.png", "-o", "a.png").code == 2
    assert sukashi("replay", "a.png", "-o", "b.png", "--check", "--quiet").code == 0 and Path("b.png").is_file()


def test_other_weights_are_noticed(sukashi, model: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    sukashi("a cat", "-m", model, "-o", "a.png")
    other = tmp_path / "other"
    other.mkdir()
    for item in model.rglob("*"):
        place = other / item.relative_to(model)
        place.mkdir() if item.is_dir() else place.write_bytes(item.read_bytes())
    [weights] = (other / "unet").glob("*.safetensors")
    save_file({name: t + 0.01 * torch.ones_like(t) for name, t in load_file(weights).items()}, weights)
    code, out, _ = sukashi("replay", "a.png", "--check", "-m", other)
    assert code == 1 and "note: it was drawn with weights" in out


def test_a_model_that_only_the_picture_names_is_never_fetched(sukashi, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sukashi.weights.hub.download", lambda *_: pytest.fail("it was fetched"))
    record = {"task": "text-to-image", "model": "somebody/something", "settings": {"seed": 1}}
    save_picture(Image.new("RGB", (8, 8)), "a.png", record=record)
    code, _, err = sukashi("replay", "a.png")
    assert code == 3 and "somebody/something is not in the cache" in err and "with -m" in err


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"model": "MODEL", "task": "teleportation", "settings": {}}, "the task 'teleportation' is not known"),
        ({"model": "MODEL", "task": "text-to-image", "settings": {"spin": 3}}, "unknown setting 'spin'"),
        ({"model": "MODEL", "task": "text-to-image", "settings": {"steps": "many"}}, "steps is 'many'"),
        ({"model": 3, "task": "text-to-image", "settings": {}}, "names no model"),
        ({"model": "MODEL", "task": "text-to-image", "settings": []}, "name the model to draw it with"),
    ],
)
def test_records_that_cannot_be_replayed(sukashi, model: Path, record: dict, said: str) -> None:
    record = {key: str(model) if value == "MODEL" else value for key, value in record.items()}
    save_picture(Image.new("RGB", (8, 8)), "a.png", record=record)
    code, out, err = sukashi("replay", "a.png")
    assert code == 2 and not out and said in err and "Traceback" not in err


A1111 = """a (cat:1.2) <lora:fur:0.7>
Negative prompt: ugly
Steps: 4, Sampler: DPM++ 2M, Schedule type: Automatic, CFG scale: 5, Seed: 11, Size: 64x32, Model hash: 0123456789, \
Model: dream, ENSD: 31337, Version: v1.10.0"""


def test_a_picture_of_another_tool_needs_a_model(sukashi, model: Path) -> None:
    save_picture(Image.new("RGB", (64, 32)), "a.png", parameters=A1111)
    code, _, err = sukashi("replay", "a.png")
    assert code == 2 and "drawn by AUTOMATIC1111 with dream; name the model to draw it with: -m MODEL" in err
    ended = sukashi("replay", "a.png", "-m", model, "--json")
    [facts] = ended.json()
    wanted = {"steps": 4, "sampler": "dpmpp_2m", "grid": "karras", "guidance": 5, "seed": 11, "width": 64, "height": 32}
    assert ended.code == 0 and wanted.items() <= facts.items()
    assert facts["prompt"] == "a (cat:1.2)" and facts["negative_prompt"] == "ugly"
    assert facts["record"]["settings"]["rng"] == "nv"  # A1111 on a GPU, which its file does not say
    notes = " | ".join(facts["notes"])
    for part in (
        "LoRA fur is not applied",
        "ENSD: 31337 is not honoured",
        "weights (a1111): 1.2 on 'cat'",
        "weights 0123456789",
    ):
        assert part in notes


def test_read_goes_on_after_a_file_it_cannot_read(sukashi, model: Path) -> None:
    save_picture(Image.new("RGB", (8, 8)), "a.png", parameters=A1111)
    save_picture(Image.new("RGB", (8, 8)), "b.png")
    sukashi("a cat", "-m", model, "-o", "c.png", "--rescale", "0.25")
    code, out, err = sukashi("read", "a.png", "b.png", "c.png")
    assert code == 2 and "b.png holds no recipe" in err
    assert "AUTOMATIC1111" in out and "sukashi 0." in out and "rescale: 0.25" in out and "settings" not in out
    assert [r["path"] for r in sukashi("read", "a.png", "b.png", "c.png", "--json").json()] == ["a.png", "c.png"]
