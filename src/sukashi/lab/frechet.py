"""How far two sets of pictures are apart in the probe's features.

Fréchet distance of two normal distributions (Heusel et al. 2017, arXiv:1706.08500, eq. 6) and the unbiased kernel
distance with a cubic kernel (Bińkowski et al. 2018, arXiv:1801.01401, sec. 4), with our probe in Inception's place: the
numbers compare with one another, not with other people's.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frechet(a: Tensor, b: Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^1/2) of features (N, D) and (M, D).

    Raises ValueError for fewer than two rows. With N or M below D it is still defined, but far too large.
    """
    a, b = _checked(a, b)
    root = _root(torch.cov(a.T))
    shared = torch.linalg.eigvalsh(root @ torch.cov(b.T) @ root).clamp(min=0).sqrt().sum()
    spread = torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * shared
    return float((a.mean(0) - b.mean(0)).square().sum() + spread)


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Squared maximum mean discrepancy of features (N, D) and (M, D) for the kernel (x . y / D + 1)^3, unbiased.

    Around 0 (also below) for two samples of one distribution, whatever their size. Raises ValueError as above.
    """
    a, b = _checked(a, b)
    return float(_mean_apart(_kernel(a, a)) + _mean_apart(_kernel(b, b)) - 2 * _kernel(a, b).mean())


def _checked(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if min(len(a), len(b)) < 2 or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"two sets of at least 2 features each, equally wide, not {tuple(a.shape)}, {tuple(b.shape)}")
    return a.double(), b.double()


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ (values.clamp(min=0).sqrt()[:, None] * vectors.T)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_apart(kernel: Tensor) -> Tensor:
    """The mean without the diagonal."""
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))
