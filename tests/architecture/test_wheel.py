"""What is installed: the package, its model, its types, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from layer_table import PACKAGE, ROOT

import sukashi

pytest.importorskip("build")
pytest.importorskip("hatchling")
KINDS = {".py", ".typed", ".json", ".safetensors", ".txt", ".html", ".css", ".js", ".svg", ".png", ".md"}
LARGEST = 64 * 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return path


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if name.startswith(f"{PACKAGE}/")}
    beside = {name.rsplit("/", 1)[-1] for name in names if name not in inside}
    assert beside == {"METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt"}
    source = ROOT / "src"
    ours = {str(p.relative_to(source)) for p in (source / PACKAGE).rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert inside == {Path(name).as_posix() for name in ours}
    stray = [name for name in inside if Path(name).suffix not in KINDS or "/." in name or "__pycache__" in name]
    assert not stray
    assert f"{PACKAGE}/py.typed" in inside
    assert wheel.stat().st_size < LARGEST


def test_it_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    told = Parser().parsestr(archive.read(metadata).decode())
    assert told["Version"] == sukashi.__version__
    assert told["License-Expression"] == "Apache-2.0"
    needed = [r for r in told.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert {re.split(r"[^\w-]", r)[0] for r in needed} == {
        "torch", "numpy", "pillow", "safetensors", "tokenizers", "huggingface-hub", "lark", "pyyaml",
    }  # fmt: skip


def test_the_version_stands_in_one_place() -> None:
    version = sukashi.__version__
    places = [p for folder in ("src", "benchmarks", "docs") for p in (ROOT / folder).rglob("*.py")]
    places += [ROOT / "pyproject.toml", ROOT / "Makefile"]
    found = [p.name for p in places if re.search(rf"version[\W_]+{re.escape(version)}\b", p.read_text(), re.IGNORECASE)]
    assert found == ["__init__.py"]


def test_the_shipped_model_draws_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import sukashi; print(sukashi.__file__)\n"
        "print(sukashi.load('kirie', device='cpu')('a cat', seed=1, steps=1).images[0].size)"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(str(tmp_path / "site"))
