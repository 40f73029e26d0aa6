"""Recipes of Fooocus in its own scheme: ``fooocus_scheme`` is "fooocus", ``parameters`` is JSON."""

from __future__ import annotations

import re
from typing import Any

from sukashi.metadata.recipe import Fields, Lora, Recipe


def read_fooocus(values: dict[str, Any]) -> Recipe:
    """The recipe in Fooocus's JSON.

    The prompts are those the user typed; Fooocus adds styles and an expansion and keeps the whole in ``full_prompt``.
    """
    fields = Fields(values)
    size = re.fullmatch(r"\(?(\d{1,9})\s*[,x×]\s*(\d{1,9})\)?", (fields.text("resolution") or "").strip())
    if any(fields.left.get(key) for key in ("full_prompt", "full_negative_prompt")):
        fields.notes.append(
            "Fooocus added styles to the prompts; full_prompt and full_negative_prompt are what it drew"
        )
    if fields.left.get("refiner_model") not in (None, "", "None"):
        fields.notes.append(
            f"the refiner {fields.left['refiner_model']} took over at {fields.left.get('refiner_switch')}"
        )
    return Recipe(
        tool="Fooocus",
        prompt=fields.text("prompt") or "",
        negative_prompt=fields.text("negative_prompt") or "",
        steps=fields.whole("steps"),
        guidance=fields.real("guidance_scale"),
        sampler=fields.text("sampler"),
        grid=fields.text("scheduler"),
        seed=fields.whole("seed"),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        model=fields.text("base_model"),
        model_hash=fields.text("base_model_hash"),
        clip_skip=fields.whole("clip_skip"),
        loras=_loras(fields),
        raw=fields.left,
        notes=tuple(fields.notes),
    )


def _loras(fields: Fields) -> tuple[Lora, ...]:
    """``loras`` is [[name, weight, hash], ...]; older files have ``lora_combined_1``: "name : weight"."""
    found: list[Lora] = []
    given = fields.left.pop("loras", None) or []
    for entry in given if isinstance(given, list) else [given]:
        item = Fields(dict(zip(("name", "weight", "hash"), entry, strict=False)) if isinstance(entry, list) else {})
        if name := item.text("name"):
            found.append(Lora(name, item.real("weight"), hash=item.text("hash")))
        else:
            fields.notes.append(f"a LoRA without a name: {str(entry)[:80]!r}")
    for key in [key for key in fields.left if key.startswith("lora_combined_")]:
        name, _, weight = str(fields.left.pop(key)).rpartition(" : ")
        found.append(Lora(name or weight, Fields({"weight": weight}).real("weight") if name else None))
    return tuple(found)
