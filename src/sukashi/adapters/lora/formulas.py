"""What each kind of file adds to the weight of a layer.

Letters: o, i width of a layer's output and input, r rank, k kernel side of a convolution; W the weight (o, i) or
(o, i, k, k). Every formula gives dW before the user's own factor: the layer then computes with W + factor * dW.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

Factors = Mapping[str, Tensor]


def low_rank(f: Factors, weight: Tensor) -> Tensor:
    """Up @ down (Hu et al. 2021, arXiv:2106.09685, sec. 4.1); with a kernel of its own between them as Tucker has it.

    For a convolution down is (r, i, k, k) and up (o, r, 1, 1), as LoCon has it (Yeh et al. 2023, arXiv:2309.14859,
    sec. 3); with ``mid`` (r, r, k, k) down is (r, i, 1, 1).
    """
    up, down = f["up"].flatten(1), f["down"].flatten(1)
    if "mid" in f:
        return torch.einsum("n m k l, o n, m i -> o i k l", f["mid"], up, down)
    return up @ down


def hadamard(f: Factors, weight: Tensor) -> Tensor:
    """LoHa: (w1_a @ w1_b) * (w2_a @ w2_b), element by element (Hyeon-Woo et al. 2021, arXiv:2108.06098, eq. 4)."""

    def one(n: int) -> Tensor:
        a, b = f[f"hada_w{n}_a"], f[f"hada_w{n}_b"]
        return tucker(f[f"hada_t{n}"], a, b) if f"hada_t{n}" in f else a @ b

    return one(1) * one(2)


def tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """(r, r, k, k), (r, o), (r, i) -> (o, i, k, k)."""
    return torch.einsum("p q k l, p o, q i -> o i k l", core, a, b)


def kronecker(f: Factors, weight: Tensor) -> Tensor:
    """LoKr: the Kronecker product of w1 and w2, each whole or of low rank (Yeh et al. 2023, arXiv:2309.14859)."""
    w1 = f["lokr_w1"] if "lokr_w1" in f else f["lokr_w1_a"] @ f["lokr_w1_b"]
    if "lokr_t2" in f:
        w2 = tucker(f["lokr_t2"], f["lokr_w2_a"], f["lokr_w2_b"])
    else:
        w2 = f["lokr_w2"] if "lokr_w2" in f else f["lokr_w2_a"] @ f["lokr_w2_b"]
    return torch.kron(w1.reshape(*w1.shape, *[1] * (w2.ndim - w1.ndim)), w2)


def full(f: Factors, weight: Tensor) -> Tensor:
    """The difference itself, of a layer that was trained whole."""
    return f["diff"]


def bias_only(f: Factors, weight: Tensor) -> Tensor:
    """The weight stays: only the bias was trained."""
    return torch.zeros_like(weight)


def scaled(f: Factors, weight: Tensor) -> Tensor:
    """(IA)^3: W times a learnt vector, over its inputs or its outputs (Liu et al. 2022, arXiv:2205.05638, sec. 3.3)."""
    name, shape = ("over_inputs", [1, -1]) if "over_inputs" in f else ("over_outputs", [-1, 1])
    return weight * f[name].reshape(shape + [1] * (weight.ndim - 2))


def general(f: Factors, weight: Tensor) -> Tensor:
    """GLoRA as LyCORIS has it: W a1 a2 + b1 b2 (Chavan et al. 2023, arXiv:2306.07967)."""
    a = f["a1"].flatten(1) @ f["a2"].flatten(1)  # (i, i)
    b = f["b1"].flatten(1) @ f["b2"].flatten(1)  # (o, i k k)
    return torch.einsum("o j ..., j i -> o i ...", weight, a) + b.reshape(weight.shape)


def rotated(f: Factors, weight: Tensor) -> Tensor:
    """OFT: groups of outputs are rotated (Qiu et al. 2023, arXiv:2306.07280, sec. 3.3).

    R = (I + Q)(I - Q)^-1, Q = B - B^T, with |Q| at most ``bound`` where that is not 0; blocks B (groups, n, n).
    """
    q = f["blocks"] - f["blocks"].mT
    if "bound" in f:
        norm, bound = q.norm() + 1e-8, f["bound"] * len(weight)
        q = torch.where((bound > 0) & (norm > bound), q * bound / norm, q)
    one = torch.eye(q.shape[-1], device=q.device)
    rotation = (one + q) @ torch.linalg.inv(one - q)
    grouped = weight.reshape(len(q), q.shape[-1], -1)
    turned = torch.einsum("g n m, g n i -> g m i", rotation, grouped).reshape(weight.shape)
    return f["rescale"].reshape(-1, *[1] * (weight.ndim - 1)) * turned - weight if "rescale" in f else turned - weight


class Kind(NamedTuple):
    """How one kind is told from others by the factors it has, and what it computes."""

    name: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    formula: Callable[[Factors, Tensor], Tensor]
    rank: Callable[[Factors], int | None]
    has_alpha: bool = True  # its alpha divided by its rank is a scale


def rows(*names: str) -> Callable[[Factors], int | None]:
    """The rank as the number of rows of the first of these factors that is there."""
    return lambda f: next((len(f[name]) for name in names if name in f), None)


DORA = {"dora", "dora_out"}
HADA = tuple(f"hada_w{n}_{side}" for n in "12" for side in "ab")
EXTRA = (*sorted(DORA), "bias")
KINDS = (
    Kind("LoRA", ("up", "down"), ("mid", *EXTRA), low_rank, rows("down")),
    Kind("LoHa", HADA, ("hada_t1", "hada_t2", *EXTRA), hadamard, rows("hada_w1_b")),
    *(
        Kind("LoKr", (*w1, *w2), ("lokr_t2", *EXTRA), kronecker, rows("lokr_w2_b", "lokr_w1_b"), len(w1) + len(w2) > 2)
        for w1 in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
        for w2 in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"))
    ),
    Kind("full difference", ("diff",), EXTRA, full, rows(), has_alpha=False),
    Kind("IA3", ("over_inputs",), (), scaled, rows(), has_alpha=False),
    Kind("IA3", ("over_outputs",), (), scaled, rows(), has_alpha=False),
    Kind("GLoRA", ("a1", "a2", "b1", "b2"), (), general, rows("a2")),
    Kind("OFT", ("blocks",), ("bound", "rescale"), rotated, rows(), has_alpha=False),
    Kind("bias", ("bias",), (), bias_only, rows(), has_alpha=False),
)


@dataclass(frozen=True)
class Change:
    """What a file does to one layer; ``scale`` is alpha / rank, or 1 where the file has no alpha."""

    kind: Kind
    factors: Factors
    scale: float = 1.0
    alpha: float | None = None

    @property
    def rank(self) -> int | None:
        """The rank of the factors; None for kinds without one."""
        return self.kind.rank(self.factors)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of dW, (o, i, ...), where the factors alone say it; nothing is computed."""
        try:
            return tuple(self.kind.formula(self.on("meta").factors, torch.empty(0, device="meta")).shape)
        except RuntimeError:
            return None

    @property
    def name(self) -> str:
        """The kind for people: LoCon is LoRA on a convolution's kernel, DoRA is any with a learnt length."""
        down, mid = self.factors.get("down"), self.factors.get("mid")
        spatial = mid if mid is not None else down
        name = "LoCon" if spatial is not None and spatial.ndim == 4 and spatial.shape[-1] > 1 else self.kind.name
        return f"{name} with DoRA" if DORA & self.factors.keys() else name

    @property
    def sums(self) -> bool:
        """Whether the layer's output is just a sum: W x + up (down x), so that W + dW need never be made."""
        return self.factors.keys() <= {"down", "up", "mid"}

    def on(self, device: torch.device | str) -> Change:
        """The same with its factors there; on "meta" they are shapes without numbers."""
        if str(device) == "meta":
            return replace(self, factors={name: torch.empty_like(f, device="meta") for name, f in self.factors.items()})
        return replace(self, factors={name: f.to(device) for name, f in self.factors.items()})

    def cut(self, rank: int | None) -> Change:
        """The same with only the first so many of its ranks; kinds other than LoRA stay as they are."""
        if rank is None or self.kind.name != "LoRA" or "mid" in self.factors:
            return self
        fewer = {"down": self.factors["down"][:rank], "up": self.factors["up"][:, :rank]}
        return replace(self, factors={**self.factors, **fewer})

    def delta(self, weight: Tensor) -> Tensor:
        """Make dW, of the shape of ``weight``, in float32.

        Raises ValueError when the factors are for a layer of another shape.
        """
        weight = weight.float()
        factors = {name: factor.float() for name, factor in self.factors.items()}
        try:
            delta = self.kind.formula(factors, weight) * self.scale
        except RuntimeError as error:
            raise ValueError(f"the factors do not fit one another or the layer ({first_line(error)})") from None
        if delta.numel() != weight.numel() or len(delta) != len(weight):
            raise ValueError(f"the factors make {tuple(delta.shape)}")
        return decomposed(factors, weight, delta.reshape(weight.shape))


def first_line(error: Exception) -> str:
    """The first line of a message."""
    return str(error).partition("\n")[0]


def decomposed(f: Factors, weight: Tensor, delta: Tensor) -> Tensor:
    """DoRA: the direction is that of W + dW, the length m is learnt (Liu et al. 2024, arXiv:2402.09353, eq. 5).

    m has one length per output ("dora_out", PEFT's) or per input (LyCORIS's usual ``dora_scale``), told by its shape.
    """
    if not (name := next((name for name in ("dora_out", "dora") if name in f), None)):
        return delta
    changed, length = weight + delta, f[name]
    over_outputs = name == "dora_out" or (len(length) == len(weight) and length.numel() == len(weight))
    kept = 0 if over_outputs else 1
    shape = [-1 if d == kept else 1 for d in range(weight.ndim)]
    norm = changed.transpose(0, kept).flatten(1).norm(dim=1) + torch.finfo(torch.float32).eps
    if length.numel() != len(norm):
        raise ValueError(f"{length.numel()} lengths for {len(norm)} {'outputs' if kept == 0 else 'inputs'}")
    return changed * (length.flatten() / norm).reshape(shape) - weight
