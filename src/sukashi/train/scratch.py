"""Train a complete tiny Stable Diffusion from nothing: ``sukashi train scratch --recipe kirie --out DIR``.

Draws the pictures, learns the vocabulary, trains the autoencoder, encodes the pictures, teaches the text encoder to
read, trains the U-Net on what it reads, and writes a diffusers folder. Every stage leaves its result in DIR; run the
command again and it goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
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
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.train.autoencoder import encode_all, freeze_encoder, psnr, standardize, train_autoencoder
from sukashi.train.export import SCHEDULER, export
from sukashi.train.generator import Generator, Latents, train_generator
from sukashi.train.labels import Encode, label
from sukashi.train.pictures import Pictures, draw_pictures, to_image
from sukashi.train.reading import KNOWN, Reader, captions, train_reading, understood
from sukashi.train.recipe import Recipe
from sukashi.train.run import Budget, Log, Run, parameters
from sukashi.train.samples import draw_samples
from sukashi.train.start import thumbnail_start
from sukashi.train.transfer import transfer
from sukashi.train.vocabulary import WORD, Vocabulary, learn_vocabulary, write_tokenizer


def train(recipe: Recipe, out: Path) -> Path:
    """Run all stages in ``out``; returns the model folder. Raises FileNotFoundError where the start is no model."""
    if recipe.start and not (recipe.start / "model_index.json").is_file():
        raise FileNotFoundError(f"{recipe.start} is no model to start from: it has no model_index.json")
    log = Log(out / "log.txt")
    vocabulary, words = learn_words(recipe)
    write_tokenizer(vocabulary, out / "tokenizer", positions=recipe.positions)
    pictures = Pictures(out / "data", recipe.pictures, workers=recipe.workers)
    log(f"{len(pictures)} pictures, {len(vocabulary.tokens)} tokens, {len(words)} words; on {recipe.device}")
    model, can_read = make_generator(recipe, vocabulary), False
    if recipe.start:
        taken = transfer(recipe.start, model, vocabulary)
        vae = taken.vae.to(recipe.device)
        words |= set(json.loads((recipe.start / "words.json").read_text(encoding="utf-8")))
        can_read = taken.tokens[0] == taken.tokens[1]  # and if not, it begins with what it has
        log(f"from {recipe.start.name}: {taken}")
    else:
        vae = train_vae(recipe, pictures, out, log)
    latents = encode_pictures(vae, pictures, out / "latents.pt", standard=recipe.start is not None)
    if recipe.reading_budget:
        if can_read:
            log("the text encoder stays as it is")
        else:
            teach_reading(model, recipe, recipe.reading_budget, out, log)
        model.text.requires_grad_(False)

    def write() -> None:
        text, unet = model.average["text"], model.average["unet"]
        assert isinstance(text, CLIPText) and isinstance(unet, UNet)
        export(out / "model", text=text, unet=unet, vae=vae, vocabulary=vocabulary, words=words, size=SIZE)

    fit_generator(model, recipe, latents, pictures, out, log, write)
    if recipe.polish_budget:
        fit_vae(vae, freeze_encoder(vae), recipe, pictures, recipe.polish_budget, out / "polish.pt", log)
    write()
    log(f"written to {out / 'model'}")
    return out / "model"


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
    vae = vae.to(recipe.device)
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
    device = next(vae.parameters()).device
    if path.exists():
        mean, std = torch.load(path, weights_only=True, map_location=device)
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


def teach_reading(model: Generator, recipe: Recipe, budget: Budget, out: Path, log: Log) -> None:
    """Train the text encoder alone, before the U-Net sees anything of it."""
    encode = encoder(out / "tokenizer")
    text = model.text.to(recipe.device)
    torch.manual_seed(recipe.seed + 2)
    reader = Reader(text.config.width, captions("known", KNOWN)[1]).to(recipe.device)
    both = nn.ModuleDict({"text": text, "reader": reader})
    optimizer = torch.optim.AdamW(both.parameters(), lr=recipe.reading_rate, weight_decay=0.01)
    run = Run(out / "reading.pt", budget, {"model": both, "optimizer": optimizer}, save_every=recipe.save_every)
    log(f"text encoder {parameters(text):,} parameters, asked {len(reader.questions)} questions about every caption")
    train_reading(
        text, reader, encode, run, batch=recipe.reading_batch, rate=recipe.reading_rate, seed=recipe.seed, log=log
    )
    for name, held_out in (("unseen captions", False), ("pairs never read together", True)):
        said, whole = understood(text, reader, encode, count=1000, held_out=held_out)
        log(f"{name}: {said:.2%} of what is said is read rightly, {whole:.1%} of captions whole")
    model.average["text"].load_state_dict(text.state_dict())


def fit_generator(
    model: Generator,
    recipe: Recipe,
    latents: Latents,
    pictures: Pictures,
    out: Path,
    log: Log,
    write: Callable[[], None],
) -> None:
    """Train the U-Net, and the text encoder unless it is frozen.

    ``write`` writes the model folder, of which samples are drawn now and then.
    """
    model.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    fused = torch.device(recipe.device).type == "cuda"
    optimizer = torch.optim.AdamW(model.trained(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=fused)
    log(f"U-Net {parameters(model.unet):,} parameters, text encoder {parameters(model.text):,}")
    parts = {"model": model, "optimizer": optimizer}
    run = Run(out / "generator.pt", recipe.budget, parts, save_every=recipe.save_every)
    labels = label(pictures, encoder(out / "tokenizer"), wordings=recipe.wordings, salt=str(recipe.seed))
    shown = time.monotonic()

    def watch(step: int) -> None:
        nonlocal shown
        if recipe.sheet_every and time.monotonic() - shown >= recipe.sheet_every:
            write()
            draw_samples(out / "model", out / "samples" / f"step-{step:06d}.png", recipe.device)
            shown = time.monotonic()

    train_generator(
        model,
        latents,
        labels,
        torch.from_numpy(NoiseSchedule(SCHEDULER).signal),
        run,
        batch=recipe.batch,
        rate=recipe.rate,
        seed=recipe.seed,
        log=log,
        average=recipe.average,
        heads=pictures.heads() if recipe.emphasis != 1 else None,
        emphasis=recipe.emphasis,
        least=recipe.least,
        shares=pictures.shares(),
        watch=watch,
    )


def encoder(folder: Path) -> Encode:
    """Captions -> ids, through the tokenizer in ``folder``."""
    tokenizer = Tokenizer.from_folder(folder)

    def encode(captions: Sequence[str]) -> Tensor:
        return tokenizer(captions)

    return encode
