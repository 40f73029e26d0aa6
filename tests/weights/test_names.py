"""The tables of names, against key tables of the official models made by others, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from sukashi.families import FAMILIES
from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.weights import names
from sukashi.weights.assemble import empty
from sukashi.weights.single_file import Facts, facts_for, facts_of
from sukashi.weights.tensors import Stored, TensorFile

KEYMAP_NAMES = {
    "sd1": "sd1",
    "sd2": "sd2-base",
    "sd2-v": "sd2-768v",
    "sd2-inpaint": "sd2-inpainting",
    "sd2-depth": "sd2-depth",
    "x4-upscaler": "sd-x4-upscaler",
    "sdxl": "sdxl-base",
    "sdxl-refiner": "sdxl-refiner",
}
LDM_FILES = {
    "sd1": ("ldm_keys_v1.json", "v1-inference.yaml"),
    "sd2": ("ldm_keys_v2.json", "v2-inference.yaml"),
    "sd2-v": ("ldm_keys_v2.json", "v2-inference-v.yaml"),
    "sd2-inpaint": ("ldm_keys_v2.json", "v2-inpainting-inference.yaml"),
    "sd2-depth": ("ldm_keys_v2.json", "v2-midas-inference.yaml"),
    "x4-upscaler": ("ldm_keys_v2.json", "x4-upscaling.yaml"),
    "sdxl": ("ldm_keys_sgm.json", "sd_xl_base.yaml"),
    "sdxl-refiner": ("ldm_keys_sgm.json", "sd_xl_refiner.yaml"),
}


def keys(shared_data: Path, folder: str, name: str):
    return json.loads((shared_data / "5_model_configs_and_keys" / folder / name).read_text())


def shapes(net) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in net.state_dict().items()}


def stored(shape) -> Stored:
    return Stored(tuple(shape), torch.float32, lambda: torch.empty(shape, device="meta"))


@pytest.mark.parametrize("name", KEYMAP_NAMES)
def test_our_names_are_rewritten_as_in_the_published_table(shared_data, name):
    family = FAMILIES[name]
    table = keys(shared_data, "generated", "ldm_to_diffusers_keymap.json")[KEYMAP_NAMES[name]]
    for part, net, places in (
        ("unet", empty(lambda: UNet(family.unet)), names.unet_places(family.unet)),
        ("vae", empty(lambda: VAE(family.vae)), names.vae_places(family.vae)),
    ):
        ours = {key: places(key)[0].name for key in net.state_dict()}
        assert ours == table[part]


@pytest.mark.parametrize("name", LDM_FILES)
def test_every_key_of_the_official_file_is_ours_with_its_shape(shared_data, name):
    family = FAMILIES[name]
    file, yaml = LDM_FILES[name]
    table = keys(shared_data, "generated", file)[yaml]
    for part, net, places in (
        ("unet", empty(lambda: UNet(family.unet)), names.unet_places(family.unet)),
        ("vae", empty(lambda: VAE(family.vae)), names.vae_places(family.vae)),
    ):
        found = {}
        for key, shape in shapes(net).items():
            place = places(key)[0]
            assert place.read(torch.empty(table[part][place.name], device="meta")).shape == shape, key
            found[place.name] = key
        assert set(found) == set(table[part])  # none left over either


@pytest.mark.parametrize("name", LDM_FILES)
def test_the_facts_of_an_official_file_are_those_of_its_row(shared_data, name):
    file, yaml = LDM_FILES[name]
    table = keys(shared_data, "generated", file)[yaml]["unet"]
    header = TensorFile((Path("x"),), {key: stored(shape) for key, shape in table.items()}, {})
    assert facts_of(header) == facts_for(FAMILIES[name])


def test_facts_tell_all_families_but_the_two_sd2_apart():
    facts: dict[Facts, list[str]] = {}
    for name, family in FAMILIES.items():
        facts.setdefault(facts_for(family), []).append(name)
    assert [same for same in facts.values() if len(same) > 1] == [["sd2", "sd2-v"]]


@pytest.mark.parametrize(("arch", "name", "layers"), [("ViT-H-14", "sd2", 23), ("ViT-bigG-14", "sdxl-refiner", 32)])
def test_open_clip_names_and_shapes(shared_data, arch, name, layers):
    config: CLIPTextConfig = FAMILIES[name].text[0]
    assert config.layers == layers
    table = keys(shared_data, "generated", "openclip_text_keys.json")[arch]["text_keys"]
    places, used = names.open_clip_places(""), set()
    for key, shape in shapes(empty(lambda: CLIPText(config))).items():
        place = places(key)[0]
        used.add(place.name)
        assert place.read(torch.empty(table[place.name], device="meta")).shape == shape, key
    left = set(table) - used
    ignored = {key for key in left if re.search(names.open_clip_ignored("", config), key)}
    assert left == ignored
    assert len([key for key in left if "resblocks" in key]) == (12 if name == "sd2" else 0)  # one whole layer


def test_dumped_keys_of_real_sdxl_folders(shared_data):
    family = FAMILIES["sdxl"]
    for file, net in (
        ("sdxl_diffusers_unet_juggernautXL.json", lambda: UNet(family.unet)),
        ("sdxl_diffusers_vae_juggernautXL.json", lambda: VAE(family.vae)),
        ("sdxl_text_encoder_juggernautXL.json", lambda: CLIPText(family.text[0])),
        ("sdxl_text_encoder_2_juggernautXL.json", lambda: CLIPText(family.text[1])),
    ):
        dump = {k: tuple(v["shape"]) for k, v in keys(shared_data, "key_dumps", file).items()}
        assert dump == shapes(empty(net)), file


def test_whole_clip_holds_the_text_encoder_of_sd1_and_known_extras(shared_data):
    dump = keys(shared_data, "key_dumps", "clip_vit_large_patch14_full.json")
    wanted = shapes(empty(lambda: CLIPText(FAMILIES["sd1"].text[0])))
    assert all(tuple(dump[key]["shape"]) == shape for key, shape in wanted.items())
    assert all(re.search(names.TEXT_IGNORED, key) for key in set(dump) - set(wanted))


def test_touches_undo_each_other():
    q, k, v = (torch.randn(4, 4) for _ in range(3))
    fused = names.FUSED[0].write([q, k, v])
    for touch, part in zip(names.FUSED, (q, k, v), strict=True):
        assert torch.equal(touch.read(fused), part)
    for touch in (names.TRANSPOSED, names.AS_CONV):
        weight = torch.randn(4, 6)
        assert torch.equal(touch.read(touch.write([weight])), weight)


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="no single-file name is known for 'conv_middle"):
        names.rename("conv_middle.weight", names.unet_rules(FAMILIES["sd1"].unet))
