"""Every guidance method against its formula, written once more in a few lines."""

from __future__ import annotations

import math

import pytest
import torch
from counting_unet import LEVEL, CountingUNet, about, latent, said
from torch import Tensor, nn

from sukashi.diffusion.denoiser import guided
from sukashi.diffusion.types import Denoise, Level
from sukashi.guidance.making import Guidance
from sukashi.guidance.negatives import along
from sukashi.guides import guides

S = 7.5
WANTED, EMPTY, NEGATIVE = about(1), about(2), about(3)


def made(unet: CountingUNet, guide: str = "", predicts: str = "epsilon", scale: float = S, **named: float) -> Denoise:
    guidance = Guidance(
        unet=nn.Identity(), guard=lambda net: unet, predicts=predicts, scale=scale, methods=guides(guide), **named
    )
    return guidance.make([(WANTED, 1.0)], EMPTY, NEGATIVE)


def outputs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    unet = CountingUNet()
    return said(unet, x, EMPTY), said(unet, x, WANTED), said(unet, x, NEGATIVE)


def clean(out: Tensor, x: Tensor, level: Level = LEVEL) -> Tensor:
    return (x - level.sigma * out) / level.alpha


def test_a_plain_negative_prompt_is_what_it_was_bit_for_bit() -> None:
    x = latent()
    assert torch.equal(
        made(CountingUNet())(x, LEVEL).eps, guided(CountingUNet(), "epsilon", WANTED, NEGATIVE, S)(x, LEVEL).eps
    )


def test_an_independent_negative_scale() -> None:
    x, unet = latent(), CountingUNet()
    u, c, n = outputs(x)
    out = made(unet, negative_scale=2.0)(x, LEVEL)
    torch.testing.assert_close(out.eps, u + S * (c - u) - 2.0 * (n - u))
    assert unet.rows == [6]


@pytest.mark.parametrize("k", [S - 1, 0.0])
def test_a_negative_scale_that_needs_no_third_branch_costs_none(k: float) -> None:
    x, unet = latent(), CountingUNet()
    u, c, n = outputs(x)
    torch.testing.assert_close(made(unet, negative_scale=k)(x, LEVEL).eps, u + S * (c - u) - k * (n - u))
    assert unet.rows == [4]


def test_perp_neg() -> None:
    x, unet = latent(), CountingUNet()
    u, c, n = outputs(x)
    expected = []
    for k in range(len(x)):
        d_c, d_n = c[k] - u[k], n[k] - u[k]
        expected.append(u[k] + S * (d_c - 1.5 * (d_n - (d_n * d_c).sum() / (d_c * d_c).sum() * d_c)))
    torch.testing.assert_close(made(unet, "perp-neg(weight=1.5)")(x, LEVEL).eps, torch.stack(expected))
    assert unet.rows == [6]


def test_nothing_lies_along_nothing() -> None:
    assert torch.equal(along(latent(), torch.zeros_like(latent())), torch.zeros_like(latent()))


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction", "sample"])
def test_apg_over_two_calls(predicts: str) -> None:
    x, unet = latent(), CountingUNet()
    denoise = made(unet, "apg(eta=0.3, norm=5, momentum=-0.75)", predicts)
    before: Tensor | float = 0.0
    for level in (LEVEL, Level(400.0, 0.8, 0.6)):
        a, s = level.alpha, level.sigma
        u, c = said(CountingUNet(), x, NEGATIVE, level), said(CountingUNet(), x, WANTED, level)
        of_x, of_out = {"epsilon": (1 / a, -s / a), "v_prediction": (a, -s), "sample": (0, 1)}[predicts]
        x0_u, x0_c = of_x * x + of_out * u, of_x * x + of_out * c
        before = d = (x0_c - x0_u) + -0.75 * before
        expected = []
        for k in range(len(x)):
            bounded = d[k] * min(1.0, 5 / float(d[k].norm()))
            par = (bounded * x0_c[k]).sum() / (x0_c[k] ** 2).sum() * x0_c[k]
            expected.append(x0_c[k] + (S - 1) * (bounded - par + 0.3 * par))
        torch.testing.assert_close(denoise(x, level).x0, torch.stack(expected))
    assert unet.rows == [4, 4]


