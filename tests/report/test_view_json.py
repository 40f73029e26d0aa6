"""The JSON of a recording says what its tensors say."""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from sukashi.pipeline import Pipeline
from sukashi.watch.encoding import series
from sukashi.watch.export import view
from sukashi.watch.recording import Recording, record

FIELDS = {
    "version", "model", "family", "task", "prompt", "negative_prompt", "settings", "notes", "sampler", "grid", "calls",
    "seconds", "size", "latent", "image", "tokens", "embedding", "steps", "attention", "unet", "schedule",
}  # fmt: skip


def picture(url: str) -> np.ndarray[Any, Any]:
    head, _, data = url.partition(",")
    assert head in ("data:image/png;base64", "data:image/webp;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def rms(x: Tensor) -> float:
    return math.sqrt(float((x.double() ** 2).sum()) / x.numel())


def cosine(a: Tensor, b: Tensor) -> float:
    a, b = a.double().flatten(), b.double().flatten()
    return float(a @ b / (a @ a).sqrt() / (b @ b).sqrt())


def close(a: float | None, b: float, tolerance: float = 2e-4) -> bool:
    return a is not None and abs(a - b) <= tolerance * max(1.0, abs(b))


def test_it_is_json_with_every_field(shown: dict[str, Any]) -> None:
    assert set(shown) == FIELDS
    assert json.loads(json.dumps(shown, allow_nan=False)) == json.loads(json.dumps(shown))
    assert shown["version"] == 1 and shown["model"] == "kirie"
    assert (shown["size"], shown["latent"], shown["calls"]) == ([64, 64], [4, 8, 8], 5)
    assert shown["settings"]["seed"] == 1 and shown["settings"]["negative_prompt"] == "hat"


def test_the_numbers_of_every_step_are_those_of_the_tensors(shown: dict[str, Any], watched: Recording) -> None:
    assert len(shown["steps"]) == len(watched.steps) == 5
    for told, step in zip(shown["steps"], watched.steps, strict=True):
        alpha, sigma = step.now.alpha, step.now.sigma
        assert close(told["t"], step.now.t) and close(told["to_t"], step.to.t) and close(told["alpha"], alpha)
        assert close(told["snr"], alpha**2 / sigma**2) and close(told["sigma"], sigma / alpha)
        wanted, unwanted = (sigma * step.x + alpha * step.prediction.parts[k] for k in ("wanted", "unwanted"))  # from v
        push = (wanted - unwanted)[0]
        for name, tensor in (
            ("x", step.x[0]),
            ("x0", step.prediction.x0[0]),
            ("eps", step.prediction.eps[0]),
            ("cond", wanted[0]),
            ("uncond", unwanted[0]),
            ("added", push),
        ):
            assert close(told["norms"][name], rms(tensor)), name
        assert close(told["cos_cond"], cosine(push, wanted[0])) and close(told["cos_uncond"], cosine(push, unwanted[0]))
        assert told["ms"] > 0


def test_previews_and_noise_are_the_recordings(shown: dict[str, Any], watched: Recording) -> None:
    for i, told in enumerate(shown["steps"]):
        for which in ("x", "x0"):
            assert np.array_equal(picture(told[which]), np.asarray(watched.picture(i, which)))
        eps = watched.steps[i].prediction.eps[0, :3].permute(1, 2, 0)
        grey = picture(told["eps"]).astype(float) / 255
        assert np.abs((grey - 0.5) * 6 - eps.clamp(-3, 3).numpy()).max() < 6 / 255
        assert told["full"] is None and picture(told["added"]).shape == (8, 8, 3)
    assert np.array_equal(picture(shown["image"]), np.asarray(watched.result.images[0]))


def test_maps_are_those_of_the_words(shown: dict[str, Any], watched: Recording) -> None:
    maps, words = watched.attention[0], shown["attention"]["words"]
    assert [(word["word"], word["side"]) for word in words] == [
        *((word, "positive") for word in ("a", "cat", "with", "round", "glasses")),
        ("hat", "negative"),
    ]
    told = words[4]
    whole = maps.word("glasses")
    assert np.abs(picture(told["map"]) / 255 - (whole / whole.max()).numpy()).max() <= 0.51 / 255
    top = max(float(maps.word("glasses", step=i).max()) for i in range(5))
    for i, url in enumerate(told["steps"]):
        assert np.abs(picture(url) / 255 - (maps.word("glasses", step=i) / top).numpy()).max() <= 0.51 / 255
    layer = maps.word("glasses", layer="up_blocks.2.attentions.1")
    seen = picture(told["layers"]["up_blocks.2.attentions.1 (8×8)"])
    assert np.abs(seen / 255 - (layer / layer.max()).numpy()).max() <= 0.51 / 255
    assert all(close(a, b) for a, b in zip(told["share"], maps.share("glasses"), strict=True))
    assert all(close(a, b) for a, b in zip(shown["attention"]["ratio"], maps.ratio(), strict=True) if b is not None)
    assert shown["attention"]["critical"] == maps.critical_step


def test_tokens_lead_to_their_words(shown: dict[str, Any], watched: Recording) -> None:
    words, (table,) = shown["attention"]["words"], watched.tokens["positive"]
    tokens = shown["tokens"]["positive"]
    spoken = [token for token in tokens if token["kind"] == "word"]
    assert [(t["id"], t["position"]) for t in spoken] == [(t.id, t.position) for t in table.tokens]
    assert [t["weight"] for t in spoken] == [1, 1.3, 1, 1, 1]
    assert all(close(t["norm"], float(own.vector.norm())) for t, own in zip(spoken, table.tokens, strict=True))
    assert [words[t["word"]]["word"] for t in spoken] == ["a", "cat", "with", "round", "glasses"]
    (hat,) = (token for token in shown["tokens"]["negative"] if token["kind"] == "word")
    assert words[hat["word"]] | {"map": 0, "steps": 0, "layers": 0, "share": 0} == {
        "word": "hat", "side": "negative", "tokens": [1], "map": 0, "steps": 0, "layers": 0, "share": 0,
    }  # fmt: skip
    kinds = [token["kind"] for token in tokens]
    assert kinds == ["start", *["word"] * 5, "end", *["pad"] * 41]
    assert all(len(t["nearest"]) == 5 and t["nearest"] == sorted(t["nearest"], key=lambda p: -p[1]) for t in spoken)


def test_what_was_cut_off_is_there_without_a_place(kirie: Pipeline) -> None:
    long = record(kirie, "cat " * 60, truncate=True, attention=False, seed=1, steps=1, width=64, height=64)
    tokens = view(long)["tokens"]["positive"]
    lost = [token for token in tokens if token["chunk"] is None]
    assert len(lost) == 60 - 46 and all(token["kind"] == "word" and token["position"] is None for token in lost)


def test_the_schedule_and_the_networks(shown: dict[str, Any], watched: Recording, kirie: Pipeline) -> None:
    signal = kirie.published.schedule.signal
    assert all(close(bar, signal[t]) for t, bar in shown["schedule"]["alphas_cumprod_sampled"])
    assert shown["schedule"]["t"] == [*(step.now.t for step in watched.steps), watched.steps[-1].to.t]
    whole = next(row for row in shown["unet"] if row["name"] == "")
    assert whole["parameters"] == sum(p.numel() for p in kirie.unet.parameters())
    assert whole["input"][1:] == whole["output"][1:] == [4, 8, 8]


def test_without_guidance_attention_and_previews(kirie: Pipeline) -> None:
    quiet = record(kirie, "", attention=False, previews="none", guidance=1.0, seed=1, steps=2, width=64, height=64)
    told = view(quiet)
    assert told["attention"] is None and told["prompt"] == ""
    for step in told["steps"]:
        assert step["x0"] is step["added"] is step["cos_cond"] is step["norms"]["added"] is None
    with pytest.raises(IndexError, match="no steps"):
        view(replace(quiet, steps=[]))


def test_what_is_infinite_is_null(watched: Recording) -> None:
    first = watched.steps[0]
    noisiest = first._replace(now=first.now._replace(alpha=0.0, sigma=1.0))
    step = view(replace(watched, steps=[noisiest, *watched.steps[1:]]))["steps"][0]
    assert step["sigma"] is None and step["alpha"] == step["snr"] == 0


def test_long_runs_keep_to_their_budget() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    made: list[int] = []

    def make(i: int) -> Image.Image:
        made.append(i)
        return Image.fromarray(noise[i % 4])

    small = series(10, make, budget=40_000)
    assert all(small) and sum(map(len, filter(None, small))) < 1.2 * 40_000
    assert max(picture(small[0] or "").shape) < 128
    made.clear()
    long = series(1000, make, budget=400_000)
    kept = [i for i, url in enumerate(long) if url]
    assert sum(map(len, filter(None, long))) < 1.2 * 400_000 and 50 < len(kept) < 1000
    assert kept[0] == 0 and kept[-1] == 999 and len(made) <= len(kept) + 3
    assert series(3, lambda i: make(i) if i == 2 else None, 1e6)[:2] == [None, None]
    whole = series(4, make, 1e9)
    assert [picture(url or "").shape for url in whole] == [(128, 128, 3)] * 4


def test_every_picture_of_a_batch(kirie: Pipeline) -> None:
    both = record(kirie, "a cat", count=2, seed=4, steps=1, width=64, height=64)
    first, second = view(both), view(both, 1)
    assert [told["settings"]["seed"] for told in (first, second)] == [4, 5]
    for k, told in enumerate((first, second)):
        assert close(told["steps"][0]["norms"]["x0"], rms(both.steps[0].prediction.x0[k]))
        assert np.array_equal(picture(told["image"]), np.asarray(both.result.images[k]))
        heat = both.attention[k].word("cat")
        assert np.abs(picture(told["attention"]["words"][1]["map"]) / 255 - (heat / heat.max()).numpy()).max() < 0.01
    assert first["image"] != second["image"]
