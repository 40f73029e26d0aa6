"""Pictures that steer: ControlNet over A1111's API and over ours, by the name of a file in a model folder."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from served import SMALL, Served, in_thread

import sukashi
from sukashi.adapters.control.controlnet import as_controlnet
from sukashi.nets.controlnet import ControlNet
from sukashi.shelf import Found

webuiapi = pytest.importorskip("webuiapi", reason="pip install webuiapi")
EDGES = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")
ASKED = {"prompt": "a cat", "seed": 3, **SMALL}


def url_of(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ControlNet for kirie, as a diffusers folder."""
    unet = json.loads((Path(sukashi.kirie.path()) / "unet" / "config.json").read_text())
    like = sukashi.load("kirie", device="cpu").unet.config
    net = ControlNet(as_controlnet(like, hint_channels=(8, 8, 8, 8)))
    assert asdict(net.config)["in_channels"] == 4
    generator = torch.Generator().manual_seed(1)
    state = {name: torch.randn(t.shape, generator=generator) * 0.2 for name, t in net.state_dict().items()}
    folder = tmp_path_factory.mktemp("tree") / "edges"
    folder.mkdir()
    save_file(state, folder / "diffusion_pytorch_model.safetensors")
    own = {"_class_name": "ControlNetModel", "conditioning_embedding_out_channels": [8, 8, 8, 8]}
    drop = ("_class_name", "up_block_types", "out_channels", "sample_size")
    (folder / "config.json").write_text(json.dumps({k: v for k, v in unet.items() if k not in drop} | own))
    return folder


@pytest.fixture(scope="module")
def served(edges: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = edges / "diffusion_pytorch_model.safetensors"
    found = Found(str(file), file, "ControlNet", str(edges), None, None, file.stat().st_size)
    with in_thread(tmp_path_factory.mktemp("served"), found=[found], batch=2) as server:
        yield server


def test_webuiapi_draws_with_a_controlnet(served: Served, edges: Path) -> None:
    api = webuiapi.WebUIApi(port=served.port)
    assert api.controlnet_model_list() == ["edges"] and api.controlnet_module_list() == ["none"]
    unit = webuiapi.ControlNetUnit(image=EDGES, model="edges [d14c016b]", weight=0.7, guidance_end=0.5)
    # without alwayson_scripts={} the package sends the units of the call before once more
    asked = {"sampler_name": "Euler", "cfg_scale": 3.0, **ASKED}
    made = api.txt2img(controlnet_units=[unit], **asked).image
    pipe = sukashi.load("kirie", device="cpu").with_control(edges, EDGES, scale=0.7, stop=0.5)
    alone = pipe(sampler="euler", grid="automatic", guidance=3.0, **ASKED).images[0]
    assert (
        made.tobytes() == alone.tobytes()
        and made.tobytes() != api.txt2img(**asked, alwayson_scripts={}).image.tobytes()
    )
    record = json.loads(made.text["sukashi"])
    assert record["settings"]["controls"][0]["model"] == "edges" and str(edges.parent) not in str(made.text)
    begun = api.img2img(images=[EDGES], controlnet_units=[webuiapi.ControlNetUnit(model="edges")], **asked)
    assert begun.image.tobytes() != api.img2img(images=[EDGES], **asked, alwayson_scripts={}).image.tobytes()
    idle = [webuiapi.ControlNetUnit(image=EDGES, model="edges", enabled=False), webuiapi.ControlNetUnit(model="None")]
    plainly = api.txt2img(controlnet_units=idle, **asked)
    assert plainly.image.tobytes() == api.txt2img(**asked, alwayson_scripts={}).image.tobytes()
    with served.client() as client:
        assert client.get("/controlnet/version").json()["version"] == 3


def test_what_a_unit_cannot_be_is_refused_by_name(served: Served) -> None:
    cases = [
        ({"model": "other", "image": url_of(EDGES)}, 404, "no ControlNet is called 'other' here; known: edges"),
        ({"model": "edges", "module": "canny", "image": url_of(EDGES)}, 422, "module 'canny' of ControlNet"),
        ({"model": "edges"}, 422, "has no image"),
        ({"model": "edges", "image": "http://127.0.0.1:1/a.png"}, 422, "no address is fetched"),
        ({"model": "edges", "image": url_of(EDGES), "weight": "much"}, 422, "weight of a ControlNet unit is 'much'"),
        ({"model": "edges", "image": url_of(EDGES), "guidance_start": 0.8, "guidance_end": 0.2}, 422, "acts from 0.8"),
    ]
    with served.client() as client:
        for unit, status, sentence in cases:
            body = {"prompt": "a cat", **SMALL, "alwayson_scripts": {"controlnet": {"args": [unit]}}}
            answer = client.post("/sdapi/v1/txt2img", json=body)
            assert answer.status_code == status and sentence in answer.json()["detail"], (unit, answer.text)
        other = {**body, "alwayson_scripts": {"reactor": {"args": [1]}}}
        assert "always on script reactor not found" in client.post("/sdapi/v1/txt2img", json=other).json()["detail"]


def test_the_jobs_api_takes_controls(served: Served, edges: Path) -> None:
    control = {"model": "edges", "picture": url_of(EDGES), "scale": 0.5, "guess": True}
    job = served.ask(**ASKED, controls=[control])
    done = served.wait(job["id"])
    assert done["state"] == "done" and done["options"]["controls"] == [{"model": "edges", "scale": 0.5, "guess": True}]
    pipe = sukashi.load("kirie", device="cpu").with_control(edges, EDGES, scale=0.5, guess=True)
    made = Image.open(io.BytesIO(served.picture(job["id"])))
    assert made.tobytes() == pipe(**ASKED).images[0].tobytes()
    with served.client() as client:
        assert client.get("/api/about").json()["controls"] == ["edges"]
        assert served.desk is not None and list(served.desk.models.helpers) == [("edges", "kirie")]
        for wrong in ([{**control, "fit": "fill"}], [{**control, "scale": 99}], [control] * 9, [{"model": "edges"}]):
            assert client.post("/api/jobs", json={**ASKED, "controls": wrong}).status_code == 422
