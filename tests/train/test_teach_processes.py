"""Two processes that train together are one that accumulates two passes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from teaching import log_of, some

from sukashi.train.methods import lora
from sukashi.train.methods.config import Config
from tiny_models import tiny_model

HERE = Path(__file__).parent
SCRIPT = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
import test_teach_processes as here
here.learn(Path(sys.argv[1]), accumulation=1)
"""


def learn(folder: Path, accumulation: int) -> None:
    torch.set_num_threads(1)
    config = Config(device="cpu", size=32, steps=3, rate=0.01, text=True, save_every=2, accumulation=accumulation)
    lora.train(tiny_model("sd1"), some(), config, folder)


@pytest.mark.slow
def test_together(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    said = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "two")],
            env={**os.environ, **said, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    learn(tmp_path / "one", accumulation=2)
    ours, theirs = (load_file(tmp_path / name / "lora.safetensors") for name in ("one", "two"))
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-3, atol=1e-5)
    norms = [[row["norm"] for row in log_of(tmp_path / name)] for name in ("one", "two")]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
