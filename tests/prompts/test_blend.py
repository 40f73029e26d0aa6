"""Prompts mixed as numbers, and as files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from sukashi.diffusion.denoiser import Conditioning
from sukashi.prompts.blend import blend, one_by_one, repeated, slerp
from sukashi.prompts.files import conditioning_from, load_conditioning, save_conditioning
from sukashi.weights.errors import CheckpointError


def some(batch: int, seed: int = 0, tokens: int = 7) -> Conditioning:
    made = torch.Generator().manual_seed(seed)
    return Conditioning(
        context=torch.randn(batch, tokens, 5, generator=made),
        pooled=torch.randn(batch, 3, generator=made),
        sizes=torch.arange(batch * 6.0).reshape(batch, 6),
    )


def test_lerp_is_the_weighted_mean() -> None:
    three = some(3)
    mixed = blend(three, [1, 2, 5])
    assert mixed.context.shape == (1, 7, 5) and mixed.pooled is not None and three.pooled is not None
    c, p = three.context, three.pooled
    assert torch.allclose(mixed.context[0], (c[0] + 2 * c[1] + 5 * c[2]) / 8, atol=1e-6)
    assert torch.allclose(mixed.pooled[0], (p[0] + 2 * p[1] + 5 * p[2]) / 8, atol=1e-6)
    assert torch.equal(mixed.sizes, three.sizes[:1])
    assert torch.allclose(blend([some(2), some(2, 1)], [1, 1]).context, (some(2).context + some(2, 1).context) / 2)
    assert torch.allclose(blend(three, [0, 3, 0]).context[0], c[1], atol=1e-6)


def test_slerp_goes_along_the_arc() -> None:
    right, up = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    for t in (0.0, 0.25, 0.5, 1.0):
        expected = torch.tensor([[math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)]])
        assert torch.allclose(slerp(right, up, t), expected, atol=1e-6)
    assert torch.allclose(slerp(right, 2 * right, 0.5), 1.5 * right)  # one direction: straight
    assert slerp(right, -right, 0.5).isfinite().all() and slerp(right, 0 * right, 0.5).isfinite().all()
    two = some(2)
    mixed = blend(two, [3, 1], "slerp")
    assert torch.allclose(mixed.context[0], slerp(two.context[0], two.context[1], 0.25))
    unit = two.context / two.context.norm(dim=-1, keepdim=True)
    assert torch.allclose(slerp(unit[0], unit[1], 0.3).norm(dim=-1), torch.ones(7), atol=1e-5)


@pytest.mark.parametrize(
    ("told", "weights", "method", "message"),
    [
        (some(2), [1], "lerp", "2 prompts and 1 weights"),
        (some(2), [1, -1], "lerp", r"weights \[1, -1\] sum to 0"),
        (some(2), [1, 1], "mix", "method is 'mix'; accepted are lerp, slerp"),
        (some(3), [1, 1, 1], "slerp", "slerp goes from one prompt to another; 3 were given"),
        ([some(1), some(1, tokens=9)], [1, 1], "lerp", "prompts of 7 and 9 tokens cannot be blended"),
    ],
)
def test_what_cannot_be_blended(told, weights, method, message) -> None:
    with pytest.raises(ValueError, match=message):
        blend(told, weights, method)


def test_batches() -> None:
    assert [len(one.context) for one in one_by_one(some(3))] == [1, 1, 1]
    assert torch.equal(one_by_one(some(3))[2].sizes, some(3).sizes[2:])
    assert repeated(some(1), 4).context.shape == (4, 7, 5) and repeated(some(2), 2).pooled is not None
    with pytest.raises(ValueError, match="prompt embeddings for 2 pictures cannot be used for 3"):
        repeated(some(2), 3)


def test_a_file_gives_back_the_bits(tmp_path: Path) -> None:
    told = some(2)
    path = save_conditioning(told, tmp_path / "a.safetensors")
    back = load_conditioning(path)
    for name in ("context", "pooled", "sizes"):
        assert torch.equal(getattr(back, name), getattr(told, name))
    assert back.extra is None and back.guidance is None
    with pytest.raises(FileExistsError):
        save_conditioning(told, path)
    save_conditioning(some(1), path, overwrite=True)
    assert len(load_conditioning(path).context) == 1


def test_files_of_others_and_of_other_things(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    theirs = {"prompt_embeds": torch.ones(1, 7, 5), "pooled_prompt_embeds": torch.ones(1, 3)}
    save_file(theirs, tmp_path / "diffusers.safetensors")
    assert load_conditioning(tmp_path / "diffusers.safetensors").pooled is not None
    assert conditioning_from({"context": torch.ones(7, 5)}).context.shape == (1, 7, 5)
    save_file({"weight": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other.safetensors hold weight; accepted are context"):
        load_conditioning(tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "diffusers.safetensors").read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="cut short"):
        load_conditioning(tmp_path / "cut.safetensors")
    with pytest.raises(FileNotFoundError, match="no file of prompt embeddings at"):
        load_conditioning(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="pooled is for 2 prompts, context for 1"):
        conditioning_from({"context": torch.ones(1, 7, 5), "pooled": torch.ones(2, 3)})
    with pytest.raises(ValueError, match=r"context is \(5,\), not"):
        conditioning_from({"context": torch.ones(5)})
