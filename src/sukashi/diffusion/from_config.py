"""From a diffusers ``scheduler_config.json`` to a plan that does what diffusers' class does with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sukashi.diffusion import curves, grids
from sukashi.diffusion.clipping import clipped, thresholded
from sukashi.diffusion.curves import by_sigma
from sukashi.diffusion.edm import COUNT_STEPS, EDM, EDMSchedule, grid_of, in_data_units
from sukashi.diffusion.grids import Grid
from sukashi.diffusion.inversion import Rising, Upward, noisiest_end, told_end
from sukashi.diffusion.ipndm import SineSchedule, even_turn
from sukashi.diffusion.plan import End, Plan, clean_end, final_end
from sukashi.diffusion.registry import GRIDS, SAMPLERS, SPACINGS
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.scheduler_config import DEFAULTS, Config, class_of
from sukashi.diffusion.types import Denoise, Level

WHOLE = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "DDIMInverseScheduler", "UnCLIPScheduler")
SOLVERS = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "SASolverScheduler",
    "DPMSolverMultistepInverseScheduler",
)
DISTILLED = ("LCMScheduler", "TCDScheduler")
INVERSE = ("DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler")
OWN_SCHEDULE: dict[str | None, type[NoiseSchedule]] = {
    **dict.fromkeys(EDM, EDMSchedule),
    "IPNDMScheduler": SineSchedule,
}


def plan_from_config(
    config: Mapping[str, Any],
    *,
    sampler: str | None = None,
    grid: str | Grid | None = None,
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of a scheduler config; ``sampler``, ``grid`` and ``options`` (of the sampler) replace what it says.

    Three things are not diffusers': DDIM and PNDM land on the next level of their grid (diffusers lands T // n lower,
    which with linspace, and trailing where n does not divide T, is another); a zero-SNR schedule is honoured under
    every class; the third-order SDE solver has k-diffusion's sign.

    Raises:
        ValueError: without ``_class_name``, for a key whose value is not supported, and for a sampler or a grid that
            the class cannot be given.

    """
    name = class_of(config)
    if name is None:
        raise ValueError(f"a scheduler config needs _class_name; known: {', '.join(sorted(DEFAULTS))}")
    check(name, sampler, grid)
    curve_given = grid is not None and grid not in SPACINGS  # by name: k-diffusion's conventions
    schedule = schedule_of(config, finite_sigma=curve_given)
    own = {key: schedule.config[key] for key in DEFAULTS[name]}
    own_sampler, own_options = sampler_of(name, own)
    grid_name, place = chosen_grid(name, own, grid)
    chosen = sampler or own_sampler
    if SAMPLERS[chosen].walk is not SAMPLERS[own_sampler].walk:
        own_options = {}
    kind = own.get("timestep_spacing", "linspace") if grid is None else grid
    unit_start = (*WHOLE, *DISTILLED, *OWN_SCHEDULE, *(("UniPCMultistepScheduler",) if curve_given else SOLVERS))
    return Plan(
        sampler=chosen,
        grid=grid_name,
        schedule=schedule,
        place=place,
        end=clean_end if curve_given else end_of(name, own),
        options={**own_options, **(options or {})},
        scaled_start=name not in unit_start and kind != "leading",
        clip=clip_of(name, own) if name not in EDM else units_of(name, own),
        skip_penultimate=curve_given and SAMPLERS[chosen].skip_penultimate,
    )


def schedule_of(config: Mapping[str, Any], *, finite_sigma: bool = False) -> NoiseSchedule:
    """The noise schedule of a scheduler config, of whatever kind its class has."""
    return OWN_SCHEDULE.get(class_of(config), NoiseSchedule)(config, finite_sigma=finite_sigma)


def check(name: str, sampler: str | None, grid: str | Grid | None) -> None:
    """Raise ValueError for a sampler or a grid that a class cannot be given."""
    if name in EDM and sampler in COUNT_STEPS:
        fit = ", ".join(key for key in SAMPLERS if key not in COUNT_STEPS)
        raise ValueError(f"sampler {sampler} counts training steps, which an EDM model does not have; accepted: {fit}")
    if name == "IPNDMScheduler" and sampler not in (None, "ipndm"):
        raise ValueError(f"a model with the schedule of IPNDMScheduler takes the sampler ipndm, not {sampler}")
    if name in INVERSE and (sampler or (grid and grid not in SPACINGS)):
        raise ValueError(f"{name} walks up its own grid, one of {', '.join(SPACINGS)}, with its own sampler")


