"""Recipes of ComfyUI: found by following the graph back from the node that samples."""

from __future__ import annotations

import re
from typing import Any

from sukashi.metadata.comfygraph import Graph, Link
from sukashi.metadata.recipe import Fields, Lora, MetadataError, Recipe

_TEXTS = ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt")  # inputs of nodes that encode text
_MODELS = ("ckpt_name", "unet_name", "model_name", "model_path")
MAX_NODES = 2000
_EMBEDDING = re.compile(r"embedding:([^\s,:()]+)")


def read_comfyui(nodes: dict[str, Any], where: str) -> Recipe:
    """The recipe in the ``prompt`` graph of a ComfyUI picture.

    Of several sampling nodes the first in the chain gives the recipe; all are listed in ``raw["passes"]``. Sampler
    names lose the "sample_" that early versions put before them, prompts the white space around them.
    """
    graph = Graph(nodes)
    count = len(graph.nodes)
    if count > MAX_NODES:
        raise MetadataError(f"the ComfyUI graph of {where} has {count:,} nodes; at most {MAX_NODES:,} are read")
    before = {node: graph.upstream(node) for node in graph.nodes if _samples(graph, node)}
    if not before:
        kinds = ", ".join(sorted({graph.kind(node) for node in graph.nodes})[:12])
        raise MetadataError(f"the ComfyUI graph of {where} has no node that we know to sample; it has {kinds}")
    rank = {node: len(before.keys() & others) for node, others in before.items()}
    order = sorted(rank, key=lambda node: rank[node])
    recipes: list[dict[str, Any]] = []
    for node in order:
        graph.about = f"node {node}: " if recipes else ""
        recipes.append(_read_pass(graph, node))
    first, graph.about = recipes[0], ""
    if len(order) > 1:
        graph.note(f"{len(order)} nodes sample; this is the recipe of {graph.name(order[0])}, all are in raw.passes")
    if sum(1 for count in rank.values() if count == 0) > 1:
        graph.note("several of them start on their own; which of them made this picture is not recorded")
    raw = {"prompt": nodes} | ({"passes": recipes} if len(recipes) > 1 else {})
    notes = (*first.pop("notes"), *graph.notes)
    for recipe in recipes[1:]:
        recipe.pop("notes")
    embeddings = _EMBEDDING.findall(f"{first['prompt']}, {first['negative_prompt']}")
    loras = tuple(Lora(**lora) for lora in first["loras"])
    values = {key: value for key, value in first.items() if key not in ("node", "loras")}
    return Recipe(
        tool="ComfyUI", **values, loras=loras, embeddings=tuple(dict.fromkeys(embeddings)), raw=raw, notes=notes
    )


def _samples(graph: Graph, node: str) -> bool:
    links = graph.links(node)
    return "latent_image" in links and ("positive" in links or "guider" in links)


def _read_pass(graph: Graph, node: str) -> dict[str, Any]:
    """One sampling node as JSON values, in the words of ``Recipe``."""
    guider = (graph.source(node, "guider") or (node, 0))[0]
    noise = (graph.source(node, "noise") or (node, 0))[0]
    sigmas = (graph.source(node, "sigmas") or (node, 0))[0]
    chooser = (graph.source(node, "sampler") or (node, 0))[0]
    scheduler = graph.value(sigmas, "scheduler")
    if scheduler is None and sigmas != node:  # KarrasScheduler, SDTurboScheduler, ... name the schedule themselves
        scheduler = graph.kind(sigmas).removesuffix("Scheduler")
    sampler = graph.value(chooser, "sampler_name")
    if sampler is None and chooser != node:  # SamplerDPMPP_2M_SDE, ...
        sampler = graph.kind(chooser)
    fields = Fields(
        {
            "seed": graph.value(noise, "seed", "noise_seed"),
            "steps": graph.value(sigmas, "steps"),
            "cfg": graph.value(guider, "cfg"),
            "denoise": graph.value(sigmas, "denoise"),
        }
    )
    positive = graph.source(guider, "positive") or graph.source(guider, "conditioning")
    texts, encoders = _texts(graph, positive, "positive")
    negatives, _ = _texts(graph, graph.source(guider, "negative"), "negative")
    model, loras = _model(graph, graph.source(guider, "model") or graph.source(node, "model"))
    width, height, from_picture = _size(graph, graph.source(node, "latent_image"))
    strength = fields.real("denoise")
    for key in ("start_at_step", "end_at_step"):
        if key in graph.inputs(node):
            graph.note(f"{graph.name(node)} has {key} {graph.inputs(node)[key]}")
    return {
        "node": node,
        "prompt": "\n".join(texts),
        "negative_prompt": "\n".join(negatives),
        "steps": fields.whole("steps"),
        "guidance": fields.real("cfg"),
        "sampler": str(sampler).removeprefix("sample_") if sampler is not None else None,
        "grid": str(scheduler) if scheduler is not None else None,
        "seed": fields.whole("seed"),
        "width": width,
        "height": height,
        "model": model,
        "clip_skip": _clip_skip(graph, encoders),
        "denoising_strength": strength if from_picture or strength not in (None, 1.0) else None,
        "loras": loras,
        "notes": fields.notes,
    }


