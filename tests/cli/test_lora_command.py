"""``--lora`` and ``<lora:...>`` on the command line, in the picture's texts, and back from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from lora_samples import kohya, saved
from sukashi.adapters.lora.find import lora_hash
from sukashi.cli.lora import lora
from sukashi.metadata.readers import read
from sukashi.metadata.recipe import Lora, Recipe
from sukashi.translate import translate
from tiny_models import tiny_model

SMALL = ("--steps", 1, "-W", 64, "-H", 64, "--seed", 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    content = kohya(tiny_model("sd1"), alpha=40.0)
    saved(content, tmp_path / "ink.safetensors")
    saved({name: t.flip(0) for name, t in content.items() if t.ndim}, tmp_path / "fur.safetensors")
    monkeypatch.setenv("SUKASHI_FOLDERS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ink", ["ink"]),
        ("ink:0.8", ["ink", 0.8]),
        ("ink:0.8:-1", ["ink", 0.8, -1.0]),
        ("C:\\a\\ink.safetensors:0.5", ["C:\\a\\ink.safetensors", 0.5]),
        ("org/name", ["org/name"]),
    ],
)
def test_a_name_with_weights(text: str, expected: list[object]) -> None:
    assert lora(text) == expected


def test_drawn_written_and_drawn_again(sukashi, model: Path, folder: Path, tmp_path: Path) -> None:
    plain, inked, tagged = (tmp_path / f"{n}.png" for n in ("plain", "inked", "tagged"))
    fur = folder / "fur.safetensors"
    assert sukashi("a cat", "-m", model, *SMALL, "-o", plain).code == 0
    code, out, err = sukashi("a cat", "-m", model, *SMALL, "-o", inked, "--lora", "ink:0.8:0.3", "--lora", fur)
    assert code == 0, err
    assert out.count("matched") == 2 and "ink.safetensors: LoRA (Kohya names)" in out
    assert sukashi("a cat<lora:ink:0.3:0.8><lora:fur:1>", "-m", model, *SMALL, "-o", tagged).code == 0
    pictures = [Image.open(path).tobytes() for path in (plain, inked, tagged)]
    assert pictures[0] != pictures[1] == pictures[2]
    text = Image.open(inked).text["parameters"]
    hashes = f"ink: {lora_hash(folder / 'ink.safetensors')}, fur: {lora_hash(fur)}"
    assert text.startswith("a cat <lora:ink:0.3:0.8> <lora:fur:1>\n") and f'Lora hashes: "{hashes}"' in text
    assert f'Lora hashes: "{hashes}"' in Image.open(tagged).text["parameters"]
    assert Image.open(tagged).text["parameters"].startswith("a cat<lora:ink:0.3:0.8><lora:fur:1>\n")
    recipe = read(inked)
    assert recipe.raw["settings"]["loras"] == [["ink", 0.8, 0.3], [str(fur), 1.0, 1.0]]
    for path in (inked, tagged):
        assert sukashi("replay", path, "-m", model, "--check").code == 0


def test_mistakes_are_said_before_drawing(sukashi, model: Path, folder: Path, tmp_path: Path) -> None:
    code, _, err = sukashi("a cat", "-m", model, *SMALL, "--lora", "inc")
    assert code == 2 and "no LoRA is called 'inc'" in err and "near it: ink" in err
    code, _, err = sukashi("a cat", "-m", model, *SMALL, "--lora", ":0.5")
    assert code == 2 and "is not NAME, NAME:WEIGHT or" in err
    wide = {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": torch.zeros(2, 2048)
    }
    wide |= {name.replace("down.w", "up.w"): torch.zeros(8, 2) for name in wide}
    saved(wide, folder / "large.safetensors")
    code, _, err = sukashi("a cat", "-m", model, *SMALL, "--lora", "large")
    assert code == 3 and "large.safetensors is a LoRA for SDXL (context width 2048)" in err


def test_loras_of_other_tools(folder: Path) -> None:
    loras = (Lora("ink.safetensors", 0.5, 0.7), Lora("gone"), Lora("fur"))
    found = translate(Recipe(tool="ComfyUI", prompt="a cat <lora:ink:0.5>", loras=loras))
    ink, fur = (str(folder / f"{name}.safetensors") for name in ("ink", "fur"))
    assert found.record["settings"]["loras"] == [[ink, 0.5, 0.7], [fur, 1.0, 1.0]]
    assert found.record["settings"]["prompt"] == "a cat"
    assert any("LoRA gone is not applied: no LoRA is called 'gone'" in line for line in found.lost)
    assert json.dumps(found.record["settings"]["loras"])