def sampler_of(name: str, own: Config) -> tuple[str, Config]:
    """The sampler of a class and its options."""
    match name:
        case "PNDMScheduler":
            return ("plms" if own["skip_prk_steps"] else "pndm"), {}
        case "DDPMScheduler":
            return "ddpm", {"large_variance": own["variance_type"] == "fixed_large"}
        case "UnCLIPScheduler":
            return "ddpm", {}
        case "DDIMInverseScheduler":
            return "ddim", {}
        case "EDMEulerScheduler":
            return "euler", {}
        case "IPNDMScheduler":
            return "ipndm", {}
        case "SASolverScheduler":
            return "sa_solver", {
                "predictor_order": own["predictor_order"],
                "corrector_order": own["corrector_order"],
                "tau": own["tau_func"] or 1.0,
                "lower_order_final": own["lower_order_final"],
                "of_noise": own["algorithm_type"] == "noise_prediction",
            }
        case "UniPCMultistepScheduler":
            return "unipc", {
                "order": own["solver_order"],
                "bh1": own["solver_type"] == "bh1",
                "lower_order_final": own["lower_order_final"],
                "disable_corrector": tuple(own["disable_corrector"]),
                "of_noise": not own["predict_x0"],
            }
        case "DEISMultistepScheduler":
            return "deis", {"order": own["solver_order"], "lower_order_final": own["lower_order_final"]}
        case "LCMScheduler":
            return "lcm", {"timestep_scaling": own["timestep_scaling"]}
    if "algorithm_type" in own:
        return dpm_solver(name, own)
    return next(key for key, entry in SAMPLERS.items() if entry.home == name), {}


def dpm_solver(name: str, own: Config) -> tuple[str, Config]:
    """DPM-Solver++, its SDE version, or the first DPM-Solver, which follows the noise and cannot end clean."""
    options = {
        "order": own["solver_order"],
        "eta": 1.0 if own["algorithm_type"] == "sde-dpmsolver++" else 0.0,
        "midpoint": own["solver_type"] != "heun",
        "lower_order_final": own["lower_order_final"],
        "of_noise": own["algorithm_type"] == "dpmsolver",
    }
    if options["of_noise"] and own.get("final_sigmas_type") == "zero":
        raise ValueError("scheduler config: algorithm_type='dpmsolver' needs final_sigmas_type='sigma_min', not 'zero'")
    if name == "DPMSolverSinglestepScheduler":
        return "dpmpp_2s", options
    sampler = "dpmpp_2m" if not options["eta"] else "dpmpp_3m_sde" if options["order"] == 3 else "dpmpp_2m_sde"
    return sampler, {**options, "euler_at_final": own["euler_at_final"]}


def spacing(name: str, kind: str) -> Grid:
    """A grid of training steps in the form the class has: whole steps, fractional ones, or with one to spare."""
    if kind == "trailing":
        return grids.trailing
    spare = int(name in SOLVERS)
    if kind == "leading":
        return partial(grids.leading, spare=spare)
    return partial(grids.linspace, spare=spare, whole=name in (*WHOLE, *SOLVERS, *DISTILLED))


def chosen_grid(name: str, own: Config, grid: str | Grid | None) -> tuple[str, Grid]:
    """The name and the function of the grid a config asks for, unless another is given."""
    if callable(grid):
        return "given", grid
    if name in INVERSE:
        return rising_grid(name, own, grid)
    if grid is not None:
        return grid, spacing(name, grid) if grid in SPACINGS else GRIDS[grid]
    if name in EDM:
        return own["sigma_schedule"], grid_of(own)
    if name == "IPNDMScheduler":
        return "trailing", even_turn
    if name in DISTILLED:
        return "distilled", partial(grids.distilled, of=own["original_inference_steps"])
    kind = own.get("timestep_spacing", "linspace")
    base = spacing(name, kind)
    if (curve := curve_of(own)) is None:
        return kind, base
    return curve, curve_grid(name, own, curve, base)


