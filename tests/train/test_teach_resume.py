"""A training that is killed goes on to the very weights of one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from teaching import log_of, some

from sukashi.train.methods import custom, finetune, lora, ti
from sukashi.train.methods.config import Config
from tiny_models import tiny_model

HERE = Path(__file__).parent
STEPS = 24
LONG = Config(device="cpu", size=32, steps=STEPS, save_every=4, ema=0.9, text=True, batch=2, forget=0.2, rate=0.01)
SCRIPT = f"""
import sys, time
from pathlib import Path
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
import test_teach_resume as here
here.long_run(Path(sys.argv[1]), pause=0.3)
"""


def long_run(folder: Path, pause: float = 0.0) -> None:
    torch.set_num_threads(1)
    lora.train(tiny_model("sd1"), some(), LONG, folder, lambda step, loss: time.sleep(pause))


@pytest.mark.slow
def test_killed_and_gone_on_with(tmp_path: Path) -> None:
    """kill -9 in the middle; the same again; then the file and the log of an uninterrupted run."""
    threads = torch.get_num_threads()
    killed, log = tmp_path / "killed", tmp_path / "killed" / "log.jsonl"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(killed)])
    until = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < until:
        if log.exists() and log.read_text().count("\n") > 9:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = len(log_of(killed))
    assert 9 < reached < STEPS and not (killed / "lora.safetensors").exists()
    saved = torch.load(killed / "checkpoint.pt", weights_only=True)["step"]
    assert reached - LONG.save_every <= saved <= reached
    long_run(killed)
    long_run(tmp_path / "whole")
    torch.set_num_threads(threads)
    assert_equal(killed, tmp_path / "whole", "lora.safetensors")
    one, other = (
        [(row["step"], row["loss"], row["norm"]) for row in log_of(tmp_path / n)] for n in ("killed", "whole")
    )
    assert one == other and len(one) == STEPS


def assert_equal(one: Path, other: Path, name: str) -> None:
    a, b = load_file(one / name), load_file(other / name)
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("method", "options", "file"),
    [
        (ti, {"start": "cat", "flip": 0.5, "schedule": "constant"}, "new.safetensors"),
        (finetune, {"ema": 0.5, "accumulation": 2, "crop": "random", "optimizer": "adafactor"}, "model/unet"),
        (custom, {"start": "cat", "warmup": 3, "optimizer": "radam"}, "custom.safetensors"),
        (lora, {"dora": True, "checkpointing": True, "cache": False}, "lora.safetensors"),
    ],
)
def test_stopped_in_the_middle(method, options: dict, file: str, tmp_path: Path) -> None:
    """An exception at step 3 of 4, after a checkpoint at 2."""
    config = Config(device="cpu", size=32, steps=4, save_every=2, rate=0.01, **options)
    examples = some("a <new> cat")

    def stop(step: int, loss: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method.train(tiny_model("sd1"), examples, config, tmp_path / "a", stop)
    method.train(tiny_model("sd1"), examples, config, tmp_path / "a")
    method.train(tiny_model("sd1"), examples, config, tmp_path / "b")
    name = f"{file}/diffusion_pytorch_model.safetensors" if file.endswith("unet") else file
    assert_equal(tmp_path / "a", tmp_path / "b", name)
    assert [row["step"] for row in log_of(tmp_path / "a")] == [0, 1, 2, 3]


def test_another_question_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    config = Config(device="cpu", size=32, steps=1, rank=2)
    lora.train(tiny_model("sd1"), some(), config, tmp_path)
    with pytest.raises(ValueError, match=r"the folder holds a run with rank = 2, asked is 3"):
        lora.train(tiny_model("sd1"), some(), Config(device="cpu", size=32, steps=1, rank=3), tmp_path)
    with pytest.raises(ValueError, match=r"the folder holds a run with data = "):
        lora.train(tiny_model("sd1"), some("dog"), config, tmp_path)
    told = lora.train(tiny_model("sd1"), some("x" * 80), config, tmp_path / "long").notes
    assert told[-1] == "captions that are read in more than one chunk of tokens: 3; the longest in 2"
    longer = Config(device="cpu", size=32, steps=2, rank=2)  # this may change
    assert lora.train(tiny_model("sd1"), some(), longer, tmp_path).steps == 2
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == 2
    (tmp_path / "run.json").unlink()
    with pytest.raises(FileExistsError, match=r"lora\.safetensors is there, but no run of ours"):
        lora.train(tiny_model("sd1"), some(), config, tmp_path)
