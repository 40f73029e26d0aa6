from __future__ import annotations

import math

import pytest
import torch

from sukashi.train.loss import diffusion_loss, min_snr_weight, target


def test_by_hand() -> None:
    """alpha .6, sigma .8, x0 2, eps 1: v = .6 - 1.6 = -1; SNR .5625, weight .5625 / 1.5625 = .36; answer 0 -> .36."""
    x0, eps = torch.full((1, 1, 1, 1), 2.0), torch.ones(1, 1, 1, 1)
    alpha, sigma = torch.tensor([0.6]), torch.tensor([0.8])
    v = target("v_prediction", x0, eps, alpha, sigma)
    assert v.item() == pytest.approx(-1.0)
    assert target("epsilon", x0, eps, alpha, sigma) is eps and target("sample", x0, eps, alpha, sigma) is x0
    weight = min_snr_weight("v_prediction", alpha, sigma)
    assert weight.item() == pytest.approx(0.36)
    assert min_snr_weight("epsilon", alpha, sigma).item() == pytest.approx(1.0)
    assert min_snr_weight("sample", alpha, sigma).item() == pytest.approx(0.5625)
    assert diffusion_loss(torch.zeros(1, 1, 1, 1), v, weight).item() == pytest.approx(0.36)


def test_the_three_predictions_weigh_the_same_mistake_alike() -> None:
    """A mistake of d in x0 is d alpha / sigma in eps and d / sigma in v: the weighted losses agree."""
    d = 0.1
    for alpha in (0.1, 0.6, 0.9, 0.99):
        sigma = math.sqrt(1 - alpha**2)
        a, s = torch.tensor([alpha]), torch.tensor([sigma])
        mistakes = {"sample": d, "epsilon": d * alpha / sigma, "v_prediction": d / sigma}
        losses = [m**2 * min_snr_weight(name, a, s).item() for name, m in mistakes.items()]
        assert losses == pytest.approx([d**2 * min((alpha / sigma) ** 2, 5)] * 3, rel=1e-4)


def test_batch_is_a_mean_of_weighted_pictures() -> None:
    answer, wanted = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    wanted[1] *= 3
    assert diffusion_loss(answer, wanted, torch.tensor([1.0, 2.0])).item() == pytest.approx((1 + 18) / 2)


@pytest.mark.parametrize("function", [target, min_snr_weight])
def test_unknown_prediction(function: object) -> None:
    one = torch.ones(1)
    arguments = ("velocity", *((one[:, None, None, None],) * 2 if function is target else ()), one, one)
    with pytest.raises(ValueError, match=r"velocity.*v_prediction"):
        function(*arguments)  # type: ignore[operator]