def curve_grid(name: str, own: Config, curve: str, base: Grid) -> Grid:
    """The grid of a curve that a ``use_*`` switch asks for."""
    between = None if name in SOLVERS else base  # where the ends of the curve are
    told = told_of(name, curve, own)
    highest, lowest = own.get("sigma_max"), own.get("sigma_min")
    return partial(by_sigma, curve=CURVES[curve], between=between, told=told, highest=highest, lowest=lowest)


def rising_grid(name: str, own: Config, grid: str | None) -> tuple[str, Grid]:
    """The grid of a class that walks from image to noise."""
    kind = grid or own["timestep_spacing"]
    base = spacing(name, kind)
    if name == "DDIMInverseScheduler":
        return kind, Upward(base)
    if curve := None if grid else curve_of(own):
        return curve, Rising(curve_grid(name, own, curve, base))
    begins = {"linspace": 0, "leading": own["steps_offset"]}
    return kind, Rising(base, begins.get(kind))


CURVES = {"karras": curves.karras, "exponential": curves.exponential, "beta": curves.beta, "lu": curves.exponential}
# "lu" is even in log-SNR (arXiv:2206.00927, sec. 3.4), which is even in log sigma


def curve_of(own: Config) -> str | None:
    """The curve that the ``use_*`` switches choose."""
    switches = {"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas"}
    chosen = [curve for curve, key in switches.items() if own.get(key)]
    return chosen[0] if chosen else "lu" if own.get("use_lu_lambdas") else None


def told_of(name: str, curve: str, own: Config) -> Callable[[float], float]:
    """Which timestep the model is told on a curve: as it is, rounded, or cut, as each class happens to do."""
    if curve in ("karras", "lu"):
        cosine = name == "DPMSolverMultistepScheduler" and own["beta_schedule"] == "squaredcos_cap_v2"
        rounded = (*SOLVERS, "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler")
        return int if cosine else round if name in rounded else float
    return int if name in SOLVERS else float


def end_of(name: str, own: Config) -> End:
    """Where a class ends: clean, at the first training step, or where it is."""
    if name in ("DDIMScheduler", "PNDMScheduler"):
        return final_end
    if name == "TCDScheduler":
        return first_step_end
    if name == "DDIMInverseScheduler":
        return told_end
    if name == "DPMSolverMultistepInverseScheduler":
        return same_end if curve_of(own) else noisiest_end
    if name in EDM:
        return same_end if own["final_sigmas_type"] == "sigma_min" else clean_end
    never_clean = ("DEISMultistepScheduler", "SASolverScheduler")
    if own.get("final_sigmas_type") == "sigma_min" or name in never_clean:
        stays = name in (*never_clean, "UniPCMultistepScheduler") and curve_of(own)
        return same_end if stays else first_step_end
    return clean_end


def first_step_end(schedule: NoiseSchedule, last: Level) -> Level:
    """End at the noise of the first training step."""
    return schedule.at(0)


def same_end(schedule: NoiseSchedule, last: Level) -> Level:
    """Stay: the last step moves nothing."""
    return last


def clip_of(name: str, own: Config) -> Callable[[Denoise], Denoise] | None:
    """What a class does to x0; TCD has the keys but does nothing."""
    if name == "TCDScheduler":
        return None
    keep_eps = name in ("DDIMScheduler", "DDIMInverseScheduler")
    if own.get("thresholding"):
        ratio, limit = own["dynamic_thresholding_ratio"], own["sample_max_value"]
        return partial(thresholded, ratio=ratio, limit=limit, keep_eps=keep_eps)
    if own.get("clip_sample"):
        return partial(clipped, limit=own["clip_sample_range"], keep_eps=keep_eps)
    return None


def units_of(name: str, own: Config) -> Callable[[Denoise], Denoise]:
    """What goes around the denoiser of an EDM model: its units, and outside them what the class does to x0."""
    units, limit = in_data_units(own["sigma_data"]), clip_of(name, own)
    return (lambda denoise: limit(units(denoise))) if limit else units
