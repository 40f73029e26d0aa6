"""/api/about, /api/tokens, /api/schedule: what there is, and what a request would do before it is asked."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sukashi import __version__
from sukashi.diffusion.noise import KINDS
from sukashi.diffusion.registry import GRIDS, SAMPLERS
from sukashi.diffusion.types import Level
from sukashi.pipeline import Pipeline
from sukashi.prompts.table import token_tables
from sukashi.serve.desk import Desk
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.asking import OPTIONS, settings_of
from sukashi.serve.own.jobs import TheDesk
from sukashi.serve.sentences import sentence_of
from sukashi.settings import EMPHASES, Settings
from sukashi.tasks import grid_label

router = APIRouter(prefix="/api", tags=["about"])


def loaded(desk: Desk, model: str | None) -> Pipeline:
    """The pipeline of a model. Raises Refused (404) for a name that is not known, 503 where it cannot be loaded."""
    name = desk.models.find(model).name
    try:
        return desk.models.get(name)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        told = sentence_of(error)
        raise Refused(f"{name} cannot be loaded: {told}", 503, code="not_loaded", name=name, text=told) from error


@router.get("/about")
def about(desk: TheDesk, model: str | None = None) -> dict[str, Any]:
    """What there is to ask for; with ``model`` that one is loaded first."""
    if model is not None:
        loaded(desk, model)
    limits = desk.config.limits
    samplers = [{"name": key, "label": s.label, "grid": s.automatic, "noisy": s.noisy} for key, s in SAMPLERS.items()]
    return {
        "version": __version__,
        "model": desk.models.default,
        "models": [model_told(desk, name) for name in desk.models.offers],
        "samplers": samplers,
        "grids": [{"name": key, "label": grid_label(key)} for key in GRIDS],
        "tasks": {task: list(options) for task, options in OPTIONS.items()},
        "emphases": list(EMPHASES),
        "rngs": list(KINDS),
        "loras": sorted(desk.models.loras),
        "controls": sorted(desk.models.controls),
        "embeddings": sorted(desk.models.words),
        "blank": Settings().to_dict(),
        "limits": {name: getattr(limits, name) for name in ("pixels", "steps", "count", "queue", "body", "prompt")},
        "batch": desk.config.batch,
        "keep": vars(desk.config.keep),
        "auth": bool(desk.config.auth or desk.config.keys),
    }


def model_told(desk: Desk, name: str) -> dict[str, Any]:
    """One model; what only its weights can tell is null until it is loaded."""
    offer, pipe = desk.models.offers[name], desk.models.loaded(name)
    return {
        "name": name,
        "label": name,
        "title": desk.models.title(name),
        "family": pipe.parts.family.title if pipe else offer.family,
        "bytes": offer.bytes,
        "loaded": pipe is not None,
        "defaults": pipe.defaults if pipe else None,
        "size": list(pipe.size) if pipe else None,
        "cell": pipe.vae.config.factor if pipe else None,
    }


class TokensBody(BaseModel):
    """A prompt to be read."""

    prompt: str
    model: str | None = None
    emphasis: str | None = None
    truncate: bool = False


@router.post("/tokens")
def tokens(body: TokensBody, desk: TheDesk) -> dict[str, Any]:
    """What the text encoders are given, token by token."""
    emphasis = body.emphasis or "a1111"
    settings_of({"prompt": body.prompt, "emphasis": emphasis})
    if len(body.prompt) > desk.config.limits.prompt:
        raise Refused(
            f"prompt is longer than {desk.config.limits.prompt:,} characters",
            code="prompt_too_long",
            most=desk.config.limits.prompt,
        )
    pipe = loaded(desk, body.model)
    how: dict[str, Any] = {"emphasis": emphasis, "truncate": body.truncate}
    encoders = range(len(pipe.parts.text_encoders))
    try:
        tables = [t.to_dict() for k in encoders for t in token_tables(pipe, body.prompt, encoder=k, **how)]
    except ValueError as error:
        raise Refused(str(error), param="prompt") from None
    return {"model": pipe.name, **tables[0], "tables": tables}


class ScheduleBody(BaseModel):
    """A way through the noise. What is empty is as the model suggests."""

    sampler: str | None = None
    grid: str | None = None
    steps: Annotated[int | None, Field(ge=1)] = None
    model: str | None = None
    eta: float | None = None


@router.post("/schedule")
def schedule(body: ScheduleBody, desk: TheDesk) -> dict[str, Any]:
    """The levels of a run."""
    if (body.steps or 1) > desk.config.limits.steps:
        most = desk.config.limits.steps
        told = f"steps is {body.steps}; at most {most} are accepted here"
        raise Refused(told, param="steps", code="too_many_steps", value=body.steps, most=most)
    asked = settings_of({"sampler": body.sampler or None, "grid": body.grid or None, "eta": body.eta})
    pipe = loaded(desk, body.model)
    steps = body.steps or pipe.defaults.get("steps") or 20
    try:
        plan = pipe.plan(asked)
        levels = plan.levels(steps)
    except ValueError as error:
        raise Refused(str(error), param="sampler", code="bad_value", text=str(error)) from None
    every = [{"i": i, **level_told(level)} for i, level in enumerate(levels)]
    facts = {"sampler": plan.sampler, "grid": plan.grid, "steps": steps, "calls": plan.calls(steps)}
    return {"model": pipe.name, **facts, "levels": every}


def level_told(level: Level) -> dict[str, Any]:
    """A noise level; null for what is infinite."""
    snr = (level.alpha / level.sigma) ** 2 if level.sigma else math.inf
    values = {"t": level.t, "alpha": level.alpha, "sigma": level.sigma, "ve": level.ve, "snr": snr}
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
