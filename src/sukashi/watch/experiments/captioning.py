"""From a picture to a prompt: which caption helps the model most to see the noise in it.

A diffusion model is asked about a noised picture under every caption; the caption under which it errs least explains
the picture best (Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier", arXiv:2303.16203, eq. 5-6).
All captions are asked about the same noise at the same levels, or chance would decide (sec. 3.2 there).

It ranks captions that are given to it; it does not write one, and it does not find the prompt a picture was drawn with.
Errors under different pictures are not comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from sukashi.diffusion.denoiser import ask, read
from sukashi.opening import Source
from sukashi.tasks.latents import Posterior, images_of
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.inverting import opened
from sukashi.watch.experiments.measure import facts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

LOWEST, HIGHEST = 0.2, 0.9  # of the training steps: below, every caption does; above, none
WORLD = 5_000_000  # pictures of kirie's world from here on are asked about


def errors(
    pipe: Pipeline, picture: Image.Image, captions: Sequence[str], *, questions: int = 6, seed: int = 0
) -> Tensor:
    """Mean square error of the noise under each caption and the empty prompt (last): (questions, captions + 1).

    Levels are even between ``LOWEST`` and ``HIGHEST`` of the training steps, each with its own noise.
    """
    schedule = pipe.published.schedule
    z = Posterior(pipe, images_of([picture]), []).mean.to(pipe.device, torch.float32)
    told = pipe.encode_prompt([*captions, ""])
    generator, rows = torch.Generator().manual_seed(seed), []
    for k in range(questions):
        level = schedule.at(float(round((LOWEST + (HIGHEST - LOWEST) * (k + 0.5) / questions) * (schedule.steps - 1))))
        noise = torch.randn(z.shape, generator=generator).to(z)
        x = (level.alpha * z + level.sigma * noise).expand(len(captions) + 1, -1, -1, -1)
        with torch.no_grad():
            seen = read(ask(pipe.unet, x.to(pipe.dtype), level, told).float(), x, level, schedule.predicts)
        rows.append((seen.eps - noise).square().mean(dim=(1, 2, 3)).cpu())
    return torch.stack(rows)


def captions(
    pipe: Pipeline,
    candidates: Sequence[str] = (),
    *,
    image: Source | None = None,
    pictures: int = 8,
    questions: int = 6,
    seed: int = 0,
) -> Found:
    """Rank ``candidates`` for ``image``; or without one, find which of kirie's captions belongs to which picture.

    The second is a test with a known answer and a known chance. "gain" is the error under the empty prompt less that
    under the caption, in percent of the former: above 0 the caption explains something; ± is one standard error over
    the questions. Raises ValueError for fewer than two captions.
    """
    if questions < 2:
        raise ValueError(f"{questions} questions; at least 2 are accepted")
    if image is not None:
        return ranked(pipe, opened(pipe, image), list(candidates), questions, seed)
    if pictures < 2:
        raise ValueError(f"{pictures} pictures to tell apart; at least 2 are accepted")
    return retrieved(pipe, pictures, questions, seed)


def ranked(pipe: Pipeline, picture: Image.Image, said: list[str], questions: int, seed: int) -> Found:
    """The captions of one picture, best first."""
    if len(said) < 2:
        raise ValueError(f"{len(said)} captions to choose from; at least 2 are accepted")
    found = errors(pipe, picture, said, questions=questions, seed=seed)
    gains = gain(found)
    order = gains.mean(dim=0).argsort(descending=True).tolist()
    spread = gains.std(dim=0) / questions**0.5
    rows = [
        {"rank": k + 1, "caption": said[j], "gain": float(gains[:, j].mean()), "±": float(spread[j])}
        for k, j in enumerate(order)
    ]
    return Found(
        name="captions",
        title=f"Which of {len(said)} captions explains the picture: {said[order[0]]!r}",
        facts=facts(pipe, questions=questions, seed=seed),
        rows=rows,
        pictures=[[picture]],
    )


def gain(found: Tensor) -> Tensor:
    """Errors (questions, captions + 1) -> percent less than under the empty prompt, (questions, captions)."""
    return 100 * (found[:, -1:] - found[:, :-1]) / found[:, -1:]


def retrieved(pipe: Pipeline, count: int, questions: int, seed: int) -> Found:
    """As many pictures of kirie's world as captions: each is asked under all."""
    from sukashi.kirie.world import sample

    samples = [sample(WORLD + seed * 1000 + k) for k in range(count)]
    said = [each.caption for each in samples]
    tables = [gain(errors(pipe, each.picture, said, questions=questions, seed=seed)).mean(dim=0) for each in samples]
    ranks = [int((table > table[k]).sum()) + 1 for k, table in enumerate(tables)]
    chosen = [int(table.argmax()) for table in tables]
    rows = [
        {"picture": k + 1, "rank of its caption": ranks[k], "gain": float(table[k]), "caption chosen": said[chosen[k]]}
        | {"its own": "yes" if chosen[k] == k else said[k]}
        for k, table in enumerate(tables)
    ]
    right = sum(rank == 1 for rank in ranks)
    scores: dict[str, Any] = {"right": f"{right} of {count}", "by chance": f"1 of {count}"}
    scores |= {"mean rank": sum(ranks) / count, "mean rank by chance": (count + 1) / 2}
    return Found(
        name="captions",
        title=f"Which of {count} captions belongs to which of {count} pictures: {right} right, 1 expected by chance",
        facts=facts(pipe, questions=questions, seed=seed, calls=count * questions) | scores,
        rows=rows,
        pictures=[[each.picture for each in samples]],
        above=[f"rank {rank}" for rank in ranks],
    )
