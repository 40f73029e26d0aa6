"""Models by name: found, loaded when asked for, given up when they are too many; paths lead nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sukashi import kirie
from sukashi.serve.errors import Refused
from sukashi.serve.models import Models, public
from sukashi.shelf import folder_found


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("tree")
    found = []
    for name in ("one", "two"):
        shutil.copytree(kirie.path(), folder / name)
        found.append(folder_found(folder / name, str(folder / name), "a folder"))
    return Models(budget=2 * 10**8, device="cpu", found=lambda: found)


def test_names_are_those_of_clients(models: Models) -> None:
    assert list(models.offers) == ["kirie", "one", "two"] and models.find(None).name == "kirie"
    models.get("one")
    digits = models.hashes["one"]
    assert digits and models.title("one") == f"one [{digits}]"
    for name in ("one", f"one [{digits}]", "one.safetensors"):
        assert models.find(name).name == "one"
    for name in (models.offers["one"].source, "/etc/passwd", "stabilityai/sdxl-turbo", "../one", "nowhere"):
        with pytest.raises(Refused, match="there is no model"):
            models.find(name)
    assert "/" not in str(models.get("one").name)


def test_the_least_used_go_when_their_bytes_are_too_many(models: Models) -> None:
    models.unload()
    first = models.get("kirie")
    models.budget = int(models.bytes() * 2.5)
    models.get("one")
    assert models.get("kirie") is first and list(models.kept) == ["one", "kirie"]
    models.get("two")
    assert list(models.kept) == ["kirie", "two"] and models.loaded("one") is None
    models.budget = 1
    models.get("one")
    assert list(models.kept) == ["one"]  # the one in use stays, whatever it weighs


def test_public_names() -> None:
    assert public("/models/a b/ink.safetensors") == "ink" and public("kirie") == "kirie"
    assert public("org/name") == "org/name" and public(str(Path("/models/folder"))) == "folder"
