"""Going on from a trained model: what fits is taken over, what is new is silent at first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from micro import MICRO

from sukashi.train import scratch
from sukashi.train.export import in_files
from sukashi.train.run import Budget
from sukashi.train.transfer import TABLE, transfer
from sukashi.train.vocabulary import Vocabulary, learn_vocabulary


def grown(folder: Path) -> Vocabulary:
    """A vocabulary with other words, in another order."""
    ids: dict[str, int] = json.loads((folder / "tokenizer" / "vocab.json").read_text())
    return learn_vocabulary([*(token.removesuffix("</w>") for token in ids if token.isascii()), "zebra zebra"])


def test_the_same_recipe_goes_on_with_the_same_weights(trained: Path) -> None:
    vocabulary = grown(trained)
    model = scratch.make_generator(MICRO, vocabulary)
    taken = transfer(trained, model, vocabulary)
    assert taken.weights[0] == taken.weights[1] and taken.silent == ()
    x, t = torch.randn(2, 4, 16, 16), torch.tensor([5, 900])
    context = torch.randn(2, 7, 16)
    from sukashi.weights.load import load_parts

    old = load_parts(trained, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(model.unet(x, t, context), old.unet(x, t, context))
        assert torch.equal(model.average["unet"](x, t, context), old.unet(x, t, context))
    ids: dict[str, int] = json.loads((trained / "tokenizer" / "vocab.json").read_text())
    rows, table = old.text_encoders[0].state_dict()[TABLE], model.text.state_dict()[TABLE]
    shared = [token for token in vocabulary.tokens if token in ids]
    assert len(shared) == taken.tokens[0] > 500 and "zebra</w>" not in ids
    for token in (shared[3], shared[-1], shared[len(shared) // 2]):
        assert torch.equal(table[vocabulary.tokens.index(token)], rows[ids[token]])


def test_new_attention_changes_nothing_at_first(trained: Path) -> None:
    vocabulary = grown(trained)
    wider = replace(MICRO, unet=replace(MICRO.unet, depth=(1, 1)))
    model = scratch.make_generator(wider, vocabulary)
    taken = transfer(trained, model, vocabulary)
    assert len(taken.silent) == 3 and all(".0.attentions." in name or ".1.att" in name for name in taken.silent)
    assert f"matched {taken.weights[0]} of {taken.weights[1]} weights" in str(taken)
    plain = scratch.make_generator(MICRO, vocabulary)
    transfer(trained, plain, vocabulary)
    x, t, context = torch.randn(1, 4, 16, 16), torch.tensor([300]), torch.randn(1, 7, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.unet(x, t, context), plain.unet(x, t, context))


def test_another_width_is_refused(trained: Path) -> None:
    vocabulary = grown(trained)
    other = scratch.make_generator(replace(MICRO, unet=replace(MICRO.unet, context_dim=24)), vocabulary)
    with pytest.raises(ValueError, match="text encoder is 16 wide, this recipe's 24"):
        transfer(trained, other, vocabulary)


def test_training_goes_on_from_a_model(trained: Path, tmp_path: Path) -> None:
    folder = scratch.train(replace(MICRO, start=trained, polish_budget=None), tmp_path)
    log = (tmp_path / "log.txt").read_text()
    assert "from model: matched" in log and (folder / "unet" / "config.json").is_file()
    kept, moved = "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"
    assert "the text encoder stays as it is" in log and (folder / kept).read_bytes() == (trained / kept).read_bytes()
    assert (folder / moved).read_bytes() != (trained / moved).read_bytes()


def test_large_weights_go_into_several_files(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_files({"a": 3, "b": 3, "c": 9, "d": 1}, 6) == [["a", "b"], ["c"], ["d"]]
    from sukashi.train import export
    from sukashi.weights.load import load_parts

    monkeypatch.setattr(export, "LARGEST", 100_000)
    folder = scratch.train(replace(MICRO, start=trained, polish_budget=None, budget=Budget(steps=1)), tmp_path)
    files = sorted(path.name for path in (folder / "unet").glob("*.safetensors"))
    assert len(files) > 1 and files[0] == f"diffusion_pytorch_model-00001-of-{len(files):05d}.safetensors"
    assert all((folder / "unet" / name).stat().st_size < 130_000 for name in files)
    unet = load_parts(folder, dtype=torch.float32).unet
    theirs = pytest.importorskip("diffusers").UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    x, t, context = torch.randn(1, 4, 16, 16), torch.tensor([300]), torch.randn(1, 7, 16)
    with torch.no_grad():
        torch.testing.assert_close(unet(x, t, context), theirs.float()(x, t, context).sample)
