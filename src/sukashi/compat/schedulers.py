"""The scheduler classes of diffusers by name. What a class does follows from its name: ``diffusion.from_config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sukashi.compat.schedulers_apart  # noqa: F401  # its classes count too
from sukashi.compat.scheduler import Scheduler, all_classes


class DDIMScheduler(Scheduler):
    """DDIM (Song et al. 2021, arXiv:2010.02502); ``step(..., eta=1)`` adds fresh noise."""

    takes_eta = True


class DDPMScheduler(Scheduler):
    """DDPM (Ho et al. 2020, arXiv:2006.11239); without ``set_timesteps`` it takes every training step."""


class PNDMScheduler(Scheduler):
    """PNDM, and with ``skip_prk_steps`` PLMS, Stable Diffusion's own (Liu et al. 2022, arXiv:2202.09778)."""


class EulerDiscreteScheduler(Scheduler):
    """Euler's method (Karras et al. 2022, arXiv:2206.00364)."""

    exploding = fractional = True


class EulerAncestralDiscreteScheduler(Scheduler):
    """Euler a: Euler's method to below the target, then fresh noise (Crowson, k-diffusion)."""

    exploding = fractional = True


class HeunDiscreteScheduler(Scheduler):
    """Heun's method, two model calls a step (Karras et al. 2022, arXiv:2206.00364)."""

    exploding = fractional = True
    order = 2


class LMSDiscreteScheduler(Scheduler):
    """Linear multistep (Crowson, k-diffusion)."""

    exploding = fractional = True


class KDPM2DiscreteScheduler(Scheduler):
    """DPM2, two model calls a step (Lu et al. 2022, arXiv:2206.00927; Crowson, k-diffusion)."""

    exploding = fractional = True
    order = 2


class KDPM2AncestralDiscreteScheduler(Scheduler):
    """DPM2 a: DPM2 to below the target, then fresh noise (Crowson, k-diffusion)."""

    exploding = fractional = True
    order = 2


class DPMSolverSDEScheduler(Scheduler):
    """DPM++ SDE (Crowson, k-diffusion); its noise is Gaussian, not from a Brownian tree: other pictures, same law."""

    exploding = fractional = True
    order = 2


class DPMSolverMultistepScheduler(Scheduler):
    """DPM++ 2M, 3M and their SDE versions (Lu et al. 2022, arXiv:2211.01095)."""


class DPMSolverSinglestepScheduler(Scheduler):
    """DPM++ 2S and 3S (Lu et al. 2022, arXiv:2211.01095)."""


class UniPCMultistepScheduler(Scheduler):
    """UniPC (Zhao et al. 2023, arXiv:2302.04867)."""


class DEISMultistepScheduler(Scheduler):
    """DEIS (Zhang & Chen 2023, arXiv:2204.13902)."""


class SASolverScheduler(Scheduler):
    """SA-Solver (Xue et al. 2023, arXiv:2309.05019); ``tau_func`` says how much fresh noise a timestep gets."""


class LCMScheduler(Scheduler):
    """Latent consistency models (Luo et al. 2023, arXiv:2310.04378)."""


class TCDScheduler(Scheduler):
    """Trajectory consistency distillation (Zheng et al. 2024, arXiv:2402.19159); ``eta`` is the paper's gamma."""

    takes_eta = True


CLASSES: dict[str, type[Scheduler]] = {cls.__name__: cls for cls in all_classes()}


def scheduler_of(source: Any) -> Scheduler:
    """A scheduler for a config that names its class, or for a scheduler object, ours or another library's.

    Raises ValueError for a class that we do not have.
    """
    if isinstance(source, Scheduler):
        return source
    values = source if isinstance(source, Mapping) else getattr(source, "config", {})
    name = values.get("_class_name", type(source).__name__)
    if name not in CLASSES:
        raise ValueError(f"there is no scheduler class {name!r} here; there are {', '.join(CLASSES)}")
    return CLASSES[name].from_config(values)
