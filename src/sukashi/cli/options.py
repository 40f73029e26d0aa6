"""The options of every verb."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from sukashi.cli.control import controlling
from sukashi.cli.lora import adapting
from sukashi.settings import EMPHASES

N = TypeVar("N", int, float)

# Options whose value may begin with '-'.
TEXTS = ("-p", "--prompt", "-n", "--negative-prompt", "--prompt-2", "--negative-prompt-2")
DTYPES = {
    "float32": "float32",
    "fp32": "float32",
    "f32": "float32",
    "float16": "float16",
    "fp16": "float16",
    "f16": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
}
PREDICTIONS = ("epsilon", "eps", "v_prediction", "v", "sample", "x0")
RNGS = ("cpu", "nv")


def drawing(parser: argparse.ArgumentParser) -> None:
    """Options of txt2img."""
    asking(parser)
    out = parser.add_argument_group("where to")
    out.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="file, folder, or pattern with %%03d (default: outputs/00000-SEED.png, ...)",
    )
    out.add_argument("--overwrite", action="store_true", help="replace files that are there")
    out.add_argument("--json", action="store_true", help="one JSON object per picture on standard output")
    out.add_argument("--quiet", action="store_true", help="print only the paths of the pictures")


def asking(parser: argparse.ArgumentParser) -> None:
    """What to draw and how, wherever it goes."""
    what = parser.add_argument_group("what to draw")
    what.add_argument("words", nargs="*", metavar="PROMPT", help="the prompt, quoted")
    what.add_argument("-p", "--prompt", metavar="TEXT", help="the prompt, as an option")
    what.add_argument("-n", "--negative-prompt", metavar="TEXT", help="what not to draw")
    what.add_argument("--prompt-2", metavar="TEXT", help="for SDXL's second text encoder (default: the prompt)")
    what.add_argument("--negative-prompt-2", metavar="TEXT", help="what not to draw, for the second one")
    what.add_argument("--prompt-file", metavar="FILE", help="one prompt a line, '-' for standard input")
    what.add_argument("-W", "--width", type=whole, metavar="N", help="pixels (default: what suits the model)")
    what.add_argument("-H", "--height", type=whole, metavar="N", help="pixels")
    what.add_argument("-s", "--seed", type=whole, metavar="N", help="below 0 or not given: a random one, reported")
    what.add_argument(
        "-b",
        "--batch-count",
        type=whole,
        default=1,
        metavar="N",
        help="pictures of each prompt, with seed, seed+1, ...",
    )
    what.add_argument(
        "--count", type=whole, metavar="N", help="the same, as many at a time as there is memory for (and said)"
    )
    how = parser.add_argument_group("how (default: what suits the model)")
    how.add_argument("--steps", type=whole, metavar="N", help="steps of the sampler")
    how.add_argument("--cfg-scale", "--guidance", type=real, dest="guidance", metavar="X", help="guidance scale")
    how.add_argument("--rescale", type=real, default=0.0, metavar="X", help="guidance rescale, 0 to 1 (default 0)")
    how.add_argument("--sampling-method", "--sampler", dest="sampler", metavar="NAME", help="see: sukashi samplers")
    how.add_argument("--scheduler", "--grid", dest="grid", metavar="NAME", help="see: sukashi samplers")
    how.add_argument("--eta", type=real, metavar="X", help="fresh noise of DDIM, 0 to 1")
    how.add_argument("--rng", choices=RNGS, default="cpu", help="whose noise: torch's on a CPU, or CUDA's (A1111)")
    how.add_argument("--clip-skip", type=whole, default=1, metavar="N", help="text layer from the end; 1 is the last")
    how.add_argument("--seamless", default="", metavar="AXES", help="it continues on its other side: x, y or xy")
    how.add_argument(
        "--variation", type=real, default=0.0, metavar="X", help="0 to 1 of the way to another seed's noise"
    )
    how.add_argument("--variation-seed", type=whole, metavar="N", help="whose noise that is (default: random)")
    for name, what_ in (("original-size", "had"), ("target-size", "is wanted at")):
        how.add_argument(f"--{name}", type=pair, metavar="WxH", help=f"SDXL: the size a picture {what_}")
    how.add_argument("--crop", type=pair, metavar="XxY", help="SDXL: left and top of what was cut off")
    prompting(how)
    guiding(parser)
    shortening(parser)
    adapting(parser)
    controlling(parser)
    loading(parser)


def guiding(parser: argparse.ArgumentParser) -> None:
    """Options of the negative prompt's window and of other ways to guide."""
    group = parser.add_argument_group("guidance (a moment is 0.3 of the steps, 'step 5' or 'sigma 3.2')")
    group.add_argument(
        "--negative-start",
        type=when,
        default=0.0,
        metavar="WHEN",
        help="the negative prompt holds from then on: a moment, noun, adjective, delayed or auto (default 0)",
    )
    group.add_argument("--negative-stop", type=when, metavar="WHEN", help="and until then (default: the end)")
    group.add_argument(
        "--negative-outside",
        default="empty",
        metavar="WHAT",
        help="outside: empty, the empty prompt (default), or off, no guidance",
    )
    group.add_argument("--negative-scale", type=real, metavar="X", help="its own scale (default: tied to --guidance)")
    group.add_argument("--guide", default="", metavar="HOW", help="apg, pag(scale=2), nag, ...: docs/guidance.md")


