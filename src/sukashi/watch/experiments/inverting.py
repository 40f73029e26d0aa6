"""From a picture to the noise it could have come from, and back: how much is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from sukashi.diffusion.inversion import invert
from sukashi.diffusion.noise import per_picture
from sukashi.opening import Source, open_picture
from sukashi.pictures import to_pictures
from sukashi.tasks.fitting import drawn_size, fit
from sukashi.tasks.latents import Posterior, images_of
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import asked, facts, psnr

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def inversion(
    pipe: Pipeline,
    prompt: str = "a dog at night",
    *,
    image: Source | None = None,
    steps: Sequence[int] = (10, 20, 50),
    guidance: float = 3.0,
    seed: int = 1,
) -> Found:
    """DDIM inversion and the way back (Song et al. 2021, arXiv:2010.02502, sec. 4.3), told the prompt.

    ``image`` is a picture to invert; without one the model draws the prompt first. Going up is without guidance; back
    is once without and once with, where small errors grow (Mokady et al. 2022, arXiv:2211.09794, sec. 3). Errors are of
    latents (mean square) and of pictures (PSNR, against what the autoencoder alone gives back).
    """
    picture = pipe(prompt, seed=seed).images[0] if image is None else opened(pipe, image)
    told, silence = pipe.encode_prompt([prompt]), pipe.encode_prompt([None])
    z = Posterior(pipe, images_of([picture]), []).mean.to(pipe.device, torch.float32)
    back = shown(pipe, z)
    rows, sheet = [], []
    for n in steps:
        settings = asked(pipe, sampler="ddim", steps=n, guidance=1.0, eta=0.0)
        plan = pipe.plan(settings)
        levels, noise = plan.levels(n), per_picture([seed], z.shape[1:], "cpu", pipe.device)
        alone = pipe.denoiser(told, None, settings, [])
        guided = pipe.denoiser(told, silence, asked(pipe, sampler="ddim", steps=n, guidance=guidance, eta=0.0), [])
        with torch.no_grad():
            *_, top = invert(alone, z, levels)
            *_, plain = plan.run(alone, top.x_next, levels, noise)
            *_, pushed = plan.run(guided, top.x_next, levels, noise)
        drawn = [shown(pipe, x) for x in (plain.x_next, pushed.x_next)]
        rows.append(
            {
                "steps": n,
                "noise: mean": float(top.x_next.mean()),
                "noise: deviation": float(top.x_next.std()),
                "latent error": square(plain.x_next, z),
                "PSNR": psnr(drawn[0], back),
                f"latent error at {guidance:g}": square(pushed.x_next, z),
                f"PSNR at {guidance:g}": psnr(drawn[1], back),
            }
        )
        sheet.append([picture, back, noise_picture(top.x_next), *drawn])
    return Found(
        name="inversion",
        title=f"A picture of {prompt!r} to noise and back by DDIM; PSNR against the autoencoder's own round trip",
        facts=facts(pipe, prompt=prompt, seed=seed, sampler="ddim", autoencoder_psnr=round(psnr(back, picture), 2)),
        rows=rows,
        pictures=sheet,
        above=["picture", "autoencoder", "noise", "back", f"back, guidance {guidance:g}"],
        beside=[f"{n} steps" for n in steps],
    )


def opened(pipe: Pipeline, image: Source) -> Image.Image:
    """A picture brought to a size that the model takes."""
    picture = open_picture(image).picture
    return fit(picture, drawn_size(picture.size, None, None, pipe.vae.config.factor, notes=[]), "stretch")


def shown(pipe: Pipeline, x: Tensor) -> Image.Image:
    """Latents (1, C, h, w) as a picture."""
    return to_pictures(pipe.vae_decode(x.to(pipe.dtype)))[0]


def noise_picture(x: Tensor) -> Image.Image:
    """The first three channels of a latent (1, C, h, w): 0 is grey, 3 deviations are white."""
    return to_pictures((x[:, :3].float().cpu() / 6 + 0.5).clamp(0, 1))[0]


def square(a: Tensor, b: Tensor) -> float:
    """Mean square difference."""
    return float((a - b).float().square().mean())
