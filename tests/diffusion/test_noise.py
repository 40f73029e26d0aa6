"""Seeds: one generator per picture, the same numbers alone or in a batch, in torch's kind and in CUDA's."""

from __future__ import annotations

import pytest
import torch

from sukashi.diffusion.noise import KINDS, per_picture

# torch.randn(3, 4, device="cuda") after torch.manual_seed(0), as CUDA prints it
CUDA_SEED_0 = [
    [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
    [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
    [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
]


def test_nv_noise_is_what_cuda_draws() -> None:
    drawn = per_picture([0], (3, 4), "nv")()[0]
    torch.testing.assert_close(drawn, torch.tensor(CUDA_SEED_0), atol=1e-6, rtol=0)


def test_cpu_noise_is_what_torch_draws() -> None:
    expected = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(1234))
    assert torch.equal(per_picture([1234], (4, 8, 8))()[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_draws_the_same_noise_alone_and_in_a_batch(kind: str) -> None:
    batch, alone = per_picture([5, 6, 7], (4, 3, 2), kind), per_picture([6], (4, 3, 2), kind)
    for _ in range(3):  # the first latent and two ancestral draws
        assert torch.equal(batch()[1], alone()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_unit_normal_and_never_repeats(kind: str) -> None:
    source = per_picture([0], (4, 64, 64), kind)
    first, second = source(), source()
    assert abs(first.mean()) < 0.05 and abs(first.std() - 1) < 0.05
    assert not torch.equal(first, second)
    assert torch.isfinite(first).all()


def test_seed_zero_is_a_seed_and_large_seeds_differ() -> None:
    for kind in KINDS:
        assert torch.equal(per_picture([0], (8,), kind)(), per_picture([0], (8,), kind)())
        low, high = per_picture([3], (8,), kind)(), per_picture([3 + 2**32], (8,), kind)()
        assert kind == "cpu" or not torch.equal(low, high)  # torch's CPU generator reads the low 32 bits only


def test_bad_seeds_and_kinds_are_named() -> None:
    with pytest.raises(ValueError, match=r"unknown kind of noise 'gpu'; known: cpu, nv"):
        per_picture([0], (4,), "gpu")
    with pytest.raises(ValueError, match="seed -1 is outside"):
        per_picture([-1], (4,))


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    per_picture([1], (4,))()
    assert torch.equal(before, torch.get_rng_state())
