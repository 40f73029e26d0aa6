"""The package webuiapi (mix1009/sdwebuiapi) from PyPI, unmodified, against a live server."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator

import pytest
from PIL import Image, ImageChops
from served import Served

webuiapi = pytest.importorskip("webuiapi", reason="pip install webuiapi")
SIZE = {"width": 64, "height": 64}


@pytest.fixture
def api(server: Served) -> Iterator[webuiapi.WebUIApi]:
    found = webuiapi.WebUIApi(port=server.port)
    found.set_auth("somebody", "something")  # clients send it unasked, too
    yield found
    with server.client() as client:
        client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "kirie", "samples_format": "png"})


def test_text_to_image(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(
        prompt="a girl with glasses", negative_prompt="hat", seed=11, steps=3, cfg_scale=4, batch_size=2,
        sampler_name="DPM++ 2M Karras", **SIZE,
    )  # fmt: skip
    assert len(result.images) == 2 and result.image.size == (64, 64)
    info = result.info
    assert info["all_seeds"] == [11, 12] and info["sampler_name"] == "DPM++ 2M" and info["cfg_scale"] == 4
    assert "Negative prompt: hat\nSteps: 3, Sampler: DPM++ 2M, Schedule type: Karras" in info["infotexts"][0]
    assert result.images[1].text["parameters"] == info["infotexts"][1]
    alone = api.txt2img(
        prompt="a girl with glasses", negative_prompt="hat", seed=12, steps=3, cfg_scale=4,
        sampler_name="DPM++ 2M", scheduler="karras", **SIZE,
    )  # fmt: skip
    assert alone.image.tobytes() == result.images[1].tobytes() != result.images[0].tobytes()


def test_seed_variations_and_a_second_pass(api: webuiapi.WebUIApi) -> None:
    made = [
        api.txt2img(prompt="a tree", seed=5, subseed=6, subseed_strength=strength, steps=2, **SIZE).image.tobytes()
        for strength in (0.0, 0.5)
    ]
    assert made[0] != made[1]
    large = api.txt2img(
        prompt="a tree", seed=5, steps=2, enable_hr=True, hr_scale=2, denoising_strength=0.5,
        hr_upscaler=webuiapi.HiResUpscaler.Lanczos, **SIZE,
    )  # fmt: skip
    assert large.image.size == (128, 128) and large.info["denoising_strength"] == 0.5


def test_image_to_image_and_inpainting(api: webuiapi.WebUIApi) -> None:
    start = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")
    result = api.img2img(images=[start], prompt="a cat", seed=1, steps=4, denoising_strength=0.5, **SIZE)
    assert result.image.size == (64, 64) and result.image.tobytes() != start.tobytes()
    assert result.parameters["init_images"] is None and result.info["denoising_strength"] == 0.5

    mask = Image.new("RGB", (64, 64))
    mask.paste((255, 255, 255), (0, 0, 32, 64))
    for full in (False, True):
        for fill in (0, 1, 2, 3):
            made = api.img2img(
                images=[start], mask_image=mask, mask_blur=0, inpainting_fill=fill, inpaint_full_res=full,
                prompt="a cat",
                inpaint_full_res_padding=8, seed=1, steps=2, denoising_strength=0.8, **SIZE,
            ).image  # fmt: skip
            assert not ImageChops.difference(made, start).crop((32, 0, 64, 64)).getbbox(), (full, fill)
            assert ImageChops.difference(made, start).crop((0, 0, 32, 64)).getbbox(), (full, fill)
    turned = api.img2img(
        images=[start], mask_image=mask, inpainting_mask_invert=1, prompt="a cat", seed=1, steps=2, mask_blur=0, **SIZE
    ).image
    assert not ImageChops.difference(turned, start).crop((0, 0, 32, 64)).getbbox()


def test_a_mask_with_alpha_repaints_where_it_is_opaque(api: webuiapi.WebUIApi) -> None:
    start = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    mask.paste((9, 9, 9, 255), (0, 0, 32, 64))
    made = api.img2img(images=[start], mask_image=mask, mask_blur=0, prompt="a cat", seed=1, steps=2, **SIZE).image
    changed = ImageChops.difference(made, start)
    assert changed.crop((0, 0, 32, 64)).getbbox() and not changed.crop((32, 0, 64, 64)).getbbox()


def test_progress_and_interrupt(api: webuiapi.WebUIApi) -> None:
    assert api.get_progress()["progress"] == 0 and api.get_progress()["state"]["job_count"] == 0
    results: list[webuiapi.WebUIApiResult] = []
    work = threading.Thread(
        target=lambda: results.append(api_of(api).txt2img(prompt="a house", steps=120, n_iter=3, seed=1, **SIZE))
    )
    work.start()
    seen, shown = list[float](), None
    while len(seen) < 3:
        told = api.get_progress()
        if told["state"]["sampling_step"] > (seen[-1] if seen else 0):
            seen.append(told["state"]["sampling_step"])
            shown = told["current_image"]
            assert 0 < told["progress"] < 1 and told["state"]["job_count"] == 3 and told["current_task"]
    assert shown and Image.open(io.BytesIO(base64.b64decode(shown))).size == (64, 64)
    api.interrupt()
    work.join(20)
    assert not work.is_alive() and len(results[0].images) == 1
    api.util_wait_for_ready(0.05)


def api_of(api: webuiapi.WebUIApi) -> webuiapi.WebUIApi:
    """A connection of its own: sessions are not for two threads."""
    return webuiapi.WebUIApi(baseurl=api.baseurl, username="a", password="b")


def test_skip_goes_on_with_the_next_picture(api: webuiapi.WebUIApi) -> None:
    results: list[webuiapi.WebUIApiResult] = []
    work = threading.Thread(
        target=lambda: results.append(api_of(api).txt2img(prompt="a house", steps=30, n_iter=2, seed=1, **SIZE))
    )
    work.start()
    deadline = time.monotonic() + 20
    while api.get_progress()["state"]["sampling_step"] < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    api.skip()
    work.join(60)
    assert len(results[0].images) == 2
    short, whole = (len(image.text["sukashi"]) for image in results[0].images)
    assert short > whole  # its record says after which step it was broken off


def test_options_round_trip(api: webuiapi.WebUIApi) -> None:
    options = api.get_options()
    assert options["sd_model_checkpoint"].startswith("kirie [") and options["CLIP_stop_at_last_layers"] == 1
    api.set_options({**options, "samples_format": "jpg", "from_another_version": 5})
    assert api.get_options() == {**options, "samples_format": "jpg"}
    made = api.txt2img(prompt="a cat", seed=1, steps=1, **SIZE).image
    assert made.format == "JPEG"
    one = api.txt2img(prompt="a cat", seed=1, steps=1, override_settings={"samples_format": "webp"}, **SIZE).image
    assert one.format == "WEBP" and api.get_options()["samples_format"] == "jpg"
    api.util_set_model("kirie")
    assert api.util_get_current_model().startswith("kirie")


def test_png_info_reads_what_txt2img_wrote(api: webuiapi.WebUIApi) -> None:
    result = api.txt2img(prompt="a cat, (red:1.2) hat", negative_prompt="dog", seed=3, steps=2, **SIZE)
    told = api.png_info(result.image)
    assert told.info == "" or "a cat" in str(told.info)  # Pillow may drop texts when the client saves it again
    raw = api.session.post(
        f"{api.baseurl}/txt2img", json={"prompt": "a cat, hat", "seed": 3, "steps": 2, **SIZE}
    ).json()
    told = api.session.post(f"{api.baseurl}/png-info", json={"image": raw["images"][0]}).json()
    assert told["info"] == told["items"]["parameters"] and told["parameters"]["Prompt"] == "a cat, hat"
    assert told["parameters"]["Size-1"] == "64" and told["parameters"]["Seed"] == "3"
    assert base64.b64decode(raw["images"][0])[:4] == b"\x89PNG"
    again = api.session.post(f"{api.baseurl}/txt2img", json={"infotext": told["info"], "prompt": "a cat, hat"}).json()
    one, two = (Image.open(io.BytesIO(base64.b64decode(r["images"][0]))) for r in (again, raw))
    assert one.tobytes() == two.tobytes()


def test_every_list_is_there(api: webuiapi.WebUIApi) -> None:
    assert {"name", "aliases", "options"} <= set(api.get_samplers()[0])
    assert api.get_schedulers()[0]["label"] == "Automatic" and len(api.get_schedulers()) > 10
    assert api.get_sd_models()[0]["model_name"] == "kirie" and api.get_upscalers() and api.get_latent_upscale_modes()
    for empty in (api.get_sd_vae, api.get_loras, api.get_hypernetworks, api.get_face_restorers, api.get_prompt_styles):
        assert empty() == []
    assert api.get_embeddings() == {"loaded": {}, "skipped": {}}
    assert api.get_scripts() == {"txt2img": ["controlnet"], "img2img": ["controlnet"]}
    assert api.get_memory()["ram"]["total"] > 0 and api.get_cmd_flags()["api"] is True
    api.refresh_checkpoints()
    large = api.extra_single_image(Image.new("RGB", (8, 8), (1, 2, 3)), upscaler_1="Lanczos", upscaling_resize=4)
    assert large.image.size == (32, 32) and large.image.getpixel((5, 5)) == (1, 2, 3)


def test_errors_have_their_shape(server: Served, api: webuiapi.WebUIApi) -> None:
    cases = [
        ("txt2img", {"sampler_name": "no such sampler"}, 404, "Sampler not found"),
        ("txt2img", {"script_name": "x/y/z"}, 422, "Script 'x/y/z' not found"),
        ("img2img", {"prompt": "x"}, 404, "Init image not found"),
        ("img2img", {"init_images": ["AAAA"]}, 422, "not a picture"),
        ("options", {"sd_model_checkpoint": "nowhere"}, 404, "there is no model 'nowhere' here"),
        ("interrogate", {}, 501, "not done over HTTP"),
        ("txt2img", {"steps": "many"}, 422, "steps"),
    ]
    with server.client() as client:
        for path, body, status, detail in cases:
            answer = client.post(f"/sdapi/v1/{path}", json=body)
            told = answer.json()
            assert answer.status_code == status and detail in told["detail"], (path, body, told)
            assert set(told) == {"error", "detail", "body", "errors"}
        nulls = dict.fromkeys(["negative_prompt", "styles", "seed", "sampler_name", "batch_size", "n_iter", "eta"])
        answer = client.post(
            "/sdapi/v1/txt2img", json={"prompt": "x", "steps": 1, **SIZE, **nulls, "unknown": {"a": 1}}
        )
        assert answer.status_code == 200 and float(answer.headers["x-process-time"]) > 0
