"""NAG: the negative prompt inside every cross-attention, at the cost of its keys and values alone."""

from __future__ import annotations

from torch import Tensor

from sukashi.nets.shallow import Attend, Net, with_attend
from sukashi.nets.unet import Attention


def attending_away(unet: Net, negative: Tensor, scale: float, tau: float, alpha: float) -> Net:
    """Normalized attention guidance (Chen et al. 2025, arXiv:2505.21179, eq. 6-9), sharing all weights of the U-Net.

    Per image token, Z+ and Z- being what attention to the prompt and to ``negative`` (B, T', D) gives:
    Z = s Z+ - (s - 1) Z-; R = |Z|_1 / |Z+|_1; Z <- Z min(R, tau) / R; the layer goes on with a Z + (1 - a) Z+.
    The U-Net may be asked for several batches of B in one; its context stays the prompt's.
    """

    def replaced(name: str, layer: Attention) -> Attend:
        attend = layer.attend

        def away(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            told = negative.repeat(len(q) // len(negative), 1, 1)
            k_n, v_n = (
                to(told).unflatten(-1, (layer.heads, -1)).transpose(1, 2).to(q) for to in (layer.to_k, layer.to_v)
            )
            plus, minus = attend(q, k, v), attend(q, k_n, v_n)
            z = scale * plus - (scale - 1) * minus
            return alpha * bounded(z, plus, tau) + (1 - alpha) * plus

        return away

    return with_attend(unet, replaced, to_text=True)


def bounded(z: Tensor, plus: Tensor, tau: float) -> Tensor:
    """Z (B, heads, N, d) with the L1 norm of each image token at most tau times that of ``plus``."""
    length, allowed = (y.float().abs().sum(dim=(1, 3), keepdim=True) for y in (z, plus))  # over heads and d
    return z * (tau * allowed / length.clamp(min=1e-7)).clamp(max=1.0).to(z.dtype)
