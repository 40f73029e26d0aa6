"""SD 1.5 and SDXL at their real size, with random weights: all is found, and memory stays near the file's size."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from sukashi.families import FAMILIES
from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.nets.vocabulary import from_merges
from sukashi.weights.assemble import empty
from sukashi.weights.parts import LoadReport, Parts
from sukashi.weights.save import save_folder, save_single_file

COUNTS = {"sd1": [686, 248, 196], "sdxl": [1680, 248, 196, 517]}
MEASURE = """
import json, sys
import torch
from pathlib import Path
from sukashi.weights.load import load_parts

def kilobytes(key):
    return next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key))

import sukashi.weights.single_file, tokenizers
before = kilobytes("VmRSS")
parts = load_parts(sys.argv[1], vocabulary=sys.argv[2], prediction_type="epsilon")
loaded = kilobytes("VmHWM") - before
nets = [parts.unet, parts.vae, *parts.text_encoders]
total = sum(float(t.view(torch.int16).sum()) for net in nets for t in net.state_dict().values())  # touch every byte
print(json.dumps({
    "loaded": loaded * 1024,
    "touched": (kilobytes("VmHWM") - before) * 1024,
    "counts": [part.matched for part in parts.report.parts],
    "whole": all(part.matched == part.total for part in parts.report.parts),
    "sum": total,
}))
"""


def random_model(name: str) -> Parts:
    """Every tensor is a view of one block of random half-precision numbers: full size without the memory."""
    family = FAMILIES[name]
    widest = max(config.vocab_size * config.width for config in family.text)
    block = torch.randn(widest, generator=torch.Generator().manual_seed(0)).half()

    def fill(net):
        state = {k: block[: t.numel()].view(t.shape) for k, t in net.state_dict().items()}
        nn.Module.load_state_dict(net, state, strict=True, assign=True)
        return net

    texts = tuple(fill(empty(lambda config=config: CLIPText(config))) for config in family.text)
    unet, vae = fill(empty(lambda: UNet(family.unet))), fill(empty(lambda: VAE(family.vae)))
    tokenizers = tuple(Tokenizer(from_merges([("a", "t</w>")])).with_pad(pad) for pad in family.pad)
    return Parts(family, unet, vae, texts, tokenizers, LoadReport("random", name, "epsilon", "the test", ()))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: these files have gigabytes, and pytest keeps its folders for three runs."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("single", [False, True], ids=["folder", "single file"])
def test_a_full_size_model_loads_whole_and_lean(room, name, single):
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux says how much memory was used at most")
    parts = random_model(name)
    path = room / ("m.safetensors" if single else "m")
    (save_single_file if single else save_folder)(parts, path)
    parts.tokenizers[0].save(room / "words")
    files = [path] if single else list(path.rglob("*.safetensors"))
    size = sum(f.stat().st_size for f in files)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path, room / "words"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["whole"] and found["counts"] == COUNTS[name]
    nets = [parts.unet, parts.vae, *parts.text_encoders]
    expected = sum(float(t.view(torch.int16).sum()) for net in nets for t in net.state_dict().values())
    assert found["sum"] == expected
    assert found["loaded"] < 0.1 * size  # mapped, not read
    assert found["touched"] < 1.3 * size
