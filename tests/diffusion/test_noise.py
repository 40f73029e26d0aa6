"""Seeds: one generator per picture, the same numbers alone or in a batch, in torch's kind and in CUDA's."""

from __future__ import annotations

import pytest
import torch

from sukashi.diffusion.noise import KINDS, of_any_shape, per_picture
from sukashi.diffusion.variation import varied

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


def test_shapes_said_at_every_draw_come_from_the_same_generators() -> None:
    draw = of_any_shape([3, 4])
    first, second = draw((3, 2, 2)), draw((4, 5, 5))
    generator = torch.Generator().manual_seed(4)
    assert torch.equal(first[1], torch.randn(3, 2, 2, generator=generator))
    assert torch.equal(second[1], torch.randn(4, 5, 5, generator=generator))


def test_variations_lie_on_the_arc_between_two_seeds() -> None:
    a, b = per_picture([1, 2], (4, 16, 16))(), per_picture([8, 9], (4, 16, 16))()
    torch.testing.assert_close(varied(a, b, 0.0), a)
    torch.testing.assert_close(varied(a, b, 1.0), b)
    half = varied(a, b, 0.5)
    low, high = a[1, 2, :, 3].double(), b[1, 2, :, 3].double()  # one column has an arc of its own
    angle = torch.arccos(torch.dot(low, high) / low.norm() / high.norm())
    arc = (torch.sin(angle / 2) / torch.sin(angle)) * (low + high)
    torch.testing.assert_close(half[1, 2, :, 3].double(), arc, atol=1e-5, rtol=1e-5)
    assert 0.9 < float(half.std()) < 1.1  # a straight line would give 0.7
    torch.testing.assert_close(varied(a, a, 0.3), a)
