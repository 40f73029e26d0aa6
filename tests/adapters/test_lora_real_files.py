"""The LoRA files of other people's trainers, by what the manifest says of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sukashi.adapters.lora.match import Lora, match
from sukashi.adapters.lora.read import content, read_lora
from sukashi.families import FAMILIES
from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.weights.assemble import empty
from sukashi.weights.embeddings import read_embedding
from sukashi.weights.errors import CheckpointError

FILES = {  # family, layers by part, tensors, rank, alphas, kind, whose names
    "broken/timohavdk_2100.safetensors": ("sd1", {"unet": 128}, 256, 4, (), "LoRA", "diffusers"),
    "cloneofsimo/lora_disney.pt": ("sd2", {"unet": 128}, 256, 4, (), "LoRA", "cloneofsimo"),
    "cloneofsimo/lora_disney.safetensors": (
        "sd1", {"unet": 144, "text_encoder": 48}, 384, 1, (), "LoRA", "cloneofsimo",
    ),
    "diffusers_2023/animal_pytorch_lora_weights.safetensors": ("sd1", {"unet": 128}, 256, 4, (), "LoRA", "diffusers"),
    "diffusers_2024/pokemon_pytorch_lora_weights.safetensors": ("sd1", {"unet": 128}, 256, 4, (), "LoRA", "diffusers"),
    "lycoris/smart_falcon_8_lokr.safetensors": (
        "sd1", {"unet": 278, "text_encoder": 72}, 1750, 8, (8.0,), "LoKr", "Kohya",
    ),
}  # fmt: skip
REFUSED = {"broken/timohavdk_new.safetensors"}
BASE = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL"}


@cache
def nets(family: str) -> dict[str, nn.Module]:
    """The networks of a family at their real size, without memory."""
    row = FAMILIES[family]
    texts = {f"text_encoder{'_2' * i}": empty(lambda c=config: CLIPText(c)) for i, config in enumerate(row.text)}
    return {"unet": empty(lambda: UNet(row.unet)), **texts}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "4_lora"


def opened(folder: Path, name: str) -> Lora:
    return match(read_lora(folder / name), nets(FILES[name][0]))


def test_every_file_is_expected(folder: Path) -> None:
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {*FILES, *REFUSED}


@pytest.mark.parametrize("name", FILES)
def test_counts(folder: Path, name: str) -> None:
    family, parts, tensors, rank, alphas, kind, layout = FILES[name]
    report = opened(folder, name).report
    assert report.matched == parts and report.total == sum(parts.values()) and report.tensors == tensors
    assert (report.ranks, report.alphas, report.kinds, report.layouts) == ((rank,), alphas, (kind,), (layout,))
    assert report.base == BASE[family] and report.unmatched == ()
    assert f"matched {report.total} of {report.total} layers" in str(report) and f"rank {rank}" in str(report)
    for other in {"sd1", "sd2", "sdxl"} - {family}:
        expected = rf"is a LoRA for {BASE[family]} \(context width \d+\); this model is {BASE[other]}"
        with pytest.raises(CheckpointError, match=expected):
            match(read_lora(folder / name), nets(other))


@pytest.mark.parametrize("name", [n for n in FILES if "lokr" not in n])
def test_deltas_of_low_rank_are_up_times_down(folder: Path, name: str) -> None:
    """Each pair of the file is found at a layer, with the product of its two matrices."""
    tensors, lora = content(folder / name)[0], opened(folder, name)
    every = [change for changes in lora.changes.values() for change in changes.values()]
    found = {one.factors["down"].data_ptr(): one for one in every}
    downs = {k: t for k, t in tensors.items() if k.endswith((":down", ".down.weight"))}
    assert len(downs) == len(found) == lora.report.total
    worst = 0.0
    for one in found.values():
        up, down = one.factors["up"], one.factors["down"]
        difference = one.delta(torch.zeros(len(up), down.shape[1])) - up.float() @ down.float()
        worst = max(worst, float(difference.abs().max()))
    assert worst <= 1e-6


def test_the_lokr_equals_the_kronecker_product(folder: Path) -> None:
    tensors, _ = content(folder / "lycoris/smart_falcon_8_lokr.safetensors")
    lora = opened(folder, "lycoris/smart_falcon_8_lokr.safetensors")
    paths = ("mid_block.attentions.0.proj_in", "down_blocks.1.resnets.0.conv1", "up_blocks.3.resnets.2.time_emb_proj")
    for path in paths:
        name = "lora_unet_" + path.replace(".", "_")
        own = {f: tensors[f"{name}.lokr_{f}"].double() for f in ("w1_a", "w1_b", "w2_a", "w2_b")}
        w1, w2 = own["w1_a"] @ own["w1_b"], own["w2_a"] @ own["w2_b"]
        expected = (w1[:, None, :, None] * w2[None, :, None, :]).reshape(len(w1) * len(w2), -1)  # alpha 8 / rank 8
        weight = torch.zeros(nets("sd1")["unet"].get_submodule(path).weight.shape)
        delta = lora.changes["unet"][path].delta(weight)
        assert delta.shape == weight.shape and (delta.flatten(1) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("name", [n for n, facts in FILES.items() if facts[-1] == "diffusers"])
def test_diffusers_puts_them_into_the_same_layers(folder: Path, name: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.StableDiffusionPipeline.lora_state_dict(folder / name)
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    for path, one in opened(folder, name).changes["unet"].items():
        assert torch.equal(one.factors["down"], named_by_diffusers(theirs, path, "A", "down")), path
        assert torch.equal(one.factors["up"], named_by_diffusers(theirs, path, "B", "up")), path


def named_by_diffusers(tensors: dict[str, Tensor], path: str, new: str, old: str) -> Tensor:
    """The tensor of a layer in diffusers' state dict, which keeps the spelling of the file."""
    block, _, layer = path.rpartition(".to_")
    processor = f"{block}.processor.to_{layer.removesuffix('.0')}_lora.{old}.weight"
    names = [f"{path}.lora_{new}.weight", f"{path}.lora.{old}.weight", processor]
    return next(tensors[prefix + n] for prefix in ("unet.", "") for n in names if prefix + n in tensors)


