"""The autoencoder alone: pictures in, pictures out, and what got lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sukashi.opening import Source
from sukashi.tasks.latents import Posterior, images_of
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.inverting import noise_picture, opened, shown
from sukashi.watch.experiments.measure import change, difference, facts, psnr

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def vae(pipe: Pipeline, *, images: Sequence[Source] = (), pictures: int = 6, seed: int = 0) -> Found:
    """Encode and decode pictures; without ``images`` as many of kirie's world as ``pictures`` says, from ``seed`` on.

    It is the best that the model could draw of them: nothing the autoencoder loses can come back. The latent's
    deviation is about 1 where ``scale`` suits the autoencoder. Raises ValueError for no picture.
    """
    from sukashi.kirie.world import sample

    if not images and pictures < 1:
        raise ValueError(f"{pictures} pictures to encode; at least 1 is accepted")
    given = [opened(pipe, image) for image in images] or [sample(seed + k).picture for k in range(pictures)]
    names = [str(image) if isinstance(image, str) else f"picture {k + 1}" for k, image in enumerate(images)]
    rows: list[dict[str, Any]] = []
    sheet = []
    for k, picture in enumerate(given):
        z = Posterior(pipe, images_of([picture]), []).mean
        back = shown(pipe, z)
        rows.append(
            {
                "picture": names[k] if names else f"world {seed + k}",
                "PSNR": psnr(back, picture),
                "change of 255": change(back, picture),
                "latent mean": float(z.mean()),
                "latent deviation": float(z.std()),
            }
        )
        sheet.append([picture, noise_picture(z), back, difference(back, picture)])
    values = picture.width * picture.height * 3 / z[0].numel()
    return Found(
        name="vae",
        title=f"Pictures through the autoencoder and back: {values:g} values of colour for each number of the latent",
        facts=facts(pipe, pictures=len(given), mean_psnr=round(sum(row["PSNR"] for row in rows) / len(rows), 2)),
        rows=rows,
        pictures=sheet,
        above=["picture", "latent", "back", "lost (x3)"],
        beside=[str(row["picture"])[-12:] for row in rows],
    )
