"""A single-file checkpoint (CompVis, Stability, and what the community makes of them): one file, every network.

The family is recognised from what the header says of a few tensors; then every tensor of that family must be there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sukashi.families import FAMILIES, Family, family_named
from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.weights import names
from sukashi.weights.assemble import assemble, empty
from sukashi.weights.components import VAE_IGNORED, load_text, load_vae
from sukashi.weights.configs import text_config, unet_config, vae_config
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.kinds import kind_of
from sukashi.weights.parts import LoadReport, PartReport, Parts, Request
from sukashi.weights.prediction import Verdict, decide, probe, with_prediction
from sukashi.weights.tensors import TensorFile, open_tensors
from sukashi.weights.vocabulary import embedded_vocabularies, find_vocabulary, open_tokenizers

UNET = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
CONFIGS = "sukashi.configs"  # metadata: the json configs of a file that ``convert`` wrote
METADATA_KEYS = ("scheduler", "low_res_scheduler", "size", "max_noise_level", "zero_empty_prompt")

# Names that training left in the file, and why none of them is needed.
IGNORED = {
    "averaged (EMA) copies": r"^model_ema\.",
    "the noise schedule, which is computed": r"^(betas|alphas_cumprod\w*|sqrt_\w+|log_one_minus_\w+|posterior_\w+"
    r"|logvar|lvlb_weights|scale_factor)$|^(low_scale_model|denoiser)\.",
    "marks, which have been read": r"^(v_pred|ztsnr)$",
    "a depth estimator": r"^depth_model\.",
    "counters": r"^(global_step|epoch|iteration)$",
}


class Facts(NamedTuple):
    """What a header says that tells families apart."""

    in_channels: int
    context_dim: int
    extra: tuple[int, ...]  # the shape of the embedding added to the time's, () without one


def facts_of(file: TensorFile) -> Facts:
    """Read the facts; raises ``CheckpointError`` for a file that has no U-Net, saying what it is instead."""
    first = f"{UNET}input_blocks.0.0.weight"
    if first not in file:
        kind = kind_of(file)
        some = ", ".join(list(file)[:3]) or "no tensors"
        raise CheckpointError(
            f"{file.where} is {kind}, not a checkpoint"
            if kind
            else f"{file.where} is not a Stable Diffusion checkpoint: it has no {first}; it has {some}"
        )
    context = next((s.shape[1] for n, s in file.items() if n.startswith(UNET) and n.endswith("attn2.to_k.weight")), 0)
    extra = file.get(f"{UNET}label_emb.weight") or file.get(f"{UNET}label_emb.0.0.weight")
    return Facts(file[first].shape[1], context, extra.shape if extra else ())


def facts_for(family: Family) -> Facts:
    """What the header of such a family says."""
    unet = family.unet
    extra = (unet.noise_levels, unet.time_dim) if unet.noise_levels else ()
    extra = (unet.time_dim, unet.pooled_dim) if unet.pooled_dim else extra
    return Facts(unet.in_channels, unet.context_dim, extra)


def recognise(file: TensorFile) -> Family:
    """The family of a file: what its own metadata says, or the row of the table that has its facts."""
    facts = facts_of(file)
    written = [from_metadata(file)] if CONFIGS in file.metadata else []  # a merge may have kept it from another model
    for family in (*written, *FAMILIES.values()):
        if facts_for(family) == facts:
            return family
    known = "; ".join(f"{name} {tuple(facts_for(family))}" for name, family in FAMILIES.items())
    raise CheckpointError(
        f"{file.where} is of no family known here: its (input channels, context width, extra embedding) are "
        f"{tuple(facts)}; known are {known}"
    )


def from_metadata(file: TensorFile) -> Family:
    """The family with the configs that ``convert`` wrote into the header."""
    try:
        configs = json.loads(file.metadata[CONFIGS])
        row = family_named(configs["family"])
        return replace(
            row,
            unet=unet_config(configs["unet"]),
            vae=vae_config(configs["vae"], row.vae),
            text=tuple(map(text_config, configs["text"])),
            **{key: configs[key] for key in METADATA_KEYS},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file.where}: the metadata {CONFIGS} cannot be used: {error}") from None


def text_prefix(family: Family, i: int, style: str) -> str:
    """What the names of the i-th text encoder begin with; ``style`` is "clip" or "open_clip"."""
    root = f"conditioner.embedders.{i}." if family.unet.pooled_dim else "cond_stage_model."
    return root + {"clip": "transformer.", "open_clip": "model."}[style]


def vae_beside(path: Path) -> Path | None:
    """The autoencoder beside a checkpoint under its name (``model.vae.safetensors``), as AUTOMATIC1111 has it."""
    return next(
        (p for ending in ("safetensors", "pt", "ckpt") if (p := path.with_suffix(f".vae.{ending}")).is_file()), None
    )


def load_single_file(path: Path, request: Request, family: Family | None = None) -> Parts:
    """Load a whole checkpoint file; a VAE or text encoders of the request replace those in the file.

    Raises ``CheckpointError`` where the file is of an unknown kind, where tensors do not fit, and where it has been
    pruned of a network that the request does not supply.
    """
    file = open_tensors(path)
    family = recognise(file) if family is None else family
    config = family.unet
    notes: list[str] = []
    unet = empty(lambda: UNet(config))
    unet_part = file.under(UNET)
    reports = [assemble(unet, unet_part, names.unet_places(family.unet), part="unet", hold=request.hold)]
    vae, vae_report = file_vae(file, path, family, request, notes)
    texts = [file_text(file, family, i, request) for i in range(len(family.text))]
    reports += [vae_report, *(report for _, report in texts)]
    family, evidence = settle(family, file, path, unet, request)

    ours = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "conditioner.")
    outside = [name for name in file if not name.startswith(ours)]
    strangers = [name for name in outside if not any(re.search(mark, name) for mark in IGNORED.values())]
    if strangers:
        notes.append(f"{len(strangers)} tensors belong to no network of this family: {', '.join(strangers[:3])}")
    vocabularies = None if request.vocabulary else embedded_vocabularies(file.metadata, family)
    if vocabularies is None:
        vocabularies, words = find_vocabulary(
            family, beside=path.parent, named=request.vocabulary, offline=request.offline
        )
        notes.append(words)
    report = LoadReport.of(request, family, evidence, tuple(reports), outside, notes)
    return Parts(family, unet, vae, tuple(t for t, _ in texts), open_tokenizers(vocabularies), report)


def file_vae(
    file: TensorFile, path: Path, family: Family, request: Request, notes: list[str]
) -> tuple[VAE, PartReport]:
    """The autoencoder: the one asked for, the file's own, or the one beside it."""
    own = file.under(VAE_PREFIX)
    beside = vae_beside(path)
    if request.vae or (not own and beside):
        source = request.vae or beside
        assert source is not None
        if not request.vae:
            notes.append(f"the file has no VAE; {source.name}, which lies beside it, is used")
        return load_vae(source, family.vae, request.hold)
    if not own:
        raise CheckpointError(f"{path} has no VAE (no {VAE_PREFIX}...): it was pruned; name one (vae=...)")
    if beside:
        notes.append(f"{beside.name} lies beside the file but is not used; name it (vae=...) to have it")
    vae = empty(lambda: VAE(family.vae))
    places = names.vae_places(family.vae)
    return vae, assemble(vae, own, places, part="vae", hold=request.hold, ignore=VAE_IGNORED)


