"""LoRAs in diffusers' spelling do what they do there: the same pictures, the same names, the same undoing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lora_samples import chosen, kohya, pair, saved
from sukashi.weights.errors import CheckpointError
from sukashi.weights.load import load_parts

ARGUMENTS: dict[str, Any] = {
    "prompt": "a cat", "num_inference_steps": 2, "height": 32, "width": 32, "output_type": "latent",
}  # fmt: skip


def draw(pipe: Any, **options: Any) -> Tensor:
    return pipe(**(ARGUMENTS | options), generator=torch.Generator().manual_seed(3)).images


def differ(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


@pytest.fixture(scope="module")
def files(models: Path, tmp_path_factory) -> tuple[Path, Path]:
    """Two files in diffusers' spelling that change U-Net and text encoder enough to be seen."""
    pytest.importorskip("peft")
    folder, made = tmp_path_factory.mktemp("loras"), []
    second = ("attn2.to_v", "attn1.to_out.0", "k_proj", "fc1")
    for k, layers in enumerate((("attn1.to_q", "attn2.to_v", "q_proj"), second)):
        tensors: dict[str, Tensor] = {}
        torch.manual_seed(k)
        for (part, path), module in chosen(load_parts(models / "tiny-sd1"), layers).items():
            down, up = pair(module, rank=2 + k).values()
            name = f"{part}.{path.removeprefix('text_model.')}"  # as diffusers writes it with transformers 5
            tensors |= {f"{name}.lora_A.weight": down * 5, f"{name}.lora_B.weight": up * 5}
        made.append(saved(tensors, folder / f"{k}.safetensors"))
    return made[0], made[1]


@pytest.fixture
def ours(load: Callable[..., Any]) -> Any:
    return load("tiny-sd1")


@pytest.fixture
def theirs(models: Path) -> Any:
    """Diffusers' pipeline, a new one for each test: what scaled its LoRAs once is not forgotten on unloading."""
    diffusers = pytest.importorskip("diffusers")
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "tiny-sd1", safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_the_whole_round_as_in_diffusers(ours: Any, theirs: Any, files: tuple[Path, Path]) -> None:
    plain = draw(ours)
    assert differ(plain, draw(theirs)) < 1e-4
    both = (ours, theirs)
    for pipe in both:
        pipe.load_lora_weights(files[0].parent, weight_name=files[0].name, adapter_name="one")
    assert differ(draw(ours), draw(theirs)) < 1e-4 and differ(draw(ours), plain) > 1e-2
    for pipe in both:
        pipe.load_lora_weights(str(files[1].parent), weight_name=files[1].name, adapter_name="two")
        pipe.set_adapters(["one", "two"], adapter_weights=[0.7, -0.5])
    weighed = draw(ours)
    assert differ(weighed, draw(theirs)) < 1e-4 and differ(weighed, plain) > 1e-2
    assert ours.get_active_adapters() == theirs.get_active_adapters() == ["one", "two"]
    assert {k: sorted(v) for k, v in ours.get_list_adapters().items()} == {
        k: sorted(v) for k, v in theirs.get_list_adapters().items()
    }
    scale = {"cross_attention_kwargs": {"scale": 0.5}}
    assert differ(draw(ours, **scale), draw(theirs, **scale)) < 1e-4
    assert torch.equal(draw(ours), weighed)
    for pipe in both:
        pipe.set_adapters("two", {"unet": 0.9, "text_encoder": 0.2})
    assert differ(draw(ours), draw(theirs)) < 1e-4 and differ(draw(ours), weighed) > 1e-3
    ours.disable_lora()
    assert torch.equal(draw(ours), plain) and ours.get_active_adapters() == []
    ours.enable_lora()
    assert differ(draw(ours), draw(theirs)) < 1e-4
    ours.unload_lora_weights()
    assert torch.equal(draw(ours), plain) and ours.get_active_adapters() == []


def test_fusing_and_unfusing(ours: Any, theirs: Any, files: tuple[Path, Path]) -> None:
    before = {name: t.clone() for name, t in ours.unet.state_dict().items()}
    plain = draw(ours)
    for pipe in (ours, theirs):
        pipe.load_lora_weights(files[0].parent, weight_name=files[0].name, adapter_name="one")
        pipe.fuse_lora(lora_scale=0.6)
    fused = draw(ours)
    assert differ(fused, draw(theirs)) < 1e-4 and differ(fused, plain) > 1e-2
    ours.unfuse_lora()
    assert all(torch.equal(t, before[name]) for name, t in ours.unet.state_dict().items())
    theirs.unfuse_lora()
    theirs.set_adapters(["one"])  # there the scale of the fusing stays behind
    assert differ(draw(ours), draw(theirs)) < 1e-4 and differ(draw(ours), plain) > 1e-2
    ours.fuse_lora(lora_scale=0.6)
    with pytest.warns(UserWarning, match="the merged weights stay"):
        ours.unload_lora_weights()
    assert torch.equal(draw(ours), fused) and ours.get_active_adapters() == []


def test_tensors_by_name_and_deleting(ours: Any, models: Path) -> None:
    plain = draw(ours)
    tensors = kohya(load_parts(models / "tiny-sd1"), alpha=40.0)
    ours.load_lora_weights(tensors)
    assert ours.get_active_adapters() == ["default_0"] and differ(draw(ours), plain) > 1e-3
    with pytest.raises(ValueError, match="there is an adapter 'default_0' already"):
        ours.load_lora_weights(tensors, adapter_name="default_0")
    ours.delete_adapters("default_0")
    assert torch.equal(draw(ours), plain) and ours.get_list_adapters() == {}


def test_mistakes(ours: Any, load: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path) -> None:
    ours.load_lora_weights(files[0], adapter_name="one")
    for call, reason in (
        (lambda: ours.set_adapters("three"), r"no adapter is called 'three'; loaded are \['one'\]"),
        (lambda: ours.set_adapters(["one"], [1.0, 2.0]), "2 weights for 1 adapters"),
        (lambda: ours.set_adapters("one", {"unet": {"down": 1}}), "by blocks, which is not supported"),
        (lambda: ours.set_adapters("one", {"vae": 1.0}), "'vae' is none of them"),
        (lambda: ours.fuse_lora(components=["vae"]), "accepted: unet, text_encoder"),
        (lambda: ours.delete_adapters("x"), "no adapter is called 'x'"),
    ):
        with pytest.raises(ValueError, match=reason):
            call()
    with pytest.raises(CheckpointError, match=r"layers of this LoRA fit the model|is a LoRA for"):
        load("tiny-sd2").load_lora_weights(files[0])
    with pytest.raises(FileNotFoundError, match="no LoRA is called"):
        ours.load_lora_weights(str(tmp_path / "absent.safetensors"))
