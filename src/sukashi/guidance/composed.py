"""Several prompts at once, each with its weight: the AND of A1111."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning, UNetLike
from sukashi.diffusion.types import Denoise
from sukashi.guidance.rule import Branch, classifier_free, steered

Weighted = tuple[Conditioning, float | Tensor]
"""A prompt and its weight, which is (B, 1, 1, 1) where the pictures of a batch differ."""


def composed(
    unet: UNetLike, predicts: str, wanted: Sequence[Weighted], unwanted: Conditioning, scale: float
) -> Denoise:
    """Composed guidance: out = u + s sum_i w_i (c_i - u), all in one batch, unwanted first.

    Liu et al. 2022, arXiv:2206.01714, eq. 11, with A1111's weights. Every conditioning has the same batch size and
    number of tokens. ``parts`` of the prediction are the raw outputs 'unwanted' and 'wanted', the latter as one:
    u + sum_i w_i (c_i - u). Raises ValueError when nothing is wanted.
    """
    if not wanted:
        raise ValueError("nothing to compose: at least one prompt is needed")
    parts = [Branch("wanted", unet, given, weight) for given, weight in wanted]
    return steered([Branch("unwanted", unet, unwanted), *parts], predicts, classifier_free(scale))
