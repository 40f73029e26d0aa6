"""Loading SD 1.5 and SDXL at full size, folder and single file: seconds, and the most memory held at once.

Ours maps the file and reads a weight when it is first used, so beside "load" there is "load, read every weight": what
it costs to have the whole model in memory. Both sides must then have the same bits (their sum is compared).
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import PEAK, Disagreement, Row, compare, python, say
from sukashi.families import FAMILIES
from sukashi.nets.clip import CLIPText
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.nets.vocabulary import from_merges
from sukashi.weights.assemble import empty
from sukashi.weights.parts import LoadReport, Parts
from sukashi.weights.save import save_folder, save_single_file

HEAD = PEAK + "import time\nimport torch\n"
IMPORTS = {
    "ours": "from sukashi.weights.load import load_parts\nimport sukashi.weights.single_file, tokenizers\n",
    "theirs": (
        "from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline\n"
        "from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer\n"
    ),
}
LOAD = {
    "ours": ("m = load_parts(path, vocabulary=folder + '/tokenizer')\nnets = [m.unet, m.vae, *m.text_encoders]\n"),
    "theirs": (
        "cls = {'sd1': StableDiffusionPipeline, 'sdxl': StableDiffusionXLPipeline}[name]\n"
        "if path.endswith('.safetensors'):\n"
        "    m = cls.from_single_file(path, config=folder, local_files_only=True, torch_dtype=torch.float16)\n"
        "else:\n"
        "    m = cls.from_pretrained(path, local_files_only=True, torch_dtype=torch.float16)\n"
        "nets = [m.unet, m.vae, m.text_encoder, *([m.text_encoder_2] if name == 'sdxl' else [])]\n"
    ),
}
LOADING = """
path, folder, name, touch = sys.argv[1:]
start = time.perf_counter()
{load}
total = 0
if touch == "read":
    state = [t for net in nets for k, t in net.state_dict().items() if "position_ids" not in k]
    flat = [t.reshape(-1) for t in state]
    total = sum(int(t.view(torch.int16 if len(t) % 4 else torch.int64).sum()) for t in flat)
print(json.dumps({{"seconds": time.perf_counter() - start, "peak": peak(), "sum": total}}))
"""


def random_model(name: str) -> Parts:
    """Full size without the memory: every tensor is a view of one block of random half-precision numbers."""
    family = FAMILIES[name]
    widest = max(config.vocab_size * config.width for config in family.text)
    block = torch.randn(widest, generator=torch.Generator().manual_seed(0)).half() / 64

    def fill(net: Any) -> Any:
        state = {k: block[: t.numel()].view(t.shape) for k, t in net.state_dict().items()}
        net.load_state_dict(state, strict=True, assign=True)
        return net

    texts = tuple(fill(empty(lambda config=config: CLIPText(config))) for config in family.text)
    unet, vae = fill(empty(lambda: UNet(family.unet))), fill(empty(lambda: VAE(family.vae)))
    tokenizers = tuple(Tokenizer(from_merges([("a", "t</w>")])).with_pad(pad) for pad in family.pad)
    return Parts(family, unet, vae, texts, tokenizers, LoadReport("random", name, "epsilon", "-", ()))


Found = dict[str, list[dict[str, Any]]]  # per side what each of its processes printed


def side(who: str, path: Path, folder: Path, name: str, touch: str, found: Found) -> Any:
    """One side in a fresh process, giving its seconds; all that it printed is kept in ``found``."""
    code = HEAD + IMPORTS[who] + LOADING.format(load=LOAD[who])

    def once() -> float:
        found[who].append(python(code, str(path), str(folder), name, touch)[1])
        return float(found[who][-1]["seconds"])

    return once


def peak_row(name: str, found: Found, runs: int) -> Row:
    """The most memory of the same runs, the uncounted first ones left out."""
    ours, theirs = ([float(each["peak"]) for each in found[who][1:]] for who in ("ours", "theirs"))
    spread = max((max(x) - min(x)) / statistics.median(x) for x in (ours, theirs))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    a, b = statistics.median(ours), statistics.median(theirs)
    row = Row(name=name, unit="MiB", ours=a, theirs=b, ratio=ratio, runs=runs, spread=spread)
    say(row)
    return row


def run(models: Path, runs: int) -> list[Row]:
    """Both models, both kinds of file; ``models`` is a folder for them, 14 GB for a while."""
    rows = []
    for name, title in (("sd1", "SD 1.5"), ("sdxl", "SDXL")):
        place = models / f"load-{name}"
        shutil.rmtree(place, ignore_errors=True)
        folder, file = place / "folder", place / "file.safetensors"
        parts = random_model(name)
        save_folder(parts, folder)
        save_single_file(parts, file)
        for path, kind in ((folder, "folder"), (file, "single file")):
            for touch, what in (("no", "load"), ("read", "load, read every weight")):
                found: Found = {"ours": [], "theirs": []}
                ours, theirs = (side(who, path, folder, name, touch, found) for who in ("ours", "theirs"))
                said = "weights equal (sum of bits)" if touch == "read" else ""
                rows.append(compare(f"{title} {kind}, {what}", "s", ours, theirs, runs, agreement=said))
                if len({each["sum"] for each in (*found["ours"], *found["theirs"])}) != 1:
                    raise Disagreement(f"{path}: the two sides read different weights")
                rows.append(peak_row(f"{title} {kind}, {what}: memory", found, runs))
        shutil.rmtree(place)
    return rows
