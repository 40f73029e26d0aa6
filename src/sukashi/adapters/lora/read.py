"""A file of LoRAs -> the changes in it, by the file's own names of the layers. No model is needed yet."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sukashi.adapters.lora.formulas import KINDS, Change
from sukashi.adapters.lora.peft_config import Scales, read_scales
from sukashi.weights.embeddings import Embedding
from sukashi.weights.errors import CheckpointError
from sukashi.weights.kinds import kind_of
from sukashi.weights.pickle_reader import read_pickle
from sukashi.weights.tensors import is_pickle, open_tensors

ADAPTER = r"(?:\.(?!weight|bias)\w+)?"  # PEFT writes the name of its adapter between the two: lora_A.default.weight
ENDINGS = (  # what a name ends in, which factor that is ("" takes the group), whose spelling it is
    (r"\.lora_(down|up|mid)\.weight", "", "Kohya"),
    (r"(?:\.lora|_lora|\.lora_linear_layer)\.(down|up)\.weight", "", "diffusers"),
    (rf"\.lora_A{ADAPTER}(?:\.weight)?", "down", "PEFT"),
    (rf"\.lora_B{ADAPTER}(?:\.weight)?", "up", "PEFT"),
    (rf"\.lora_B{ADAPTER}\.bias", "bias", "PEFT"),
    (rf"\.lora_magnitude_vector{ADAPTER}(?:\.weight)?", "dora_out", "PEFT"),
    (r":(down|up)", "", "cloneofsimo"),
    (rf"\.(hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2)){ADAPTER}", "", ""),
    (r"\.(diff)", "", ""),
    (r"\.diff_b", "bias", ""),
    (r"\.w_norm", "diff", ""),
    (r"\.b_norm", "bias", ""),
    (r"\.oft_blocks", "blocks", ""),
    (r"\.([ab][12])\.weight", "", ""),
    (r"\.on_input", "on_input", ""),
    (r"\.dora_scale", "dora", ""),
    (r"\.(alpha|scale|rescale)", "", ""),
    (r"\.weight", "vector", ""),  # of IA3, beside on_input
)
PATTERNS = [(re.compile(pattern + "$"), factor, layout) for pattern, factor, layout in ENDINGS]
REFUSED = {  # kinds that are known and not computed here
    r"\.oft_(R|r|diag)\b": "an OFT of PEFT's or LyCORIS's first kind",
    r"\.boft_(R|s)\b": "a BOFT",
    r"\.ia3_l\b": "an IA3 of PEFT's kind",
    r"\.vera_lambda": "a VeRA",
    r"\.bm\.weight$": "a GLoRA of Tucker's kind",
    r"\.lora_embedding_[AB]": "a LoRA of a token embedding",
}
NOBODY_SAID = Scales({})
BUNDLED = re.compile(r"bundle_emb\.(.+?)\.(?:string_to_param\.\*|emb_params|clip_[lg])$")


@dataclass(frozen=True)
class LoraFile:
    """What a file holds: changes by its own names of the layers, and the words that some files bring along."""

    source: str
    layers: Mapping[str, Change]
    tensors: Mapping[str, tuple[str, ...]]  # the names of each layer's tensors
    unknown: tuple[str, ...]  # names of tensors that belong to no change
    words: tuple[Embedding, ...]
    layouts: tuple[str, ...]  # whose spelling: "Kohya", "diffusers", "PEFT", "cloneofsimo", "LyCORIS"
    metadata: Mapping[str, str]


def read_lora(path: str | Path) -> LoraFile:
    """Read a file by anyone of the common trainers; tensors of a safetensors file stay mapped.

    Raises ``CheckpointError`` in one sentence for a file that is damaged, that holds something else, or whose kind is
    known but not computed here; ``PickleError`` for a pickle that wants more than tensors.
    """
    path = Path(path)
    tensors, metadata = content(path)
    return lora_of(tensors, metadata, str(path), read_scales(path, metadata))


def lora_of(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], source: str, scales: Scales = NOBODY_SAID
) -> LoraFile:
    """The same of tensors by name; ``source`` is what messages call them. Raises ``CheckpointError`` as above."""
    for pattern, kind in REFUSED.items():
        if name := next((name for name in tensors if re.search(pattern, name)), None):
            raise CheckpointError(f"{source} is {kind} ({name}), which is not supported")
    if any(name.endswith(".oft_blocks") and t.ndim == 4 for name, t in tensors.items()):
        raise CheckpointError(f"{source} is a BOFT (blocks of four dimensions), which is not supported")
    words = words_in(tensors, metadata, source)
    taken = {name for name in tensors if BUNDLED.match(name) or metadata.get(name) == "<embed>"}
    factors: dict[str, dict[str, Tensor]] = defaultdict(dict)
    names: dict[str, list[str]] = defaultdict(list)
    layouts: list[str] = []
    unknown: list[str] = []
    for name in (name for name in tensors if name not in taken):
        if (found := ending(name)) is None:
            unknown.append(name)
            continue
        stem, factor, layout = found
        factors[stem][factor] = tensors[name]
        names[stem].append(name)
        layout = layout or {"lora": "Kohya", "lycoris": "LyCORIS"}.get(stem.partition("_")[0], "")
        layouts += [layout] if layout and layout not in layouts else []
    layers: dict[str, Change] = {}
    for stem, own in factors.items():
        if change := change_of(stem, own, scales):
            layers[stem] = change
        else:
            unknown += names[stem]
    if not layers:
        raise CheckpointError(f"{source} {what_else(tensors)}", unexpected=unknown)
    tensors_of = {stem: tuple(names[stem]) for stem in layers}
    return LoraFile(source, layers, tensors_of, tuple(unknown), words, tuple(layouts), metadata)


def content(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """Tensors by name, and the text beside them; a bare list of pairs is named as in its safetensors form."""
    if path.is_file() and path.suffix != ".safetensors" and is_pickle(path):
        value = read_pickle(path)
        if isinstance(value, list) and value and all(isinstance(t, Tensor) and t.ndim == 2 for t in value):
            if len(value) % 2:
                raise CheckpointError(f"{path} holds a list of {len(value)} tensors, not pairs of up and down")
            part = "unet" if len({t.shape for t in value}) > 2 else "text_encoder"
            return {f"{part}:{i // 2}:{('up', 'down')[i % 2]}": t for i, t in enumerate(value)}, {}
    file = open_tensors(path)
    return {name: stored.read() for name, stored in file.items()}, file.metadata


def ending(name: str) -> tuple[str, str, str] | None:
    """The layer, the factor and the layout that a tensor's name tells, or None."""
    for pattern, factor, layout in PATTERNS:
        if match := pattern.search(name):
            return name[: match.start()], factor or match[1], layout
    return None


