"""One picture, the whole method by hand: text, noise, a U-Net asked twenty times, and a decoder.

Run it with ``python examples/one_image.py "a girl with glasses eating pizza"``; it needs no network and no GPU.
Only the networks and the tokenizer come from the package. Letters: B batch, T tokens, h w latent cells.
"""

from __future__ import annotations

import json
import sys

import torch
from PIL import Image
from safetensors.torch import load_file

import sukashi.kirie
from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.weights.configs import text_config, unet_config, vae_config

MODEL = sukashi.kirie.path()
STEPS, GUIDANCE, SEED = 20, 3.0, 1


def part(folder: str, net: type, read_config) -> torch.nn.Module:
    """Build one network from its config and give it its weights: every name in the file is a name in the code."""
    config = json.loads((MODEL / folder / "config.json").read_text())
    module = net(read_config(config))
    weights = {}
    for file in sorted((MODEL / folder).glob("*.safetensors")):
        weights |= load_file(file)
    module.load_state_dict({name: w.float() for name, w in weights.items()}, strict=True)
    return module.eval()


def encode_prompt(tokenizer: Tokenizer, encoder: CLIPText, texts: list[str]) -> torch.Tensor:
    """Texts -> token ids (B, T) -> context (B, T, D)."""
    return encoder(tokenizer(texts)).last


def alpha_bar() -> torch.Tensor:
    """How much signal is left at each of the 1000 training steps (Ho et al. 2020, arXiv:2006.11239, eq. 4)."""
    config = json.loads((MODEL / "scheduler" / "scheduler_config.json").read_text())
    start, end = config["beta_start"] ** 0.5, config["beta_end"] ** 0.5
    betas = torch.linspace(start, end, config["num_train_timesteps"]) ** 2
    return torch.cumprod(1 - betas, dim=0)


def denoise(unet: UNet, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Noise x (1, 4, h, w) -> clean latent, by DDIM (Song et al. 2021, arXiv:2010.02502, eq. 12 with sigma = 0)."""
    signal = alpha_bar()
    times = [1 + 1000 // STEPS * i for i in reversed(range(STEPS))]
    for t, t_next in zip(times, [*times[1:], 0], strict=True):
        a, s = signal[t].sqrt(), (1 - signal[t]).sqrt()
        a_next, s_next = signal[t_next].sqrt(), (1 - signal[t_next]).sqrt()
        # One call for both prompts. The empty (or negative) one comes first; the U-Net cannot tell which is which.
        v_empty, v_prompt = unet(torch.cat([x, x]), torch.tensor([t, t]), context).chunk(2)
        v = v_empty + GUIDANCE * (v_prompt - v_empty)  # classifier-free guidance (arXiv:2207.12598, eq. 6), s = 1 + w
        x0, eps = a * x - s * v, a * v + s * x  # what v means (arXiv:2202.00512, app. D)
        x = a_next * x0 + s_next * eps
        print(f"t = {t:3d}   noise {s:.3f} -> {s_next:.3f}   latent std {x.std():.3f}")
    return x


@torch.no_grad()
def draw(prompt: str, tokenizer: Tokenizer, encoder: CLIPText, unet: UNet, vae: VAE) -> Image.Image:
    """Text -> context, noise -> latent, latent -> pixels."""
    context = encode_prompt(tokenizer, encoder, ["", prompt])  # (2, T, D)
    cells = 128 // vae.config.factor
    x = torch.randn(1, 4, cells, cells, generator=torch.Generator().manual_seed(SEED))
    x = denoise(unet, x, context)
    image = (vae.decode(x)[0] / 2 + 0.5).clamp(0, 1)  # (3, H, W) in [0, 1]
    return Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy())


def load() -> tuple[Tokenizer, CLIPText, UNet, VAE]:
    """The four parts of the model that ships inside the package."""
    networks = (
        part("text_encoder", CLIPText, text_config),
        part("unet", UNet, unet_config),
        part("vae", VAE, vae_config),
    )
    return Tokenizer.from_folder(MODEL / "tokenizer"), *networks


if __name__ == "__main__":
    prompt = " ".join(sys.argv[1:]) or "a girl with glasses eating pizza"
    draw(prompt, *load()).save("one_image.png")
    print(f"{prompt!r} -> one_image.png")
