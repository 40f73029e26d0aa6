"""The options of ``sukashi train ti|lora|dreambooth|finetune|custom``: one for each field of ``train.methods.config``.

diffusers' names for the same are understood too (with hyphens).
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from sukashi.cli.options import PREDICTIONS, real, whole

METHODS = {
    "ti": "a new word, by textual inversion",
    "lora": "a LoRA: a small file beside the model",
    "dreambooth": "one subject, by DreamBooth: the whole U-Net, or with --lora a LoRA",
    "finetune": "the whole U-Net, on captioned pictures",
    "custom": "a new word and how it is read, by Custom Diffusion",
}
WORDS, PRIOR, FACTORS = ("ti", "custom"), ("dreambooth", "custom"), ("lora", "dreambooth")
BESIDE = (*PRIOR, "lora")  # what may learn pictures of the class beside the others


class Option(NamedTuple):
    """A field of the config, its names on the command line, what it is, and the methods that have it (none: all)."""

    field: str
    names: tuple[str, ...]
    help: str
    how: dict[str, Any]
    methods: tuple[str, ...] = ()


N, X = {"type": whole, "metavar": "N"}, {"type": real, "metavar": "X"}
TEXT, NAME, FLAG = {"metavar": "TEXT"}, {"metavar": "NAME"}, {"action": "store_true"}
SWITCH = {"action": argparse.BooleanOptionalAction}
LEARNING = "how long, how fast"
OPTIONS: dict[str, tuple[Option, ...]] = {
    "what is taught": (
        Option("word", ("--word", "--placeholder-token"), "the word that is taught (default: <new>)", TEXT, WORDS),
        Option("start", ("--start", "--initializer-token"), "the word that it begins as", TEXT, WORDS),
        Option("vectors", ("--vectors", "--num-vectors"), "tokens that the word stands for (default 1)", N, WORDS),
        Option(
            "templates",
            ("--templates", "--learnable-property"),
            "sentences around the word: object (default), style, or captions: those of the pictures",
            NAME,
            ("ti",),
        ),
        Option("lora", ("--lora",), "teach a LoRA instead of the whole U-Net", FLAG, ("dreambooth",)),
        Option("rank", ("--rank",), "of the LoRA (default 4)", N, FACTORS),
        Option("alpha", ("--alpha",), "the LoRA is scaled by alpha / rank (default: rank)", X, FACTORS),
        Option(
            "layers",
            ("--layers",),
            "attention (default), feed-forward, projections, conv; several with commas",
            {"metavar": "NAMES", "type": lambda text: tuple(text.split(","))},
            FACTORS,
        ),
        Option("dora", ("--dora",), "learn lengths apart from directions", FLAG, FACTORS),
        Option("text", ("--text", "--train-text-encoder"), "train the text encoders too", FLAG, (*FACTORS, "finetune")),
        Option("class_prompt", ("--class-prompt",), "what the subject is one of: drawn first, and kept", TEXT, PRIOR),
        Option("class_pictures", ("--class-pictures", "--num-class-images"), "how many (default 100)", N, PRIOR),
        Option("prior_weight", ("--prior-weight", "--prior-loss-weight"), "how much they count (default 1)", X, BESIDE),
    ),
    LEARNING: (
        Option("steps", ("--steps", "--max-train-steps"), "steps of the optimiser", N),
        Option("minutes", ("--minutes",), "stop after so long even if steps are left", X),
        Option("batch", ("--batch", "--train-batch-size"), "pictures of one pass (default 1)", N),
        Option("accumulation", ("--accumulation", "--gradient-accumulation-steps"), "passes of one step", N),
        Option("rate", ("--rate", "--learning-rate"), "learning rate", X),
        Option("text_rate", ("--text-rate",), "that of the text encoders (default: the same)", X, FACTORS),
        Option("schedule", ("--schedule", "--lr-scheduler"), "constant (default), linear, cosine", NAME),
        Option("warmup", ("--warmup", "--lr-warmup-steps"), "steps over which the rate rises", N),
        Option("optimizer", ("--optimizer",), "adamw (default), adam, sgd, radam, nadam, adafactor", NAME),
        Option("weight_decay", ("--weight-decay",), "default 0.01", X),
        Option("max_norm", ("--max-norm", "--max-grad-norm"), "longest gradient (default 1; 0: any)", X),
        Option("seed", ("--seed",), "default 0", N),
    ),
    "what it sees, and the loss": (
        Option("size", ("--size", "--resolution"), "side in pixels (default: the model's)", N),
        Option("buckets", ("--buckets",), "keep the shapes of pictures", FLAG),
        Option("crop", ("--crop",), "center (default) or random", NAME),
        Option("flip", ("--flip",), "share of pictures that are mirrored", X),
        Option("zoom", ("--zoom",), "pictures smaller and larger, and words for it (default: of custom)", SWITCH),
        Option("forget", ("--forget",), "share of captions that are left empty", X),
        Option("clip_skip", ("--clip-skip",), "text layer from the end; 1 (default) is the last", N),
        Option("snr_gamma", ("--snr-gamma",), "min-SNR weights of the loss; 5 is usual", X),
        Option("noise_offset", ("--noise-offset",), "lets it learn dark and bright; 0.1 is usual", X),
        Option("zero_snr", ("--zero-snr",), "the last level without signal (v-prediction)", FLAG),
    ),
    "the machine": (
        Option("device", ("--device",), "cpu, or what accelerate finds (default)", NAME),
        Option("precision", ("--precision", "--mixed-precision"), "no (default), fp16, bf16", NAME),
        Option("cache", ("--no-cache",), "encode pictures and captions anew each time", {"action": "store_false"}),
        Option("checkpointing", ("--checkpointing", "--gradient-checkpointing"), "less memory, more time", FLAG),
    ),
    "what is kept": (
        Option("ema", ("--ema",), "decay of a moving average, which is then what is written", X),
        Option("save_every", ("--save-every", "--checkpointing-steps"), "steps between checkpoints (default 250)", N),
        Option("keep", ("--keep",), "write the result at every checkpoint", FLAG),
        Option("sample_every", ("--sample-every",), "steps between sheets of samples", N),
        Option(
            "samples",
            ("--sample", "--validation-prompt"),
            "a prompt of the sheets; several",
            {"action": "append", "metavar": "TEXT"},
        ),
        Option("keys", ("--keys",), "names in the file: kohya (default) or peft", NAME, (*FACTORS, "custom")),
        Option("saved_as", ("--saved-as",), "float32 (default), float16, bfloat16", NAME),
    ),
}


def teaching(parser: argparse.ArgumentParser, method: str) -> None:
    """The options of one method."""
    data = parser.add_argument_group("what from, where to")
    data.add_argument("data", metavar="FOLDER", help="pictures; docs/training.md says how captions are found")
    data.add_argument("--out", required=True, metavar="FOLDER", help="for the result, checkpoints, log and samples")
    data.add_argument("--prompt", "--instance-prompt", metavar="TEXT", help="caption of pictures that have none")
    data.add_argument("--column", "--caption-column", metavar="NAME", help="field of metadata.jsonl with the caption")
    data.add_argument("--repeats", type=whole, metavar="N", help="how often an epoch shows each picture")
    if method in BESIDE:
        data.add_argument("--class-folder", metavar="FOLDER", help="pictures of the class that are there already")
    data.add_argument("--dry-run", action="store_true", help="say how the data is understood; write a sheet of crops")
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for option in options:
            if not option.methods or method in option.methods:
                group.add_argument(*option.names, dest=option.field, default=None, help=option.help, **option.how)
    model = parser.add_argument_group("the model")
    model.add_argument("-m", "--model", default="kirie", metavar="MODEL", help="name, folder, file or hub id")
    model.add_argument("--vae", metavar="PATH", help="another autoencoder")
    model.add_argument("--vocabulary", metavar="FOLDER", help="tokenizer of a model that has none beside it")
    model.add_argument("--prediction", choices=PREDICTIONS, metavar="TYPE", help="|".join(PREDICTIONS))
    model.add_argument("--variant", metavar="NAME", help="which files of a folder, e.g. fp16")
    model.add_argument("--offline", action="store_true", help="never ask the hub")
    model.add_argument("-t", "--threads", type=whole, metavar="N", help="CPU threads")


def asked(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of the config that were given."""
    fields = [option.field for options in OPTIONS.values() for option in options]
    return {field: value for field in fields if (value := getattr(args, field, None)) is not None}
