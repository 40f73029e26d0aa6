"""Two steps of every method against diffusers' networks, schedulers and the arithmetic of its training scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from teaching import PLAIN, log_of, pictures, some, strong, their_loss, their_steps, theirs

from sukashi.adapters.lora.apply import nets_of
from sukashi.train.data.examples import Examples
from sukashi.train.methods import custom, dreambooth, finetune, lora, ti
from sukashi.train.methods.config import Config
from sukashi.train.methods.templates import STYLE

FAMILIES = ("sd1", "sd2-v", "sdxl")


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in log_of(folder)]


def close(ours: list[float], them: list[float]) -> None:
    assert ours == pytest.approx(them, rel=1e-5, abs=1e-6) and len(ours) == len(them) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_finetune(family: str, tmp_path: Path) -> None:
    parts, examples = strong(family), some()
    config = Config(**PLAIN, steps=2, batch=2, rate=0.01, text=family != "sdxl")
    result = finetune.train(parts, examples, config, tmp_path)
    pipe = theirs(parts)
    nets = {"unet": pipe.unet} | ({"text": pipe.text_encoder} if config.text else {})
    weights = {f"{part}.{k}": p.requires_grad_() for part, net in nets.items() for k, p in net.named_parameters()}
    close(
        losses(tmp_path), their_steps(list(weights.values()), 0.01, 2, lambda k: their_loss(pipe, examples, config, k))
    )
    taught = theirs(result.parts)
    mine = dict(taught.unet.named_parameters(prefix="unet"))
    mine |= dict(taught.text_encoder.named_parameters(prefix="text")) if config.text else {}
    before = dict(theirs(parts).unet.named_parameters(prefix="unet"))
    assert mine.keys() == weights.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(mine[name], weight, rtol=1e-4, atol=2e-6)
    moved = [name for name, weight in before.items() if not torch.equal(weight, weights[name])]
    assert len(moved) > 0.9 * len(before)  # a grid of one cell moves no query and key


def test_dreambooth_with_prior(tmp_path: Path) -> None:
    parts = strong("sd1")
    examples = Examples([*pictures(2, "at cat"), *pictures(2, "cat", prior=True, first=5)])
    config = Config(**PLAIN, steps=2, batch=2, rate=0.01, prior_weight=0.3)
    dreambooth.train(parts, examples, config, tmp_path)
    pipe = theirs(parts)
    weights = [p.requires_grad_() for p in pipe.unet.parameters()]
    close(losses(tmp_path), their_steps(weights, 0.01, 2, lambda k: their_loss(pipe, examples, config, k)))


@pytest.mark.parametrize("dora", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", FAMILIES)
def test_lora(family: str, dora: bool, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    parts, examples = strong(family), some()
    layers = ("attention", "feed-forward", "projections", "conv")
    config = Config(**PLAIN, steps=2, rate=0.5, rank=2, alpha=3, layers=layers, dora=dora, text=not dora, keys="peft")
    begun = lora.prepare(parts, config)
    pipe = theirs(parts)
    own = {}
    for part in ("unet", "text_encoder", "text_encoder_2") if config.text else ("unet",):
        if getattr(pipe, part, None) is None:
            continue
        starts = {k.removeprefix(f"{part}."): p for k, p in begun.trained.items() if k.startswith(f"{part}.")}
        starts |= {k.removeprefix(f"{part}."): p for k, p in begun.trained_text.items() if k.startswith(f"{part}.")}
        if part == "text_encoder":  # transformers 5 has one level less
            starts = {k.removeprefix("text_model."): p for k, p in starts.items()}
        paths = {key.rpartition(".")[0] for key in starts}
        settings = peft.LoraConfig(r=2, lora_alpha=3, target_modules=sorted(paths), use_dora=dora)
        getattr(pipe, part).add_adapter(settings)
        found = {k: p for k, p in getattr(pipe, part).named_parameters() if "lora_" in k}
        for key, weight in found.items():
            path, _, name = key.partition(".lora_")
            name = {"A": "down", "B": "up", "m": "length"}[name[0]]
            start = starts[path + "." + name]
            weight.data = start.detach().reshape(weight.shape).clone()
            below = "text_model." if part == "text_encoder" else ""
            own[f"{part}.{below}{path}.{name}"] = weight.requires_grad_()
    assert own.keys() == begun.trained.keys() | begun.trained_text.keys()
    them = their_steps(list(own.values()), 0.5, 2, lambda k: their_loss(pipe, examples, config, k))
    result = lora.train(parts, examples, config, tmp_path)
    close(losses(tmp_path), them)
    trained = {
        f"{part}.{path}.{name}": factor
        for part, net in nets_of(result.parts).items()
        for path, layer in net.named_modules()
        if hasattr(layer, "factors")
        for name, factor in layer.factors().items()
    }
    assert trained.keys() == own.keys()
    for name, weight in own.items():
        torch.testing.assert_close(trained[name].flatten(), weight.flatten(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES[:2])
def test_textual_inversion(family: str, tmp_path: Path) -> None:
    parts, examples = strong(family), some()
    config = Config(**PLAIN, steps=2, rate=1.0, vectors=2, start="at", word="<new>", templates="style", flip=0.5)
    pipe = theirs(parts)
    start = pipe.text_encoder.get_input_embeddings().weight[pipe.tokenizer("at").input_ids[1]]
    pipe.load_textual_inversion({"<new>": start.repeat(2, 1).clone()})
    rows = pipe.text_encoder.get_input_embeddings().weight
    before = rows.detach().clone()
    rows.requires_grad_()

    def say(_: str, chance: float) -> str:
        return pipe.maybe_convert_prompt(STYLE[int(chance * 19)].format("<new>"), pipe.tokenizer)

    def loss(step: int) -> torch.Tensor:
        rows.data[:-2] = before[:-2]  # the script puts all other rows back after every step
        return their_loss(pipe, examples, config, step, say)

    them = their_steps([rows], 1.0, 2, loss)
    result = ti.train(parts, examples, config, tmp_path)
    close(losses(tmp_path), them)
    new = result.parts.text_encoders[0].text_model.embeddings.token_embedding.new
    torch.testing.assert_close(new, rows[-2:], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(new[0], new[1]) and not torch.allclose(new[0], before[-1], atol=1e-4)


def test_custom_diffusion(tmp_path: Path) -> None:
    """Keys and values through diffusers' own attention processors, which keep the first token's out of the gradient."""
    from diffusers.models.attention_processor import CustomDiffusionAttnProcessor

    parts, examples = strong("sd1"), Examples([*pictures(2, "a <new> cat"), *pictures(2, "cat", prior=True, first=5)])
    config = Config(**PLAIN, steps=2, batch=2, rate=0.05, start="at", prior_weight=0.5, zoom=False)
    pipe = theirs(parts)
    start = pipe.text_encoder.get_input_embeddings().weight[pipe.tokenizer("at").input_ids[1]]
    pipe.load_textual_inversion({"<new>": start[None].clone()})
    rows = pipe.text_encoder.get_input_embeddings().weight.requires_grad_()
    before, trained, made = rows.detach().clone(), {}, {}
    for name in pipe.unet.attn_processors:
        cross, layer = name.endswith("attn2.processor"), pipe.unet.get_submodule(name.removesuffix(".processor"))
        made[name] = CustomDiffusionAttnProcessor(
            train_kv=cross,
            train_q_out=False,
            hidden_size=layer.to_q.in_features,
            cross_attention_dim=32 if cross else None,
        )
        for which in ("k", "v") if cross else ():
            path = f"to_{which}_custom_diffusion"
            getattr(made[name], path).weight.data = getattr(layer, f"to_{which}").weight.detach().clone()
            trained[name.replace("processor", f"to_{which}")] = getattr(made[name], path).weight
    pipe.unet.set_attn_processor(made)

    def loss(step: int) -> torch.Tensor:
        rows.data[:-1] = before[:-1]
        return their_loss(pipe, examples, config, step)

    them = their_steps([*trained.values(), rows], 0.05, 2, loss)
    result = custom.train(parts, examples, config, tmp_path)
    close(losses(tmp_path), them)
    for path, weight in trained.items():
        torch.testing.assert_close(result.parts.unet.get_submodule(path).weight, weight, rtol=1e-4, atol=1e-6)
    new = result.parts.text_encoders[0].text_model.embeddings.token_embedding.new
    torch.testing.assert_close(new, rows[-1:], rtol=1e-4, atol=1e-6)
