"""Adapters by name and from the hub's cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_models import saved, their_controlnet, their_unet
from ip_models import published

from sukashi.adapters import load_control, load_ip_adapter
from sukashi.weights.errors import HubError

pytest.importorskip("diffusers", reason="diffusers makes the files here")


def cached(hub: Path, repo: str) -> Path:
    """The folder of a repository in the cache, to be filled."""
    base = hub / f"models--{repo.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text("0" * 40)
    folder = base / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_hub_ids_of_control_networks_and_image_prompts(hub: Path) -> None:
    saved(their_controlnet("sd1"), cached(hub, "someone/canny"))
    published(cached(hub, "someone/ip") / "models", "plain", their_unet("sd1"))
    control = load_control("someone/canny")
    assert control.report.matched == control.report.total and control.source == "someone/canny"
    adapter = load_ip_adapter("someone/ip/models/ip-adapter_plain.safetensors")
    assert [report.name for report in adapter.reports] == ["ip_adapter", "image_encoder"]
    with pytest.raises(HubError, match="someone/else is not in the cache"):
        load_control("someone/else")


def test_names_in_the_known_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "ControlNet"
    saved(their_controlnet("sd1"), tmp_path / "net")
    folder.mkdir(parents=True)
    (tmp_path / "net" / "diffusion_pytorch_model.safetensors").rename(folder / "canny_sd15.safetensors")
    (tmp_path / "net" / "config.json").rename(folder / "config.json")
    monkeypatch.setenv("SUKASHI_FOLDERS", str(tmp_path))
    assert load_control("canny_sd15").report.source == str(folder / "canny_sd15.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no ControlNet is called 'cany_sd15'.*near it: canny_sd15"):
        load_control("cany_sd15")
