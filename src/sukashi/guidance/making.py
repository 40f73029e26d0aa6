"""From what is asked for to one denoiser: which branches are asked, which rule they are put together by, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sukashi.diffusion.denoiser import Conditioning, UNetLike, guided
from sukashi.diffusion.types import Denoise, Level
from sukashi.guidance.apg import projected
from sukashi.guidance.cfgpp import plus_plus
from sukashi.guidance.composed import Weighted
from sukashi.guidance.cutoff import cut_off
from sukashi.guidance.nag import attending_away
from sukashi.guidance.negatives import independent, perpendicular
from sukashi.guidance.pag import away_from_perturbed, perturbed
from sukashi.guidance.rule import Branch, Rule, alone, classifier_free, is_one, rescaling, steered
from sukashi.guidance.window import Window, window, windowed
from sukashi.guides import Options


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How a run is guided, whatever its prompts are.

    ``unet`` is the network, ``guard`` what makes a callable of it or of a copy; ``methods`` are those of
    ``sukashi.guides`` by name with their options.
    """

    unet: nn.Module
    guard: Callable[[nn.Module], UNetLike]
    predicts: str
    scale: float
    rescale: float = 0.0
    negative_scale: float | None = None
    methods: Mapping[str, Options] = field(default_factory=dict)

    def denoiser(
        self,
        wanted: Sequence[Weighted],
        empty: Conditioning | None,
        negative: Conditioning | None,
        inside: Window,
        outside: str,
        levels: Sequence[Level],
    ) -> Denoise:
        """The denoiser of a run over ``levels``: the negative prompt holds in the window ``inside``.

        Outside it the empty prompt takes its place (``outside`` 'empty') or there is no guidance ('off'). ``empty`` is
        None for models that need none. Every run wants its own denoiser: some methods remember.
        """
        before_and_after = empty if outside == "empty" else None
        held = windowed(inside, self.make(wanted, empty, negative), self.make(wanted, before_and_after, None))
        if "interval" not in self.methods:
            return held
        off = windowed(inside, self.make(wanted, None, negative), self.make(wanted, None, None))
        asked: Mapping[str, Any] = self.methods["interval"]
        return windowed(window(asked["start"], asked["stop"], levels, "interval"), held, off)

    def make(self, wanted: Sequence[Weighted], empty: Conditioning | None, negative: Conditioning | None) -> Denoise:
        """The denoiser of one stretch, where nothing changes; ``empty`` None: without guidance by a second branch."""
        methods = set(self.methods) - {"interval"}
        one = len(wanted) == 1 and is_one(wanted[0][1])
        apart = negative is not None and empty is not None and self.weighs_apart()
        taken = empty if negative is None or apart or self.negative_scale == 0 or "nag" in methods else negative
        unwanted = taken if empty is not None else None
        if not methods and one and not apart:
            return guided(self.guard(self.unet), self.predicts, wanted[0][0], unwanted, self.scale, self.rescale)
        if self.scale == 1 and one and not apart and "cfg++" not in methods:
            unwanted = None
        branches = self.branches(wanted, unwanted, negative if apart else None, negative)
        if unwanted is None:
            return steered(branches, self.predicts, self.around(alone()))
        if "cfg++" in methods:
            return plus_plus(branches, self.predicts, self.option("cfg++", "scale"))
        rule = self.around(self.rule(apart), self.rescale)
        if "cutoff" in methods:
            return cut_off(branches, self.predicts, rule, self.around(alone()), self.option("cutoff", "similarity"))
        return steered(branches, self.predicts, rule)

    def weighs_apart(self) -> bool:
        """Whether a negative prompt needs a third branch; a scale of s - 1 is plain guidance, and 0 is none."""
        return "perp-neg" in self.methods or self.negative_scale not in (None, 0, self.scale - 1)

    def branches(
        self,
        wanted: Sequence[Weighted],
        unwanted: Conditioning | None,
        apart: Conditioning | None,
        attended: Conditioning | None,
    ) -> list[Branch]:
        """Everything that is asked about one latent; ``attended`` is the negative prompt of NAG."""
        unet, net = self.guard(self.unet), self.unet
        asked = unet
        if "nag" in self.methods and attended is not None:
            scale, tau, alpha = (self.option("nag", key) for key in ("scale", "tau", "alpha"))
            net = attending_away(net, attended.context, scale, tau, alpha)
            asked = self.guard(net)
        found = [Branch("unwanted", unet, unwanted)] if unwanted is not None else []
        found += [Branch("wanted", asked, given, weight) for given, weight in wanted]
        if apart is not None:
            found.append(Branch("negative", unet, apart))
        if "pag" in self.methods:
            damaged = self.guard(perturbed(net, str(self.methods["pag"]["layers"])))
            found += [Branch("perturbed", damaged, given, weight) for given, weight in wanted]
        return found

    def rule(self, apart: bool) -> Rule:
        """How the unwanted, wanted and negative outputs are put together."""
        if apart and "perp-neg" in self.methods:
            return perpendicular(self.scale, self.option("perp-neg", "weight"))
        if apart and self.negative_scale is not None:
            return independent(self.scale, self.negative_scale)
        if "apg" in self.methods:
            eta, norm, momentum = (self.option("apg", key) for key in ("eta", "norm", "momentum"))
            return projected(self.scale, self.predicts, eta, norm, momentum)
        return classifier_free(self.scale)

    def around(self, rule: Rule, rescale: float = 0.0) -> Rule:
        """What is done to the output of any rule: PAG, then rescale, in the order of diffusers."""
        if "pag" in self.methods:
            rule = away_from_perturbed(rule, self.option("pag", "scale"))
        return rescaling(rule, rescale) if rescale else rule

    def option(self, method: str, key: str) -> float:
        """A number that a method was asked for with."""
        return float(self.methods[method][key])
