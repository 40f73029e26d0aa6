"""A LoRA by its name in the folders of the common tools, and its hash as A1111 writes it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from lora_samples import kohya, saved
from sukashi.adapters.lora.find import fetch_lora, find_lora, lora_hash
from sukashi.places import find, trees
from sukashi.weights.errors import HubError
from tiny_models import tiny_model


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Both tools' folders, and one that extra_model_paths.yaml names."""
    content = kohya(tiny_model("sd1"))
    for place in ("models/Lora/styles", "models/loras", "models/Stable-diffusion", "far"):
        (tmp_path / place).mkdir(parents=True)
    for name in ("Lora/styles/ink.safetensors", "Lora/Fur.pt", "loras/two.safetensors", "Lora/styles/two.safetensors"):
        saved(content, tmp_path / "models" / name)
    saved(content, tmp_path / "models" / "Stable-diffusion" / "no-lora.safetensors")
    saved(content, tmp_path / "far" / "beyond.safetensors")
    (tmp_path / "extra_model_paths.yaml").write_text("a:\n  loras: far\n")
    return tmp_path


def test_by_name(tree: Path) -> None:
    where = {
        "ink": "models/Lora/styles/ink.safetensors",
        "styles/ink": "models/Lora/styles/ink.safetensors",
        "INK": "models/Lora/styles/ink.safetensors",
        "ink.safetensors": "models/Lora/styles/ink.safetensors",
        "Fur": "models/Lora/Fur.pt",
        "beyond": "far/beyond.safetensors",
        "loras/two": "models/loras/two.safetensors",
    }
    for name, path in where.items():
        assert find_lora(name, [tree]) == tree / path, name
    assert find_lora(str(tree / "far" / "beyond.safetensors"), []) == tree / "far" / "beyond.safetensors"
    with pytest.raises(ValueError, match=r"'two' names 2 files: .*say which by its path"):
        find_lora("two", [tree])
    with pytest.raises(FileNotFoundError, match=r"no LoRA is called 'inc'; 5 files in .*; near it: ink"):
        find_lora("inc", [tree])
    with pytest.raises(FileNotFoundError, match=r"no LoRA is called 'no-lora'"):
        find_lora("no-lora", [tree])
    assert find("checkpoint", "no-lora", [tree]).name == "no-lora.safetensors"


def test_the_folders_that_are_looked_in(tree: Path, tmp_path: Path, monkeypatch) -> None:
    assert trees([tree]) == trees((), {"SUKASHI_FOLDERS": str(tree)}) == [tree]
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such folder"):
        trees((), {"SUKASHI_FOLDERS": "/nowhere"})
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.delenv("SUKASHI_FOLDERS", raising=False)
    monkeypatch.chdir(tree)
    assert trees() == [Path()]
    assert find_lora("beyond") == Path("far/beyond.safetensors")


def test_folders_and_hub_ids(tree: Path, tmp_path: Path, monkeypatch) -> None:
    trained = tmp_path / "trained"
    trained.mkdir()
    with pytest.raises(FileNotFoundError, match=r"trained has none of the files pytorch_lora_weights.safetensors"):
        fetch_lora(trained)
    path = saved(kohya(tiny_model("sd1")), trained / "pytorch_lora_weights.safetensors")
    assert fetch_lora(trained) == path and find_lora(trained) == path
    snapshot = tmp_path / "hub" / "models--org--style" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    cached = saved(kohya(tiny_model("sd1")), snapshot / "adapter_model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SUKASHI_FOLDERS", str(tree))
    assert fetch_lora("org/style") == fetch_lora("org/style", weight_name="adapter_model.safetensors") == cached
    with pytest.raises(HubError, match=r"org/absent is not in the cache"):
        fetch_lora("org/absent", offline=True)


def test_a1111_s_hash_leaves_the_header_out(tmp_path: Path) -> None:
    content = kohya(tiny_model("sd1"))
    one, other = saved(content, tmp_path / "a.safetensors"), saved(content, tmp_path / "b.safetensors", note="renamed")
    data = one.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    assert lora_hash(one) == lora_hash(other) == sha256(data[start:]).hexdigest()[:12]
    assert one.read_bytes() != other.read_bytes()
