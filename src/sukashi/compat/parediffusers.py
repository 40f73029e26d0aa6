"""The classes of masaishi/parediffusers, which teaches Stable Diffusion by paring diffusers down, over our core.

The four steps of a picture, each a method with its name there: ``encode_prompt``, ``get_latent``, ``denoise``,
``vae_decode``. For the model it was written for (Stable Diffusion 2, v-prediction) it computes the same, but in four
places it is wrong without a word, and here it is right:

- its scheduler reads every model as v-prediction; here ``prediction_type`` counts, so that SD 1 works too;
- its scheduler ends clean whatever ``set_alpha_to_one`` says (SD 2 says false), which is off in the last step, and it
  reads neither ``beta_schedule`` nor ``clip_sample``; here all are read;
- its up blocks with cross-attention normalise with an epsilon of 1e-6 instead of 1e-5;
- its loading ignores missing and misnamed tensors and leaves those layers random; here that is a ``CheckpointError``.

Besides, pictures are rounded to 8 bits here, not cut off, and ``generator=`` makes a picture that can be made again.
``get_latent`` takes width and height in this order; latents are (4, height / 8, width / 8).
Letters: B batch, H W pixels, h w latent cells, T text tokens, D their width.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sukashi.compat.models import AutoencoderKL, DiagonalGaussianDistribution, UNet2DConditionModel, shipped
from sukashi.compat.randomness import Generators
from sukashi.compat.schedulers import DDIMScheduler
from sukashi.compat.text_models import view_of
from sukashi.compat.tokenizer import CLIPTokenizer
from sukashi.diffusion.denoiser import Conditioning, guided
from sukashi.loading import best_device, usual_dtype
from sukashi.precision import guarded
from sukashi.weights.load import load_parts


class PareDDIMScheduler(DDIMScheduler):
    """DDIM; ``step`` gives the pair (latents at the next timestep, clean latents as seen from here)."""

    @classmethod
    def from_config(cls, config: Any, subfolder: str = "scheduler", **keys: Any) -> Any:
        """The scheduler of a model by its name or folder, or of a mapping with the keys of its config."""
        if isinstance(config, str | Path):
            return cls.from_pretrained(config, subfolder=subfolder, **keys)
        return super().from_config(config, **keys)

    def step(self, model_output: Tensor, timestep: Any, sample: Tensor, *others: Any, **options: Any) -> Any:
        """One step: model_output and sample (B, C, h, w) -> (prev_sample, pred_original_sample)."""
        return super().step(model_output, timestep, sample, *others, **options | {"return_dict": False})


class PareUNet2DConditionModel(UNet2DConditionModel):
    """The U-Net, whose call gives the tensor itself."""

    def forward(
        self, sample: Tensor, timestep: Tensor | float, encoder_hidden_states: Tensor, *_: Any, **__: Any
    ) -> Any:
        """Sample (B, 4, h, w), timestep () or (B,), prompts (B, T, D) -> noise or velocity (B, 4, h, w)."""
        return super().forward(sample, timestep, encoder_hidden_states, return_dict=False)[0]


class PareAutoencoderKL(AutoencoderKL):
    """The autoencoder, whose ``encode`` gives the distribution and whose ``decode`` the tensor itself."""

    def encode(self, x: Tensor, return_dict: bool = False) -> DiagonalGaussianDistribution:
        """Images (B, 3, H, W) in -1..1 -> the distribution of their latents (B, 4, h, w), unscaled."""
        found: DiagonalGaussianDistribution = super().encode(x, return_dict=False)[0]
        return found

    def decode(self, z: Tensor, return_dict: bool = False, generator: Generators = None) -> Tensor:
        """Unscaled latents (B, 4, h, w) -> images (B, 3, H, W) about -1..1."""
        image: Tensor = super().decode(z, return_dict=False)[0]
        return image


class PareDiffusionPipeline:
    """Words to one picture in four steps: ``PareDiffusionPipeline.from_pretrained(name)(prompt)``."""

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        text_encoder: Any,
        scheduler: DDIMScheduler,
        unet: Any,
        vae: Any,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.device = torch.device(device or best_device())
        self.dtype = dtype or usual_dtype(self.device)
        self.tokenizer, self.scheduler = tokenizer, scheduler
        self.text_encoder = text_encoder.to(device=self.device, dtype=self.dtype)
        self.unet = unet.to(device=self.device, dtype=self.dtype)
        self.vae = vae.to(device=self.device, dtype=self.dtype)

    @classmethod
    def from_pretrained(
        cls, model_name: str | Path, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> PareDiffusionPipeline:
        """Load "kirie", a folder, a single file or a hub id; to the best device there is, in the dtype usual there."""
        device = torch.device(device or best_device())
        dtype = dtype or usual_dtype(device)
        parts = load_parts(shipped(model_name), device=device, dtype=dtype)
        size = parts.family.size
        return cls(
            CLIPTokenizer(parts.tokenizers[0]),
            view_of(parts.text_encoders[0]),
            PareDDIMScheduler.from_config(parts.scheduler),
            PareUNet2DConditionModel(parts.unet, size // parts.vae.config.factor),
            PareAutoencoderKL(parts.vae, size),
            device,
            dtype,
        )

    @torch.no_grad()
    def encode_prompt(self, prompt: str | Sequence[str]) -> Tensor:
        """A prompt -> embeddings (2, T, D): those of the empty text first, then those of the prompt."""
        wanted = self.get_embes(prompt, self.tokenizer.model_max_length)
        return torch.cat([self.get_embes([""] * len(wanted), wanted.shape[1]), wanted])

    @torch.no_grad()
    def get_embes(self, prompt: str | Sequence[str], max_length: int) -> Tensor:
        """Texts -> embeddings (B, max_length, D)."""
        ids = self.tokenizer(
            prompt, padding="max_length", max_length=max_length, truncation=True, return_tensors="pt"
        ).input_ids.to(self.device)
        states: Tensor = self.text_encoder(ids)[0]
        return states.to(dtype=self.dtype, device=self.device)

    def get_latent(self, width: int, height: int, generator: torch.Generator | None = None) -> Tensor:
        """Unit noise (4, height / 8, width / 8): where a picture starts."""
        config = self.vae.config
        cell = 2 ** (len(config.block_out_channels) - 1)
        if width % cell or height % cell:
            raise ValueError(f"width {width} and height {height} have to be multiples of {cell}")
        shape = (config.latent_channels, height // cell, width // cell)
        return torch.randn(shape, generator=generator).to(device=self.device, dtype=self.dtype)

    def retrieve_timesteps(self, num_inference_steps: int) -> tuple[Tensor, int]:
        """The timesteps of a run of so many steps, and their number."""
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        return self.scheduler.timesteps, num_inference_steps

    @torch.no_grad()
    def denoise(
        self, latents: Tensor, prompt_embeds: Tensor, num_inference_steps: int = 50, guidance_scale: float = 7.5
    ) -> Tensor:
        """Noise (B, 4, h, w) and embeddings (2 B, T, D), negative half first -> clean latents (B, 4, h, w)."""
        self.retrieve_timesteps(num_inference_steps)
        plan, levels = self.scheduler.plan(), self.scheduler.levels(num_inference_steps)
        unwanted, wanted = (Conditioning(context=half) for half in prompt_embeds.chunk(2))
        notes: list[str] = []
        unet = guarded(
            self.unet, lambda net, x, t, context, **_: net(x, t, encoder_hidden_states=context), "U-Net", notes
        )
        seen = guided(unet, plan.schedule.predicts, wanted, unwanted, guidance_scale)
        x = latents.float().clone()
        for step in plan.run(seen, x, levels, self.scheduler.noise(latents, None)):
            x = step.x_next
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        return x.to(latents.dtype)

    def denormalize(self, image: Tensor) -> Tensor:
        """From -1..1 to 0..1."""
        return (image / 2 + 0.5).clamp(0, 1)

    def tensor_to_image(self, tensor: Tensor) -> Image.Image:
        """A tensor (C, H, W) or (H, W) in 0..1 -> a picture; 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA.

        So latents and embeddings can be looked at, too. Raises ValueError for other shapes and for NaN or infinity.
        """
        if tensor.dim() not in (2, 3) or (tensor.dim() == 3 and not 1 <= len(tensor) <= 4):
            raise ValueError(f"{tuple(tensor.shape)} is not a picture; (H, W) or (1 to 4, H, W) is accepted")
        if not torch.isfinite(tensor).all():
            raise ValueError("the tensor holds NaN or infinity; a picture of it would show nothing")
        channels = tensor[None] if tensor.dim() == 2 else tensor
        bytes_ = (channels.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)

    @torch.no_grad()
    def vae_decode(self, latents: Tensor) -> Image.Image:
        """Clean latents (B, 4, h, w) -> the first of them as a picture."""
        notes: list[str] = []
        decode = guarded(self.vae, lambda vae, z: vae.decode(z), "autoencoder", notes)
        image = decode(latents / self.vae.config.scaling_factor)
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        return self.tensor_to_image(self.denormalize(image[0]))

    def __call__(
        self,
        prompt: str,
        height: int = 512,
        width: int = 512,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        *,
        generator: torch.Generator | None = None,
    ) -> Image.Image:
        """A prompt -> one picture. Without ``generator`` another one each time."""
        prompt_embeds = self.encode_prompt(prompt)
        latents = self.get_latent(width, height, generator).unsqueeze(0)
        return self.vae_decode(self.denoise(latents, prompt_embeds, num_inference_steps, guidance_scale))
