"""``sukashi serve``: its options, and that it serves and stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from sukashi.cli.exits import Misuse
from sukashi.cli.parser import parse
from sukashi.cli.serve import config_of

pytest.importorskip("fastapi", reason="pip install 'sukashi[serve]'")


def test_options_become_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUKASHI_API_KEY", "from-env")
    monkeypatch.delenv("SUKASHI_AUTH", raising=False)
    words = "serve --listen --port 1234 --auth a:b:c --api-key k --max-body 2 --max-steps 9 --batch 4 --dtype fp16"
    config = config_of(parse(words.split()))
    assert (config.host, config.port, config.batch, config.dtype) == ("0.0.0.0", 1234, 4, "float16")
    assert config.auth == (("a", "b:c"),) and config.keys == ("k", "from-env") and not config.local
    assert config.limits.body == 2 * 2**20 and config.limits.steps == 9 and config.limits.count == 16
    plain = config_of(parse(["serve"]))
    assert plain.local and plain.model == "kirie" and plain.batch == 1
    for wrong, said in (("--auth nobody", "no colon"), ("--batch 0", "1 to 64")):
        with pytest.raises(Misuse, match=said):
            config_of(parse(["serve", *wrong.split()]))


def test_it_serves_the_page_and_stops_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sukashi", "serve", "--port", "0", "--data", str(tmp_path), "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("sukashi serves kirie at http://127.0.0.1:")
        url = said.split()[-1]
        with urllib.request.urlopen(f"{url}/", timeout=60) as page:
            assert b"<html" in page.read() and "default-src 'self'" in page.headers["content-security-policy"]
        with urllib.request.urlopen(f"{url}/web/main.js", timeout=60) as script:
            assert "javascript" in script.headers["content-type"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
