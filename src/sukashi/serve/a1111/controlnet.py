"""ControlNet as A1111's clients ask for it: ``alwayson_scripts`` of Mikubill's sd-webui-controlnet, and its lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from sukashi.diffusion.names import plain
from sukashi.serve.a1111.asking import Asked
from sukashi.serve.errors import Refused
from sukashi.serve.own.jobs import TheDesk
from sukashi.serve.pictures import decoded

router = APIRouter(prefix="/controlnet", tags=["a1111"])
EMPTY = (None, "", "None", "none")
STRETCHED = ("0", "justresize")  # other ways of resizing keep the proportions
MODES = {"0": "balanced", "1": "prompt", "2": "control"}
MODES |= {"balanced": "balanced", "mypromptismoreimportant": "prompt", "controlnetismoreimportant": "control"}


def add_controls(asked: Asked, scripts: Mapping[str, Any], pixels: int) -> None:
    """Add the units of ``scripts`` to a request; those that are off, or name no model, are passed over.

    A unit without a picture looks at the one the request begins from. Raises Refused for what cannot be followed.
    """
    for name, script in scripts.items():
        if plain(name) != "controlnet" or not script:
            continue
        units = script.get("args") if isinstance(script, dict) else None
        if not isinstance(units, list):
            raise Refused("args of ControlNet is not a list of units", param="alwayson_scripts")
        for unit in units:
            if not isinstance(unit, dict):
                raise Refused(f"a unit of ControlNet is {str(unit)[:40]!r}; an object is accepted")
            if unit.get("enabled", True) and unit.get("model") not in EMPTY:
                add_unit(asked, unit, pixels)


def add_unit(asked: Asked, unit: Mapping[str, Any], pixels: int) -> None:
    """One unit: a control of ours, its picture an input."""
    if unit.get("module") not in EMPTY:
        raise Refused(
            f"module {unit['module']!r} of ControlNet is not here: send the picture of edges, depth, poses ... "
            "itself, and the module 'none'",
            param="alwayson_scripts",
        )
    given = unit.get("image") or unit.get("input_image")
    image = given.get("image") if isinstance(given, dict) else given
    name = f"control{len(asked.controls)}"
    if image:
        asked.inputs[name] = decoded(str(image), "image", pixels)
    elif "picture" in asked.inputs:
        asked.inputs[name] = asked.inputs["picture"]
    else:
        raise Refused("a unit of ControlNet has no image", param="alwayson_scripts")
    if unit.get("mask") or unit.get("mask_image"):
        asked.notes.append("the mask of a ControlNet unit is not followed here")
    mode = MODES.get(plain(str(unit.get("control_mode", 0))), "balanced")
    if mode == "prompt":
        asked.notes.append("control_mode 'My prompt is more important' is not here: 'Balanced' is used")
    asked.controls.append(
        {
            "model": unit["model"],
            "scale": number(unit, "weight", 1.0),
            "start": number(unit, "guidance_start", 0.0),
            "stop": number(unit, "guidance_end", 1.0),
            "guess": True if mode == "control" else None,  # their words for guess mode
            "fit": "stretch" if plain(str(unit.get("resize_mode", 1))) in STRETCHED else "crop",
        }
    )


def number(unit: Mapping[str, Any], name: str, otherwise: float) -> float:
    """A number of a unit. Raises Refused."""
    value = unit.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{name} of a ControlNet unit is {value!r}; a number is accepted", param="alwayson_scripts")
    return float(value)


@router.get("/version")
def version() -> dict[str, int]:
    """The version of the extension whose calls these are."""
    return {"version": 3}


@router.get("/model_list")
def model_list(desk: TheDesk, update: bool = False) -> dict[str, list[str]]:
    """The control networks of this machine."""
    if update:
        desk.models.refresh()
    return {"model_list": sorted(desk.models.controls)}


@router.get("/module_list")
def module_list(alias_names: bool = False) -> dict[str, Any]:
    """Pictures are not made into edges or poses here."""
    return {"module_list": ["none"], "module_detail": {"none": {"model_free": True, "sliders": []}}}


@router.get("/control_types")
def control_types(desk: TheDesk) -> dict[str, Any]:
    """One type with all models."""
    names = ["None", *sorted(desk.models.controls)]
    every = {"module_list": ["none"], "model_list": names, "default_option": "none", "default_model": "None"}
    return {"control_types": {"All": every}}


@router.get("/settings")
def settings() -> dict[str, int]:
    """How many units a request may have."""
    return {"control_net_unit_count": 8}


@router.post("/detect")
def detect() -> None:
    """Not done here. Raises Refused (501)."""
    raise Refused("pictures are not made into edges or poses here", 501)
