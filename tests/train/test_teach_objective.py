"""The loss of a batch: by hand, and against diffusers' own functions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sukashi.train.methods.config import Config
from sukashi.train.methods.objective import draw_noise, loss, objective
from tiny_models import tiny_model

FAMILIES = ("sd1", "sd2-v")


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("gamma", [None, 5.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_as_diffusers_computes_it(family: str, gamma: float | None, zero_snr: bool) -> None:
    if zero_snr and family == "sd1":
        pytest.skip("refused: see below")
    diffusers = pytest.importorskip("diffusers")
    from diffusers.training_utils import compute_snr

    parts = tiny_model(family)
    goal = objective(parts, Config(snr_gamma=gamma, zero_snr=zero_snr, noise_offset=0.1))
    x0 = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    seen = {}

    def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.update(x=x, t=t)
        return 0.7 * x

    value = loss(predict, x0, torch.zeros(6, dtype=torch.bool), goal, torch.Generator().manual_seed(2))

    g = torch.Generator().manual_seed(2)
    noise = torch.randn(x0.shape, generator=g) + 0.1 * torch.randn(6, 4, 1, 1, generator=g)
    t = torch.randint(0, 1000, (6,), generator=g)
    scheduler = diffusers.DDPMScheduler.from_config(dict(parts.scheduler), rescale_betas_zero_snr=zero_snr)
    noisy = scheduler.add_noise(x0, noise, t)
    v = family == "sd2-v"
    target = scheduler.get_velocity(x0, noise, t) if v else noise
    weights = torch.ones(6)
    if gamma:
        snr = compute_snr(scheduler, t)
        weights = snr.clamp(max=gamma) / (snr + 1 if v else snr)
    theirs = ((0.7 * noisy - target).square().mean((1, 2, 3)) * weights).mean()
    assert torch.equal(seen["t"], t) and torch.allclose(seen["x"], noisy, atol=1e-6)
    assert value.item() == pytest.approx(theirs.item(), abs=1e-6)


def test_zero_snr_reaches_the_level_without_signal_and_stays_finite() -> None:
    goal = objective(tiny_model("sd2-v"), Config(zero_snr=True, snr_gamma=5.0))
    assert goal.signal[-1] == 0 and goal.signal[-2] > 0
    last = goal._replace(signal=goal.signal[-1:])
    x0, none = torch.ones(2, 4, 2, 2), torch.zeros(2, dtype=torch.bool)
    value = loss(lambda x, t: x, x0, none, last, torch.Generator())
    assert value.item() == 0  # min-SNR gives it no weight
    unweighted = last._replace(snr_gamma=None)
    value = loss(
        lambda x, t: -1 + 0 * x, torch.ones(2, 4, 2, 2), torch.zeros(2, dtype=torch.bool), unweighted, torch.Generator()
    )
    assert value.item() == pytest.approx(0, abs=1e-12)  # v = -x_0 where there is no signal


def test_zero_snr_needs_v() -> None:
    with pytest.raises(ValueError, match="zero terminal SNR needs a model that predicts v; this one predicts epsilon"):
        objective(tiny_model("sd1"), Config(zero_snr=True))
    folder = replace(tiny_model("sd1").family, scheduler={"rescale_betas_zero_snr": True, "beta_schedule": "linear"})
    with pytest.raises(ValueError, match="predicts epsilon"):
        objective(replace(tiny_model("sd1"), family=folder), Config())


def test_the_class_is_a_mean_of_its_own() -> None:
    """Errors of 1 for one picture and 3 for two of the class: 1 + weight * 9."""
    goal = objective(tiny_model("sd1"), Config(prior_weight=0.5))
    goal = goal._replace(signal=torch.tensor([0.0]))  # x = eps, so that the answer can be wrong by a known amount
    wrong = torch.tensor([1.0, 3.0, 3.0])[:, None, None, None]
    prior = torch.tensor([False, True, True])
    value = loss(lambda x, t: x + wrong, torch.zeros(3, 4, 2, 2), prior, goal, torch.Generator())
    assert value.item() == pytest.approx(1 + 0.5 * 9, rel=1e-6)


def test_offset_noise_is_one_number_for_a_channel() -> None:
    x0 = torch.zeros(2, 4, 3, 3)
    plain = draw_noise(x0, 0.0, torch.Generator().manual_seed(3))
    more = draw_noise(x0, 0.5, torch.Generator().manual_seed(3)) - plain
    assert torch.allclose(more, more[:, :, :1, :1].expand_as(more), atol=1e-6) and more.abs().min() > 0
