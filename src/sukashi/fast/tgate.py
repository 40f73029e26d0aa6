"""T-GATE: what the prompt says is settled early, so the later steps go on with what they heard.

Zhang et al. 2024, "Cross-Attention Makes Inference Cumbersome in Text-to-Image Diffusion Models", arXiv:2404.02747,
sec. 4: until the gate step m everything is computed, and the output of every cross-attention is kept, the mean of the
unwanted and the wanted half; from then on it is used in its place, and the U-Net is asked once about a picture instead
of twice. An approximation: docs/benchmarks.md has its error.

>>> pipe("a cat", steps=25, tgate=10)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from sukashi.diffusion.denoiser import Conditioning, UNetLike, guided, plain
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.guidance.window import lowest
from sukashi.nets.shallow import Net, attentions, with_modules


class Gate:
    """One run: whether the gate is closed, how many halves are heard, and the last output of every layer by name."""

    def __init__(self, halves: int) -> None:
        self.halves, self.closed = halves, False
        self.outputs: dict[str, Tensor] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> Gate:
        """The same gate: a copy of the network, in another precision, goes on with the run."""
        return self


class Gated(nn.Module):
    """An attention layer that says again what it said, once the gate is closed."""

    def __init__(self, layer: nn.Module, name: str, gate: Gate) -> None:
        super().__init__()
        self.layer, self.name, self.gate = layer, name, gate

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """X (B, N, C) -> the same shape, as ``nets.unet.Attention``; B counts both halves while the gate is open."""
        kept = self.gate.outputs.get(self.name)
        if self.gate.closed and kept is not None:
            return kept.to(x.dtype)
        out: Tensor = self.layer(x, context)
        self.gate.outputs[self.name] = (
            out if self.gate.closed else out.reshape(self.gate.halves, -1, *out.shape[1:]).mean(0)
        )
        return out


def gated(net: Net, gate: Gate) -> Net:
    """A U-Net that shares its weights, with every cross-attention behind ``gate``."""
    return with_modules(net, {name: Gated(layer, name, gate) for name, layer in attentions(net, to_text=True).items()})


def gating(
    net: Net,
    guard: Callable[[Net], UNetLike],
    predicts: str,
    wanted: Conditioning,
    unwanted: Conditioning | None,
    scale: float,
    rescale: float,
    closing: float,
) -> Denoise:
    """Classifier-free guidance with T-GATE: the gate closes when a level's sigma falls below ``closing``.

    ``guard`` makes a callable of a network. Every run needs its own denoiser.
    """
    if unwanted is None or scale in (0, 1):
        wanted, unwanted = (unwanted if unwanted is not None and scale == 0 else wanted), None
    gate = Gate(1 if unwanted is None else 2)
    unet = guard(gated(net, gate))
    before, after = guided(unet, predicts, wanted, unwanted, scale, rescale), plain(unet, predicts, wanted)

    def denoise(x: Tensor, level: Level) -> Prediction:
        gate.closed = level.sigma < closing
        return (after if gate.closed else before)(x, level)

    return denoise


def closing(tgate: float | str, levels: Sequence[Level], notes: list[str]) -> float:
    """The sigma below which the gate of a run over ``levels`` is closed; ``notes`` says which step that is.

    Raises ValueError for a gate before the first step or after the last.
    """
    sigma = lowest(f"step {tgate}" if isinstance(tgate, int) else tgate, levels, "tgate")
    heard = sum(level.sigma >= sigma for level in levels[:-1])
    if not heard:
        raise ValueError(f"tgate is {tgate!r}, before the first step ends: at least one must hear the prompt")
    note = f"tgate: the prompt is heard in {heard} of {len(levels) - 1} steps, the others are an approximation"
    if note not in notes:
        notes.append(note)
    return sigma