def change_of(stem: str, own: Mapping[str, Tensor], scales: Scales) -> Change | None:
    """The change that a layer's tensors make, or None where some are missing or too many."""
    own = dict(own)
    alpha = float(own.pop("alpha")) if "alpha" in own else None
    scale = float(own.pop("scale")) if "scale" in own else None
    if "on_input" in own and "vector" in own:
        own["over_inputs" if bool(own.pop("on_input")) else "over_outputs"] = own.pop("vector")
    if "blocks" in own and alpha is not None:  # OFT keeps its bound under that name
        own["bound"], alpha = torch.tensor(alpha), None
    kind = next((k for k in KINDS if {*k.needs} <= own.keys() <= {*k.needs, *k.may}), None)
    if kind is None:
        return None
    rank = kind.rank(own)
    if alpha is None and (told := scales.of(stem, rank)):
        alpha, scale = told
    if scale is None:
        scale = alpha / rank if alpha and rank and kind.has_alpha else 1.0
    return Change(kind, own, scale, alpha)


def words_in(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], source: str) -> tuple[Embedding, ...]:
    """The words that come with the file: cloneofsimo's "<s1>", A1111's "bundle_emb.NAME...."."""
    vectors: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        if match := BUNDLED.match(name):
            vectors[match[1]][name] = tensor
        elif metadata.get(name) == "<embed>":
            vectors[name][name] = tensor

    def ordered(own: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The first text encoder's vectors first."""
        return tuple(own[k].reshape(-1, own[k].shape[-1]) for k in sorted(own, key=lambda k: k.endswith("clip_g")))

    return tuple(Embedding(word, ordered(own), "beside a LoRA", source) for word, own in vectors.items())


def what_else(tensors: Mapping[str, Tensor]) -> str:
    """What a file is that holds no LoRA."""
    kind = kind_of(tensors)
    if kind == "a LoRA":
        return "is a LoRA, but its tensors have names of no trainer known here (a conversion gone wrong?)"
    if kind:
        return f"is {kind}, not a LoRA"
    some = ", ".join(list(tensors)[:3]) or "no tensors"
    return f"is not a LoRA of a kind known here: it holds {len(tensors)} tensors ({some})"
