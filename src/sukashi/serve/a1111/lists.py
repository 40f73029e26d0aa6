"""The lists that clients fill their menus from."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from sukashi.diffusion.names import ALSO
from sukashi.diffusion.registry import GRIDS, SAMPLERS
from sukashi.serve.own.jobs import TheDesk
from sukashi.tasks import grid_label

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])
Rows = list[dict[str, Any]]
UPSCALERS = ("None", "Lanczos", "Nearest")
LATENT = ("Latent (bicubic)", "Latent (nearest)")


@router.get("/sd-models")
def models(desk: TheDesk) -> Rows:
    """Every model; a file's place on this machine is not told, only its name."""
    return [
        {
            "title": desk.models.title(name),
            "model_name": name,
            "hash": desk.models.hashes.get(name),
            "sha256": None,
            "filename": name,
            "config": None,
        }
        for name in desk.models.offers
    ]


@router.get("/samplers")
def samplers() -> Rows:
    """Every sampler, with the schedule that "Automatic" means for it."""
    return [
        {"name": s.label, "aliases": [key, f"k_{key}", *ALSO.get(key, [])], "options": {"scheduler": s.automatic}}
        for key, s in SAMPLERS.items()
    ]


@router.get("/schedulers")
def schedulers() -> Rows:
    """Every schedule."""
    first = {"name": "automatic", "label": "Automatic", "aliases": None, "default_rho": -1, "need_inner_model": False}
    return [first, *({**first, "name": key, "label": grid_label(key)} for key in GRIDS)]


@router.get("/upscalers")
def upscalers() -> Rows:
    """Ways to enlarge without a model."""
    none = {"model_name": None, "model_path": None, "model_url": None, "scale": 4}
    return [{"name": name, **none} for name in UPSCALERS]


@router.get("/latent-upscale-modes")
def latent_upscale_modes() -> Rows:
    """Ways to enlarge between two passes; here pixels are enlarged, not latents."""
    return [{"name": name} for name in LATENT]


@router.get("/loras")
def loras(desk: TheDesk) -> Rows:
    """LoRAs that a prompt may name."""
    return [{"name": name, "alias": name, "path": name, "metadata": {}} for name in sorted(desk.models.loras)]


@router.get("/embeddings")
def embeddings(desk: TheDesk) -> dict[str, Any]:
    """Words that were added to the vocabulary. Their files are read when a prompt uses them."""
    about = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": None, "vectors": None}
    return {"loaded": {name: about for name in sorted(desk.models.words)}, "skipped": {}}


@router.get("/sd-vae")
@router.get("/hypernetworks")
@router.get("/face-restorers")
@router.get("/realesrgan-models")
@router.get("/prompt-styles")
@router.get("/script-info")
@router.get("/extensions")
def nothing() -> Rows:
    """There are none."""
    return []


@router.get("/scripts")
def scripts() -> dict[str, Any]:
    """The one that ``alwayson_scripts`` may name."""
    return {"txt2img": ["controlnet"], "img2img": ["controlnet"]}


@router.get("/cmd-flags")
def flags(desk: TheDesk) -> dict[str, Any]:
    """How the server was started, as far as clients may know."""
    config = desk.config
    return {"api": True, "nowebui": False, "port": config.port, "listen": not config.local, "ckpt": desk.models.default}
