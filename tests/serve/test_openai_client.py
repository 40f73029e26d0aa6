"""The package openai from PyPI, unmodified, against a live server."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops
from served import Served

openai = pytest.importorskip("openai", reason="pip install openai")
SMALL: dict[str, Any] = {"size": "64x64", "extra_body": {"steps": 2, "seed": 4}}


@pytest.fixture
def client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="anything", max_retries=0)


def opened(b64: str | None) -> Image.Image:
    assert b64 is not None
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def file_of(picture: Image.Image, name: str = "a.png") -> tuple[str, bytes, str]:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return name, out.getvalue(), "image/png"


def test_generations(client: openai.OpenAI, server: Served) -> None:
    made = client.images.generate(model="kirie", prompt="a cat", n=2, **SMALL)
    assert made.data is not None and len(made.data) == 2 and made.size == "64x64" and made.output_format == "png"
    pictures = [opened(one.b64_json) for one in made.data]
    assert pictures[0].size == (64, 64) and pictures[0].tobytes() != pictures[1].tobytes()
    job = server.ask("a cat", seed=5)
    server.wait(job["id"])
    assert pictures[1].tobytes() == Image.open(io.BytesIO(server.picture(job["id"]))).tobytes()  # seed + 1
    jpeg = client.images.generate(prompt="a cat", output_format="jpeg", output_compression=60, **SMALL)
    assert jpeg.data is not None and opened(jpeg.data[0].b64_json).format == "JPEG"


def test_addresses_that_lead_to_the_picture(client: openai.OpenAI) -> None:
    made = client.images.generate(model="dall-e-3", prompt="a cat", response_format="url", **SMALL)
    assert made.data is not None and made.data[0].url is not None
    answer = httpx.get(made.data[0].url)
    assert answer.headers["content-type"] == "image/png" and Image.open(io.BytesIO(answer.content)).size == (64, 64)


def test_partial_images_are_streamed(client: openai.OpenAI) -> None:
    body = {"steps": 8, "seed": 4}
    heard = list(client.images.generate(prompt="a cat", size="64x64", stream=True, partial_images=3, extra_body=body))
    kinds = [event.type for event in heard]
    assert kinds[-1] == "image_generation.completed" and kinds[:-1] == ["image_generation.partial_image"] * (
        len(kinds) - 1
    )
    partial = [event for event in heard if event.type == "image_generation.partial_image"]
    assert partial and [event.partial_image_index for event in partial] == list(range(len(partial)))
    final = opened(heard[-1].b64_json)
    apart = [sum(ImageChops.difference(opened(e.b64_json), final).convert("L").tobytes()) for e in partial]
    assert apart[0] > 0 and apart == sorted(apart, reverse=True)  # each is nearer to the finished picture
    whole = client.images.generate(prompt="a cat", size="64x64", extra_body=body)
    assert whole.data is not None and opened(whole.data[0].b64_json).tobytes() == final.tobytes()


def test_edits_repaint_what_is_transparent_in_the_mask(client: openai.OpenAI) -> None:
    start = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))
    made = client.images.edit(
        image=file_of(start), mask=file_of(mask), prompt="a cat", extra_body={"steps": 2, "seed": 1}
    )
    assert made.data is not None
    changed = ImageChops.difference(opened(made.data[0].b64_json), start)
    assert changed.crop((0, 0, 32, 64)).getbbox() and not changed.crop((32, 0, 64, 64)).getbbox()

    own = start.copy()
    own.putalpha(mask.getchannel("A"))
    made = client.images.edit(image=[file_of(own)], prompt="a cat", extra_body={"steps": 2, "seed": 1})
    assert made.data is not None
    changed = ImageChops.difference(opened(made.data[0].b64_json), start)
    assert not changed.crop((32, 0, 64, 64)).getbbox()

    heard = list(
        client.images.edit(
            image=file_of(start),
            prompt="a cat",
            stream=True,
            partial_images=1,
            extra_body={"steps": 6, "strength": 0.9},
        )
    )
    assert heard[-1].type == "image_edit.completed" and opened(heard[-1].b64_json).size == (64, 64)


def test_models_and_errors(client: openai.OpenAI, server: Served) -> None:
    assert [model.id for model in client.models.list()] == ["kirie"] and client.models.retrieve(
        "kirie"
    ).object == "model"
    with pytest.raises(openai.NotFoundError, match="there is no model 'sdxl'") as missing:
        client.images.generate(model="sdxl", prompt="a cat")
    assert missing.value.code == "model_not_found" and missing.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="size") as wrong:
        client.images.generate(prompt="a cat", size="huge")  # type: ignore[call-overload]
    assert wrong.value.type == "invalid_request_error" and wrong.value.param == "size"
    with pytest.raises(openai.BadRequestError, match="transparent"):
        client.images.generate(prompt="a cat", background="transparent")
    with pytest.raises(openai.BadRequestError, match="prompt: Field required"):
        client.post("/images/edits", cast_to=object, body={"image": "x"})
    with pytest.raises(openai.BadRequestError, match="no transparent pixel"):
        client.images.edit(
            image=file_of(Image.new("RGB", (64, 64))), mask=file_of(Image.new("L", (64, 64))), prompt="x"
        )
