"""The U-Net and the autoencoder with the arguments, outputs and configs of diffusers.

Each class is a view of one of our networks: the same layers, tensors and hooks, another way to call it.
Letters: B batch, C latent channels, H W pixels, h w latent cells, T text tokens, D their width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sukashi import kirie
from sukashi.compat.basics import Config, Output
from sukashi.compat.randomness import Generators, randn
from sukashi.families import FAMILIES
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.weights import components
from sukashi.weights.configs import unet_config, unet_json, vae_config, vae_json
from sukashi.weights.files import read_json
from sukashi.weights.load import locally
from sukashi.weights.parts import Hold

V = TypeVar("V", bound="View")


class View(nn.Module):
    """A second face of a network: it has the same children, parameters and buffers, and is called in another way.

    Whatever is done to the layers of either (``to``, ``load_state_dict``, hooks) is done to both.
    """

    def __init__(self, net: nn.Module, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._modules, self._parameters, self._buffers = net._modules, net._parameters, net._buffers
        self.__dict__["net"] = net  # beside the children, not among them: names of tensors stay as they are
        self.config = Config(config)
        self.training = net.training

    @classmethod
    def from_pretrained(
        cls: type[V],
        source: str | Path,
        *,
        subfolder: str | None = None,
        torch_dtype: torch.dtype | None = None,
        dtype: torch.dtype | None = None,
        variant: str | None = None,
        local_files_only: bool = False,
    ) -> V:
        """The network of a model's folder or hub id (``subfolder="unet"``), or of a lone one.

        In float32 unless a dtype is given.
        """
        hold = Hold(torch_dtype or dtype or torch.float32, variant=variant)
        made: V = cls.from_folder(component_folder(source, subfolder, local_files_only), hold)
        return made

    @classmethod
    @abstractmethod
    def from_folder(cls, folder: Path, hold: Hold) -> Any:
        """The network of its own folder, held as asked."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        return next(self.parameters()).dtype


def shipped(source: str | Path) -> str | Path:
    """What ``source`` says; for "kirie" the folder inside this package."""
    return kirie.path() if str(source) == "kirie" else source


def component_folder(source: str | Path, subfolder: str | None, local_files_only: bool = False) -> Path:
    """The folder of one component: ``source`` (a folder, or a hub id of a whole model) and perhaps a folder in it."""
    path, _ = locally(shipped(source), offline=local_files_only)
    return path / subfolder if subfolder else path


@dataclass
class UNet2DConditionOutput(Output):
    """``sample`` (B, C, h, w): noise, velocity or the clean latent, as the model was trained to say."""

    sample: Tensor


class UNet2DConditionModel(View):
    """The U-Net: ``unet(latents, t, encoder_hidden_states=context).sample``. ``size`` is the side in latent cells."""

    net: UNet

    def __init__(self, net: UNet, size: int = 64) -> None:
        super().__init__(net, unet_json(net.config, size))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> UNet2DConditionModel:
        """A new network, with random weights, of the shape that the keys of ``unet/config.json`` give."""
        return cls(UNet(unet_config(config)), config.get("sample_size") or 64)

    @classmethod
    def from_folder(cls, folder: Path, hold: Hold) -> UNet2DConditionModel:
        """The U-Net of its own folder."""
        net, _ = components.unet_from_folder(folder, components.read_unet_config(folder), hold)
        return cls(net.eval(), read_json(folder / "config.json").get("sample_size") or 64)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        class_labels: Tensor | None = None,
        timestep_cond: Tensor | None = None,
        attention_mask: None = None,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        return_dict: bool = True,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
    ) -> Any:
        """Sample (B, C, h, w), timestep () or (B,), encoder_hidden_states (B, T, D) -> sample (B, C, h, w).

        ``class_labels`` (B,): the noise level of an x4 upscaler; ``timestep_cond`` (B, G): the guidance of an LCM;
        ``added_cond_kwargs``: an SDXL's ``text_embeds`` (B, P) and ``time_ids`` (B, 6); residuals: a ControlNet's.
        Raises ValueError for a mask and for ``cross_attention_kwargs``, which would be without effect.
        """
        if attention_mask is not None or cross_attention_kwargs:
            raise ValueError("attention_mask and cross_attention_kwargs are not supported: leave them None")
        added, mid = added_cond_kwargs or {}, mid_block_additional_residual
        t = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        out = self.net(
            sample,
            t,
            encoder_hidden_states,
            noise_level=class_labels,
            pooled=added.get("text_embeds"),
            sizes=added.get("time_ids"),
            guidance=timestep_cond,
            residuals=() if mid is None else (*(down_block_additional_residuals or ()), mid),
        )
        return UNet2DConditionOutput(out) if return_dict else (out,)

    def __repr__(self) -> str:
        waves = f"(time_proj): Timesteps({self.net.config.channels[0]})"  # a function of ours, a layer of diffusers
        return super().__repr__().replace("(time_embedding):", f"{waves}\n  (time_embedding):", 1)


