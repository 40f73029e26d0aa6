"""Whole runs with control networks and image prompts: our pipeline beside diffusers', on tiny models of each family."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from control_models import HINT, randomised, saved
from control_pipelines import drawn_by_diffusers, drawn_by_us, model_folder, ours, theirs
from ip_models import published
from PIL import Image

from lora_samples import kohya
from lora_samples import saved as saved_lora
from sukashi.adapters import load_control, load_ip_adapter
from tiny_models import tiny_model

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle here")
WIDTH, HEIGHT = 56, 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``folder("sd1")``: the tiny model of a family, with adapters for it beside it."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            made[name] = model_folder(name, root)
            unet = diffusers.UNet2DConditionModel.from_pretrained(made[name], subfolder="unet")
            net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT)
            saved(randomised(net, 3), root / "controlnet")
            saved(randomised(diffusers.T2IAdapter(**t2i_config(unet)), 4), root / "t2i")
            for kind in ("plain", "plus"):
                published(root / "ip", kind, unet)
        return made[name]

    return get


def t2i_config(unet: Any) -> dict[str, Any]:
    """What fits a U-Net of diffusers."""
    channels = list(unet.config.block_out_channels)
    if len(channels) == 3:
        return dict(channels=[*channels, channels[-1]], adapter_type="full_adapter_xl", downscale_factor=16)
    return dict(channels=channels, downscale_factor=8)


def picture(seed: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def xl(kind: str, name: str) -> str:
    """The name of diffusers' class for a family."""
    return kind.replace("StableDiffusion", "StableDiffusionXL") if name == "sdxl" else kind


CONTROLLED = {
    "sd1": ("sd1", {}, {}),
    "sd2": ("sd2", {}, {}),
    "sdxl": ("sdxl", {}, {}),
    "scale and window": (
        "sd1",
        dict(scale=0.5, start=0.2, stop=0.7),
        dict(controlnet_conditioning_scale=0.5, control_guidance_start=0.2, control_guidance_end=0.7),
    ),
    "guess": ("sd1", dict(guess=True), dict(guess_mode=True)),
}


@pytest.mark.parametrize("case", CONTROLLED)
def test_a_controlnet_draws_as_in_diffusers(case: str, folder: Any) -> None:
    name, mine, named = CONTROLLED[case]
    path = folder(name)
    plain = ours(path)
    pipe = plain.with_control(path.parent / "controlnet", picture(), **mine)
    net = diffusers.ControlNetModel.from_pretrained(path.parent / "controlnet")
    reference = theirs(xl("StableDiffusionControlNetPipeline", name), path, controlnet=net)
    drawn = drawn_by_us(pipe, WIDTH, HEIGHT)
    assert (drawn - drawn_by_diffusers(reference, plain, WIDTH, HEIGHT, image=picture(), **named)).abs().max() <= 1e-4
    assert (drawn - drawn_by_us(plain, WIDTH, HEIGHT)).abs().max() > 1e-3


def test_two_controlnets_are_summed(folder: Any) -> None:
    path = folder("sd1")
    plain = ours(path)
    nets = [diffusers.ControlNetModel.from_pretrained(path.parent / "controlnet") for _ in range(2)]
    reference = drawn_by_diffusers(
        theirs("StableDiffusionControlNetPipeline", path, controlnet=nets),
        plain,
        WIDTH,
        HEIGHT,
        image=[picture(1), picture(2)],
        controlnet_conditioning_scale=[0.6, 0.3],
    )
    control = load_control(path.parent / "controlnet")
    pipe = plain.with_control(control, picture(1), scale=0.6).with_control(control, picture(2), scale=0.3)
    assert (drawn_by_us(pipe, WIDTH, HEIGHT) - reference).abs().max() <= 1e-4


@pytest.mark.parametrize(("name", "size"), [("sd1", (56, 40)), ("sdxl", (64, 32))])
def test_a_t2i_adapter_draws_as_in_diffusers(name: str, size: tuple[int, int], folder: Any) -> None:
    path = folder(name)
    plain = ours(path)
    shown = picture(1, size)
    adapter = diffusers.T2IAdapter.from_pretrained(path.parent / "t2i")
    pipe = theirs(xl("StableDiffusionAdapterPipeline", name), path, adapter=adapter)
    reference = drawn_by_diffusers(pipe, plain, *size, image=shown, adapter_conditioning_scale=0.8)
    drawn = drawn_by_us(plain.with_control(path.parent / "t2i", shown, scale=0.8), *size)
    assert (drawn - reference).abs().max() <= 1e-4
    assert (drawn - drawn_by_us(plain, *size)).abs().max() > 1e-3


