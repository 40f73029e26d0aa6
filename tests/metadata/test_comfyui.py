"""ComfyUI graphs: what is followed, what is told as not followed, and graphs that mean harm."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from sukashi.metadata.comfyui import read_comfyui
from sukashi.metadata.recipe import Lora, MetadataError, Recipe


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def graph(**changes: Any) -> dict[str, Any]:
    nodes = {
        "k": node("KSampler", seed=7, steps=20, cfg=8.0, sampler_name="euler", scheduler="karras", denoise=1.0,
                  model=["c", 0], positive=["p", 0], negative=["n", 0], latent_image=["e", 0]),
        "c": node("CheckpointLoaderSimple", ckpt_name="sd.safetensors"),
        "p": node("CLIPTextEncode", text="a cat, embedding:good", clip=["c", 1]),
        "n": node("CLIPTextEncode", text="(embedding:bad:1.2)", clip=["c", 1]),
        "e": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    }  # fmt: skip
    return nodes | changes


def recipe(nodes: dict[str, Any]) -> Recipe:
    return read_comfyui(json.loads(json.dumps(nodes)), "x.png")


def sampler(**changes: Any) -> dict[str, Any]:
    return node("KSampler", **{**graph()["k"]["inputs"], **changes})


def test_plain() -> None:
    found = recipe(graph())
    assert (found.prompt, found.negative_prompt) == ("a cat, embedding:good", "(embedding:bad:1.2)")
    assert (found.seed, found.steps, found.guidance, found.sampler, found.grid) == (7, 20, 8.0, "euler", "karras")
    assert (found.width, found.height, found.model) == (512, 768, "sd.safetensors")
    assert (found.embeddings, found.denoising_strength, found.notes) == (("good", "bad"), None, ())
    assert found.raw == {"prompt": graph()}


def test_custom_sampler_nodes() -> None:
    found = recipe(
        graph(
            k=node("SamplerCustomAdvanced", noise=["x", 0], guider=["g", 0], sampler=["s", 0], sigmas=["t", 0],
                   latent_image=["e", 0]),
            x=node("RandomNoise", noise_seed=9),
            g=node("CFGGuider", model=["c", 0], positive=["p", 0], negative=["n", 0], cfg=5.5),
            s=node("SamplerDPMPP_2M_SDE", eta=1.0),
            t=node("BasicScheduler", scheduler="beta", steps=12, denoise=0.6, model=["c", 0]),
        )
    )  # fmt: skip
    assert (found.seed, found.steps, found.guidance, found.sampler, found.grid) == (
        9,
        12,
        5.5,
        "SamplerDPMPP_2M_SDE",
        "beta",
    )
    assert (found.prompt[:5], found.model, found.denoising_strength) == ("a cat", "sd.safetensors", 0.6)
    basic = recipe(
        graph(
            k=node("SamplerCustomAdvanced", guider=["g", 0], sigmas=["t", 0], latent_image=["e", 0]),
            g=node("BasicGuider", model=["c", 0], conditioning=["p", 0]),
            t=node("KarrasScheduler", steps=3, sigma_max=14.6),
        )
    )
    assert (basic.prompt[:5], basic.negative_prompt, basic.grid, basic.seed) == ("a cat", "", "Karras", None)


def test_values_over_links() -> None:
    found = recipe(
        graph(
            k=sampler(seed=["i", 0], steps=["r", 0], cfg=["odd", 0]),
            i=node("PrimitiveInt", value=33),
            r=node("Reroute", **{"": ["j", 0]}),
            j=node("INTConstant", value=44),
            odd=node("Mystery", a=1, b=2),
            p=node("CLIPTextEncode", text=["t", 0], clip=["c", 1]),
            t=node("StringConcatenate", string_a=["u", 0], string_b="hat", delimiter=", "),
            u=node("PrimitiveString", value="a cat"),
        )
    )
    assert (found.seed, found.steps, found.guidance, found.prompt) == (33, 44, None, "a cat, hat")
    assert found.notes == ("cfg of node k (KSampler) comes from node odd (Mystery), which was not followed",)


def test_loras_clip_skip_and_merges() -> None:
    found = recipe(
        graph(
            k=sampler(model=["l2", 0]),
            l1=node("LoraLoader", lora_name="one", strength_model=0.5, strength_clip=0.7, model=["m", 0],
                    clip=["c", 1]),
            l2=node("Power Lora Loader", model=["l1", 0], lora_1={"on": True, "lora": "two", "strength": 0.3},
                    lora_2={"on": False, "lora": "off", "strength": 1}),
            m=node("ModelSamplingDiscrete", sampling="v_prediction", model=["c", 0]),
            p=node("CLIPTextEncode", text="a", clip=["skip", 0]),
            skip=node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["l1", 1]),
        )
    )  # fmt: skip
    assert found.loras == (Lora("one", 0.5, 0.7), Lora("two", 0.3)) and found.clip_skip == 2
    assert found.model == "sd.safetensors"
    merged = recipe(graph(k=sampler(model=["m", 0]), m=node("ModelMergeSimple", model1=["c", 0], model2=["c", 0])))
    assert merged.model is None and "merged by node m" in merged.notes[0]


def test_conditioning_nodes() -> None:
    found = recipe(
        graph(
            k=sampler(positive=["net", 0], negative=["net", 1]),
            net=node("ControlNetApplyAdvanced", positive=["p", 0], negative=["z", 0], control_net=["q", 0]),
            z=node("ConditioningZeroOut", conditioning=["p", 0]),
            q=node("ControlNetLoader", control_net_name="canny"),
            p=node("CLIPTextEncodeSDXL", text_g="big", text_l="small", width=1024, height=1024, clip=["c", 1]),
        )
    )
    assert (found.prompt, found.negative_prompt) == ("big\nsmall", "")
    assert any("set to zero" in note for note in found.notes)
    assert any("goes through ControlNetApplyAdvanced" in note for note in found.notes)
    strange = recipe(graph(p=node("Secret", a=1)))
    assert strange.prompt == "" and strange.notes[0] == (
        "the positive prompt comes from node p (Secret), which was not followed"
    )


def test_several_passes_in_any_order() -> None:
    second = sampler(seed=8, denoise=0.5, latent_image=["up", 0])
    up = node("LatentUpscaleBy", samples=["k", 0], scale_by=1.5)
    found = recipe({"a second": second, "up": up, **graph()})
    assert (found.seed, [p["seed"] for p in found.raw["passes"]]) == (7, [7, 8])
    assert found.raw["passes"][1]["denoising_strength"] == 0.5
    assert (
        "node a second: node up (LatentUpscaleBy) scales the latent by 1.5; the size is that before it" in found.notes
    )
    apart = recipe(graph(k2=sampler(seed=8)))
    assert any("several of them start on their own" in note for note in apart.notes)


def test_img2img_and_batches() -> None:
    found = recipe(
        graph(e=node("VAEEncode", pixels=["s", 0], vae=["c", 2]), s=node("ImageScale", image=["o", 0]),
              o=node("LoadImage", image="cat.png"))
    )  # fmt: skip
    assert (found.width, found.denoising_strength) == (None, 1.0)
    assert found.notes == ("made from cat.png, whose size is not recorded",)
    batch = recipe(graph(e=node("EmptyLatentImage", width=8, height=8, batch_size=4)))
    assert batch.notes == ("one of a batch of 4 from one seed; which of them is not recorded",)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(MetadataError, match=r"has no node that we know to sample; it has LoadImage"):
        recipe({"1": node("LoadImage", image="x")})
    with pytest.raises(MetadataError, match="has 3,000 nodes; at most 2,000"):
        recipe({str(i): node("KSampler") for i in range(3000)})


def test_circles_and_nonsense_end() -> None:
    turns = graph(
        k=sampler(seed=["k", 0], latent_image=["k", 0], model=["m", 0], positive=["x", 0], negative=["k", 0]),
        m=node("Loop", model=["m", 0]),
        x=node("ConditioningCombine", conditioning_1=["x", 0], conditioning_2=["y", 0]),
        y=node("ConditioningCombine", conditioning_1=["x", 0], conditioning_2=["nowhere", 0]),
        s=node("StringConcatenate", string_a=["s", 0], string_b=["s", 0]),
        p=node("CLIPTextEncode", text=["s", 0]),
        bad={"class_type": 3, "inputs": []},
        worse=17,
    )
    assert recipe(turns).seed is None
    odd = graph(k=sampler(seed={"a": 1}, steps=[1], cfg="eight", sampler_name=None, denoise=[["k"], 0]))
    assert recipe(odd).notes == ("cfg is 'eight', not a number",)


def test_a_long_chain_takes_no_time() -> None:
    nodes = graph()
    for i in range(1, 700):
        nodes[f"k{i}"] = sampler(latent_image=[f"k{i - 1}" if i > 1 else "k", 0], seed=i)
    start = time.perf_counter()
    found = recipe(nodes)
    assert len(found.raw["passes"]) == 700 and found.raw["passes"][-1]["seed"] == 699
    assert time.perf_counter() - start < 10
