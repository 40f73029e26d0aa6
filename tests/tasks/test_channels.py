"""Models that see more than the latent (5, 7 and 8 channels), and SDXL's two: equal to diffusers in latents."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import close, generators, ours, photo, scheduled
from PIL import Image

from sukashi import tasks
from sukashi.nets.taesd import TAESD
from sukashi.tasks.depth import as_channel, estimated, read_depth

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_depth_to_image_is_diffusers() -> None:
    pipe = scheduled("StableDiffusionDepth2ImgPipeline", "sd2-depth", "DDIMScheduler")
    picture = [photo(56, 40), photo(56, 40, 1)]
    depth = torch.rand(40, 56, generator=torch.Generator().manual_seed(0)) * 900
    asked = {"strength": 0.65, "num_inference_steps": 6, "guidance_scale": 3.0, "output_type": "latent"}
    wanted = pipe(["a cat", "at"], picture, depth.expand(2, -1, -1), generator=generators(7, 8), **asked).images
    result = tasks.depth_to_image(
        ours("sd2-depth"),
        ["a cat", "at"],
        image=picture,
        depth=depth,
        strength=0.65,
        steps=6,
        guidance=3.0,
        seed=7,
        sampler="DDIMScheduler",
    )
    close(result, wanted)


def test_depth_maps_of_many_kinds(tmp_path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (40, 56)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "d.png")
    found, record = read_depth(tmp_path / "d.png")
    assert found.shape == (1, 1, 40, 56) and found[0, 0].tolist() == values.tolist()  # 16 bits are kept
    assert record["path"] == str(tmp_path / "d.png")
    assert torch.equal(read_depth(values.astype(np.float32))[0], found)
    notes: list[str] = []
    channel = as_channel(found, 5, 7, notes)
    assert channel.shape == (1, 1, 5, 7) and channel.min() == -1 and channel.max() == 1 and not notes
    assert (as_channel(torch.full((1, 1, 8, 8), 3.0), 1, 1, notes) == -1).all() and "same everywhere" in notes[0]


def test_depth_maps_that_do_not_fit() -> None:
    pipe, picture = ours("sd2-depth"), photo(32, 32)
    with pytest.raises(ValueError, match="the depth map is 16 x 32 and the picture 32 x 32: they must have the same"):
        tasks.depth_to_image(pipe, image=picture, depth=np.zeros((32, 16)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        tasks.depth_to_image(pipe, image=picture, depth=np.full((32, 32), np.nan))
    with pytest.raises(ValueError, match=r"there is no depth map and .*give a depth map \(depth=...\)"):
        estimated(picture)
    with pytest.raises(ValueError, match="takes 4 channels, depth-to-image gives it 5"):
        tasks.depth_to_image(ours("sd1"), image=picture, depth=np.eye(32), seed=1)


def test_upscaling_is_diffusers() -> None:
    pipe, small = scheduled("StableDiffusionUpscalePipeline", "x4-upscaler"), photo(20, 12)
    asked = {"num_inference_steps": 4, "guidance_scale": 3.0, "noise_level": 30, "output_type": "latent"}
    wanted = pipe("a cat", small, generator=torch.Generator().manual_seed(5), **asked).images
    result = tasks.upscale(ours("x4-upscaler"), "a cat", image=small, noise_level=30, steps=4, guidance=3.0, seed=5)
    close(result, wanted)
    assert result.images[0].size == (80, 48)


def test_upscaling_in_tiles_sees_no_more_than_a_tile() -> None:
    pipe, seen = ours("x4-upscaler"), []
    hook = pipe.unet.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[2:]))
    try:
        result = tasks.upscale(pipe, "a cat", image=photo(100, 70), tile=64, steps=1, seed=1)
    finally:
        hook.remove()
    assert max(max(shape) for shape in seen) == 64 and result.images[0].size == (400, 280)
    assert "100 x 70 pixels are looked at in tiles of 64, 32 of them shared" in result.notes
    again = tasks.replay(json.loads(json.dumps(result.record())), pipe, image=photo(100, 70))
    assert again.images[0].tobytes() == result.images[0].tobytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"noise_level": 351}, r"noise_level is 351; a whole number in 0\.\.350"),
        ({"tile": 8}, r"tile is 8; 0 \(never\) or at least 64"),
        ({"width": 64, "height": 64}, r"the upscaler draws four times the picture: \(128, 128\)"),
        ({"image": [photo(8, 8), photo(9, 8)]}, "different sizes"),
    ],
)
def test_what_the_upscaler_refuses(options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tasks.upscale(ours("x4-upscaler"), **({"image": photo(32, 32)} | options))


@pytest.mark.parametrize(("guidance", "image_guidance"), [(5.0, 1.5), (3.0, 1.0)])
def test_instructions_are_diffusers(guidance: float, image_guidance: float) -> None:
    pipe, picture = scheduled("StableDiffusionInstructPix2PixPipeline", "sd1-pix2pix"), photo(48, 40)
    asked = {"num_inference_steps": 4, "guidance_scale": guidance, "image_guidance_scale": image_guidance}
    wanted = pipe("a cat", picture, generator=generators(3), output_type="latent", **asked).images
    result = tasks.instruct(
        ours("sd1-pix2pix"), "a cat", image=picture, image_guidance=image_guidance, steps=4, guidance=guidance, seed=3
    )
    close(result, wanted)


def test_instructions_refuse_a_tiny_autoencoder() -> None:
    pipe = ours("sd1-pix2pix")
    pipe.vae = TAESD(4)
    with pytest.raises(ValueError, match="by the model's own autoencoder: load it without TAESD"):
        tasks.instruct(pipe, "a cat", image=photo(32, 32))


def test_base_and_refiner_are_diffusers() -> None:
    base, second = (
        scheduled("StableDiffusionXLPipeline", "sdxl"),
        scheduled("StableDiffusionXLImg2ImgPipeline", "sdxl-refiner"),
    )
    asked = {"prompt": "a cat", "num_inference_steps": 6, "guidance_scale": 3.0, "output_type": "latent"}
    noisy = base(generator=generators(3), denoising_end=0.7, width=64, height=48, **asked).images
    wanted = second(image=noisy, generator=generators(3), denoising_start=0.7, **asked).images
    result = tasks.refine(
        ours("sdxl"),
        "a cat",
        refiner=ours("sdxl-refiner"),
        switch=0.7,
        steps=6,
        guidance=3.0,
        seed=3,
        width=64,
        height=48,
    )
    close(result, wanted)
    assert result.calls == 6 and any(
        "of 6 steps by tiny sdxl, the rest by tiny sdxl-refiner" in n for n in result.notes
    )
    assert result.record()["options"] == {"refiner": "tiny sdxl-refiner", "switch": 0.7}


def test_what_the_refiner_refuses() -> None:
    with pytest.raises(ValueError, match="switch is 1; a number between 0 and 1"):
        tasks.refine(ours("sdxl"), refiner=ours("sdxl-refiner"), switch=1)
    other = ours("sd1")
    with pytest.raises(ValueError, match="tiny sd1 cannot refine tiny sdxl: their autoencoders have different latents"):
        tasks.refine(ours("sdxl"), refiner=other)


def test_sdxl_is_told_the_sizes_that_are_asked_for() -> None:
    pipe, told = ours("sdxl"), []
    hook = pipe.unet.register_forward_pre_hook(lambda _, __, named: told.append(named["sizes"]), with_kwargs=True)
    try:
        pipe("a cat", seed=1, steps=1, original_size=[1000, 800], crop=[3, 5], target_size=[200, 100])
    finally:
        hook.remove()
    assert told[0].tolist() == [[800, 1000, 5, 3, 100, 200]] * 2
    theirs = scheduled("StableDiffusionXLPipeline", "sdxl")
    sizes = {"original_size": (800, 1000), "crops_coords_top_left": (5, 3), "target_size": (100, 200)}
    sizes |= {f"negative_{name}": value for name, value in sizes.items()}
    asked = {"num_inference_steps": 4, "guidance_scale": 3.0, "width": 64, "height": 48, "output_type": "latent"}
    wanted = theirs("a cat", generator=generators(1), **asked, **sizes).images
    mine = {"original_size": [1000, 800], "crop": [3, 5], "target_size": [200, 100]}
    close(pipe("a cat", seed=1, steps=4, guidance=3.0, width=64, height=48, **mine), wanted)
    with pytest.raises(ValueError, match=r"crop is \[1\]; two whole numbers of pixels"):
        pipe("a cat", crop=[1])


def test_a_model_may_bring_its_own_estimator(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from sukashi.loading import load
    from sukashi.weights.save import save_folder
    from tiny_models import tiny_model

    folder = tmp_path / "depth"
    save_folder(tiny_model("sd2-depth"), folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    shape = {"image_size": 32, "patch_size": 16, "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8] * 4}
    config = transformers.DPTConfig(**sizes, **shape, fusion_hidden_size=8, is_hybrid=False, use_auxiliary_head=False)
    torch.manual_seed(0)
    net = transformers.DPTForDepthEstimation(config).eval()
    net.save_pretrained(folder / "depth_estimator")
    transformers.DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder / "feature_extractor")
    pipe, picture = load(folder, device="cpu"), photo(32, 32)
    result = tasks.depth_to_image(pipe, image=picture, steps=2, seed=1)
    assert "the depth was estimated by the DPT of the model" in result.notes
    pixels = transformers.DPTImageProcessor(size={"height": 32, "width": 32})(images=picture, return_tensors="pt")
    with torch.no_grad():
        depth = net(**pixels).predicted_depth
    by_hand = tasks.depth_to_image(pipe, image=picture, depth=depth[0], steps=2, seed=1)
    assert torch.equal(result.latents, by_hand.latents)
