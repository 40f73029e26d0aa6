"""The calls of SillyTavern and Open WebUI, in their order and shape, as their sources have them."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image
from served import Served

AUTH = {"Authorization": "Basic " + base64.b64encode(b":").decode()}  # SillyTavern sends it in any case


def test_sillytavern(server: Served) -> None:
    """SillyTavern/SillyTavern src/endpoints/stable-diffusion.js."""
    with server.client(headers=AUTH) as client:
        assert client.get("/sdapi/v1/options").status_code == 200  # /ping
        models = client.get("/sdapi/v1/sd-models").json()
        assert [{"value": m["title"], "text": m["title"]} for m in models]
        assert all(isinstance(sampler["name"], str) for sampler in client.get("/sdapi/v1/samplers").json())
        assert all(isinstance(one["name"], str) for one in client.get("/sdapi/v1/schedulers").json())
        names = [one["name"] for one in client.get("/sdapi/v1/upscalers").json()]
        latent = [one["name"] for one in client.get("/sdapi/v1/latent-upscale-modes").json()]
        names[1:1] = latent
        assert names[0] == "None"
        vaes = [client.get(f"/sdapi/v1/{path}") for path in ("sd-vae", "sd-modules")]
        assert any(answer.is_success and isinstance(answer.json(), list) for answer in vaes)
        answer = client.post("/sdapi/v1/options", json={"sd_model_checkpoint": models[0]["title"]})  # /set-model
        assert answer.status_code == 200
        told = client.get("/sdapi/v1/progress").json()
        assert told["progress"] == 0.0 and told["state"]["job_count"] == 0  # it polls until this holds
        assert "forge_preset" not in client.get("/sdapi/v1/options").json()
        request = {
            "prompt": "a cat",
            "negative_prompt": "dog",
            "sampler_name": "Euler a",
            "scheduler": "karras",
            "steps": 2,
            "cfg_scale": 7,
            "width": 64,
            "height": 64,
            "restore_faces": False,
            "enable_hr": False,
            "hr_upscaler": "Latent",
            "hr_scale": 1.5,
            "hr_additional_modules": [],
            "denoising_strength": 0.7,
            "hr_second_pass_steps": 0,
            "seed": -1,
            "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic", "forge_additional_modules": []},
            "override_settings_restore_afterwards": True,
            "clip_skip": 1,
            "save_images": True,
            "send_images": True,
            "do_not_save_grid": False,
            "do_not_save_samples": False,
        }
        made = client.post("/sdapi/v1/txt2img", json=request)
        assert made.status_code == 200, made.text
        picture = Image.open(io.BytesIO(base64.b64decode(made.json()["images"][0])))
        assert picture.size == (64, 64) and picture.format == "PNG"
        assert client.post("/sdapi/v1/interrupt").status_code == 200
        wishes = client.post("/sdapi/v1/img2img", json={"init_images": made.json()["images"], **request})
        assert wishes.status_code == 200 and len(wishes.json()["images"]) == 1


def test_open_webui(server: Served) -> None:
    """open-webui/open-webui backend/open_webui/routers/images.py, engine "automatic1111"."""
    with server.client(headers={"authorization": "Basic dXNlcjpwYXNz"}) as client:
        options: dict[str, Any] = client.get("/sdapi/v1/options").json()  # verify
        models = client.get("/sdapi/v1/sd-models").json()
        menu = [{"id": model["title"], "name": model["model_name"]} for model in models]
        assert menu[0]["name"] == "kirie"
        if options["sd_model_checkpoint"] != "another":
            options["sd_model_checkpoint"] = menu[0]["id"]
            assert client.post("/sdapi/v1/options", json=options).status_code == 200  # all of it comes back
        data = {"prompt": "a cat", "batch_size": 1, "width": 64, "height": 64, "steps": 2, "negative_prompt": "dog"}
        data |= {"cfg_scale": 5.0, "sampler_name": "DPM++ 2M", "scheduler": "Karras"}
        made = client.post("/sdapi/v1/txt2img", json=data).json()
        assert Image.open(io.BytesIO(base64.b64decode(made["images"][0]))).size == (64, 64)
        assert '"all_seeds"' in made["info"] and made["parameters"]["cfg_scale"] == 5.0


def test_open_webui_with_openai_engine(server: Served) -> None:
    """The same file, engine "openai": generations, and multipart edits with ``image[]``."""
    with server.client(headers={"Authorization": "Bearer sk-x"}) as client:
        data = {
            "model": "dall-e-2",
            "prompt": "a cat",
            "n": 1,
            "size": "64x64",
            "response_format": "b64_json",
            "steps": 2,
        }
        made = client.post("/v1/images/generations", json=data).json()
        picture = base64.b64decode(made["data"][0]["b64_json"])
        files = [("image[]", ("image.png", picture, "image/png"))]
        form = {"model": "gpt-image-1", "prompt": "a dog", "n": "1", "size": "64x64", "steps": "2"}
        edited = client.post("/v1/images/edits", data=form, files=files)
        assert edited.status_code == 200 and edited.json()["data"][0]["b64_json"], edited.text
