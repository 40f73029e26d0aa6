"""Models are found where the common tools keep them, by their headers alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants  # reads the environment when it is imported: before any test changes that
from safetensors.torch import save_file

from lora_samples import kohya
from sukashi import kirie, places, shelf
from sukashi.weights.save import save_single_file
from tiny_models import tiny_model


@pytest.fixture
def tree(tmp_path: Path, model: Path) -> Path:
    """A1111's folders with a checkpoint, a link to a folder, and things that are no models."""
    place = tmp_path / "webui" / "models" / "Stable-diffusion"
    (place / "mine").mkdir(parents=True)
    save_single_file(tiny_model("sdxl"), place / "mine" / "xl.safetensors")
    (place / "tiny").symlink_to(model)
    save_file({"double_blocks.0.x": torch.zeros(2, 2)}, place / "flux.safetensors")
    (place / "torn.safetensors").write_bytes(b"\xff" * 30)
    save_file({"decoder.mid.x": torch.zeros(1)}, place / "tiny.vae.safetensors")
    for folder in ("models/Lora/styles", "models/ControlNet", "models/ESRGAN", "embeddings", "notes"):
        (tmp_path / "webui" / folder).mkdir(parents=True)
    webui = tmp_path / "webui"
    save_file(kohya(tiny_model("sdxl")), webui / "models" / "Lora" / "styles" / "ink.safetensors")
    save_file({"control_model.a": torch.zeros(1)}, webui / "models" / "ControlNet" / "edges.safetensors")
    torch.save({"model.0.weight": torch.zeros(1), "model.1.sub.0.x": torch.zeros(1)}, webui / "models/ESRGAN/x4.pth")
    torch.save({"string_to_param": {"*": torch.zeros(3, 768)}, "name": "w0rd"}, webui / "embeddings" / "sks.pt")
    save_file({"x": torch.zeros(1)}, webui / "notes" / "never-looked-at.safetensors")
    return webui


@pytest.fixture
def cache(tmp_path: Path, model: Path, monkeypatch) -> Path:
    """A Hugging Face cache with a model of ours and one of another kind."""
    hub = tmp_path / "home" / "hub"
    for name, inside in (("models--me--tiny", model), ("models--you--bert", tmp_path)):
        snapshots = hub / name / "snapshots"
        snapshots.mkdir(parents=True)
        (snapshots / "abc").symlink_to(inside) if inside is model else (snapshots / "abc").mkdir()
        (hub / name / "refs").mkdir()
        (hub / name / "refs" / "main").write_text("abc\n")
    save_file({"bert.weight": torch.zeros(1)}, hub / "models--you--bert" / "snapshots" / "abc" / "model.safetensors")
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setattr(kirie, "path", lambda: model)
    monkeypatch.setattr(kirie, "unknown_words", lambda prompt: [])
    return hub


def test_every_place_is_looked_into(tree: Path, cache: Path, model: Path) -> None:
    found = {entry.name: entry for entry in shelf.look([tree])}
    place = tree / "models" / "Stable-diffusion"
    assert set(found) == {
        "kirie",
        "me/tiny",
        str(place / "flux.safetensors"),
        str(place / "mine" / "xl.safetensors"),
        str(place / "tiny"),
        str(place / "tiny.vae.safetensors"),
        str(place / "torn.safetensors"),
        "ink",
        "sks",
        str(tree / "models" / "ControlNet" / "edges.safetensors"),
        str(tree / "models" / "ESRGAN" / "x4.pth"),
    }
    kinds = {entry.path.stem: (entry.kind, entry.family) for entry in found.values() if not entry.predicts}
    assert kinds["ink"] == ("LoRA", "a model with a context of width 64") and kinds["edges"] == ("ControlNet", None)
    assert kinds["sks"] == ("embedding", "SD 1.x (768)") and kinds["x4"] == ("upscaler", None)
    assert kinds["tiny.vae"] == ("VAE", None) and found["sks"].note == "the word w0rd, 3 vectors"
    assert found["ink"].note.startswith("LoRA, ") and found["ink"].usable
    assert found["kirie"].family == found["me/tiny"].family == "Stable Diffusion 1.x"
    assert found["me/tiny"].where == "Hugging Face cache" and found["me/tiny"].kind == "folder"
    large = found[str(place / "mine" / "xl.safetensors")]
    assert (large.family, large.kind, large.predicts) == ("Stable Diffusion XL", "single file", "epsilon")
    assert large.size == large.path.stat().st_size
    assert "is a Flux model" in found[str(place / "flux.safetensors")].note
    assert found[str(place / "torn.safetensors")].note and not found[str(place / "torn.safetensors")].usable


