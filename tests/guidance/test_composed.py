"""Several prompts with weights in one batch."""

from __future__ import annotations

import pytest
import torch
from counting_unet import LEVEL, CountingUNet, about, latent, said

from sukashi.diffusion.denoiser import guided
from sukashi.guidance.composed import composed


def test_the_sum_is_that_of_a1111() -> None:
    unet, x = CountingUNet(), latent()
    u, a, b = (said(unet, x, about(k)) for k in range(3))
    one = composed(unet, "epsilon", [(about(1), 1.0), (about(2), -0.4)], about(0), 7.0)(x, LEVEL)
    torch.testing.assert_close(one.eps, u + 7.0 * (1.0 * (a - u) + -0.4 * (b - u)))
    torch.testing.assert_close(one.parts["wanted"], u + (a - u) - 0.4 * (b - u))
    assert unet.rows[3:] == [6]


def test_one_prompt_of_weight_one_is_plain_guidance() -> None:
    x = latent()
    one = composed(CountingUNet(), "v_prediction", [(about(1), 1.0)], about(0), 7.0)(x, LEVEL)
    torch.testing.assert_close(one.x0, guided(CountingUNet(), "v_prediction", about(1), about(0), 7.0)(x, LEVEL).x0)


def test_nothing_wanted_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one prompt"):
        composed(CountingUNet(), "epsilon", [], about(0), 7.0)