class DiagonalGaussianDistribution:
    """What the encoder says of a picture: a normal distribution of each latent value, before scaling."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self.mean, self.std = mean, std

    @property
    def var(self) -> Tensor:
        """Variance (B, C, h, w)."""
        return self.std**2

    @property
    def logvar(self) -> Tensor:
        """Its logarithm (B, C, h, w)."""
        return 2 * self.std.log()

    def sample(self, generator: Generators = None) -> Tensor:
        """One draw (B, C, h, w)."""
        return self.mean + self.std * randn(self.mean.shape, generator, self.mean.device, self.mean.dtype)

    def mode(self) -> Tensor:
        """The most likely latent (B, C, h, w), which is the mean."""
        return self.mean


@dataclass
class AutoencoderKLOutput(Output):
    """``latent_dist``, a ``DiagonalGaussianDistribution``."""

    latent_dist: DiagonalGaussianDistribution


@dataclass
class DecoderOutput(Output):
    """``sample`` (B, 3, H, W), about -1 to 1."""

    sample: Tensor


class AutoencoderKL(View):
    """The autoencoder. Its latents are unscaled: the pipeline multiplies by ``config.scaling_factor``, as in diffusers.

    ``size`` is the side in pixels it was trained at.
    """

    net: VAE

    def __init__(self, net: VAE, size: int = 512) -> None:
        super().__init__(net, vae_json(net.config, size))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> AutoencoderKL:
        """A new network, with random weights, of the shape that the keys of ``vae/config.json`` give."""
        return cls(VAE(vae_config(config)), config.get("sample_size") or 512)

    @classmethod
    def from_folder(cls, folder: Path, hold: Hold) -> AutoencoderKL:
        """The autoencoder of its own folder."""
        net, _ = components.load_vae(folder, FAMILIES["sd1"].vae, hold)
        return cls(net.eval())

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        """Images (B, 3, H, W) in -1..1 -> the distribution of their latents (B, C, h, w), unscaled."""
        found = DiagonalGaussianDistribution(*self.net.posterior(x))
        return AutoencoderKLOutput(found) if return_dict else (found,)

    def decode(self, z: Tensor, return_dict: bool = True, generator: Generators = None) -> Any:
        """Unscaled latents (B, C, h, w) -> images (B, 3, H, W) about -1..1. Nothing is drawn from ``generator``."""
        if self.net.config.post_quant_conv:
            z = self.net.post_quant_conv(z)
        image = self.net.decoder(z)
        return DecoderOutput(image) if return_dict else (image,)

    def forward(
        self, sample: Tensor, sample_posterior: bool = False, return_dict: bool = True, generator: Generators = None
    ) -> Any:
        """Images (B, 3, H, W) there and back, by the mean of the latents or a sample of them."""
        found = DiagonalGaussianDistribution(*self.net.posterior(sample))
        return self.decode(found.sample(generator) if sample_posterior else found.mode(), return_dict)