def test_the_command_lists_them(sukashi, tree: Path, cache: Path, model: Path) -> None:
    code, out, err = sukashi("models", tree, "--hash")
    digest = shelf.fingerprint(model)
    assert code == 0 and not err and "kirie\n  Stable Diffusion 1.x, folder" in out and f"sha256 {digest}" in out
    assert "2 other files there" in out and "flux" not in out
    assert "ink\n  a model with a context of width 64, LoRA" in out
    assert "is a Flux model" in sukashi("models", tree, "-v").out
    assert sukashi("models", tree, "--kind", "lora").out.startswith("ink\n")
    assert "--kind is 'lara'; accepted: folder, single file, LoRA" in sukashi("models", tree, "--kind", "lara").err
    listed = [json.loads(line) for line in sukashi("models", tree, "--json").out.splitlines()]
    assert len(listed) == 11 and {entry["family"] for entry in listed} >= {None, "Stable Diffusion XL"}


def test_what_is_listed_can_be_loaded_by_its_name(sukashi, tree: Path, cache: Path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    names = [
        entry["name"]
        for entry in map(json.loads, sukashi("models", tree, "--json").out.splitlines())
        if entry["usable"] and entry["kind"] in ("folder", "single file")
    ]
    assert len(names) == 4
    for name in names:
        code, _, err = sukashi("a cat", "-m", name, "--steps", 1, "-W", 64, "-H", 64, "--offline")
        assert code == 0, err


def test_the_tree_in_this_folder_is_found_by_itself(sukashi, tree: Path, cache: Path, monkeypatch) -> None:
    monkeypatch.chdir(tree)
    assert str(Path("models/Stable-diffusion/mine/xl.safetensors")) in sukashi("models").out


def test_without_any_model_the_list_says_what_to_do(sukashi, tmp_path: Path, cache: Path, monkeypatch) -> None:
    monkeypatch.setattr(kirie, "path", lambda: tmp_path / "missing")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "missing"))
    code, out, _ = sukashi("models")
    assert code == 0 and "no models were found" in out


def test_comfyui_s_extra_paths(tmp_path: Path) -> None:
    for name in ("far/away", "far/also", "near", "quoted one"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "extra_model_paths.yaml").write_text(
        "# comment\n"
        f"a111:\n    base_path: {tmp_path / 'far'}  # where it is\n    checkpoints: |\n        away\n        also\n"
        "    loras: |\n        also/\n    is_default: true\n"
        "comfyui:\n    checkpoints: near\n    loras: nowhere\n"
        "third:\n    base_path: ./\n    checkpoints: 'quoted one'\n"
        "gone:\n    checkpoints: missing/\n"
    )
    there = places.places(tmp_path)
    assert [(kind, p.resolve().relative_to(tmp_path.resolve()).as_posix()) for kind, p in there] == [
        ("checkpoint", "far/away"),
        ("checkpoint", "far/also"),
        ("checkpoint", "near"),
        ("checkpoint", "quoted one"),
    ]
    for text, reason in (
        ("a: [", "not yaml"),
        ("- 1", "a section with base_path"),
        ("a: b", "a section with base_path"),
    ):
        (tmp_path / "extra_model_paths.yaml").write_text(text)
        with pytest.raises(ValueError, match=rf"extra_model_paths.yaml: {reason}"):
            places.places(tmp_path)
    (tmp_path / "extra_model_paths.yaml").write_text("")
    assert places.places(tmp_path) == []


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HF_HUB_CACHE": "c", "HF_HOME": "h"}, "c"),
        ({"HF_HOME": "h", "XDG_CACHE_HOME": "x"}, "h/hub"),
        ({"XDG_CACHE_HOME": "x"}, "x/huggingface/hub"),
    ],
)
def test_where_the_cache_is(environment: dict[str, str], folder: str) -> None:
    assert shelf.cache_folder(environment) == Path(folder)


def test_without_variables_the_cache_is_huggingface_hub_s() -> None:
    assert shelf.cache_folder({}) == Path(constants.default_home, "huggingface", "hub").expanduser()
