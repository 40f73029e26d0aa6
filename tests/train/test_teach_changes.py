"""Only what should train has changed, bit for bit; what is on the way there: averages, samples, checkpointing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from teaching import log_of, pictures, some

from sukashi.families import FAMILIES
from sukashi.pipeline import Pipeline
from sukashi.prompts.encode import encode_prompts
from sukashi.train.data.examples import Examples
from sukashi.train.methods import custom, dreambooth, finetune, lora, ti
from sukashi.train.methods.caches import Texts
from sukashi.train.methods.checkpointing import forgetful
from sukashi.train.methods.config import Config
from sukashi.train.methods.learner import Learner, parts_of
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Parts
from tiny_models import equal, tensors, tiny_model

LEARN = {"device": "cpu", "size": 32, "steps": 2, "save_every": 0, "rate": 0.01}


def changed(before: Parts, after: Parts) -> set[str]:
    """Names of tensors that differ; names that are new."""
    old, new = tensors(before), tensors(after)
    return {name for name in new if name not in old or not torch.equal(old[name], new[name])}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_each_method(family: str, tmp_path: Path) -> None:
    parts = tiny_model(family)
    copied = {name: tensor.clone() for name, tensor in tensors(parts).items()}
    n = len(parts.text_encoders)
    word, rows = "a <new> cat", {f"text_{i}.text_model.embeddings.token_embedding" for i in range(n)}

    new = ti.train(parts, some(), Config(**LEARN, start="cat"), tmp_path / "ti").parts
    assert changed(parts, new) == {f"{row}.{end}" for row in rows for end in ("weight", "new")}
    for i in range(n):
        old = copied[f"text_{i}.text_model.embeddings.token_embedding.weight"]
        assert torch.equal(new.text_encoders[i].text_model.embeddings.token_embedding.weight[:-1], old)
        assert not torch.equal(new.text_encoders[i].text_model.embeddings.token_embedding.new[0], old[-1])

    new = lora.train(parts, some(), Config(**LEARN, text=True), tmp_path / "lora").parts
    names = changed(parts, new)
    assert names and all(name.endswith((".down", ".up")) for name in names)
    assert sum(".attn" in name for name in names) + sum(".self_attn" in name for name in names) == len(names)

    new = dreambooth.train(parts, some(), Config(**LEARN), tmp_path / "db").parts
    assert {name.partition(".")[0] for name in changed(parts, new)} == {"unet"}
    assert equal(load_parts(tmp_path / "db" / "model"), new)

    new = custom.train(parts, some(word), Config(**LEARN, start="cat"), tmp_path / "custom").parts
    names = {name for name in changed(parts, new) if not name.startswith("text_")}
    assert names and all(name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) for name in names)
    assert len(names) == sum(name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) for name in copied)

    assert all(torch.equal(tensors(parts)[name], tensor) for name, tensor in copied.items())
    assert all(not p.requires_grad for net in (parts.unet, *parts.text_encoders) for p in net.parameters())
    assert not parts.tokenizers[0].added


def test_the_first_token_moves_no_key(tmp_path: Path) -> None:
    """Custom Diffusion: a prompt's start has no gradient, so one token alone teaches keys and values nothing."""
    layer = custom.followed(torch.nn.Linear(3, 2, bias=False))
    x = torch.randn(2, 4, 3)
    layer(x)[:, :1].sum()
    assert not layer(x)[:, :1].sum().requires_grad or layer.weight.grad is None
    layer(x).sum().backward()
    assert torch.allclose(layer.weight.grad, x[:, 1:].sum((0, 1)).expand(2, 3), atol=1e-6)


def test_checkpointing_gives_the_same_gradient() -> None:
    unet = tiny_model("sd1").unet
    x, context = torch.randn(1, 4, 8, 8, requires_grad=True), torch.randn(1, 5, 32)
    gradients = [
        torch.autograd.grad(net(x, torch.tensor([7]), context).square().sum(), x)[0] for net in (unet, forgetful(unet))
    ]
    assert torch.equal(*gradients)
    assert "forward" not in vars(unet.mid_block.resnets[0])


