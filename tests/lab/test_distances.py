from __future__ import annotations

import numpy as np
import pytest
import torch

from sukashi.lab.frechet import frechet, kernel_distance


def features(n: int, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(n, 5, generator=g) @ torch.rand(5, 5, generator=torch.Generator().manual_seed(9))


def test_frechet_beside_the_matrix_root_of_numpy() -> None:
    a, b = features(60).double().numpy(), features(80, 0.5, 1.4, 1).double().numpy()
    product = np.cov(a.T) @ np.cov(b.T)
    values, vectors = np.linalg.eig(product)
    root = vectors @ np.diag(np.sqrt(values)) @ np.linalg.inv(vectors)
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root.real)
    assert frechet(torch.tensor(a), torch.tensor(b)) == pytest.approx(float(wanted), rel=1e-8)


def test_frechet_of_one_set_is_nothing_and_grows_with_the_shift() -> None:
    a = features(500)
    assert frechet(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet(a, a + 2) == pytest.approx(5 * 4, rel=1e-5)


def test_kernel_distance_beside_loops() -> None:
    a, b = features(7).double(), features(6, 0.4, seed=2).double()

    def k(x: torch.Tensor, y: torch.Tensor) -> float:
        return float((x @ y / 5 + 1) ** 3)

    same_a = np.mean([k(a[i], a[j]) for i in range(7) for j in range(7) if i != j])
    same_b = np.mean([k(b[i], b[j]) for i in range(6) for j in range(6) if i != j])
    cross = np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(float(same_a + same_b - 2 * cross), rel=1e-9)


def test_kernel_distance_has_no_bias() -> None:
    found = [kernel_distance(features(12, seed=k), features(12, seed=100 + k)) for k in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / len(found) ** 0.5


@pytest.mark.parametrize("measure", [frechet, kernel_distance])
def test_too_few(measure) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        measure(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match="equally wide"):
        measure(torch.zeros(4, 3), torch.zeros(5, 2))