def test_the_words_that_come_with_a_file(folder: Path) -> None:
    lora = opened(folder, "cloneofsimo/lora_disney.safetensors")
    assert [(w.token, w.widths, w.count) for w in lora.words] == [("<s1>", (768,), 1), ("<s2>", (768,), 1)]
    assert "brings the words <s1>, <s2>" in str(lora.report)


def test_a_conversion_gone_wrong_is_refused_with_all_its_names(folder: Path) -> None:
    """The right file of the same training is accepted; the tensors are equal, only the names are not."""
    with pytest.raises(CheckpointError, match="names of no trainer known here") as caught:
        read_lora(folder / "broken/timohavdk_new.safetensors")
    assert len(caught.value.unexpected) == 256 and "lora_unet_unet_down_blocks_0" in str(caught.value)
    right, _ = content(folder / "broken/timohavdk_2100.safetensors")
    wrong, _ = content(folder / "broken/timohavdk_new.safetensors")
    assert all(any(torch.equal(t, other) for other in wrong.values()) for t in list(right.values())[:4])


def test_textual_inversions_are_no_loras(shared_data: Path) -> None:
    folder = shared_data / "3_textual_inversion"
    with pytest.raises(CheckpointError, match="is a textual inversion embedding, not a LoRA"):
        read_lora(folder / "a1111/EasyNegative.safetensors")
    with pytest.raises(CheckpointError, match="not a LoRA"):
        read_lora(folder / "diffusers/pin.safetensors")


def test_loras_are_no_textual_inversions(folder: Path) -> None:
    for name in FILES:
        with pytest.raises(CheckpointError, match=r"is a LoRA, not a textual inversion|holds a list, not"):
            read_embedding(folder / name)