def test_the_average_is_what_is_written(tmp_path: Path) -> None:
    """With a decay of 0.5 from step to step: share (1 + step) / (10 + step), by hand."""
    parts, seen = tiny_model("sd1"), []
    config = Config(**LEARN, ema=0.5, rank=1)
    begun = {name: p.detach().clone() for name, p in lora.prepare(parts, config).trained.items()}
    plain = Config(**LEARN, rank=1)
    for steps in (1, 2):
        seen.append(lora.train(parts, some(), replace(plain, steps=steps), tmp_path / f"{steps}").parts)
    averaged = lora.train(parts, some(), config, tmp_path / "average").parts
    for name, value in begun.items():
        path, _, factor = name.removeprefix("unet.").rpartition(".")
        for step, other in enumerate(seen):
            decay = min(0.5, (1 + step) / (10 + step))
            value = decay * value + (1 - decay) * getattr(other.unet.get_submodule(path), factor)
        torch.testing.assert_close(getattr(averaged.unet.get_submodule(path), factor), value)


def test_samples_and_states_on_the_way(tmp_path: Path) -> None:
    pipe = Pipeline(tiny_model("sd1"), {"width": 16, "height": 16, "steps": 1, "guidance": 2.0}, "tiny")
    how = {**LEARN, "save_every": 2, "keep": True, "sample_every": 2, "samples": ["cat", "at"], "steps": 3}
    lora.train(pipe, some(), Config(**how), tmp_path)
    sheets = sorted((tmp_path / "samples").iterdir())
    assert [sheet.name for sheet in sheets] == ["step-000000.png", "step-000002.png"]
    assert Image.open(sheets[0]).size[0] == 2 * 16 + 3 * 4
    assert (tmp_path / "step-000002" / "lora.safetensors").is_file() and list((tmp_path / "tensorboard").iterdir())
    asked = json.loads((tmp_path / "run.json").read_text())
    assert (asked["method"], asked["model"], asked["layers"]) == ("lora", "tiny", ["attention"])
    assert all(row.keys() == {"step", "loss", "norm", "rate", "seconds"} for row in log_of(tmp_path))


def test_pictures_of_the_class_are_drawn_once(tmp_path: Path) -> None:
    pipe = Pipeline(tiny_model("sd1"), {"width": 16, "height": 16, "steps": 1, "guidance": 2.0}, "tiny")
    config = Config(**LEARN, class_prompt="cat", class_pictures=3, lora=True)
    dreambooth.train(pipe, some("at cat"), config, tmp_path)
    files = sorted((tmp_path / "class").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    whole = [file.read_bytes() for file in files]
    files[1].unlink()
    stamp = files[0].stat().st_mtime_ns
    dreambooth.train(pipe, some("at cat"), config, tmp_path)
    assert [file.read_bytes() for file in files] == whole and files[0].stat().st_mtime_ns == stamp
    given = Examples([*some("at cat"), *pictures(3, "cat", prior=True)])
    dreambooth.train(pipe, given, config, tmp_path / "b")
    assert not (tmp_path / "b" / "class").exists()


@pytest.mark.parametrize("name", ["sd1-inpaint", "sd2-depth", "x4-upscaler", "sdxl-refiner", "sd1-pix2pix"])
def test_families_that_cannot_be_taught(name: str) -> None:
    with pytest.raises(ValueError, match=f"a {FAMILIES[name].title} model cannot be taught here"):
        parts_of(tiny_model(name))


def test_bf16_and_accumulation(tmp_path: Path) -> None:
    """Two passes of one picture are one of two, but for the noise; half precision is near full precision."""
    parts = tiny_model("sd1")
    full = finetune.train(parts, some(), Config(**LEARN, accumulation=2), tmp_path / "a")
    half = finetune.train(parts, some(), Config(**LEARN, accumulation=2, precision="bf16"), tmp_path / "b")
    assert half.loss == pytest.approx(full.loss, rel=0.02) and half.loss != full.loss
    assert {p.dtype for p in half.parts.unet.parameters()} == {torch.float32}
    with pytest.raises(ValueError, match="precision fp16 needs an accelerator"):
        finetune.train(parts, some(), Config(**LEARN, precision="fp16"), tmp_path / "c")


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_long_captions_are_read_in_chunks_as_prompts_are(family: str) -> None:
    parts = tiny_model(family)
    learner, long = Learner(parts), "cat at " * 50
    kept = Texts(learner)
    for said in (learner.tell([long, None, "cat"]), kept.tell([long, None, "cat"])):
        asked = encode_prompts(parts, [long, None, "cat"])
        assert torch.allclose(said.context, asked.context, atol=1e-6) and said.context.shape[1] == 2 * 77
        assert (said.pooled is None) == (family == "sd1")
    assert kept.tell(["cat"]).context.shape[1] == 77
