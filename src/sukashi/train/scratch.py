"""Train a complete tiny Stable Diffusion from nothing: ``python -m sukashi.train.scratch --out DIR``.

Draws the pictures, learns the vocabulary, trains the autoencoder, encodes the pictures, trains text encoder and U-Net,
and writes a diffusers folder. Every stage leaves its result in DIR; run the command again and it goes on from there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.kirie.canvas import SIZE
from sukashi.kirie.captions import caption
from sukashi.kirie.chance import draw_scene
from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.train.autoencoder import encode_all, freeze_encoder, psnr, standardize, train_autoencoder
from sukashi.train.export import SCHEDULER, export
from sukashi.train.generator import Encode, Generator, Latents, train_generator
from sukashi.train.pictures import Pictures, draw_pictures, to_image
from sukashi.train.run import Budget, Log, Run, parameters
from sukashi.train.start import thumbnail_start
from sukashi.train.transfer import transfer
from sukashi.train.vocabulary import WORD, Vocabulary, learn_vocabulary, write_tokenizer

SMALL_VAE = VAEConfig(channels=(16, 16, 48, 96), resnets=1, groups=4, mid_attention=False)
SMALL_UNET = UNetConfig(
    channels=(48, 96, 160),
    depth=(1, 1, 1),
    heads=(2, 4, 5),
    resnets=1,
    context_dim=128,
    cross_only=(False, False, False),
    linear_projection=True,
    groups=16,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How big, how long, how fast."""

    pictures: int = 24_000
    captions: int = 30_000  # that the vocabulary is learnt from
    vae: VAEConfig = SMALL_VAE
    unet: UNetConfig = SMALL_UNET
    text_layers: int = 2
    text_heads: int = 4
    positions: int = 48
    start: Path | None = None  # a model folder to go on from: its autoencoder is kept, its weights are taken over
    vae_budget: Budget
    vae_batch: int = 4
    vae_rate: float = 5e-4
    budget: Budget  # of text encoder and U-Net
    polish_budget: Budget | None = None  # of the decoder alone, when the U-Net is done
    batch: int = 32
    rate: float = 5e-4
    seed: int = 0
    workers: int = 1
    save_every: float = 180.0


def learn_words(recipe: Recipe) -> tuple[Vocabulary, set[str]]:
    """The vocabulary of the world's captions, and the words they are made of."""
    seeds = range(recipe.captions)
    captions = [caption(draw_scene(Random(f"word scene {k}")), Random(f"word caption {k}")) for k in seeds]
    words = {word for text in captions for word in WORD.findall(text) if word.isalnum()}
    return learn_vocabulary(captions), words


def train_vae(recipe: Recipe, pictures: Pictures, out: Path, log: Log) -> VAE:
    """The autoencoder, from a thumbnail to something that shows details."""
    torch.manual_seed(recipe.seed)
    vae = VAE(recipe.vae)
    thumbnail_start(vae, pictures.images(range(min(24, len(pictures)))))
    log(f"autoencoder: {parameters(vae):,} parameters")
    return fit_vae(vae, list(vae.parameters()), recipe, pictures, recipe.vae_budget, out / "vae.pt", log)


