"""What ``sukashi explain`` writes: one page that is safe and alone, tensors, films."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sukashi.cli import main
from sukashi.pipeline import Pipeline
from sukashi.watch.arrays import write_npz
from sukashi.watch.films import frames, write_film
from sukashi.watch.page import WEB, bundle, page
from sukashi.watch.recording import Recording
from sukashi.watch.report import decoded, explain, report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&quot;'\"\u2028<!--"


class Read(HTMLParser):
    """The scripts of a page with what is in them, all tags, and the title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data
        if self.tags and self.tags[-1][0] == "title":
            self.title += data


def test_a_hostile_prompt_stays_text(shown: dict[str, Any]) -> None:
    words = [{**word, "word": HOSTILE} for word in shown["attention"]["words"]]
    view = {**shown, "prompt": HOSTILE, "notes": [HOSTILE], "model": HOSTILE}
    view |= {"attention": {**shown["attention"], "words": words}}
    read = Read(page(view, language='"><script>'))
    assert [tag for tag, _ in read.tags].count("script") == len(read.scripts) == 2
    assert json.loads(read.scripts[0])["view"] == json.loads(json.dumps(view))
    assert not {"img", "b"} & {tag for tag, _ in read.tags}
    assert HOSTILE in read.title.replace("\n", "")


