"""A tiny random model in a folder, and the command run in this process."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sukashi.cli import main


class Ended(NamedTuple):
    """How one command line ended, and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny SD 1 model that draws 64 x 64 in three steps."""
    from sukashi.weights.save import save_folder
    from tiny_models import tiny_model

    folder = tmp_path_factory.mktemp("models") / "tiny"
    parts = tiny_model("sd1")
    nets = {name: copy.deepcopy(getattr(parts, name)) for name in ("unet", "vae", "text_encoders")}
    parts = replace(parts, **nets)
    for net in (parts.unet, parts.vae, *parts.text_encoders):
        for name, weight in net.named_parameters():  # strong enough that words and seeds change every pixel
            if weight.ndim > 1:
                weight.mul_(10 * 1.5 / (weight.numel() / len(weight)) ** 0.5)
            elif name.endswith("weight"):
                weight.add_(1)
    save_folder(parts, folder)
    defaults = {"width": 64, "height": 64, "steps": 3, "guidance": 4.0}
    (folder / "sukashi.json").write_text(json.dumps({"defaults": defaults}))
    return folder


@pytest.fixture
def sukashi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Ended:
        code = main([str(word) for word in words])
        return Ended(code, *capsys.readouterr())

    return run