def fit_vae(
    vae: VAE, trained: list[nn.Parameter], recipe: Recipe, pictures: Pictures, budget: Budget, path: Path, log: Log
) -> VAE:
    """Train the ``trained`` weights of ``vae``, with checkpoints at ``path``."""
    vae = vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    optimizer = torch.optim.AdamW(trained, lr=recipe.vae_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    run = Run(path, budget, {"vae": vae, "optimizer": optimizer}, save_every=recipe.save_every)
    train_autoencoder(vae, pictures, run, batch=recipe.vae_batch, rate=recipe.vae_rate, seed=recipe.seed, log=log)
    log(f"autoencoder: PSNR {psnr(vae, to_image(draw_pictures(range(40)))):.2f} dB on 40 unseen drawings")
    return vae


def encode_pictures(vae: VAE, pictures: Pictures, path: Path, *, standard: bool = False) -> Latents:
    """Standardise the latents of ``vae`` unless they are ``standard``; returns every picture's, kept at ``path``."""
    if path.exists():
        mean, std = torch.load(path, weights_only=True)
    else:
        mean, std = encode_all(vae, pictures)
        torch.save((mean, std), path)
    if standard:
        return Latents(mean=(mean * vae.config.scale).half(), std=(std * vae.config.scale).half())
    shift, factor = (x[:, None, None] for x in standardize(vae, mean))
    factor = factor * vae.config.scale
    return Latents(mean=((mean - shift) * factor).half(), std=(std * factor).half())


def make_generator(recipe: Recipe, vocabulary: Vocabulary) -> Generator:
    """Text encoder and U-Net as they are before training."""
    torch.manual_seed(recipe.seed + 1)
    width = recipe.unet.context_dim
    text = CLIPTextConfig(
        vocab_size=len(vocabulary.tokens),
        width=width,
        mlp_width=4 * width,
        layers=recipe.text_layers,
        heads=recipe.text_heads,
        positions=recipe.positions,
        eos_token_id=len(vocabulary.tokens) - 1,
    )
    return Generator(CLIPText(text), UNet(recipe.unet))


def train(recipe: Recipe, out: Path) -> Path:
    """Run all stages in ``out``; returns the model folder."""
    log = Log(out / "log.txt")
    vocabulary, words = learn_words(recipe)
    write_tokenizer(vocabulary, out / "tokenizer", positions=recipe.positions)
    pictures = Pictures(out / "data", recipe.pictures, workers=recipe.workers)
    log(f"{len(pictures)} pictures, {len(vocabulary.tokens)} tokens, {len(words)} words")
    model = make_generator(recipe, vocabulary)
    if recipe.start:
        taken = transfer(recipe.start, model, vocabulary)
        vae, words = taken.vae, words | set(json.loads((recipe.start / "words.json").read_text(encoding="utf-8")))
        log(f"from {recipe.start.name}: {taken}")
    else:
        vae = train_vae(recipe, pictures, out, log)
    latents = encode_pictures(vae, pictures, out / "latents.pt", standard=recipe.start is not None)
    optimizer = torch.optim.AdamW(model.trained(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0.01)
    log(f"U-Net {parameters(model.unet):,} parameters, text encoder {parameters(model.text):,}")
    parts = {"model": model, "optimizer": optimizer}
    run = Run(out / "generator.pt", recipe.budget, parts, save_every=recipe.save_every)
    signal = torch.from_numpy(NoiseSchedule(SCHEDULER).signal)

    def write() -> None:
        text, unet = model.average["text"], model.average["unet"]
        assert isinstance(text, CLIPText) and isinstance(unet, UNet)
        export(out / "model", text=text, unet=unet, vae=vae, vocabulary=vocabulary, words=words, size=SIZE)

    train_generator(
        model,
        latents,
        pictures,
        encoder(out / "tokenizer"),
        signal,
        run,
        batch=recipe.batch,
        rate=recipe.rate,
        seed=recipe.seed,
        log=log,
        show=lambda step: write(),
    )
    if recipe.polish_budget:
        fit_vae(vae, freeze_encoder(vae), recipe, pictures, recipe.polish_budget, out / "polish.pt", log)
    write()
    log(f"written to {out / 'model'}")
    return out / "model"


def encoder(folder: Path) -> Encode:
    """Captions -> ids, through the tokenizer in ``folder``."""
    tokenizer = Tokenizer.from_folder(folder)

    def encode(captions: Sequence[str]) -> Tensor:
        return tokenizer(captions)

    return encode


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sukashi.train.scratch", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for data, checkpoints, log and the model")
    parser.add_argument("--vae-minutes", type=float, default=20, help="training time of the autoencoder")
    parser.add_argument("--minutes", type=float, default=60, help="training time of text encoder and U-Net")
    parser.add_argument("--polish-minutes", type=float, default=30, help="more training of the decoder alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pictures", type=int, default=Recipe.pictures)
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--rate", type=float, default=Recipe.rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="a model folder to go on from instead of from nothing")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)  # zero-initialised layers make denormals, which are very slow on a CPU
    recipe = Recipe(
        pictures=given.pictures,
        start=given.start,
        vae_budget=Budget(minutes=given.vae_minutes),
        budget=Budget(minutes=given.minutes),
        polish_budget=Budget(minutes=given.polish_minutes) if given.polish_minutes else None,
        batch=given.batch,
        rate=given.rate,
        seed=given.seed,
        workers=given.threads,
    )
    train(recipe, given.out)


if __name__ == "__main__":
    main()
