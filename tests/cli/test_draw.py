"""A prompt to a picture by the command, with what it says, writes and refuses."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sukashi import kirie
from sukashi.cli import progress


def test_one_prompt_becomes_one_picture(sukashi, model: Path) -> None:
    code, out, err = sukashi("a cat", "-m", model, "-s", 7)
    assert code == 0 and not err
    path, *account = out.splitlines()
    assert Path(path) == Path("outputs/00000-7.png") and Image.open(path).size == (64, 64)
    said = " ".join(account)
    for fact in (
        str(model),
        "Stable Diffusion 1.x",
        '"a cat"',
        "3 steps",
        "U-Net calls",
        "guidance 4",
        "seed 7",
        "cpu",
    ):
        assert fact in said


def test_the_shipped_model_is_the_default(sukashi, model: Path, monkeypatch) -> None:
    monkeypatch.setattr(kirie, "path", lambda: model)
    monkeypatch.setattr(kirie, "unknown_words", lambda prompt: [word for word in prompt.split() if word == "castle"])
    [facts] = sukashi("a girl with glasses eating pizza", "--json").json()
    assert facts["model"] == "kirie" and not facts["notes"]
    assert "note: kirie does not know: castle" in sukashi("a castle").out


def test_every_option_arrives(sukashi, model: Path) -> None:
    words = "-n ugly -W 48 -H 32 --steps 4 --cfg-scale 2.5 --rescale 0.5 -s 3 --sampling-method Euler_a"
    words += " --scheduler karras --rng nv --clip-skip 2 --dtype fp32 --device cpu -t 1 -o a/b.webp"
    ended = sukashi("-m", model, "-p", "x", *words.split(), "--json")
    [facts] = ended.json()
    assert ended.code == 0 and not ended.err and Path("a/b.webp").is_file()
    wanted = {
        "path": str(Path("a/b.webp")),
        "prompt": "x",
        "negative_prompt": "ugly",
        "width": 48,
        "height": 32,
        "steps": 4,
        "calls": 4,
        "guidance": 2.5,
        "seed": 3,
        "sampler": "euler_a",
        "grid": "karras",
        "dtype": "float32",
    }
    assert wanted.items() <= facts.items()
    assert {"rescale": 0.5, "rng": "nv", "clip_skip": 2}.items() <= facts["record"]["settings"].items()
    assert any("hidden layer" in note for note in facts["notes"])  # what --clip-skip left out


def test_json_and_nothing_else(sukashi, model: Path) -> None:
    ended = sukashi("a 猫", "-m", model, "-b", 2, "-s", 4, "--json")
    pictures = ended.json()
    assert [p["seed"] for p in pictures] == [4, 5] and {p["prompt"] for p in pictures} == {"a 猫"}
    assert [Path(p["path"]).name for p in pictures] == ["00000-4.png", "00001-5.png"]


def test_a_picture_of_a_batch_can_be_made_alone(sukashi, model: Path) -> None:
    sukashi("a cat", "-m", model, "-b", 2, "-s", 4, "-o", "batch-%d.png", "--quiet")
    sukashi("a cat", "-m", model, "-s", 5, "-o", "alone.png")
    assert Image.open("batch-1.png").tobytes() == Image.open("alone.png").tobytes()


def test_several_pictures_of_one_name(sukashi, model: Path) -> None:
    ended = sukashi("a cat", "-m", model, "-b", 3, "-o", "a.png", "--quiet")
    assert ended.code == 0 and ended.out.split() == ["a.png", "a_2.png", "a_3.png"]
    code, _, err = sukashi("a cat", "-m", model, "-b", 2, "-o", "a_2.png")
    assert code == 2 and "a_2.png exists" in err


def test_bytes_that_are_no_text(sukashi) -> None:
    code, _, err = sukashi(b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert code == 2 and 'the prompt "caf\\udce9" is not UTF-8 text' in err


def test_a_random_seed_is_reported(sukashi, model: Path) -> None:
    seeds = [sukashi("a cat", "-m", model, "--json", *words).json()[0]["seed"] for words in ([], ["-s", "-1"])]
    assert seeds[0] != seeds[1] and all(0 <= seed < 2**32 for seed in seeds)


def test_prompts_from_a_file_and_from_standard_input(sukashi, model: Path, monkeypatch) -> None:
    text = "\ufeffa cat\n\n  a dog  \r\n犬\n".encode()
    Path("prompts.txt").write_bytes(text)
    from_file = sukashi("--prompt-file", "prompts.txt", "-m", model, "-s", 1, "--json").json()
    assert [(p["prompt"], p["seed"]) for p in from_file] == [("a cat", 1), ("a dog", 1), ("犬", 1)]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    ended = sukashi("--prompt-file", "-", "-m", model, "--quiet")
    assert ended.code == 0 and len(ended.out.splitlines()) == 3


@pytest.mark.parametrize(
    ("data", "said"), [(b"\n \n", "p.txt holds no prompt"), (b"a\n\xff\n", "p.txt is not UTF-8 text")]
)
def test_prompt_files_that_cannot_be_used(sukashi, data: bytes, said: str) -> None:
    Path("p.txt").write_bytes(data)
    code, _, err = sukashi("--prompt-file", "p.txt")
    assert code == 2 and said in err


def test_nothing_is_overwritten_unasked(sukashi, model: Path) -> None:
    Path("a.png").write_text("precious")
    code, _, err = sukashi("a cat", "-m", "a model that is never looked for", "-o", "a.png")
    assert code == 2 and "a.png exists; --overwrite" in err and Path("a.png").read_text() == "precious"
    assert sukashi("a cat", "-m", model, "-o", "a.png", "--overwrite").code == 0
    assert Image.open("a.png").size == (64, 64)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "nowhere"], "nowhere: no such file or folder, and not a hub id"),
        (["-m", "nobody/nothing", "--offline"], "nobody/nothing is not in the cache"),
        (["-m", "file.safetensors"], "file.safetensors is neither a safetensors file nor a pickle"),
        (["-m", "."], "no model_index.json"),
    ],
)
def test_models_that_cannot_be_loaded(sukashi, monkeypatch, tmp_path: Path, words: list[str], said: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    Path("file.safetensors").write_bytes(b"not a model at all")
    code, out, err = sukashi("x", *words)
    assert code == 3 and not out and said in err and "Traceback" not in err


def test_sizes_that_the_model_cannot_draw(sukashi, model: Path) -> None:
    code, _, err = sukashi("x", "-m", model, "-W", 63)
    assert code == 2 and "multiples of 8" in err and not Path("outputs").exists()


def test_nan_is_code_4_and_no_picture(sukashi, model: Path, monkeypatch) -> None:
    from sukashi.nets.unet import UNet

    forward = UNet.forward
    monkeypatch.setattr(UNet, "forward", lambda self, *a, **k: forward(self, *a, **k) * torch.nan)
    code, out, err = sukashi("x", "-m", model)
    assert code == 4 and "step 1 of 3" in err and "U-Net" in err and "no picture was written" in err
    assert not out and not Path("outputs").exists()


def test_a_fault_of_ours_is_code_1_and_shown_when_asked(sukashi, model: Path, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("a fault")

    monkeypatch.setattr("sukashi.tasks.text_to_image", broken)
    code, _, err = sukashi("x", "-m", model)
    assert code == 1 and "TypeError: a fault" in err and "Traceback" not in err
    assert "Traceback" in sukashi("x", "-m", model, "-v").err


def test_ctrl_c_leaves_whole_pictures_only(tmp_path: Path, model: Path) -> None:
    words = [sys.executable, "-m", "sukashi", "a cat", "-m", str(model), "-b", "5000", "--quiet", "-o", "out/"]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  # a background job inherits deafness
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=tmp_path, env=threads, preexec_fn=heard, **pipes)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and err == "sukashi: interrupted\n"
    written = sorted((tmp_path / "out").iterdir())
    assert {str(path.relative_to(tmp_path)) for path in written} >= {first.strip(), *out.split()}
    for path in written:
        Image.open(path).load()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_nothing_elsewhere(sukashi, model: Path, monkeypatch) -> None:
    assert progress.watched() is iter
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert progress.watched(quiet=True) is iter
    sukashi("a cat", "-m", model)
    shown = sys.stderr.getvalue().split("\r")
    assert all(any(f" {k}/3 " in line and "#" * k in line for line in shown) for k in (1, 2, 3))
    assert not shown[-1] and not shown[-2].strip()  # wiped at the end


@pytest.mark.parametrize(("seconds", "clock"), [(0, "0:00"), (75.4, "1:15"), (3725, "1:02:05")])
def test_the_clock(seconds: float, clock: str) -> None:
    assert progress.clock(seconds) == clock
