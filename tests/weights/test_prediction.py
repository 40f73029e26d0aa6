"""What a U-Net predicts: the evidence in its order, and the probe."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sukashi.families import FAMILIES
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.weights.errors import ConfigError
from sukashi.weights.load import load_parts
from sukashi.weights.prediction import decide, from_yaml, prediction_type_named, probe, with_prediction
from sukashi.weights.save import save_single_file
from sukashi.weights.tensors import open_tensors, to_be_written, write_safetensors
from tiny_models import shrink, tiny_model

SD2 = FAMILIES["sd2"]


def test_the_order_of_the_evidence(tmp_path):
    path = tmp_path / "m.safetensors"
    spec = {"modelspec.prediction_type": "epsilon"}
    (tmp_path / "m.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": "sample"}))
    full = {"argument": "x0", "names": {"v_pred"}, "metadata": spec, "path": path}
    expected = [
        ("argument", "sample", "the argument"),
        ("names", "v_prediction", "the key v_pred in the file"),
        ("metadata", "epsilon", "modelspec.prediction_type = epsilon in the file's header"),
        ("path", "v_prediction", "the file m.yaml beside it"),
    ]
    for name, predicts, evidence in expected:
        verdict = decide(SD2, **full)
        assert (verdict.predicts, verdict.evidence) == (predicts, evidence)
        if name != "path":
            del full[name]
    (tmp_path / "m.yaml").unlink()
    verdict = decide(SD2, path=path)
    assert (verdict.predicts, verdict.evidence) == ("sample", "scheduler/scheduler_config.json beside it")
    (tmp_path / "scheduler" / "scheduler_config.json").write_text("{}")
    assert decide(SD2, path=path) is None
    assert decide(SD2) is None


def test_zero_snr_changes_the_schedule_only_with_v():
    verdict = decide(SD2, names={"ztsnr"})
    assert verdict == ("v_prediction", "the key ztsnr in the file", True)
    keys = with_prediction({"beta_start": 0.1, "timestep_spacing": "leading"}, verdict)
    assert keys == {
        "beta_start": 0.1,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
    forced = decide(SD2, argument="epsilon", names={"ztsnr"})
    assert with_prediction({}, forced) == {"prediction_type": "epsilon"}


def test_spellings():
    assert [prediction_type_named(n) for n in ("eps", "V", "x0")] == ["epsilon", "v_prediction", "sample"]
    with pytest.raises(ConfigError, match="'flow' is not known; accepted: epsilon, eps, v_prediction, v, sample, x0"):
        prediction_type_named("flow")


def test_official_yamls(shared_data):
    base = shared_data / "5_model_configs_and_keys" / "ldm_yaml"
    found = {p.name: from_yaml(p) for p in base.glob("*.yaml")}
    v = {name for name, predicts in found.items() if predicts == "v_prediction"}
    assert v == {
        "sd_2_1_768.yaml",
        "v2-1-stable-unclip-h-inference.yaml",
        "v2-1-stable-unclip-l-inference.yaml",
        "v2-inference-v.yaml",
        "x4-upscaling.yaml",
    }
    assert all(found[name] == "epsilon" for name in found if name not in v)


def test_a_yaml_that_does_not_speak_of_it(tmp_path):
    (tmp_path / "a.yaml").write_text('# parameterization: "v"\nother: 1\n')
    assert from_yaml(tmp_path / "a.yaml") is None


@pytest.mark.parametrize(("shift", "predicts"), [(0.0, "epsilon"), (-3.0, "v_prediction")])
def test_the_probe_asks_once_and_reads_the_mean(shift, predicts):
    unet = tiny_model("sd2").unet
    with torch.no_grad():
        net = UNet(unet.config)
        net.load_state_dict({k: torch.zeros_like(t) for k, t in unet.state_dict().items()})
        net.conv_out.bias.fill_(0.5 + shift)  # the output is its bias
    calls = []
    net.register_forward_hook(lambda module, args, out: calls.append(args))
    verdict = probe(net)
    assert verdict.predicts == predicts
    assert verdict.evidence == f"one probing call: mean(output - x) = {shift:.3f}, v below -1"
    ((x, t, context),) = calls
    assert x.shape == (1, 4, 8, 8) and context.shape == (1, 2, unet.config.context_dim) and t.tolist() == [999]
    assert x.unique().tolist() == context.unique().tolist() == [0.5]


def without_metadata(name, path, bias=None):
    save_single_file(tiny_model(name), path)
    state = {k: s.read().clone() for k, s in open_tensors(path).items()}
    if bias is not None:
        state["model.diffusion_model.out.2.bias"].fill_(bias)
        state["model.diffusion_model.out.2.weight"].zero_()
    write_safetensors(path, {k: to_be_written(t) for k, t in state.items()}, overwrite=True)


TINY_SD2 = {name: replace(shrink(FAMILIES[name]), size=FAMILIES[name].size) for name in ("sd2", "sd2-v")}


@pytest.mark.parametrize(("bias", "name", "size"), [(0.4, "sd2", 512), (-9.0, "sd2-v", 768)])
def test_a_lone_sd2_file_is_probed(tmp_path, bias, name, size, monkeypatch):
    tiny_model("sd2").tokenizers[0].save(tmp_path / "tokenizer")
    without_metadata("sd2", tmp_path / "m.safetensors", bias)
    monkeypatch.setattr("sukashi.weights.single_file.FAMILIES", TINY_SD2)
    parts = load_parts(tmp_path / "m.safetensors")
    assert (parts.family.name, parts.family.predicts, parts.family.size) == (name, FAMILIES[name].predicts, size)
    assert parts.report.evidence.startswith("one probing call: mean(output - x) = ")


def test_other_families_are_not_probed(tmp_path):
    tiny_model("sd1").tokenizers[0].save(tmp_path / "tokenizer")
    without_metadata("sd1", tmp_path / "m.safetensors", -9.0)
    parts = load_parts(tmp_path / "m.safetensors", family=shrink(FAMILIES["sd1"]))
    assert parts.report.evidence == "the default of sd1: nothing in or beside the file says"
    assert parts.family.predicts == "epsilon"
    assert UNetConfig() == FAMILIES["sd1"].unet  # the table itself was not changed
