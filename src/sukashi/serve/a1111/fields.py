"""The requests of txt2img and img2img: every field A1111 1.10 documents, any of them null, others ignored."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

Number = float | int | None


class Drawing(BaseModel):
    """What both have. A field that is null counts as not given."""

    model_config = ConfigDict(extra="ignore")
    prompt: str | None = ""
    negative_prompt: str | None = ""
    styles: list[Any] | None = None
    seed: int | None = -1
    subseed: int | None = -1
    subseed_strength: Number = 0
    seed_resize_from_h: int | None = -1
    seed_resize_from_w: int | None = -1
    sampler_name: str | None = None
    sampler_index: str | None = None
    scheduler: str | None = None
    batch_size: int | None = 1
    n_iter: int | None = 1
    steps: int | None = None
    cfg_scale: Number = None
    width: int | None = None
    height: int | None = None
    restore_faces: bool | None = None
    tiling: bool | None = None
    eta: Number = None
    denoising_strength: Number = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool | None = True
    refiner_checkpoint: str | None = None
    script_name: str | None = None
    script_args: list[Any] | None = None
    alwayson_scripts: dict[str, Any] | None = None
    send_images: bool | None = True
    save_images: bool | None = False
    force_task_id: str | None = None
    infotext: str | None = None


class Txt2Img(Drawing):
    """POST /sdapi/v1/txt2img."""

    enable_hr: bool | None = False
    hr_scale: Number = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int | None = 0
    hr_resize_x: int | None = 0
    hr_resize_y: int | None = 0


class Img2Img(Drawing):
    """POST /sdapi/v1/img2img."""

    init_images: list[str] | None = None
    resize_mode: int | None = 0
    image_cfg_scale: Number = None
    mask: str | None = None
    mask_blur: int | None = None
    mask_blur_x: int | None = None
    mask_blur_y: int | None = None
    inpainting_fill: int | None = 0
    inpaint_full_res: bool | None = True
    inpaint_full_res_padding: int | None = 0
    inpainting_mask_invert: int | None = 0
    include_init_images: bool | None = False


class Options(BaseModel):
    """POST /sdapi/v1/options: any names."""

    model_config = ConfigDict(extra="allow")


class PngInfo(BaseModel):
    """POST /sdapi/v1/png-info."""

    image: str


class Upscale(BaseModel):
    """POST /sdapi/v1/extra-single-image."""

    model_config = ConfigDict(extra="ignore")
    image: str = ""
    resize_mode: int | None = 0
    upscaling_resize: Number = 2
    upscaling_resize_w: int | None = 512
    upscaling_resize_h: int | None = 512
    upscaling_crop: bool | None = True
    upscaler_1: str | None = "None"
    upscaler_2: str | None = "None"
    extras_upscaler_2_visibility: Number = 0
    gfpgan_visibility: Number = 0
    codeformer_visibility: Number = 0


class UpscaleMany(Upscale):
    """POST /sdapi/v1/extra-batch-images."""

    imageList: list[dict[str, Any]] = []  # as it is spelled there