def file_text(file: TensorFile, family: Family, i: int, request: Request) -> tuple[CLIPText, PartReport]:
    """The i-th text encoder: the one asked for, or the file's own."""
    part, config = f"text_encoder{'_2' * (i == 1)}", family.text[i]
    if i < len(request.text_encoders):
        return load_text(request.text_encoders[i], config, request.hold, part)
    style = family.text_names[i]
    prefix = text_prefix(family, i, style)
    own = file.under(prefix)
    if not own:
        raise CheckpointError(
            f"{file.where} has no text encoder (no {prefix}...): it was pruned; name one (text_encoder=...)"
        )
    if style == "clip":
        places, ignore = names.clip_places(prefix), names.TEXT_IGNORED.replace("^", "^" + re.escape(prefix))
    else:
        places, ignore = names.open_clip_places(prefix), names.open_clip_ignored(prefix, config)
    text = empty(lambda: CLIPText(config))
    return text, assemble(text, own, places, part=part, hold=request.hold, ignore=ignore)


def settle(family: Family, file: TensorFile, path: Path, unet: UNet, request: Request) -> tuple[Family, str]:
    """The family with its prediction type decided, and the evidence for it."""
    verdict = decide(family, argument=request.prediction_type, names=marks(file), metadata=file.metadata, path=path)
    if verdict is None and family.name in ("sd2", "sd2-v"):
        verdict = probe(unet)
    if verdict is None:
        verdict = Verdict(family.predicts, f"the default of {family.name}: nothing in or beside the file says")
    kin = FAMILIES["sd2-v" if verdict.predicts == "v_prediction" else "sd2"]
    if family.name in ("sd2", "sd2-v") and family.name != kin.name:
        size = kin.size if family.size == FAMILIES[family.name].size else family.size
        family = replace(kin, unet=family.unet, vae=family.vae, text=family.text, size=size)
    return replace(family, scheduler=with_prediction(family.scheduler, verdict)), verdict.evidence


def marks(file: Iterable[str]) -> set[str]:
    """The names in a file that are there to say something, not to hold weights."""
    return {"v_pred", "ztsnr"} & set(file)