def _texts(graph: Graph, link: Link | None, side: str) -> tuple[list[str], list[str]]:
    """The texts behind a conditioning, one per encoding node, and those nodes. Combined prompts give several."""
    texts: list[str] = []
    encoders: list[str] = []
    passed: dict[str, None] = {}
    waiting, seen = [link] if link else [], set[Link]()
    while waiting:
        link = waiting.pop()
        if link in seen:
            continue
        seen.add(link)
        node, links = link[0], graph.links(link[0])
        if graph.kind(node) == "ConditioningZeroOut":
            graph.note(f"the {side} conditioning is set to zero, which no text does")
            continue
        found = [graph.value(node, key) for key in _TEXTS if key in graph.inputs(node)]
        words = list(dict.fromkeys(text for text in found if isinstance(text, str)))
        if words or found:
            texts.append("\n".join(words).strip())
            encoders.append(node)
            if len(words) > 1:
                graph.note(f"{graph.name(node)} gives its text encoders different texts; they are joined by lines")
            continue
        if "positive" in links and "negative" in links:  # e.g. a ControlNet: output 0 is positive, 1 negative
            following = [links["negative" if link[1] == 1 else "positive"]]
        else:
            following = [source for key, source in links.items() if key.startswith("cond")]
        if not following and len(links) == 1:
            following = list(links.values())
        if not following:
            graph.note(f"the {side} prompt comes from {graph.name(node)}, which was not followed")
        passed[graph.kind(node)] = None
        waiting += reversed(following)
    if len(texts) > 1:
        graph.note(f"the {side} prompt is made of {len(texts)} texts, given here one per line")
    if passed := {kind: None for kind in passed if kind != "Reroute"}:
        graph.note(f"the {side} prompt goes through {', '.join(passed)}; only its text is read")
    return texts, encoders


def _model(graph: Graph, link: Link | None) -> tuple[str | None, list[dict[str, Any]]]:
    """The checkpoint and the LoRAs put on it, in the order in which they are put on."""
    loras: list[dict[str, Any]] = []
    last = None
    for last in graph.walk(link, "model"):
        found = _loras(graph, last)
        if not found and "lora" in graph.kind(last).lower():
            graph.note(f"{graph.name(last)} was not understood")
        loras = found + loras
        if name := graph.value(last, *_MODELS):
            return str(name), loras
        if "model1" in graph.links(last):
            graph.note(f"the model is merged by {graph.name(last)}, which was not followed")
    if last:
        graph.note(f"no model file was found: the last node before the sampler's model is {graph.name(last)}")
    return None, loras


def _loras(graph: Graph, node: str) -> list[dict[str, Any]]:
    inputs = graph.inputs(node)
    found = []
    if isinstance(inputs.get("lora_name"), str):
        item = Fields({key: graph.value(node, key) for key in ("strength_model", "strength_clip")})
        found.append((inputs["lora_name"], item.real("strength_model"), item.real("strength_clip")))
    for value in inputs.values():  # rgthree's Power Lora Loader
        if isinstance(value, dict) and isinstance(value.get("lora"), str) and value.get("on", True):
            weight = Fields(value).real("strength")
            found.append((value["lora"], weight, weight))
    return [{"name": n, "weight": w, "clip_weight": None if c == w else c} for n, w, c in found]


def _clip_skip(graph: Graph, encoders: list[str]) -> int | None:
    for encoder in encoders[:1]:
        for node in graph.walk(graph.source(encoder, "clip"), "clip"):
            layer = Fields({"layer": graph.inputs(node).get("stop_at_clip_layer")}).whole("layer")
            if layer is not None:
                return -layer
    return None


def _size(graph: Graph, link: Link | None) -> tuple[int | None, int | None, bool]:
    """Width and height of the latent, and whether it was made from a picture (or from an earlier pass)."""
    from_picture = False
    for node in graph.walk(link, "samples", "latent_image"):
        inputs = graph.inputs(node)
        from_picture = from_picture or _samples(graph, node)
        if "width" in inputs and "height" in inputs:
            size = Fields({key: graph.value(node, key) for key in ("width", "height")})
            batch = inputs.get("batch_size")
            if isinstance(batch, int) and batch > 1:
                graph.note(f"one of a batch of {batch} from one seed; which of them is not recorded")
            return size.whole("width"), size.whole("height"), from_picture or "samples" in graph.links(node)
        if pixels := graph.source(node, "pixels"):
            loaders = (graph.inputs(n).get("image") for n in [pixels[0], *sorted(graph.upstream(pixels[0]))])
            name = next((image for image in loaders if isinstance(image, str)), "another picture")
            graph.note(f"made from {name}, whose size is not recorded")
            return None, None, True
        if "scale_by" in inputs:
            graph.note(f"{graph.name(node)} scales the latent by {inputs['scale_by']}; the size is that before it")
    return None, None, from_picture
