from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.weights.configs import text_config

transformers = pytest.importorskip("transformers")

SMALL = {
    "vocab_size": 200,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 20,
}


def prefixed(theirs: nn.Module) -> dict[str, Tensor]:
    """Transformers 5 has no ``text_model.`` in the names of CLIPTextModel; 4 and the hub's files do."""
    named = theirs.state_dict()
    return {n if n.startswith(("text_model.", "text_projection.")) else f"text_model.{n}": t for n, t in named.items()}


def pair(kind: str, **changes: object) -> tuple[CLIPText, nn.Module]:
    torch.manual_seed(3)
    config = transformers.CLIPTextConfig(**SMALL, **changes)
    theirs = getattr(transformers, kind)(config).eval()
    for parameter in theirs.parameters():  # norms are all ones, biases all zeros at first
        nn.init.normal_(parameter, std=0.15)
    ours = CLIPText(text_config({**config.to_dict(), "architectures": [kind]})).eval()
    ours.load_state_dict(prefixed(theirs))
    return ours, theirs


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("end", [199, 2])
@pytest.mark.parametrize("kind", ["CLIPTextModel", "CLIPTextModelWithProjection"])
def test_same_output_as_transformers(kind: str, end: int, activation: str) -> None:
    changes = {"projection_dim": 32} if kind.endswith("Projection") else {}
    ours, theirs = pair(kind, eos_token_id=end, hidden_act=activation, **changes)
    ids = torch.randint(1, 198, (3, 20), generator=torch.Generator().manual_seed(0))
    ids[0, 7:], ids[1, 19], ids[2, 4:6], ids[2, 9] = 199, 199, 199, 199
    with torch.no_grad():
        states, expected = ours(ids), theirs(ids, output_hidden_states=True)
    assert (states.last - expected.last_hidden_state).abs().max() <= 1e-6
    assert len(states.hidden) == len(expected.hidden_states) == 4
    # in transformers 5 the last of hidden_states may be normed already
    for k, (mine, other) in enumerate(zip(states.hidden[:-1], expected.hidden_states, strict=False)):
        assert (mine - other).abs().max() <= 1e-6, f"hidden layer {k}"
    pooled = expected.text_embeds if kind.endswith("Projection") else expected.pooler_output
    assert states.pooled.shape == (3, 32 if kind.endswith("Projection") else 48)
    assert (states.pooled - pooled).abs().max() <= 1e-6


def test_end_of_text() -> None:
    """The pooled output is read at the first end; added words have higher ids and do not move it."""
    ids = torch.tensor([[49406, 320, 49407, 49407], [49406, 49410, 320, 49407]])
    for end in (2, 49407):
        config = CLIPTextConfig(
            width=8, mlp_width=8, layers=0, heads=1, vocab_size=49412, positions=4, eos_token_id=end
        )
        assert CLIPText(config).end_of(ids).tolist() == [2, 3]
    small = CLIPTextConfig(width=8, mlp_width=8, layers=0, heads=1, vocab_size=30, eos_token_id=2)
    assert CLIPText(small).end_of(torch.tensor([[0, 21, 1, 1], [0, 5, 29, 2]])).tolist() == [1, 2]
    exact = CLIPTextConfig(width=8, mlp_width=8, layers=0, heads=1, vocab_size=30, eos_token_id=1)
    assert CLIPText(exact).end_of(torch.tensor([[0, 21, 1, 1], [0, 5, 29, 1]])).tolist() == [2, 3]


def test_longer_than_its_positions() -> None:
    ours, _ = pair("CLIPTextModel", eos_token_id=199)
    assert ours(torch.ones(1, 20, dtype=torch.int64)).last.shape == (1, 20, 48)
    with pytest.raises(ValueError, match="21 tokens in a prompt, but this text encoder has 20 positions"):
        ours(torch.ones(1, 21, dtype=torch.int64))


@pytest.mark.parametrize(
    ("folder", "layers", "width"),
    [
        ("sd1.5/text_encoder", 12, 768),
        ("sd2.1-768/text_encoder", 23, 1024),
        ("sdxl-base-1.0/text_encoder", 12, 768),
        ("sdxl-base-1.0/text_encoder_2", 32, 1280),
    ],
)
def test_keys_of_the_published_encoders(shared_data: Path, folder: str, layers: int, width: int) -> None:
    path = shared_data / "5_model_configs_and_keys" / "diffusers" / folder / "config.json"
    published = json.loads(path.read_text())
    with torch.device("meta"):
        theirs = getattr(transformers, published["architectures"][0])(transformers.CLIPTextConfig(**published))
        ours = CLIPText(text_config(published))
    shapes = {name: tuple(t.shape) for name, t in prefixed(theirs).items()}
    assert {name: tuple(t.shape) for name, t in ours.state_dict().items()} == shapes
    assert (ours.config.layers, ours.config.width) == (layers, width)
    assert ours.config.activation == ("quick_gelu" if width == 768 else "gelu")
    assert (ours.config.projection_dim == 1280) == ("text_projection.weight" in shapes) == (width == 1280)


@pytest.mark.parametrize("case", ["test_stable_diffusion_ddim__tiny-sd1", "test_stable_diffusion_xl_euler__tiny-sdxl"])
def test_traces_of_tiny_pipelines(shared_data: Path, case: str) -> None:
    """What the text encoders of diffusers' own tests were given and said."""
    from safetensors.torch import load_file

    pipelines = shared_data / "6_references" / "tiny_pipelines"
    trace = np.load(pipelines / "cases" / case / "call0.npz")
    checked = 0
    for encoder, label in (("text_encoder", "text_encoder"), ("text_encoder_2", "text_encoder_2")):
        path = pipelines / "models" / case.partition("__")[2] / encoder
        if not path.is_dir():
            continue
        ours = CLIPText(text_config(json.loads((path / "config.json").read_text())))
        named = load_file(path / "model.safetensors")
        ours.load_state_dict({k if k.startswith("text_") else f"text_model.{k}": t for k, t in named.items()})
        for call in range(2):
            if f"trace.{label}{call}.input_ids" not in trace:
                continue
            told = {key: torch.from_numpy(trace[f"trace.{label}{call}.{key}"]) for key in ("input_ids", "pooled")}
            with torch.no_grad():
                states = ours(told["input_ids"])
            last = torch.from_numpy(trace[f"trace.{label}{call}.last_hidden_state"])
            assert (states.last - last).abs().max() <= 1e-5
            assert (states.pooled - told["pooled"]).abs().max() <= 1e-5
            if f"trace.{label}{call}.penultimate" in trace:
                penultimate = torch.from_numpy(trace[f"trace.{label}{call}.penultimate"])
                assert (states.hidden[-2] - penultimate).abs().max() <= 1e-5
            checked += 1
    assert checked >= 2