def shortening(parser: argparse.ArgumentParser) -> None:
    """Options that compute less, and other pictures than the exact ones."""
    group = parser.add_argument_group("approximations (their errors: docs/benchmarks.md)")
    group.add_argument(
        "--deepcache", type=cached, metavar="N[,BRANCH]", help="DeepCache: the whole U-Net every N calls"
    )
    group.add_argument(
        "--tgate", type=gate, metavar="STEP", help="T-GATE: the prompt is heard in so many steps (or a moment)"
    )


def cached(text: str) -> int | list[int]:
    """A whole number, or two with a comma between."""
    numbers = [whole(part) for part in text.split(",")]
    return numbers[0] if len(numbers) == 1 else numbers


def gate(text: str) -> float | str:
    """A whole number of steps, or a moment."""
    return int(text) if text.isdecimal() else when(text)


def loading(parser: argparse.ArgumentParser, *, default: str | None = "kirie") -> None:
    """Options of every verb that loads a model."""
    group = parser.add_argument_group("the model and the machine")
    shown = "kirie, the one inside" if default else "the one the picture names"
    group.add_argument(
        "-m", "--model", default=default, metavar="MODEL", help=f"name, folder, file or hub id (default: {shown})"
    )
    group.add_argument("--vae", metavar="PATH", help="another autoencoder: folder, file or hub id")
    group.add_argument("--vocabulary", metavar="FOLDER", help="tokenizer of a model that has none beside it")
    group.add_argument("--prediction", choices=PREDICTIONS, metavar="TYPE", help="|".join(PREDICTIONS))
    group.add_argument("--variant", metavar="NAME", help="which files of a folder, e.g. fp16")
    group.add_argument("--offline", action="store_true", help="never ask the hub")
    group.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    group.add_argument(
        "--dtype", choices=DTYPES, metavar="TYPE", help="float32, float16, bfloat16 (default: usual on the device)"
    )
    group.add_argument("-t", "--threads", type=whole, metavar="N", help="CPU threads")
    group.add_argument("--keep-memory", action="store_true", help="the allocator gives nothing back while it runs")
    group.add_argument("--compile", action="store_true", help="through torch.compile: minutes once, then quicker")
    group.add_argument("--fp8", action="store_true", help="approximate: linear layers in float8, on GPUs that have it")
    group.add_argument("--offload", action="store_true", help="networks come to the GPU when used: for small ones")
    group.add_argument("--no-fast", action="store_true", help="compute as the networks read, without sukashi.fast")


