"""Every kind of change equals PEFT's, or a few lines that do not share code with it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sukashi.adapters.lora.formulas import KINDS, Change, Kind
from sukashi.adapters.lora.layers import adapted, merged
from sukashi.adapters.lora.peft_config import Scales
from sukashi.adapters.lora.read import change_of, ending

NOBODY = Scales({})
LAYERS = {
    "linear": (lambda: nn.Linear(12, 8, bias=False), (2, 5, 12)),
    "conv 1x1": (lambda: nn.Conv2d(12, 8, 1), (2, 12, 6, 6)),
    "conv 3x3": (lambda: nn.Conv2d(12, 8, 3, stride=2, padding=1), (2, 12, 7, 7)),
}


def change(**tensors: Tensor) -> Change:
    made = change_of("layer", {name.removesuffix("_"): t for name, t in tensors.items()}, NOBODY)
    assert made is not None
    return made


def r(*shape: int) -> Tensor:
    return torch.randn(*shape) * 0.3


def flat(layer: nn.Module) -> tuple[int, int]:
    return tuple(layer.weight.flatten(1).shape)


def files(layer: nn.Module) -> dict[str, Change]:
    """A change of every kind that this layer can have."""
    torch.manual_seed(1)
    (o, i), (_, n, *k), ones = flat(layer), layer.weight.shape, [1] * (layer.weight.ndim - 2)
    alpha = torch.tensor(3.0)
    made = {
        "low rank": change(down=r(2, n, *k), up=r(o, 2, *ones), alpha=alpha),
        "no alpha": change(down=r(2, n, *k), up=r(o, 2, *ones)),
        "dora over inputs": change(down=r(2, n, *k), up=r(o, 2, *ones), dora=r(1, n, *ones).abs(), alpha=alpha),
        "dora over outputs": change(down=r(2, n, *k), up=r(o, 2, *ones), dora_out=r(o).abs(), alpha=alpha),
        "bias": change(down=r(2, n, *k), up=r(o, 2, *ones), bias=r(o)),
        "loha": change(hada_w1_a=r(o, 2), hada_w1_b=r(2, i), hada_w2_a=r(o, 2), hada_w2_b=r(2, i), alpha=alpha),
        "lokr": change(lokr_w1=r(2, 3), lokr_w2_a=r(o // 2, 2), lokr_w2_b=r(2, i // 3), alpha=alpha),
        "lokr whole": change(lokr_w1=r(2, 3), lokr_w2=r(o // 2, n // 3, *k), alpha=torch.tensor(9e9)),
        "full": change(diff=r(*layer.weight.shape)),
        "ia3 in": change(vector=r(n), on_input=torch.tensor(1)),
        "ia3 out": change(vector=r(o), on_input=torch.tensor(0)),
        "oft": change(blocks=r(2, o // 2, o // 2)),
    }
    if len(k) == 0:
        made["glora"] = change(a1=r(n, 2), a2=r(2, n), b1=r(o, 2), b2=r(2, n), alpha=alpha)
    if k and k[0] == 3:
        made["tucker"] = change(down=r(2, n, 1, 1), up=r(o, 2, 1, 1), mid=r(2, 2, *k), alpha=alpha)
    return made


@pytest.mark.parametrize("shape", LAYERS)
def test_on_the_fly_equals_merged_and_the_layer_is_left_alone(shape: str) -> None:
    make, size = LAYERS[shape]
    layer, x = make().requires_grad_(False), torch.randn(size)
    weight, plain = layer.weight.clone(), layer(x)
    for name, one in files(layer).items():
        running, still = adapted(layer, [(one, 0.7)]), merged(layer, [(one, 0.7)])
        assert (running(x) - still(x)).abs().max() < 1e-5, name
        assert (still(x) - plain).abs().max() > 1e-3, name
        assert isinstance(running, type(layer)) and list(running.state_dict()) == list(layer.state_dict())
        assert running.weight is layer.weight
    assert torch.equal(layer.weight, weight) and torch.equal(layer(x), plain)


def test_several_on_one_layer_are_added_in_any_order() -> None:
    layer, x = nn.Linear(12, 8).requires_grad_(False), torch.randn(3, 12)
    some = list(files(layer).values())
    one = merged(layer, [(c, 0.3) for c in some])
    two = adapted(adapted(layer, [(c, 0.3) for c in some[5:]]), [(c, 0.3) for c in some[:5]])
    assert (one(x) - two(x)).abs().max() < 1e-5
    assert len(two.changes) == len(some)


def test_half_precision_layers_stay_half() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        layer = nn.Linear(12, 8).to(dtype).requires_grad_(False)
        for one in files(layer).values():
            assert adapted(layer, [(one, 0.5)])(torch.randn(2, 12, dtype=dtype)).dtype == dtype
            assert merged(layer, [(one, 0.5)]).weight.dtype == dtype


def test_low_rank_against_loops() -> None:
    weight, f = torch.zeros(3, 4, 2, 2), {"down": r(2, 4, 2, 2), "up": r(3, 2, 1, 1)}
    expected = torch.zeros_like(weight)
    for o in range(3):
        for i in range(4):
            expected[o, i] = sum(f["up"][o, n, 0, 0] * f["down"][n, i] for n in range(2)) * 5 / 2
    assert (change(**f, alpha=torch.tensor(5.0)).delta(weight) - expected).abs().max() < 1e-6


def test_tucker_against_convolutions() -> None:
    """Down, mid and up as three convolutions of one picture are the convolution with dW."""
    one, x = files(nn.Conv2d(12, 8, 3))["tucker"], torch.randn(1, 12, 5, 5)
    f = one.factors
    chain = nn.functional.conv2d(nn.functional.conv2d(nn.functional.conv2d(x, f["down"]), f["mid"]), f["up"])
    whole = nn.functional.conv2d(x, one.delta(torch.zeros(8, 12, 3, 3)))
    assert (whole - chain * 1.5).abs().max() < 1e-5


def test_dora_keeps_the_learnt_length() -> None:
    layer = nn.Linear(12, 8)
    for name, dim in (("dora over inputs", 0), ("dora over outputs", 1)):
        one = files(layer)[name]
        length = one.factors.get("dora", one.factors.get("dora_out")).flatten()
        assert ((layer.weight + one.delta(layer.weight)).norm(dim=dim) - length).abs().max() < 1e-5


def test_oft_is_a_rotation_bounded_where_it_says_so() -> None:
    weight, blocks = torch.randn(8, 12), r(2, 4, 4)
    turned = weight + change(blocks=blocks).delta(weight)
    assert (turned.norm(dim=0) - weight.norm(dim=0)).abs().max() < 1e-5  # both groups keep their lengths
    small = change(blocks=blocks, alpha=torch.tensor(1e-6)).delta(weight)  # at most 8e-6
    assert 0 < small.abs().max() < 1e-4
    twice = weight + change(blocks=blocks, rescale=torch.full((8, 1), 2.0)).delta(weight)
    assert (twice - 2 * turned).abs().max() < 1e-5


def test_kinds_are_told_apart() -> None:
    for name, one in files(nn.Linear(12, 8)).items():
        expected = {"lo": "Lo", "fu": "full", "ia": "IA3", "of": "OFT", "gl": "GLoRA", "no": "LoRA"}
        assert one.name.startswith(expected.get(name[:2], "LoRA")), (name, one.name)
    assert files(nn.Conv2d(12, 8, 3))["tucker"].name == files(nn.Conv2d(12, 8, 3))["low rank"].name == "LoCon"
    assert change_of("layer", {"down": r(2, 3)}, NOBODY) is None
    assert len({kind.needs for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", ["LoraConfig", "dora", "LoHaConfig", "LoKrConfig", "rslora"])
def test_same_as_peft(kind: str) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(12, 8), nn.Conv2d(12, 8, 3, padding=1), nn.Conv2d(12, 8, 1))
    before = [layer.weight.clone() for layer in net]
    options = {"LoHaConfig": {"init_weights": False}, "LoKrConfig": {"init_weights": False}}.get(
        kind, {"init_lora_weights": False, "use_dora": kind == "dora", "use_rslora": kind == "rslora"}
    )
    alpha = "lora_alpha" if "init_lora_weights" in options else "alpha"
    config = getattr(peft, kind if "Config" in kind else "LoraConfig")
    theirs = peft.get_peft_model(net, config(r=2, target_modules=["0", "1", "2"], **{alpha: 6}, **options))
    saved = peft.get_peft_model_state_dict(theirs)
    told = Scales({"": {alpha: 6, "r": 2, "use_rslora": kind == "rslora"}})
    merged_net = theirs.merge_and_unload()
    for i, weight in enumerate(before):
        names = {n: t for n, t in saved.items() if n.startswith(f"base_model.model.{i}.")}
        own = {ending(name)[1]: t.detach() for name, t in names.items()}
        one = change_of(f"base_model.model.{i}", own, told)
        assert (weight + one.delta(weight) - merged_net[i].weight).abs().max() < 1e-5, (kind, i)


def test_factors_for_another_layer_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the factors make \(8, 12\)"):
        files(nn.Linear(12, 8))["low rank"].delta(torch.zeros(12, 8))
    with pytest.raises(ValueError, match="do not fit"):
        change(down=r(2, 12), up=r(8, 3)).delta(torch.zeros(8, 12))
    with pytest.raises(ValueError, match="7 lengths for 8 outputs"):
        change(down=r(2, 12), up=r(8, 2), dora_out=r(7)).delta(torch.zeros(8, 12))


def test_every_kind_is_in_these_tests() -> None:
    seen: set[Kind] = {one.kind for make, _ in LAYERS.values() for one in files(make()).values()}
    untested = {kind.name for kind in KINDS} - {kind.name for kind in seen}
    assert untested == {"bias"}  # alone, in test_lora_apply.py