@pytest.mark.parametrize(("name", "kind"), [("sd1", "plain"), ("sd1", "plus"), ("sdxl", "plain")])
def test_an_image_prompt_draws_as_in_diffusers(name: str, kind: str, folder: Any) -> None:
    path = folder(name)
    plain, file = ours(path), f"ip-adapter_{kind}.safetensors"
    processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(path.parent / "ip" / "image_encoder")
    pipe = theirs(xl("StableDiffusionPipeline", name), path, image_encoder=encoder, feature_extractor=processor)
    pipe.load_ip_adapter(path.parent / "ip", subfolder="", weight_name=file, low_cpu_mem_usage=False)
    pipe.set_ip_adapter_scale(0.6)
    reference = drawn_by_diffusers(pipe, plain, WIDTH, HEIGHT, ip_adapter_image=picture(5, (40, 33)))
    drawn = drawn_by_us(
        plain.with_image_prompt(path.parent / "ip" / file, picture(5, (40, 33)), scale=0.6), WIDTH, HEIGHT
    )
    assert (drawn - reference).abs().max() <= 1e-4
    assert (drawn - drawn_by_us(plain, WIDTH, HEIGHT)).abs().max() > 1e-3


def test_all_three_at_once_in_any_order_and_the_model_stays(folder: Any) -> None:
    path = folder("sd1")
    plain = ours(path)
    before = drawn_by_us(plain, WIDTH, HEIGHT)
    control, t2i = (load_control(path.parent / name) for name in ("controlnet", "t2i"))
    image = load_ip_adapter(path.parent / "ip" / "ip-adapter_plain.safetensors")
    one = plain.with_control(control, picture(1)).with_image_prompt(image, picture(5)).with_control(t2i, picture(2))
    two = plain.with_control(t2i, picture(2)).with_control(control, picture(1)).with_image_prompt(image, picture(5))
    drawn = drawn_by_us(one, WIDTH, HEIGHT)
    assert (drawn - drawn_by_us(two, WIDTH, HEIGHT)).abs().max() <= 1e-4
    assert (drawn - drawn_by_us(plain.with_control(control, picture(1)), WIDTH, HEIGHT)).abs().max() > 1e-3
    assert torch.equal(drawn_by_us(plain, WIDTH, HEIGHT), before)


def test_threads_with_and_without_an_adapter_do_not_meet(folder: Any) -> None:
    path = folder("sd1")
    plain = ours(path)
    pipes = [plain, plain.with_image_prompt(path.parent / "ip" / "ip-adapter_plain.safetensors", picture(5))]
    alone = [drawn_by_us(pipe, 40, 40) for pipe in pipes]
    found: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: drawn_by_us(pipes[k % 2], 40, 40)})) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[k], alone[k % 2]) for k in range(4))


@pytest.mark.parametrize(
    "options", [{"prompt": "a cat AND a tree:0"}, {"guide": "pag(scale=0)"}, {"negative_scale": 2.0}]
)
def test_other_ways_to_guide_ask_the_adapters_for_the_same_rows(options: dict[str, Any], folder: Any) -> None:
    path = folder("sd1")
    pipe = ours(path).with_control(path.parent / "controlnet", picture(), guess=True)
    pipe = pipe.with_image_prompt(path.parent / "ip" / "ip-adapter_plain.safetensors", picture(5))
    asked = {"prompt": "a cat", "seed": 3, "steps": 3, "guidance": 3.0, "width": 40, "height": 40} | options
    plain = pipe(**{"prompt": "a cat", "seed": 3, "steps": 3, "guidance": 3.0, "width": 40, "height": 40}).latents
    assert (pipe(**asked).latents - plain).abs().max() <= 1e-4


def test_a_lora_and_a_controlnet_in_either_order(folder: Any, tmp_path: Path) -> None:
    path = folder("sd1")
    file, plain = saved_lora(kohya(tiny_model("sd1")), tmp_path / "lora.safetensors"), ours(path)
    net = path.parent / "controlnet"
    one = drawn_by_us(plain.with_lora(file, 20.0).with_control(net, picture()), 40, 40)
    two = drawn_by_us(plain.with_control(net, picture()).with_lora(file, 20.0), 40, 40)
    assert torch.equal(one, two)
    assert (one - drawn_by_us(plain.with_control(net, picture()), 40, 40)).abs().max() > 1e-4


def test_what_does_not_go_together_is_said(folder: Any) -> None:
    path = folder("sd1")
    plain = ours(path)
    image = plain.with_image_prompt(path.parent / "ip" / "ip-adapter_plain.safetensors", picture(5))
    with pytest.raises(ValueError, match="guide nag does not go with an image prompt"):
        image("a cat", guide="nag", steps=1, width=64, height=64)
    with pytest.raises(ValueError, match=r"controls asks for canny.*was not given \(pipe.with_control"):
        plain("a cat", controls=[{"model": "canny"}], steps=1, width=64, height=64)
    with pytest.raises(ValueError, match=r"for a text of width 64.*but this model has 32"):
        plain.with_control(folder("sdxl").parent / "controlnet", picture())
    with pytest.raises(ValueError, match="guess is for ControlNets"):
        plain.with_control(path.parent / "t2i", picture(), guess=True)
