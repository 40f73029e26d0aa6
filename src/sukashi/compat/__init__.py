"""The names of diffusers and parediffusers over our core: who follows a text about them changes only the import line.

>>> from sukashi.compat import StableDiffusionPipeline, DPMSolverMultistepScheduler
>>> pipe = StableDiffusionPipeline.from_pretrained("stable-diffusion-v1-5/stable-diffusion-v1-5")  # doctest: +SKIP
>>> pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)  # doctest: +SKIP
>>> pipe("a cat", num_inference_steps=20).images[0]  # doctest: +SKIP

Arguments and results are those of diffusers 0.42, and so are the numbers: the same seed gives the same picture. What is
accepted without having an effect says so once, as a warning; what is not known is a TypeError.
"""

from __future__ import annotations

from sukashi.compat.controlnet import (
    ControlNetModel,
    MultiControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
)
from sukashi.compat.from_picture import (
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionUpscalePipeline,
)
from sukashi.compat.images import StableDiffusionPipelineOutput, VaeImageProcessor
from sukashi.compat.inpaint import StableDiffusionInpaintPipeline
from sukashi.compat.models import AutoencoderKL, UNet2DConditionModel
from sukashi.compat.parediffusers import (
    PareAutoencoderKL,
    PareDDIMScheduler,
    PareDiffusionPipeline,
    PareUNet2DConditionModel,
)
from sukashi.compat.pipeline import DiffusionPipeline
from sukashi.compat.schedulers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
    DPMSolverSinglestepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    SASolverScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)
from sukashi.compat.schedulers_apart import (
    DDIMInverseScheduler,
    DPMSolverMultistepInverseScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    IPNDMScheduler,
    UnCLIPScheduler,
)
from sukashi.compat.sdxl_from_picture import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLInpaintPipeline
from sukashi.compat.stable_diffusion import StableDiffusionPipeline
from sukashi.compat.stable_diffusion_xl import StableDiffusionXLPipeline
from sukashi.compat.text_models import CLIPTextModel, CLIPTextModelWithProjection
from sukashi.compat.tokenizer import CLIPTokenizer

__all__ = [
    "AutoencoderKL",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "ControlNetModel",
    "DDIMInverseScheduler",
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "DiffusionPipeline",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "IPNDMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "MultiControlNetModel",
    "PNDMScheduler",
    "PareAutoencoderKL",
    "PareDDIMScheduler",
    "PareDiffusionPipeline",
    "PareUNet2DConditionModel",
    "SASolverScheduler",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionDepth2ImgPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "StableDiffusionUpscalePipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLPipeline",
    "TCDScheduler",
    "UNet2DConditionModel",
    "UnCLIPScheduler",
    "UniPCMultistepScheduler",
    "VaeImageProcessor",
]
