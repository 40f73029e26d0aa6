"""Sampler and schedule names as people write them: diffusers, A1111, ComfyUI, k-diffusion, InvokeAI, or our own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from sukashi.diffusion.edm import EDM
from sukashi.diffusion.from_config import INVERSE, OWN_SCHEDULE, plan_from_config
from sukashi.diffusion.grids import Grid
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.registry import GRIDS, SAMPLERS
from sukashi.diffusion.scheduler_config import DEFAULTS, SAME_AS, SCHEDULE, Config, class_of, complete

ALSO = {
    "euler_a": ["Euler ancestral"],
    "dpm2_a": ["DPM2 ancestral", "KDPM2 a", "KDPM2 ancestral"],
    "dpm2": ["KDPM2"],
    "dpmpp_2m": ["DPM-Solver++", "DPM++ multistep", "dpmpp_multistep", "dpmsolver"],
    "dpmpp_2s_a": ["DPM++ 2S ancestral"],
    "dpmpp_sde": ["dpmpp_sde_gpu"],
    "dpmpp_2m_sde": ["dpmpp_2m_sde_gpu"],
    "dpmpp_2m_sde_heun": ["dpmpp_2m_sde_heun_gpu"],
    "dpmpp_3m_sde": ["dpmpp_3m_sde_gpu"],
    "unipc": ["uni_pc_bh2", "UniPC multistep"],
    "sa_solver": ["SA Solver"],
}
"""Other names of samplers, besides their keys, their A1111 labels and diffusers' classes."""

GRID_ALSO = {
    "karras": ["ka", "k"],
    "exponential": ["exp"],
    "polyexponential": ["polyexp"],
    "ays": ["Align Your Steps", "ays_sd15"],
    "ddim_uniform": ["DDIM"],
    "distilled": ["lcm", "tcd"],
}
"""Other names of grids, besides their keys."""

NOISE_KEYS = ("num_train_timesteps", "prediction_type", "sigma_min", "sigma_max", "sigma_data", "sigma_schedule", "rho")
MODEL_KEYS = (
    *SCHEDULE,
    "rescale_betas_zero_snr",
    "steps_offset",
    "set_alpha_to_one",
    "clip_sample",
    "clip_sample_range",
)


def plain(name: str) -> str:
    """A name without case, spaces and punctuation; '++' is 'pp'."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("+", "p"))


def sampler_aliases() -> dict[str, str]:
    """Every plain name of every sampler, with the prefixes ``sample_`` and ``k_``."""
    names = {key: [key, sampler.label, *ALSO.get(key, [])] for key, sampler in SAMPLERS.items()}
    aliases = {plain(name): key for key, written in names.items() for name in written}
    return {prefix + name: key for prefix in ("sample", "k", "") for name, key in aliases.items()}


def grid_aliases() -> dict[str, str]:
    """Every plain name of every grid."""
    return {plain(name): key for key in GRIDS for name in (key, *GRID_ALSO.get(key, []))}


def resolve(
    name: str,
    grid: str | Grid | None = None,
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Plan:
    """The plan that a sampler's name means, for the model whose scheduler config is given.

    Args:
        name: any name of a sampler, also with a schedule at its end ('DPM++ 2M Karras').
        grid: any name of a grid, or 'automatic' for the schedule A1111 gives the sampler, or a function; without one it
            is what the name says, else the ``timestep_spacing`` of ``config``, else what diffusers' class does.
        config: keys of ``scheduler_config.json`` of any class: what the model was trained with. Without, Stable
            Diffusion's. A diffusers class name reads all of it, as ``from_config`` does; a sampler's name reads what is
            about the model (noise schedule, prediction type, offset, clipping, spacing) and none of another solver's.
        options: of the sampler: eta, s_churn, order ...

    Raises:
        ValueError: for a name or an option that is not known, listing those that are, and for a class that does not
            sample or does not fit the model.

    """
    home = diffusers_class(name)
    if home:
        check_class(home, class_of(config or {}))
    key, in_name = (None, None) if home else split(name)
    if isinstance(grid, str) and plain(grid) == "automatic":
        grid = in_name or (SAMPLERS[key].automatic if key else None)
    base = {**(config or {}), "_class_name": home} if key is None else model_config(key, config or {})
    return plan_from_config(base, sampler=key, grid=grid_key(grid) if grid else in_name, options=options)


def check_class(home: str, model: str | None) -> None:
    """Raise ValueError for a scheduler class that walks up, and for one that cannot have a model's noise schedule."""
    if home in INVERSE:
        raise ValueError(f"{home} walks from a picture to noise; see sukashi.diffusion.inversion.invert")
    if model and OWN_SCHEDULE.get(home) is not OWN_SCHEDULE.get(model):
        raise ValueError(
            f"{home} does not know the noise this model was trained with ({model}); name a sampler instead"
        )


def model_config(key: str, config: Mapping[str, Any]) -> Config:
    """The config that makes a sampler's home class that sampler, for the model that ``config`` belongs to."""
    if (known := class_of(config)) in OWN_SCHEDULE:
        facts = {name: config[name] for name in NOISE_KEYS if name in config}
        if known in EDM:  # the second of them is DPM++, the first Euler's method, which can make way for any other
            known = EDM[SAMPLERS[key].home == SAMPLERS["dpmpp_2m"].home]
        return {**facts, **SAMPLERS[key].preset, "_class_name": known}
    model = complete(config)
    facts = {"clip_sample": False} | {name: model[name] for name in MODEL_KEYS if name in model}
    facts |= {"timestep_spacing": config["timestep_spacing"]} if config.get("timestep_spacing") else {}
    return {**facts, **SAMPLERS[key].preset, "_class_name": SAMPLERS[key].home}


def diffusers_class(name: str) -> str | None:
    """The scheduler class that is meant, if it is one."""
    classes = {plain(known): known for known in (*DEFAULTS, *SAME_AS)}
    return classes.get(plain(name))


def split(name: str) -> tuple[str, str | None]:
    """(key of the sampler, key of the grid or None). 'DPM++ 2M Karras' -> ('dpmpp_2m', 'karras')."""
    samplers, written = sampler_aliases(), plain(name)
    if written in samplers:
        return samplers[written], None
    for end, grid in sorted(grid_aliases().items(), key=lambda item: -len(item[0])):
        if written.endswith(end) and written.removesuffix(end) in samplers:
            return samplers[written.removesuffix(end)], grid
    raise ValueError(unknown("sampler", name, samplers, [*SAMPLERS, *DEFAULTS]))


def grid_key(grid: str | Grid | None) -> str | Grid | None:
    """The key of a grid's name; functions and None as they are."""
    if not isinstance(grid, str):
        return grid
    aliases = grid_aliases()
    if plain(grid) not in aliases:
        raise ValueError(unknown("schedule", grid, aliases, ["automatic", *GRIDS]))
    return aliases[plain(grid)]


def unknown(what: str, name: str, aliases: Mapping[str, str], known: list[str]) -> str:
    """The message for an unknown name, with the closest known one."""
    close = difflib.get_close_matches(plain(name), aliases, n=1)
    hint = f" (did you mean {aliases[close[0]]}?)" if close else ""
    return f"unknown {what} {name!r}{hint}; known: {', '.join(known)}"