def test_apg_equals_the_guider_of_diffusers() -> None:
    guiders = pytest.importorskip("diffusers.guiders")
    theirs = guiders.AdaptiveProjectedGuidance(
        guidance_scale=S - 1, adaptive_projected_guidance_momentum=-0.5, adaptive_projected_guidance_rescale=7.5,
        eta=0.4, use_original_formulation=True,
    )  # fmt: skip
    theirs.momentum_buffer = guiders.adaptive_projected_guidance.MomentumBuffer(-0.5)
    denoise = made(CountingUNet(), "apg(eta=0.4, norm=7.5, momentum=-0.5)", "sample")
    for seed in range(3):
        x = latent(seed=seed)
        expected = theirs.forward(said(CountingUNet(), x, WANTED), said(CountingUNet(), x, NEGATIVE)).pred
        torch.testing.assert_close(denoise(x, LEVEL).x0, expected)


def test_cfg_plus_plus_equals_plain_guidance_of_another_scale_in_a_ddim_step() -> None:
    x, unet, to = latent(), CountingUNet(), Level(400.0, 0.8, 0.6)
    p = made(unet, "cfg++(scale=0.4)")(x, LEVEL)
    u, c = said(CountingUNet(), x, NEGATIVE), said(CountingUNet(), x, WANTED)
    torch.testing.assert_close(p.x0, clean(u + 0.4 * (c - u), x))
    torch.testing.assert_close(p.eps, u)
    g = 0.4 * to.alpha * LEVEL.sigma / (to.alpha * LEVEL.sigma - to.sigma * LEVEL.alpha)
    plain = guided(CountingUNet(), "epsilon", WANTED, NEGATIVE, g)(x, LEVEL)
    torch.testing.assert_close(to.alpha * p.x0 + to.sigma * p.eps, to.alpha * plain.x0 + to.sigma * plain.eps)
    assert unet.rows == [4]


def test_rescale_comes_after_any_rule() -> None:
    x = latent()
    u, c, n = outputs(x)
    out = u + S * (c - u) - 2.0 * (n - u)
    matched = torch.stack([o * w.std() / o.std() for o, w in zip(out, c, strict=True)])
    expected = 0.7 * matched + 0.3 * out
    torch.testing.assert_close(made(CountingUNet(), rescale=0.7, negative_scale=2.0)(x, LEVEL).eps, expected)


def test_a_cut_off_picture_has_one_branch_and_saves_it_when_all_are() -> None:
    x, unet = latent(), CountingUNet()
    n, c = said(CountingUNet(), x, NEGATIVE), said(CountingUNet(), x, WANTED)
    alike = [float((a * b).sum() / math.sqrt(float((a * a).sum() * (b * b).sum()))) for a, b in zip(n, c, strict=True)]
    late = alike.index(max(alike))
    denoise = made(unet, f"cutoff(similarity={sum(alike) / 2})")
    guided_out = n + S * (c - n)
    torch.testing.assert_close(denoise(x, LEVEL).eps, guided_out)
    expected = guided_out.clone()
    expected[late] = c[late]
    torch.testing.assert_close(denoise(x, LEVEL).eps, expected)
    assert unet.rows == [4, 4]
    saving = made(unet, "cutoff(similarity=0)")
    saving(x, LEVEL)
    torch.testing.assert_close(saving(x, LEVEL).eps, c)
    assert unet.rows == [4, 4, 4, 2]


def test_scale_1_is_one_branch_whatever_the_method() -> None:
    for guide in ("", "apg", "cutoff"):
        unet = CountingUNet()
        torch.testing.assert_close(made(unet, guide, scale=1.0)(latent(), LEVEL).eps, outputs(latent())[1])
        assert unet.rows == [2]


def test_weights_of_several_prompts_go_before_every_rule() -> None:
    x, other = latent(), about(4)
    u, c, n = outputs(x)
    one = u + 0.5 * (c - u) + 1.2 * (said(CountingUNet(), x, other) - u)
    guidance = Guidance(
        unet=nn.Identity(), guard=lambda net: CountingUNet(), predicts="epsilon", scale=S, negative_scale=2.0
    )
    out = guidance.make([(WANTED, 0.5), (other, 1.2)], EMPTY, NEGATIVE)(x, LEVEL)
    torch.testing.assert_close(out.eps, u + S * (one - u) - 2.0 * (n - u))
