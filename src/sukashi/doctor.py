"""Does this machine compute correctly? Every operation that a picture needs, on small inputs with a known answer.

Drivers, compilers and new versions of torch do break single operations on single devices; the picture is then noise,
or black, and says nothing about why. Each check here is a function of the device; its answer is compared with the
same computed on the CPU in float64, and that with numbers stored below, so that a CPU cannot vouch for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.diffusion.noise import per_picture
from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig


@dataclass(frozen=True)
class Bench:
    """Where a check computes, and in what."""

    device: torch.device
    dtype: torch.dtype

    def wave(self, *shape: int, phase: float = 0.0) -> Tensor:
        """Numbers in -1 .. 1 that are the same everywhere and look like none in particular, (*shape)."""
        n = torch.arange(math.prod(shape), dtype=torch.float64)
        return torch.sin(0.1 * n * n + 0.7 * n + phase).reshape(shape).to(self.dtype).to(self.device)

    def filled(self, net: nn.Module) -> Any:
        """The network with waves for weights, small enough that activations stay of order 1."""
        exact = Bench(torch.device("cpu"), torch.float64)
        for k, (name, weight) in enumerate(net.named_parameters()):
            wave = exact.wave(*weight.shape, phase=k)
            fan_in = max(1, weight.numel() // len(weight))
            norm = "norm" in name and name.endswith("weight")
            weight.data = 1 + 0.1 * wave if norm else wave * (0.1 if weight.ndim == 1 else math.sqrt(2 / fan_in))
        return net.to(self.dtype).to(self.device).eval().requires_grad_(False)


@dataclass(frozen=True)
class Finding:
    """What one check found: the largest error, as a part of the largest value, and what is allowed."""

    check: str
    device: str
    dtype: str
    error: float  # NaN where the answer holds NaN or infinity, or where there is none
    limit: float
    seconds: float
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the error is within its limit (NaN is not)."""
        return self.error <= self.limit


def linear(b: Bench) -> Tensor:
    """A matrix product with a bias."""
    return F.linear(b.wave(3, 40), b.wave(24, 40, phase=1), b.wave(24, phase=2))


def convolution(b: Bench) -> Tensor:
    """3 x 3 with padding."""
    return F.conv2d(b.wave(2, 8, 9, 7), b.wave(12, 8, 3, 3, phase=1), b.wave(12, phase=2), padding=1)


def strided_convolution(b: Bench) -> Tensor:
    """3 x 3 with stride 2 over an odd size, padded on two sides as the encoder does."""
    return F.conv2d(F.pad(b.wave(1, 8, 9, 7), (0, 1, 0, 1)), b.wave(8, 8, 3, 3, phase=1), stride=2)


def convolution_of_a_part(b: Bench) -> Tensor:
    """A convolution of what ``chunk`` returns, which does not lie in one piece."""
    return F.conv2d(b.wave(2, 16, 6, 6).chunk(2, dim=1)[1], b.wave(8, 8, 3, 3, phase=1), padding=1)


def group_norm(b: Bench) -> Tensor:
    """Groups of channels of two pictures, far from zero, where a careless variance loses its digits."""
    return F.group_norm(b.wave(2, 16, 8, 8) + 4, 4, b.wave(16, phase=1), b.wave(16, phase=2))


def layer_norm(b: Bench) -> Tensor:
    """Over the last dimension."""
    return F.layer_norm(b.wave(2, 5, 32) + 4, (32,), b.wave(32, phase=1), b.wave(32, phase=2))


def activations(b: Bench) -> Tensor:
    """SiLU, GELU and softmax."""
    x = 4 * b.wave(5, 33)
    return torch.cat([F.silu(x), F.gelu(x), x.softmax(dim=-1)])


def attention(b: Bench) -> Tensor:
    """Two heads of 77 words asked by 64 places; heads are cut out of wider tensors and so not contiguous."""
    q, k, v = (b.wave(2, n, 2 * 16, phase=p).reshape(2, n, 2, 16).transpose(1, 2) for p, n in enumerate((64, 77, 77)))
    return F.scaled_dot_product_attention(2 * q, k, v).transpose(1, 2).flatten(2)


def causal_attention(b: Bench) -> Tensor:
    """As in the text encoder: nobody looks ahead."""
    q, k, v = (b.wave(1, 2, 77, 16, phase=p) for p in range(3))
    return F.scaled_dot_product_attention(2 * q, k, v, is_causal=True)


def interpolation(b: Bench) -> Tensor:
    """Nearest neighbours, twice as large and to an odd size."""
    x = b.wave(1, 4, 5, 6)
    return torch.cat([F.interpolate(x, scale_factor=2.0).flatten(), F.interpolate(x, size=(9, 11)).flatten()])


def unet(b: Bench) -> Tensor:
    """A U-Net of two resolutions."""
    config = UNetConfig(
        channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
    )
    t = torch.tensor([7.0, 981.0], device=b.device)
    return b.filled(UNet(config))(b.wave(2, 4, 8, 8), t, b.wave(2, 11, 24, phase=3))


def autoencoder(b: Bench) -> Tensor:
    """A picture to a latent and back."""
    vae = b.filled(VAE(VAEConfig(channels=(16, 32), resnets=1, groups=4, scale=1.0)))
    return vae.decode(vae.encode(b.wave(1, 3, 16, 16)))


