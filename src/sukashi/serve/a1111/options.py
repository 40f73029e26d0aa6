"""A1111's options: what later requests take for granted, set once or for one request (``override_settings``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from sukashi.serve.a1111.fields import Options
from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.errors import Refused
from sukashi.serve.own.jobs import TheDesk

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])

EMPHASIS = {"Original": "a1111", "No norm": "no-norm", "Ignore": "ignore", "None": "none"}
NOISE = {"CPU": "cpu", "NV": "nv", "GPU": "nv"}  # CUDA's own numbers are computed by the same formula anywhere
FORMATS = ("png", "jpg", "jpeg", "webp")


@dataclass(frozen=True)
class Chosen:
    """What the options mean for a request."""

    model: str
    clip_skip: int
    rng: str
    emphasis: str
    format: str


def known(desk: Desk) -> dict[str, Any]:
    """Every option there is, as it is while nobody has set it."""
    return {
        "sd_model_checkpoint": desk.models.title(desk.models.default),
        "sd_checkpoint_hash": desk.models.hashes.get(desk.models.default),
        "sd_vae": "Automatic",
        "CLIP_stop_at_last_layers": 1,
        "randn_source": "CPU",
        "emphasis": "Original",
        "samples_format": "png",
        "eta_noise_seed_delta": 0,
        "enable_pnginfo": True,
        "img2img_fix_steps": False,
        "show_progress_every_n_steps": 1,
        "live_previews_enable": True,
        "return_grid": False,
        "jpeg_quality": 95,
    }


def current(desk: Desk) -> dict[str, Any]:
    """The options as they are now."""
    return known(desk) | desk.store.options()


def checked(desk: Desk, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some values that are options, in the spelling that is kept. Raises Refused for values that mean nothing.

    Names that are not known, and null, are passed over, as clients send whole lists of another version back.
    """
    there, found = known(desk), dict[str, Any]()
    for name, value in values.items():
        if name == "sd_checkpoint_hash" or name not in there or value is None:
            continue
        if name == "sd_model_checkpoint":
            value = desk.models.title(desk.models.find(str(value)).name)
        elif name == "CLIP_stop_at_last_layers":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 12:
                raise Refused(f"{name} is {value!r}; 1 to 12 is accepted", 422, param=name)
            value = int(value)
        elif name in ("randn_source", "emphasis", "samples_format"):
            choices = {"randn_source": NOISE, "emphasis": EMPHASIS, "samples_format": FORMATS}[name]
            if value not in choices:
                raise Refused(f"{name} is {value!r}; accepted: {', '.join(choices)}", 422, param=name)
        elif name == "sd_vae" and value not in ("Automatic", "None", ""):
            raise Refused(f"sd_vae is {value!r}; every model is served with its own autoencoder: Automatic", param=name)
        elif name == "eta_noise_seed_delta" and value not in (0, 0.0, "0"):
            raise Refused(f"eta_noise_seed_delta is {value!r}; only 0 is accepted", param=name)
        found[name] = value
    return found


def chosen(desk: Desk, override: Mapping[str, Any]) -> Chosen:
    """What holds for one request. Raises Refused."""
    now = current(desk) | checked(desk, override)
    return Chosen(
        model=desk.models.find(str(now["sd_model_checkpoint"])).name,
        clip_skip=int(now["CLIP_stop_at_last_layers"]),
        rng=NOISE[now["randn_source"]],
        emphasis=EMPHASIS[now["emphasis"]],
        format=str(now["samples_format"]),
    )


@router.get("/options")
def get_options(desk: TheDesk) -> dict[str, Any]:
    """All options."""
    return current(desk)


@router.post("/options")
def set_options(body: Options, desk: TheDesk) -> None:
    """Set any of them, for requests from now on."""
    kept = checked(desk, body.model_extra or {})
    desk.store.set_options(kept)


@router.post("/refresh-checkpoints")
@router.post("/refresh-loras")
@router.post("/refresh-vae")
@router.post("/refresh-embeddings")
def refresh(desk: TheDesk) -> dict[str, Any]:
    """Look again which files there are."""
    desk.models.refresh()
    return {}


@router.post("/unload-checkpoint")
def unload(desk: TheDesk) -> dict[str, Any]:
    """Give the memory of all models up; the next request loads its own again."""
    desk.models.unload()
    return {}


@router.post("/reload-checkpoint")
def reload(request: Request) -> dict[str, Any]:
    """Load the chosen model."""
    desk = desk_of(request)
    desk.models.get(chosen(desk, {}).model)
    return {}
