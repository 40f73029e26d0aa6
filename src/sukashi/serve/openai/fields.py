"""The requests of the images API, with the extra keys that ``extra_body`` may carry."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Quality = Literal["auto", "low", "medium", "high", "standard", "hd"]


class Generate(BaseModel):
    """POST /v1/images/generations. Keys that are not known are passed over."""

    model_config = ConfigDict(extra="allow")
    prompt: str = Field(max_length=100_000)
    model: str | None = None
    n: int | None = Field(1, ge=1, le=10)
    size: str | None = "auto"
    quality: Quality | None = "auto"
    response_format: Literal["url", "b64_json"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = "png"
    output_compression: int | None = Field(None, ge=0, le=100)
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: str | None = None
    style: str | None = None
    user: str | None = None
    stream: bool | None = False
    partial_images: int | None = Field(0, ge=0, le=3)
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    cfg_scale: float | None = None
    negative_prompt: str | None = None
    sampler: str | None = None
    grid: str | None = None
    scheduler: str | None = None
    strength: float | None = None

    def extras(self) -> dict[str, Any]:
        """The settings that OpenAI's API has no key for."""
        found = {name: getattr(self, name) for name in ("seed", "steps", "negative_prompt", "sampler", "grid")}
        found["guidance"] = self.guidance if self.guidance is not None else self.cfg_scale
        found["grid"] = found["grid"] or self.scheduler
        if found["seed"] is not None and found["seed"] < 0:
            found["seed"] = None
        return {name: value for name, value in found.items() if value not in (None, "")}