def text_encoder(b: Bench) -> Tensor:
    """Eleven words through two layers."""
    config = CLIPTextConfig(vocab_size=50, width=32, mlp_width=64, layers=2, heads=2, positions=16, eos_token_id=49)
    ids = torch.tensor([[48, 3, 1, 4, 1, 5, 9, 2, 6, 5, 49]], device=b.device)
    return b.filled(CLIPText(config))(ids).last


def noise(b: Bench) -> Tensor:
    """Both kinds of noise, which must be the same everywhere; they are drawn on the CPU and carried to the device."""
    draws = [per_picture([seed], (2, 3), kind, str(b.device))() for kind in ("cpu", "nv") for seed in (0, 2**40 + 1)]
    return torch.cat(draws).to(b.dtype)


CHECKS: tuple[Callable[[Bench], Tensor], ...] = (
    noise,
    linear,
    convolution,
    strided_convolution,
    convolution_of_a_part,
    group_norm,
    layer_norm,
    activations,
    attention,
    causal_attention,
    interpolation,
    unet,
    autoencoder,
    text_encoder,
)

# Largest error allowed, as a part of the largest value. CUDA's convolutions round float32 to TF32, torch's default.
LIMITS = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
TF32_LIMIT, REFERENCE_LIMIT = 5e-3, 1e-5

# Of the answer of each check in float64: its mean square, and four values evenly spread over it.
ANSWERS: dict[str, tuple[float, ...]] = {
    "noise": (0.97620184, 1.54099607, 0.0616772585, 0.145183876, -0.00968392845),
    "linear": (22.605533, 15.8662051, 1.1685289, 3.76232281, 3.63776747),
    "convolution": (15.7931737, 0.802558477, 0.598157217, 0.720444497, -0.354046105),
    "strided_convolution": (18.3146778, 5.44687314, -0.000791309928, 0.669608334, -7.07798822),
    "convolution_of_a_part": (15.666255, -1.05501848, -0.937709949, -1.72736073, 6.29179973),
    "group_norm": (0.929414441, 0.981062127, 1.02722404, 1.90102399, 0.243524987),
    "layer_norm": (0.922838995, 1.06843547, 0.822922523, -0.765092327, -0.0490348433),
    "activations": (2.29874794, 0, 0, 3.45318987, 0.136301498),
    "attention": (0.0368777106, 0.309861158, 0.00354308703, -0.364324015, -0.281413482),
    "causal_attention": (0.0787566566, 0.909297427, 0.504223441, 0.0799136766, -0.0340545658),
    "interpolation": (0.510463943, 0, 0.600556436, -0.76025538, -0.758041024),
    "unet": (0.303485821, 0.00741805896, -0.982572839, 1.0633162, -0.957703936),
    "autoencoder": (0.30311859, 0.177822361, 0.0602107589, 0.0756209767, 0.0951193035),
    "text_encoder": (1.00056838, 0.241860326, -0.268142485, -0.0537309889, -0.293022616),
}


def reference(check: Callable[[Bench], Tensor]) -> Tensor:
    """The answer on the CPU in float64."""
    with torch.no_grad():
        return check(Bench(torch.device("cpu"), torch.float64)).double()


def summary(answer: Tensor) -> tuple[float, ...]:
    """What is stored of an answer: its mean square and four of its values."""
    flat = answer.flatten()
    places = torch.linspace(0, len(flat) - 1, 4).round().long()
    return (flat.square().mean().item(), *flat[places].tolist())


def examine(device: str | torch.device, dtypes: tuple[torch.dtype, ...] | None = None) -> Iterator[Finding]:
    """Run every check on ``device``, in float32 and (not on a CPU, unless ``dtypes`` says so) in both halves.

    A check that raises is a finding with an error of NaN and the message as its note.
    """
    device = torch.device(device)
    halves = () if device.type == "cpu" else (torch.float16, torch.bfloat16)
    for check in CHECKS:
        expected = reference(check)
        stored = torch.tensor(ANSWERS[check.__name__], dtype=torch.float64)
        trusted = difference(torch.tensor(summary(expected), dtype=torch.float64), stored)
        if not trusted <= REFERENCE_LIMIT:
            note = "the CPU itself, in float64, does not give the stored numbers"
            yield Finding(check.__name__, "cpu", "float64", trusted, REFERENCE_LIMIT, 0.0, note)
        for dtype in dtypes or (torch.float32, *halves):
            yield measured(check, Bench(device, dtype), expected)


def measured(check: Callable[[Bench], Tensor], bench: Bench, expected: Tensor) -> Finding:
    """One check in one type on one device."""
    tf32 = bench.device.type == "cuda" and bench.dtype == torch.float32
    limit, note, error = TF32_LIMIT if tf32 else LIMITS[bench.dtype], "", math.nan
    start = time.perf_counter()
    try:
        with torch.no_grad():
            error = difference(check(bench).cpu().double(), expected)
        if math.isnan(error):
            note = "the answer holds NaN or infinity"
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as failure:
        note = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    seconds = time.perf_counter() - start
    return Finding(check.__name__, str(bench.device), str(bench.dtype)[6:], error, limit, seconds, note)


def difference(a: Tensor, b: Tensor) -> float:
    """Largest difference, as a part of the largest of ``b``; NaN where either is not finite."""
    if a.shape != b.shape or not torch.isfinite(a).all():
        return math.nan
    return ((a - b).abs().max() / b.abs().max()).item()