def reading(parser: argparse.ArgumentParser) -> None:
    """Options of read."""
    parser.add_argument(
        "files", nargs="+", metavar="PICTURE", help="by sukashi, A1111, ComfyUI, InvokeAI, NovelAI, ..."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per picture")


def replaying(parser: argparse.ArgumentParser) -> None:
    """Options of replay."""
    parser.add_argument("file", metavar="PICTURE", help="a picture that says how it was made")
    parser.add_argument("--check", action="store_true", help="compare with the picture; exit 1 when it differs")
    parser.add_argument(
        "--tolerance", type=whole, default=2, metavar="N", help="largest difference that is equal, of 255 (default 2)"
    )
    parser.add_argument(
        "--control-picture",
        action="append",
        metavar="PICTURE",
        help="in place of the picture of a control network that is not there any more, one for each, in their order",
    )
    for letters, what in ((("-i", "--init-img", "--image"), "image"), (("--mask",), "mask"), (("--depth",), "depth")):
        parser.add_argument(*letters, dest=what, metavar="FILE", help=f"the {what}, where it is not where it was")
    parser.add_argument("-o", "--output", metavar="PATH", help="where to (default: outputs/...; with --check: nowhere)")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quiet", action="store_true", help="print only the path, or with --check the verdict")
    loading(parser, default=None)


def tokenizing(parser: argparse.ArgumentParser) -> None:
    """Options of tokens."""
    parser.add_argument("text", metavar="PROMPT", nargs="?", help="the prompt, quoted")
    prompting(parser.add_argument_group("how it is read"))
    parser.add_argument("--nearest", type=whole, default=0, metavar="N", help="also the N nearest other tokens of each")
    parser.add_argument(
        "--inversion",
        metavar="FILE",
        help="in place of a prompt: the vectors of a textual inversion (default: 5 nearest)",
    )
    parser.add_argument("--step", type=whole, default=1, metavar="N", help="as it is at this step (default 1)")
    parser.add_argument("--steps", type=whole, default=100, metavar="N", help="of so many (default 100)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--vectors", action="store_true", help="with --json: also the vector of every token")
    loading(parser)


def prompting(group: argparse._ArgumentGroup) -> None:
    """How prompts are read."""
    group.add_argument(
        "--emphasis",
        choices=EMPHASES,
        default="a1111",
        help="what (a:1.3) does to the words: as in A1111 (default), without its norm, as in ComfyUI, nothing; "
        "none: nothing in a prompt is syntax",
    )
    group.add_argument("--truncate", action="store_true", help="cut a prompt after one chunk, as diffusers does")


def listing_models(parser: argparse.ArgumentParser) -> None:
    """Options of models."""
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="places to look in, beside the Hugging Face cache")
    parser.add_argument("--kind", metavar="KIND", help="only these: folder, 'single file', LoRA, embedding, VAE, ...")
    parser.add_argument("--hash", action="store_true", help="also sha256[:10], as A1111 writes it (reads every byte)")
    parser.add_argument("--json", action="store_true", help="one JSON object per model")


def converting(parser: argparse.ArgumentParser) -> None:
    """Options of convert."""
    parser.add_argument("source", metavar="SRC", help="kirie, a folder, a single file or a hub id")
    parser.add_argument("target", metavar="DST", help="a name in .safetensors makes a single file, any other a folder")
    parser.add_argument(
        "--dtype", choices=DTYPES, metavar="TYPE", help="float32, float16, bfloat16 (default: as it is)"
    )
    parser.add_argument("--prediction", choices=PREDICTIONS, metavar="TYPE", help="|".join(PREDICTIONS))
    parser.add_argument("--variant", metavar="NAME", help="which files of a folder, e.g. fp16")
    parser.add_argument("--vocabulary", metavar="FOLDER", help="tokenizer of a single file that has none beside it")
    parser.add_argument("--offline", action="store_true", help="never ask the hub")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def doctoring(parser: argparse.ArgumentParser) -> None:
    """Options of doctor."""
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, mps (default: every one there is)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def plain(parser: argparse.ArgumentParser) -> None:
    """Options of verbs that only list."""
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def when(text: str) -> float | str:
    """A fraction as a number, other moments as they are written."""
    try:
        return float(text)
    except ValueError:
        return text


def pair(text: str) -> list[int]:
    """Two whole numbers, as in 1024x768."""
    return [whole(part) for part in (text.lower().split("x") if text.lower().count("x") == 1 else ["", ""])]


def whole(text: str) -> int:
    """A whole number."""
    return number(text, int, "a whole number")


def real(text: str) -> float:
    """A finite number."""
    value = number(text, float, "a number")
    if value - value != 0:  # infinite, or not a number
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def number(text: str, convert: Callable[[str], N], what: str) -> N:
    """``text`` converted; ArgumentTypeError says what it is not."""
    try:
        return convert(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
