"""Where the words of a prompt are looked for in a picture: DAAM.

Tang et al. 2022, "What the DAAM: Interpreting Stable Diffusion Using Cross Attention", arXiv:2210.04885, sec. 2.2: the
cross-attention of all steps, layers and heads, brought to the size of the latent and summed. As in the authors' code:
the middle block and maps at an eighth of the latent are left out, maps are brought up by bicubic interpolation and
clipped at 0 after they are summed over the steps, and layers and heads are averaged (the paper sums; only a factor).

Letters: T rows of the context, K of them that are no padding, H W height and width of the latent, h w of one layer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.nets.tokenizer import Tokenizer
from sukashi.watch.words import Spelling, Word, ids_of

SIDES = ("positive", "negative")
KEEPS = ("sum", "steps", "all")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What was seen of one text: maps of its K rows, and last the sum over its padding."""

    spelling: Spelling
    sums: dict[str, Tensor] = field(default_factory=dict)  # layer -> (heads, K + 1, h, w), summed over the calls
    steps: dict[int, Tensor] = field(default_factory=dict)  # step -> (K + 1, H, W), summed over layers and heads
    every: dict[int, dict[str, Tensor]] = field(default_factory=dict)  # step -> layer -> (heads, K + 1, h, w)

    def columns(self, places: Iterable[int]) -> list[int]:
        """Where the maps of places stand; all padding is the last."""
        kept = self.spelling.kept
        return list(dict.fromkeys(kept.index(place) if place in kept else len(kept) for place in places))

    def add(self, step: int, layers: Mapping[str, Tensor], size: tuple[int, int], keep: str) -> None:
        """Add one call's maps: layer -> (heads, K + 1, h, w)."""
        for name, maps in layers.items():
            accumulate(self.sums, name, maps)
            if keep == "all":
                accumulate(self.every.setdefault(step, {}), name, maps)
        if keep != "sum":
            large = [brought(layers[name], size).sum(dim=0) for name in published(layers, size)]
            if large:
                accumulate(self.steps, step, torch.stack(large).sum(dim=0))


def accumulate(table: dict[str, Tensor] | dict[int, Tensor], key: str | int, maps: Tensor) -> None:
    """Add to what is there."""
    known: dict[str | int, Tensor] = table  # type: ignore[assignment]  # of one kind of key
    known[key] = known[key] + maps if key in known else maps


