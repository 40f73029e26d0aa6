"""Importing does nothing but import; asking for help does not even import torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from layer_table import PACKAGE, modules

PROBE = Path(__file__).with_name("import_probe.py")
NEVER = {
    "accelerate", "diffusers", "huggingface_hub", "httpx", "httpx2", "instant_clip_tokenizer", "matplotlib", "pandas",
    "peft", "pytest", "requests", "scipy", "sklearn", "timm", "torchaudio", "torchsde", "torchvision", "tqdm",
    "transformers", "yaml",
}  # fmt: skip


def python(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {}) | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def probe(package: str, path: Path | None = None) -> dict[str, list[str]]:
    done = python(str(PROBE), package, path=path)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_importing_every_module_does_nothing_else() -> None:
    report = probe(PACKAGE)
    assert set(report["modules"]) == set(modules())
    assert report["done"] == []
    assert report["changed"] == []
    assert not NEVER & {*report["loaded"]}


CHANGES = {
    "environment": "import os; os.environ['A'] = 'b'",
    "torch random": "import torch; torch.manual_seed(3)",
    "numpy.random": "import numpy; numpy.random.rand()",
    "random": "import random; random.random()",
    "torch gradients": "import torch; torch.set_grad_enabled(False)",
    "threads": "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
}
DEEDS = (
    "open(__file__ + '.txt', 'w').close()",
    "open('/etc/hosts').close()",
    "import os; os.mkdir(__file__ + '.d')",
    "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError: pass",
    "import subprocess; subprocess.run(['true'])",
)


def test_the_probe_sees(tmp_path: Path) -> None:
    (tmp_path / "noisy").mkdir()
    for k, source in enumerate(["", *CHANGES.values(), *DEEDS]):
        (tmp_path / "noisy" / (f"part{k}.py" if k else "__init__.py")).write_text(source)
    report = probe("noisy", tmp_path)
    assert {*CHANGES} <= {*report["changed"]}
    parts = {line.split()[0].rstrip(":") for line in report["done"]}
    assert {f"noisy.part{len(CHANGES) + 1 + k}" for k in range(len(DEEDS))} <= parts


def test_the_package_alone_imports_no_torch() -> None:
    done = python("-c", "import sys, sukashi; sukashi.__version__; print(*{'torch', 'numpy', 'PIL'} & {*sys.modules})")
    assert done.stdout.strip() == "", done.stderr


def test_help_imports_no_torch_and_is_instant() -> None:
    code = (
        "import sys\nfrom sukashi.cli import main\n"
        "try: code = main(['--help'])\nexcept SystemExit as stop: code = stop.code\n"
        "print('imported', *{'torch', 'numpy', 'PIL'} & {*sys.modules})\nsys.exit(code or 0)"
    )
    seconds = []  # of the processor, so that a busy machine changes nothing
    for _ in range(5):
        before = os.times()
        done = python("-c", code)
        after = os.times()
        seconds.append(sum(after[2:4]) - sum(before[2:4]))
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout.lower()
        assert done.stdout.splitlines()[-1].strip() == "imported"
    assert min(seconds) < 0.3
