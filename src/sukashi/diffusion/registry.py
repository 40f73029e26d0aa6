"""The samplers and grids by their short names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from sukashi.diffusion import consistency, curves, grids, ipndm, lms, multistep, pndm, sa_solver, samplers, sde
from sukashi.diffusion.curves import by_sigma
from sukashi.diffusion.grids import Grid
from sukashi.diffusion.types import Step

Walk = Callable[..., Iterator[Step]]


def twice(n: int) -> int:
    """Two model calls a step, one at the last."""
    return 2 * n - 1


def once_more(n: int) -> int:
    """One model call a step, and one more to begin with (PLMS)."""
    return n + 1 if n > 1 else 1


def warmed_up(n: int) -> int:
    """Four model calls for each of the first three steps (PNDM)."""
    return n + 3 * min(3, n - 1)


class Sampler(NamedTuple):
    """A sampler as users choose it.

    Attributes:
        walk: the generator function.
        label: its name in A1111.
        home: the diffusers class whose grids and start it takes.
        preset: the config keys that make that class this sampler.
        options: what the function is called with.
        calls: how many times n steps ask the model, where that is not once a step.
        automatic: the schedule A1111 gives it.
        noisy: whether it draws fresh noise (an ``eta`` option decides otherwise).
        skip_penultimate: whether A1111 leaves out the last but one level of its schedules.

    """

    walk: Walk
    label: str
    home: str
    preset: Mapping[str, Any] = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})
    calls: Callable[[int], int] | None = None
    automatic: str = "uniform"
    noisy: bool = False
    skip_penultimate: bool = False


EULER, EULER_A, MULTISTEP = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler"
SDE = {"algorithm_type": "sde-dpmsolver++"}
SDE_3M = {**SDE, "solver_order": 3, "solver_type": "heun", "lower_order_final": False}

SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(samplers.ddim, "DDIM", "DDIMScheduler", automatic="leading"),
    "ddpm": Sampler(samplers.ddpm, "DDPM", "DDPMScheduler", automatic="leading", noisy=True),
    "plms": Sampler(pndm.plms, "PLMS", "PNDMScheduler", {"skip_prk_steps": True}, calls=once_more, automatic="leading"),
    "pndm": Sampler(
        pndm.pndm, "PNDM", "PNDMScheduler", {"skip_prk_steps": False}, calls=warmed_up, automatic="leading"
    ),
    "euler": Sampler(samplers.euler, "Euler", EULER),
    "euler_a": Sampler(samplers.ddim, "Euler a", EULER_A, options={"eta": 1.0}, noisy=True),
    "heun": Sampler(samplers.heun, "Heun", "HeunDiscreteScheduler", calls=twice),
    "dpm2": Sampler(
        samplers.dpm2, "DPM2", "KDPM2DiscreteScheduler", calls=twice, automatic="karras", skip_penultimate=True
    ),
    "dpm2_a": Sampler(
        samplers.dpm2,
        "DPM2 a",
        "KDPM2AncestralDiscreteScheduler",
        options={"eta": 1.0},
        calls=twice,
        automatic="karras",
        noisy=True,
        skip_penultimate=True,
    ),
    "lms": Sampler(lms.lms, "LMS", "LMSDiscreteScheduler"),
    "dpmpp_2m": Sampler(multistep.dpmpp, "DPM++ 2M", MULTISTEP, automatic="karras"),
    "dpmpp_2s": Sampler(multistep.dpmpp_singlestep, "DPM++ 2S", "DPMSolverSinglestepScheduler", automatic="karras"),
    "dpmpp_2s_a": Sampler(sde.dpmpp_2s_a, "DPM++ 2S a", EULER_A, calls=twice, automatic="karras", noisy=True),
    "dpmpp_sde": Sampler(
        sde.dpmpp_sde, "DPM++ SDE", "DPMSolverSDEScheduler", calls=twice, automatic="karras", noisy=True
    ),
    "dpmpp_2m_sde": Sampler(multistep.dpmpp, "DPM++ 2M SDE", MULTISTEP, SDE, automatic="exponential", noisy=True),
    "dpmpp_2m_sde_heun": Sampler(
        multistep.dpmpp,
        "DPM++ 2M SDE Heun",
        MULTISTEP,
        {**SDE, "solver_type": "heun"},
        automatic="exponential",
        noisy=True,
    ),
    "dpmpp_3m_sde": Sampler(
        multistep.dpmpp, "DPM++ 3M SDE", MULTISTEP, SDE_3M, automatic="exponential", noisy=True, skip_penultimate=True
    ),
    "unipc": Sampler(multistep.unipc, "UniPC", "UniPCMultistepScheduler"),
    "deis": Sampler(multistep.deis, "DEIS", "DEISMultistepScheduler"),
    "sa_solver": Sampler(sa_solver.sa_solver, "SA-Solver", "SASolverScheduler", noisy=True),
    "ipndm": Sampler(ipndm.ipndm, "iPNDM", "PNDMScheduler", automatic="leading"),
    "lcm": Sampler(consistency.lcm, "LCM", "LCMScheduler", automatic="distilled", noisy=True),
    "tcd": Sampler(consistency.tcd, "TCD", "TCDScheduler", automatic="distilled", noisy=True),
}

SPACINGS: tuple[str, ...] = ("leading", "linspace", "trailing")
"""The grids whose exact form depends on the sampler's home class (see ``from_config.spacing``)."""

GRIDS: dict[str, Grid] = {
    "leading": grids.leading,
    "linspace": grids.linspace,
    "trailing": grids.trailing,
    "uniform": grids.uniform,
    "karras": partial(by_sigma, curve=curves.karras),
    "exponential": partial(by_sigma, curve=curves.exponential),
    "polyexponential": partial(by_sigma, curve=curves.polyexponential),
    "sgm_uniform": grids.sgm_uniform,
    "kl_optimal": partial(by_sigma, curve=curves.kl_optimal),
    "ays": curves.ays,
    "ays_sdxl": partial(curves.ays, table="ays_sdxl"),
    "simple": grids.simple,
    "normal": grids.uniform,
    "ddim_uniform": grids.ddim_uniform,
    "beta": partial(by_sigma, curve=curves.beta),
    "distilled": grids.distilled,
}