def test_a_page_asks_nobody_for_anything(shown: dict[str, Any]) -> None:
    text = page(shown)
    read = Read(text)
    assert not [tag for tag, about in read.tags if {"src", "href"} & set(about)]
    (policy,) = (about["content"] for tag, about in read.tags if about.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'") and "http" not in policy
    script = read.scripts[1]
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts)\b|^\s*import\b", script, re.MULTILINE)
    assert not re.search(r"url\((?!\"data:)", "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL)))
    assert len(text) < 2_000_000


def test_modules_keep_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(
        'import { f } from "./b.js";\nimport c from "./c.js";\nconst x = 1;\nshow(f(), c, x);\n'
    )
    (tmp_path / "b.js").write_text('import c from "./c.js";\nconst x = 2;\nexport function f() { return x + c; }\n')
    (tmp_path / "c.js").write_text("const x = 3;\nexport { x as default };\n")
    text = bundle(tmp_path / "a.js")
    assert [text.index(part) for part in ("const x = 3", "const x = 2", "const x = 1")] == sorted(
        text.index(part) for part in ("const x = 3", "const x = 2", "const x = 1")
    )
    assert text.count("const x = 3") == 1 and "import" not in text and "export" not in text
    assert "const { default: c } = module0;" in text and "return { default: x };" in text
    (tmp_path / "c.js").write_text('export * from "./b.js";\n')
    with pytest.raises(ValueError, match=r"c\.js: a report cannot carry"):
        bundle(tmp_path / "c.js")


def test_scripts_of_the_view_are_short() -> None:
    files = [WEB / "see.js", WEB / "report.js", WEB / "see.css", *(WEB / "see").glob("*.js")]
    assert len(files) > 10 and all(len(path.read_text().splitlines()) <= 350 for path in files)


def test_both_languages_say_the_same_things() -> None:
    english, japanese = re.split(r"const JAPANESE", (WEB / "see" / "words.js").read_text(encoding="utf-8"))
    keys = [re.findall(r'^  (\w+): "', text, re.MULTILINE) for text in (english, japanese)]
    assert keys[0] == keys[1] and len(keys[0]) > 60
    fields = [re.findall(r"\{(\w+)\}", line) for line in english.splitlines() if re.match(r'  \w+: "', line)]
    theirs = [re.findall(r"\{(\w+)\}", line) for line in japanese.splitlines() if re.match(r'  \w+: "', line)]
    assert [sorted(names) for names in fields] == [sorted(names) for names in theirs]
    used = set(re.findall(r'\bsay\("(\w+)"', "".join(path.read_text() for path in (WEB / "see").glob("*.js"))))
    assert used <= set(keys[0])


def test_two_runs_side_by_side(watched: Recording, plain: Recording) -> None:
    data = json.loads(Read(report([watched, plain], language="ja")).scripts[0])
    assert data["language"] == "ja" and data["compare"]["settings"]["guidance"] == 1
    assert data["view"]["settings"]["seed"] == data["compare"]["settings"]["seed"]
    with pytest.raises(ValueError, match="3 recordings; a report shows one, or two"):
        report([watched] * 3)


def test_previews_suit_the_size(kirie: Pipeline, watched: Recording) -> None:
    small = explain(kirie, "a cat", seed=1, steps=1, width=64, height=64, attention=False)
    assert small.picture(0).size == (64, 64)
    found = decoded(kirie, watched, count=3)
    assert list(found) == [0, 2, 4]
    whole = kirie.vae_decode(watched.latents(4, "x0"))[0].permute(1, 2, 0).numpy()
    assert np.abs(np.asarray(found[4]) / 255 - whole).max() <= 0.51 / 255
    data = json.loads(Read(report([watched], kirie)).scripts[0])
    assert [bool(step["full"]) for step in data["view"]["steps"]] == [True] * 5  # six of five steps


def test_all_tensors_in_one_file(watched: Recording, tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", watched)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        for i, step in enumerate(watched.steps):
            assert np.array_equal(found["x"][i], step.x) and np.array_equal(found["x0"][i], step.prediction.x0)
            assert np.array_equal(found["part_wanted"][i], step.prediction.parts["wanted"])
        assert np.array_equal(found["latents"], watched.result.latents) and found["t"].shape == (6,)
        assert found["words_positive"].tolist() == ["a", "cat", "with", "round", "glasses"]
        assert np.allclose(found["attention_positive"][4], watched.attention[0].word("glasses"))
        assert np.allclose(found["attention_negative_steps"][2, 0], watched.attention[0].word("hat", "negative", 2))
        assert np.array_equal(found["images"][0], np.asarray(watched.result.images[0]))
        assert json.loads(str(found["record"]))["settings"]["seed"] == 1
    with pytest.raises(FileExistsError):
        write_npz(tmp_path / "a.npz", watched)


@pytest.mark.parametrize("name", ["a.gif", "a.apng"])
def test_films(watched: Recording, tmp_path: Path, name: str) -> None:
    write_film(tmp_path / name, frames(watched))
    with Image.open(tmp_path / name) as film:
        assert film.n_frames == 6 and film.size == (64, 64)  # type: ignore[attr-defined]
        film.seek(5)
        last = np.asarray(film.convert("RGB")).astype(int)
    wrong = np.abs(last - np.asarray(watched.result.images[0])).mean()
    assert wrong < (0.01 if name.endswith("png") else 6)
    with pytest.raises(ValueError, match="a film is written as"):
        write_film(tmp_path / "a.mp4", frames(watched))


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["explain", "a cat", "-s", "1", "--steps", "2", "-W", "64", "-H", "64", *words])
        return (code, *capsys.readouterr())

    return run


def test_a_picture_to_begin_from(command: Callable[..., tuple[int, str, str]]) -> None:
    Image.new("RGB", (64, 64), "red").save("red.png")
    Image.new("L", (64, 64), "white").save("white.png")
    code, out, err = command("-i", "red.png", "--strength", "0.5", "--compare", "strength=1", "--no-attention")
    assert code == 0 and "runs 1 of 2 steps" in out and "runs 2 of 2 steps" in out, err
    data = json.loads(Read(Path("report.html").read_text()).scripts[0])
    assert data["view"]["task"] == "image-to-image" and len(data["view"]["steps"]) == 1
    assert len(data["compare"]["steps"]) == 2
    code, out, err = command("-i", "red.png", "--mask", "white.png", "--no-attention", "-o", "m.html")
    assert code == 0 and '"task":"inpaint"' in Path("m.html").read_text(), err
    code, out, err = command("-i", "red.png", "--strength", "0", "-o", "0.html")
    assert code != 0 and "there is nothing to see: runs 0 of 2 steps" in err and not Path("0.html").exists()


def test_the_command(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command("-o", "r.html", "--npz", "r.npz", "--gif", "r.gif", "--compare", "guidance=1")
    assert code == 0, err
    assert re.match(r"r\.html  \d\.\d\d MiB\nr\.npz  .*\nr\.gif  .*\n  seed 1; drawn, watched and written in ", out)
    data = json.loads(Read(Path("r.html").read_text()).scripts[0])
    assert (data["view"]["settings"]["guidance"], data["compare"]["settings"]["guidance"]) == (3, 1)
    before = Path("r.html").read_bytes()
    code, out, err = command("-o", "r.html")
    assert code != 0 and "r.html exists; --overwrite replaces it" in err and Path("r.html").read_bytes() == before
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "r.txt"], "-o is r.txt; a name that ends in .html or .htm is accepted"),
        (["--compare", "width=32"], "are those of the first"),
        (["--mask", "m.png"], "--mask goes with a picture to begin from"),
        (["--compare", "strength=1"], "unknown setting 'strength'"),
        (["--compare", "sampler=nonsense"], "unknown sampler 'nonsense'"),
        (["--compare", "gidance=1"], "unknown setting 'gidance'"),
        (["-b", "2"], "a page explains one picture; 2 were asked for"),
        (["--gif", "a.gif", "--previews", "none"], "leaves nothing to film"),
    ],
)
def test_refusals_come_before_drawing(
    command: Callable[..., tuple[int, str, str]], words: list[str], said: str
) -> None:
    code, out, err = command(*words)
    assert code != 0 and said in err and not out and not list(Path().iterdir())
