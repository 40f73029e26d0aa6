"""A model with LoRAs: beside the one it comes from, merged into it and out again, as diffusers and PEFT have it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lora_samples import kohya, saved
from sukashi.adapters.lora.apply import Use, merge, nets_of, open_lora, unmerge, with_loras
from sukashi.adapters.lora.match import Lora
from sukashi.nets.shallow import with_modules
from sukashi.text import encode_text
from sukashi.weights.errors import CheckpointError
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Parts
from tiny_models import equal, tensors, tiny_model


@pytest.fixture(scope="module", params=["sd1", "sd2", "sdxl"])
def parts(request) -> Parts:
    return tiny_model(request.param)


@pytest.fixture(scope="module")
def lora(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Lora:
    convs = ("attn2.to_v", "conv1", "downsamplers.0.conv", "proj_in", "mlp.fc1", "v_proj")
    return open_lora(
        saved(kohya(parts, convs, rank=3, alpha=6.0), tmp_path_factory.mktemp("lora") / "a.safetensors"), parts
    )


def answers(parts: Parts) -> tuple[Tensor, Tensor]:
    """What the text encoders and the U-Net say."""
    unet = parts.unet.config
    torch.manual_seed(5)
    more = {}
    if unet.pooled_dim:
        more = {"pooled": torch.randn(1, parts.text_encoders[-1].config.width), "sizes": torch.ones(1, 6)}
    with torch.no_grad():
        context = encode_text(parts, ["a cat"]).context
        x = torch.randn(1, unet.in_channels, 8, 8)
        return context, parts.unet(x, torch.tensor([300.0]), torch.randn(1, 5, unet.context_dim), **more)


def far(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[float, float]:
    return tuple(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def test_a_copy_shares_what_it_does_not_replace(parts: Parts) -> None:
    new = torch.nn.Conv2d(8, 4, 3, padding=1)
    twin = with_modules(parts.unet, {"conv_out": new, "mid_block.resnets.0.conv1": new})
    assert twin.conv_out is new and twin.mid_block.resnets[0].conv1 is new and twin.config is parts.unet.config
    assert parts.unet.conv_out is not new and twin.down_blocks is parts.unet.down_blocks
    assert twin.mid_block.resnets[1] is parts.unet.mid_block.resnets[1] and type(twin) is type(parts.unet)


def test_on_the_fly_equals_merged_and_the_original_stays(parts: Parts, lora: Lora) -> None:
    before, plain = {name: t.clone() for name, t in tensors(parts).items()}, answers(parts)
    running, still = with_loras(parts, [Use(lora, 0.8)]), with_loras(parts, [Use(lora, 0.8)], merge=True)
    assert max(far(answers(running), answers(still))) < 1e-5
    assert min(far(answers(running), plain)) > 1e-3
    assert far(answers(parts), plain) == (0, 0)
    after = tensors(parts)
    assert list(after) == list(before) and all(torch.equal(after[name], t) for name, t in before.items())
    assert list(tensors(running)) == list(before)  # the names are the checkpoint's, also with LoRAs
    shared = [name for name, t in tensors(still).items() if t.data_ptr() == after[name].data_ptr()]
    assert len(before) - len(shared) == lora.report.total


def test_weights_of_their_own_for_text_and_u_net(parts: Parts, lora: Lora) -> None:
    plain = answers(parts)
    both = answers(with_loras(parts, [Use(lora, 0.8, 0.3)]))
    text_only, unet_only = (
        answers(with_loras(parts, [Use(lora, 0.0, 0.3)])),
        answers(with_loras(parts, [Use(lora, 0.8, 0)])),
    )
    assert torch.equal(text_only[0], both[0]) and torch.equal(text_only[1], plain[1])
    assert torch.equal(unet_only[1], both[1]) and torch.equal(unet_only[0], plain[0])
    off = with_loras(parts, [Use(lora, 0)])
    assert off.unet is parts.unet and off.text_encoders == parts.text_encoders


def test_several_at_once_and_one_after_another(parts: Parts, lora: Lora, tmp_path: Path) -> None:
    other = open_lora(saved(kohya(parts, ("attn2.to_v", "to_q", "mlp.fc1"), rank=1), tmp_path / "b.safetensors"), parts)
    at_once = with_loras(parts, [Use(lora, 0.8), Use(other, -0.4)])
    in_turn = with_loras(with_loras(parts, [Use(other, -0.4)]), [Use(lora, 0.8)])
    still = with_loras(parts, [Use(other, -0.4), Use(lora, 0.8)], merge=True)
    assert max(far(answers(at_once), answers(in_turn))) < 1e-5 and max(far(answers(at_once), answers(still))) < 1e-5
    twice, double = with_loras(parts, [Use(lora), Use(lora)]), with_loras(parts, [Use(lora, 2.0)])
    assert max(far(answers(twice), answers(double))) < 1e-4


def test_merging_is_undone_to_the_bit(parts: Parts, lora: Lora) -> None:
    copy = {name: t.clone() for name, t in tensors(parts).items()}
    expected = answers(with_loras(parts, [Use(lora, 0.7)]))
    first = merge(parts, [Use(lora, 0.7)])
    assert max(far(answers(parts), expected)) < 1e-5
    second = merge(parts, [Use(lora, 3.3)])
    unmerge(second)
    assert max(far(answers(parts), expected)) < 1e-5
    unmerge(first)
    assert all(torch.equal(t, copy[name]) for name, t in tensors(parts).items()) and list(copy) == list(tensors(parts))
    changed = [c for part in lora.changes.values() for c in part]
    assert len(first.kept) == len(changed) and f"{first.bytes / 1e6:.1f} MB of original weights" in str(first)


def test_threads_draw_with_and_without(parts: Parts, lora: Lora) -> None:
    models = [parts, with_loras(parts, [Use(lora)]), with_loras(parts, [Use(lora, -0.5)], merge=True)]
    expected, found = [answers(model)[1] for model in models], {}

    def run(k: int) -> None:
        x, t, c = torch.ones(1, models[k].unet.config.in_channels, 8, 8), torch.tensor([9.0]), models[k].unet.config
        more = {"pooled": torch.ones(1, 32), "sizes": torch.ones(1, 6)} if c.pooled_dim else {}
        with torch.no_grad():
            found[k] = [models[k].unet(x, t, torch.ones(1, 5, c.context_dim), **more) for _ in range(3)]

    run(0), run(1), run(2)
    alone, found = found, {}
    threads = [threading.Thread(target=run, args=(k,)) for k in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(torch.equal(a, b) for k in range(3) for a, b in zip(alone[k], found[k], strict=True))
    assert len({float(t.sum()) for t in expected}) == 3


def test_words_that_come_along(tmp_path: Path) -> None:
    parts = tiny_model("sd1")
    vectors = torch.randn(2, 32)
    content = kohya(parts) | {"bundle_emb.w0rd.string_to_param.*": vectors}
    lora = open_lora(saved(content, tmp_path / "a.safetensors"), parts)
    assert lora.report.words == ("w0rd",) and lora.report.tensors == len(content) - 1
    model = with_loras(parts, [Use(lora)])
    rows = model.text_encoders[0].text_model.embeddings.token_embedding.weight
    assert torch.equal(rows[-2:], vectors) and len(model.tokenizers[0].encode("w0rd")) == 2
    assert parts.tokenizers[0].added == {} and equal(parts, tiny_model("sd1")) and len(rows) == 518


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    parts = tiny_model("sd1")
    content = kohya(parts)
    content[next(iter(content))][0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="holds numbers that are not finite"):
        with_loras(parts, [Use(open_lora(saved(content, tmp_path / "a.safetensors"), parts))])


def test_norms_and_biases(tmp_path: Path) -> None:
    parts = tiny_model("sd1")
    content = {
        "lora_unet_conv_norm_out.w_norm": torch.randn(8),
        "lora_unet_conv_norm_out.b_norm": torch.randn(8),
        "lora_te_text_model_final_layer_norm.w_norm": torch.randn(32),
        "lora_unet_conv_out.diff": torch.randn(4, 8, 3, 3),
        "lora_unet_conv_out.diff_b": torch.randn(4),
        "lora_unet_conv_in.diff_b": torch.randn(8),
    }
    lora = open_lora(saved(content, tmp_path / "a.safetensors"), parts)
    assert lora.report.total == 4 and lora.report.matched == {"unet": 3, "text_encoder": 1}
    model, still = with_loras(parts, [Use(lora, 0.5)]), with_loras(parts, [Use(lora, 0.5)], merge=True)
    assert max(far(answers(model), answers(still))) < 1e-4
    norm, other = parts.unet.conv_norm_out, still.unet.conv_norm_out
    assert (other.weight - norm.weight - content["lora_unet_conv_norm_out.w_norm"] / 2).abs().max() < 1e-6
    assert (other.bias - norm.bias - content["lora_unet_conv_norm_out.b_norm"] / 2).abs().max() < 1e-6
    assert (
        still.unet.conv_in.bias - parts.unet.conv_in.bias - content["lora_unet_conv_in.diff_b"] / 2
    ).abs().max() < 1e-6
    assert torch.equal(still.unet.conv_in.weight, parts.unet.conv_in.weight)


@pytest.mark.parametrize("name", ["tiny-sd1", "tiny-sdxl"])
def test_as_diffusers_with_peft(name: str, shared_data: Path, tmp_path: Path) -> None:
    """Trained by PEFT, saved by diffusers: the same dW in every layer, the same answer of the U-Net."""
    diffusers, peft = pytest.importorskip("diffusers"), pytest.importorskip("peft")
    folder = shared_data / "6_references" / "tiny_pipelines" / "models" / name
    theirs = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
    torch.manual_seed(0)
    wanted = {"unet": ["to_q", "to_out.0", "conv1", "proj_in", "ff.net.0.proj"], "text_encoder": ["q_proj", "fc1"]}
    save = {}
    for part, layers in wanted.items():
        net = getattr(theirs, part)
        config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=layers, init_lora_weights=False)
        net.add_adapter(config)
        save[f"{part}_lora_layers"] = peft.get_peft_model_state_dict(net)
        save[f"{part}_lora_adapter_metadata"] = config.to_dict()
    type(theirs).save_lora_weights(tmp_path, **save)
    parts = load_parts(folder)
    lora = open_lora(tmp_path / "pytorch_lora_weights.safetensors", parts)
    assert lora.report.ranks == (3,) and lora.report.alphas == (6.0,) and lora.report.total > 30
    for part, changes in lora.changes.items():
        net, ours = getattr(theirs, part), nets_of(parts)[part]
        for path, one in changes.items():
            there = path if hasattr(net, "text_model") or part == "unet" else path.removeprefix("text_model.")
            expected = net.get_submodule(there).get_delta_weight("default")
            assert (one.delta(ours.get_submodule(path).weight) - expected).abs().max() < 1e-5, path
    if name == "tiny-sd1":
        x, context = torch.randn(1, 4, 8, 8), torch.randn(1, 7, parts.unet.config.context_dim)
        with torch.no_grad():
            expected = theirs.unet(x, 77, context).sample
            found = with_loras(parts, [Use(lora)]).unet(x, torch.tensor([77.0]), context)
        assert (found - expected).abs().max() < 1e-5