def brought(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, K, h, w) -> (B, K, H, W): bicubic, clipped at 0."""
    return F.interpolate(maps, size=size, mode="bicubic").clamp(min=0)


def published(layers: Mapping[str, Tensor], size: tuple[int, int]) -> list[str]:
    """The layers whose maps DAAM takes: of the ways down and up, and none at an eighth of the latent."""
    return [
        name
        for name, maps in layers.items()
        if name.endswith("attn2") and "mid_block" not in name and size[0] < 8 * maps.shape[2]
    ]


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What was attended to in one picture of a run. Maps are (H, W), the size of the latent, float32 on the CPU.

    ``notes`` say what was left out.
    """

    tokenizer: Tokenizer
    size: tuple[int, int]  # H, W
    keep: str  # one of KEEPS
    sheets: dict[str, list[Sheet]] = field(default_factory=lambda: {side: [] for side in SIDES})
    strengths: dict[int, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))  # step -> side -> S
    notes: list[str] = field(default_factory=list)

    def words(self, side: str = "positive") -> list[Word]:
        """The words of a side in order; of a prompt that changes or is several, those of all its texts."""
        return [word for sheet in self._sheets(side) for word in sheet.spelling.words]

    @property
    def layers(self) -> dict[str, tuple[int, int]]:
        """The cross-attention layers by name, with the (h, w) of their maps."""
        found = {name: maps for sheets in self.sheets.values() for sheet in sheets for name, maps in sheet.sums.items()}
        return {name: (maps.shape[2], maps.shape[3]) for name, maps in found.items()}

    @property
    def heads(self) -> dict[str, int]:
        """How many heads each layer has."""
        found = {name: maps for sheets in self.sheets.values() for sheet in sheets for name, maps in sheet.sums.items()}
        return {name: len(maps) for name, maps in found.items()}

    @property
    def steps(self) -> list[int]:
        """The steps, from 0, that maps are kept of."""
        return sorted({step for sheets in self.sheets.values() for sheet in sheets for step in sheet.steps})

    def sheet(self, side: str, spelling: Spelling) -> Sheet:
        """What was seen of a text; a new sheet where nothing was."""
        found = next((one for one in self.sheets[side] if one.spelling.text == spelling.text), None)
        if found is None:
            self.sheets[side].append(found := Sheet(spelling=spelling))
        return found

    def _repr_html_(self) -> str:
        from sukashi.watch.display import maps_html

        return maps_html(self)

    def word(
        self,
        word: str | int,
        side: str = "positive",
        step: int | None = None,
        layer: str | None = None,
        head: int | None = None,
    ) -> Tensor:
        """The map of a word (H, W): the mean over its tokens wherever it stands, or with a number that of words()[k].

        Without ``layer`` the layers that DAAM takes; ``layer`` is a part of names ("up_blocks.1", "mid") or a size
        ("16x16"). ``step`` (from 0) is one step instead of the sum over all, ``head`` one head of each layer. Several
        words in one string must stand one behind the other. Raises ValueError for what is not there.
        """
        total = torch.zeros(self.size)
        found = False
        for sheet, places in self.where(word, side):
            if (maps := self._seen(sheet, places, step, layer, head)) is not None:
                total, found = total + maps.mean(dim=0).cpu(), True
        if not found:
            raise ValueError(f"nothing was attended to on the {side} side in step {step}; there are steps {self.steps}")
        return total

    def place(
        self,
        place: int,
        side: str = "positive",
        step: int | None = None,
        layer: str | None = None,
        head: int | None = None,
    ) -> Tensor:
        """The map of one row of the context of the side's first text, as ``word``; all padding shares one map."""
        sheet = self._first(side)
        if not 0 <= place < len(sheet.spelling.rows):
            raise ValueError(f"place is {place}; the context has {len(sheet.spelling.rows)} rows, counted from 0")
        maps = self._seen(sheet, [place], step, layer, head)
        if maps is None:
            raise ValueError(f"nothing was attended to on the {side} side in step {step}; there are steps {self.steps}")
        return maps[0].cpu()

    def share(self, word: str | int, side: str = "positive") -> list[float]:
        """For every step the part (0..1) of all attention to the text that goes to a word, all its tokens together."""
        found = []
        for step in self.steps:
            own = whole = 0.0
            for sheet, places in self.where(word, side):
                if step in sheet.steps:
                    mass = sheet.steps[step].sum(dim=(1, 2))
                    own += float(mass[sheet.columns(places)].sum())
                    whole += float(mass.sum())
            found.append(own / whole if whole else math.nan)
        return found

    def shares(self, side: str = "positive") -> dict[str, list[float]]:
        """For every step the part of the attention that goes to the start, the words, the ends and the padding."""
        sheet = self._first(side)
        kinds = [row.kind for row in sheet.spelling.rows if row.kind != "pad"] + ["pad"]
        found: dict[str, list[float]] = {kind: [] for kind in ("start", "word", "end", "pad")}
        for step in sorted(sheet.steps):
            mass = sheet.steps[step].sum(dim=(1, 2))
            for kind, values in found.items():
                values.append(float(mass[[k for k, one in enumerate(kinds) if one == kind]].sum() / mass.sum()))
        return found

    def ratio(self) -> list[float | None]:
        """For every step the strength of the attention to the negative prompt over that to the prompt.

        Ban et al. 2024, arXiv:2406.02965, sec. 3: see ``guidance.strength``. None where one of the two was not asked;
        without a negative prompt the empty one stands for it.
        """
        pairs = [self.strengths.get(step, {}) for step in self.steps]
        return [pair["negative"] / pair["positive"] if len(pair) == 2 else None for pair in pairs]

    @property
    def critical_step(self) -> int | None:
        """The step, from 0, where ``ratio`` is highest; None without a negative prompt or a peak before the end."""
        known = [(ratio, -step) for step, ratio in zip(self.steps, self.ratio(), strict=True) if ratio is not None]
        if not known or not any(sheet.spelling.words for sheet in self.sheets["negative"]):
            return None
        best = -max(known)[1]
        return best if best < self.steps[-1] else None

    def _sheets(self, side: str) -> Sequence[Sheet]:
        if side not in SIDES:
            raise ValueError(f"side is {side!r}; accepted: {', '.join(SIDES)}")
        return self.sheets[side]

    def _first(self, side: str) -> Sheet:
        sheets = self._sheets(side)
        if not sheets:
            raise ValueError(f"the U-Net was not asked about the {side} side: there are no maps of it")
        return sheets[0]

    def where(self, word: str | int, side: str = "positive") -> Sequence[tuple[Sheet, Sequence[int]]]:
        """The places of a word in each text of a side that has it. Raises ValueError where none has."""
        self._first(side)
        if isinstance(word, int):
            numbered = [(sheet, one.places) for sheet in self.sheets[side] for one in sheet.spelling.words]
            if not 0 <= word < len(numbered):
                raise ValueError(f"word is {word}; the {side} prompt has {len(numbered)}, counted from 0")
            return [numbered[word]]
        ids = ids_of(self.tokenizer, word)
        found = [(sheet, places) for sheet in self.sheets[side] if (places := sheet.spelling.find(ids))]
        if not found:
            known = ", ".join(dict.fromkeys(one.text for one in self.words(side))) or "none"
            raise ValueError(f"the {side} prompt has no word {word!r}; its words are: {known}")
        return found

    def _seen(
        self, sheet: Sheet, places: Sequence[int], step: int | None, layer: str | None, head: int | None
    ) -> Tensor | None:
        """Maps (places, H, W) of rows of a text; None where nothing was seen in that step."""
        columns = sheet.columns(places)
        if step is not None and layer is None and head is None and self.keep != "sum":
            if step not in sheet.steps:
                return None
            return sheet.steps[step][columns] / sum(len(sheet.sums[k]) for k in published(sheet.sums, self.size))
        if step is not None and self.keep != "all":
            raise ValueError(f"maps of one step, layer and head need attention(pipe, keep='all'); kept: {self.keep!r}")
        layers = sheet.sums if step is None else sheet.every.get(step)
        if layers is None:
            return None
        names = self._chosen(layers, layer)
        if head is not None and any(not 0 <= head < len(layers[name]) for name in names):
            most = min(len(layers[name]) for name in names)
            raise ValueError(f"head is {head}; each of these layers has at least {most}, counted from 0")
        heads = slice(None) if head is None else slice(head, head + 1)
        large = [brought(layers[name][heads][:, columns], self.size) for name in names]  # (heads, places, H, W) each
        return torch.cat(large).mean(dim=0)

    def _chosen(self, layers: Mapping[str, Tensor], layer: str | None) -> list[str]:
        if layer is None:
            return published(layers, self.size)
        sizes = {name: f"{maps.shape[2]}x{maps.shape[3]}" for name, maps in layers.items()}
        names = [name for name in layers if sizes[name] == layer] or [name for name in layers if layer in name]
        if not layer or not names:
            raise ValueError(f"no cross-attention in layers {layer!r}; the layers are {', '.join(layers)}")
        return names
