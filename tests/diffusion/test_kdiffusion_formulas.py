"""k-diffusion's samplers and schedules, written out as published, against ours in variance preserving coordinates.

In sigma space x_k = x / alpha, and the model is D(x_k, sigma) = x0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from fake_unet import START, draws, fake_denoiser
from torch import Tensor

from sukashi.diffusion.names import resolve
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import Level

Model = Callable[[Tensor, float], Tensor]
Noise = Callable[[], Tensor]
SCHEDULE = NoiseSchedule()


def model(x: Tensor, sigma: float) -> Tensor:
    level: Level = SCHEDULE.at_ve(sigma)
    return fake_denoiser("v_prediction")(x * level.alpha, level).x0


def ancestral(high: float, low: float, eta: float) -> tuple[float, float]:
    up = min(low, eta * math.sqrt(low**2 * (high**2 - low**2) / high**2))
    return math.sqrt(low**2 - up**2), up


def sample_euler_ancestral(x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0) -> Tensor:
    for high, low in pairwise(sigmas):
        down, up = ancestral(high, low, eta)
        x = x + (x - model(x, high)) / high * (down - high)
        if low > 0:
            x = x + noise() * up
    return x


def sample_heun(x: Tensor, sigmas: list[float], noise: Noise) -> Tensor:
    for high, low in pairwise(sigmas):
        d = (x - model(x, high)) / high
        if low == 0:
            x = x + d * (low - high)
        else:
            ahead = x + d * (low - high)
            x = x + (d + (ahead - model(ahead, low)) / low) / 2 * (low - high)
    return x


def sample_dpm_2_ancestral(x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0) -> Tensor:
    for high, low in pairwise(sigmas):
        down, up = ancestral(high, low, eta)
        d = (x - model(x, high)) / high
        if down == 0:
            x = x + d * (down - high)
        else:
            middle = math.exp((math.log(high) + math.log(down)) / 2)
            half = x + d * (middle - high)
            x = x + (half - model(half, middle)) / middle * (down - high) + noise() * up
    return x


def sample_dpmpp_2s_ancestral(x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0) -> Tensor:
    for high, low in pairwise(sigmas):
        denoised = model(x, high)
        down, up = ancestral(high, low, eta)
        if down == 0:
            x = x + (x - denoised) / high * (down - high)
        else:
            t, t_next = -math.log(high), -math.log(down)
            h, r = t_next - t, 1 / 2
            s = t + r * h
            x_2 = math.exp(-s) / math.exp(-t) * x - math.expm1(-h * r) * denoised
            x = math.exp(-t_next) / math.exp(-t) * x - math.expm1(-h) * model(x_2, math.exp(-s))
        if low > 0:
            x = x + noise() * up
    return x


def sample_dpmpp_sde(x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0) -> Tensor:
    for high, low in pairwise(sigmas):
        denoised = model(x, high)
        if low == 0:
            x = x + (x - denoised) / high * (low - high)
            continue
        t, t_next = -math.log(high), -math.log(low)
        s = t + (t_next - t) / 2
        sigma_s = math.exp(-s)
        first, second = noise(), noise()  # of the Brownian path from high to sigma_s, and on to low
        down, up = ancestral(high, sigma_s, eta)
        s_ = -math.log(down)
        x_2 = math.exp(-s_) / math.exp(-t) * x - math.expm1(t - s_) * denoised + first * up
        denoised_2 = model(x_2, sigma_s)
        down, up = ancestral(high, low, eta)
        t_next_ = -math.log(down)
        whole = (first * math.sqrt(high - sigma_s) + second * math.sqrt(sigma_s - low)) / math.sqrt(high - low)
        x = math.exp(-t_next_) / math.exp(-t) * x - math.expm1(t - t_next_) * denoised_2 + whole * up
    return x


def sample_dpmpp_2m(x: Tensor, sigmas: list[float], noise: Noise) -> Tensor:
    old: Tensor | None = None
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i])
        if sigmas[i + 1] == 0:
            return denoised
        h = math.log(sigmas[i]) - math.log(sigmas[i + 1])
        ratio = sigmas[i + 1] / sigmas[i]
        if old is None:
            x = ratio * x - math.expm1(-h) * denoised
        else:
            r = (math.log(sigmas[i - 1]) - math.log(sigmas[i])) / h
            x = ratio * x - math.expm1(-h) * ((1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * old)
        old = denoised
    return x


def sample_dpmpp_2m_sde(
    x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0, solver: str = "midpoint"
) -> Tensor:
    old, h_last = None, 0.0
    for high, low in pairwise(sigmas):
        denoised = model(x, high)
        if low == 0:
            return denoised
        h = math.log(high) - math.log(low)
        eta_h = eta * h
        x = low / high * math.exp(-eta_h) * x - math.expm1(-h - eta_h) * denoised
        if old is not None:
            r = h_last / h
            if solver == "heun":
                x = x + (-math.expm1(-h - eta_h) / (-h - eta_h) + 1) * (1 / r) * (denoised - old)
            else:
                x = x + 0.5 * -math.expm1(-h - eta_h) * (1 / r) * (denoised - old)
        if eta:
            x = x + noise() * low * math.sqrt(-math.expm1(-2 * eta_h))
        old, h_last = denoised, h
    return x


def sample_dpmpp_2m_sde_heun(x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0) -> Tensor:
    return sample_dpmpp_2m_sde(x, sigmas, noise, eta, "heun")


def sample_dpmpp_3m_sde(x: Tensor, sigmas: list[float], noise: Noise, eta: float = 1.0) -> Tensor:
    denoised_1 = denoised_2 = None
    h_1 = h_2 = 0.0
    for high, low in pairwise(sigmas):
        denoised = model(x, high)
        if low == 0:
            return denoised
        h = math.log(high) - math.log(low)
        h_eta = h * (eta + 1)
        x = math.exp(-h_eta) * x - math.expm1(-h_eta) * denoised
        phi_2 = math.expm1(-h_eta) / h_eta + 1
        phi_3 = phi_2 / h_eta - 0.5
        if denoised_2 is not None:
            r0, r1 = h_1 / h, h_2 / h
            d1_0, d1_1 = (denoised - denoised_1) / r0, (denoised_1 - denoised_2) / r1
            d1, d2 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1), (d1_0 - d1_1) / (r0 + r1)
            x = x + phi_2 * d1 - phi_3 * d2
        elif denoised_1 is not None:
            x = x + phi_2 * (denoised - denoised_1) / (h_1 / h)
        if eta:
            x = x + noise() * low * math.sqrt(-math.expm1(-2 * h * eta))
        denoised_1, denoised_2, h_1, h_2 = denoised, denoised_1, h, h_1
    return x


PUBLISHED = {
    "euler_a": sample_euler_ancestral,
    "heun": sample_heun,
    "dpm2_a": sample_dpm_2_ancestral,
    "dpmpp_2m": sample_dpmpp_2m,
    "dpmpp_2s_a": sample_dpmpp_2s_ancestral,
    "dpmpp_sde": sample_dpmpp_sde,
    "dpmpp_2m_sde": sample_dpmpp_2m_sde,
    "dpmpp_2m_sde_heun": sample_dpmpp_2m_sde_heun,
    "dpmpp_3m_sde": sample_dpmpp_3m_sde,
}


WITH_ETA = [
    (name, eta) for name in PUBLISHED for eta in ((None,) if name in ("heun", "dpmpp_2m") else (None, 0.0, 0.6))
]


@pytest.mark.parametrize("grid", ["karras", "exponential", "sgm_uniform", "beta"])
@pytest.mark.parametrize(("name", "eta"), WITH_ETA)
def test_a_sampler_is_the_published_formula(name: str, grid: str, eta: float | None) -> None:
    options = {} if eta is None else {"eta": eta}
    plan = resolve(name, grid, {"prediction_type": "v_prediction"}, **options)
    for n in (1, 4, 17):
        levels = plan.levels(n)
        x = START.double()
        *_, step = plan.run(fake_denoiser("v_prediction"), x, levels, draws(x))
        sigmas = [level.ve for level in levels]
        expected = PUBLISHED[name](x / levels[0].alpha, sigmas, draws(x), **options)
        assert (step.x_next - expected).abs().max() < 1e-8, f"{n} steps"


def karras_sigmas(n: int, low: float, high: float, rho: float = 7.0) -> np.ndarray:
    return (high ** (1 / rho) + np.linspace(0, 1, n) * (low ** (1 / rho) - high ** (1 / rho))) ** rho


def published_sigmas(name: str, n: int) -> list[float]:
    """k-diffusion's ``get_sigmas_*`` and A1111's ``sd_schedulers``, without the last 0."""
    ve, total = SCHEDULE.ve, SCHEDULE.steps
    low, high = ve[0], ve[-1]

    def of_t(t: float) -> float:
        return math.exp(np.interp(t, np.arange(total), np.log(ve)))

    match name:
        case "karras":
            return list(karras_sigmas(n, low, high))
        case "exponential" | "polyexponential":
            return list(np.exp(np.linspace(math.log(high), math.log(low), n)))
        case "uniform" | "normal":
            return [of_t(t) for t in np.linspace(total - 1, 0, n)]
        case "sgm_uniform":
            return [of_t(t) for t in np.linspace(total - 1, 0, n + 1)[:-1]]
        case "simple":
            return [ve[-(1 + int(i * total / n))] for i in range(n)]
        case "ddim_uniform":
            return list(ve[1 :: total // n][::-1])
        case "kl_optimal":
            ends = math.atan(low), math.atan(high)
            steps = [i / max(n - 1, 1) for i in range(n)]
            return [math.tan(step * ends[0] + (1 - step) * ends[1]) for step in steps]
    raise AssertionError(name)


PUBLISHED_GRIDS = ("karras", "exponential", "polyexponential", "uniform", "normal", "sgm_uniform", "simple")


@pytest.mark.parametrize("name", [*PUBLISHED_GRIDS, "ddim_uniform", "kl_optimal"])
def test_a_schedule_is_the_published_formula(name: str) -> None:
    plan = resolve("euler", name)
    for n in (1, 5, 20):
        sigmas = [level.ve for level in plan.levels(n)]
        assert np.allclose(sigmas[:-1], published_sigmas(name, n), rtol=1e-6)
        assert sigmas[-1] == 0


def test_dpm2_of_a1111_drops_the_last_level_but_one() -> None:
    """'DPM2 Karras' places n + 1 sigmas and leaves the lowest out (``discard_next_to_last_sigma``)."""
    for name in ("DPM2 Karras", "DPM2 a Karras"):
        sigmas = [level.ve for level in resolve(name).levels(10)]
        assert np.allclose(sigmas[:-1], karras_sigmas(11, SCHEDULE.ve[0], SCHEDULE.ve[-1])[:-1])
        assert len(sigmas) == 11
    assert len(resolve("DPM2").levels(10)) == 11
