"""What txt2img and img2img answer: pictures, the request again, and ``info``, a JSON text."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from sukashi import __version__
from sukashi.serve.a1111.fields import Drawing, Img2Img
from sukashi.serve.desk import Desk
from sukashi.serve.jobs.job import Job, seed_of
from sukashi.serve.pictures import as_format, base64_of, opened
from sukashi.tasks import sampler_label


def answer(desk: Desk, job: Job, body: Drawing, kind: str, notes: Sequence[str]) -> dict[str, Any]:
    """The answer to a job that is over."""
    files = [desk.store.files.picture(job.id, drawn.k).read_bytes() for drawn in job.images]
    texts = [str(getattr(opened(data), "text", {}).get("parameters", "")) for data in files]
    echo = body.model_dump()
    if isinstance(body, Img2Img) and not body.include_init_images:
        echo |= {"init_images": None, "mask": None}
    images = [base64_of(as_format(data, kind)) for data in files] if body.send_images in (True, None) else []
    return {"images": images, "parameters": echo, "info": json.dumps(info(desk, job, body, texts, notes))}


def info(desk: Desk, job: Job, body: Drawing, texts: Sequence[str], notes: Sequence[str]) -> dict[str, Any]:
    """How the pictures were made, in A1111's words."""
    settings, n = job.shown, len(job.images)
    own = [seed_of(settings, drawn.k) for drawn in job.images]
    subseeds = [one.get("variation_seed") or 0 for one in own]
    sampler = job.facts.get("sampler")
    said = (*job.facts.get("notes", ()), *notes)
    return {
        "prompt": settings["prompt"],
        "all_prompts": [settings["prompt"]] * n,
        "negative_prompt": settings["negative_prompt"] or "",
        "all_negative_prompts": [settings["negative_prompt"] or ""] * n,
        "seed": own[0]["seed"] if own else settings["seed"],
        "all_seeds": [one["seed"] for one in own],
        "subseed": subseeds[0] if subseeds else 0,
        "all_subseeds": subseeds,
        "subseed_strength": settings.get("variation") or 0,
        "width": settings["width"],
        "height": settings["height"],
        "sampler_name": sampler_label(sampler) if sampler else "",
        "cfg_scale": settings["guidance"],
        "steps": settings["steps"],
        "batch_size": body.batch_size or 1,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": job.model,
        "sd_model_hash": desk.models.hashes.get(job.model),
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": job.options.get("strength"),
        "extra_generation_params": {"Notes": "; ".join(said)} if said else {},
        "index_of_first_image": 0,
        "infotexts": list(texts),
        "styles": [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", time.localtime(job.started or job.created)),
        "clip_skip": settings.get("clip_skip", 1),
        "is_using_inpainting_conditioning": False,
        "version": f"sukashi {__version__}",
    }
