"""One picture in four steps: encode_prompt, get_latents, denoise (sampler + U-Net), vae_decode.

The pipeline holds the parts and nothing else: whatever a run remembers lives in the run, so threads may share it.
Letters: B batch, C latent channels, H W pixels, h w latent cells (H/8, W/8), T text tokens, D their width.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sukashi.adapters.holding import Holder
from sukashi.adapters.lora.holding import LoraHolder
from sukashi.beginning import Task
from sukashi.diffusion.denoiser import Conditioning, embed_guidance, guided
from sukashi.diffusion.names import resolve
from sukashi.diffusion.noise import per_picture
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Noise, Step
from sukashi.memory import decode
from sukashi.pictures import to_pictures
from sukashi.precision import guarded
from sukashi.run import Result, Run
from sukashi.settings import Settings
from sukashi.text import SYNTAX, TextEmbedding, encode_text
from sukashi.weights.parts import Parts

if TYPE_CHECKING:
    from sukashi.prompts.encode import Encoded

Given = Mapping[str, Conditioning]
Prompt = str | Sequence[str] | Conditioning
Prepare = Callable[["Pipeline", Settings, Sequence[int], Plan, list[str]], Task]
"""(pipe, what is asked with every default filled in, seeds, plan, notes to add to) -> a task made ready."""


class Pipeline(Holder, LoraHolder):
    """A loaded model, ready to draw. ``sukashi.load`` makes one; ``with_control`` and the like make it another.

    ``defaults`` fills the fields of ``Settings`` that a request leaves open; ``name`` is what records call the model,
    ``loading`` what it was loaded with beside that, as JSON values. ``unknown_words`` picks out of a prompt
    what a small model was never taught.
    """

    def __init__(
        self,
        parts: Parts,
        defaults: Mapping[str, Any],
        name: str,
        loading: Mapping[str, Any] | None = None,
        unknown_words: Callable[[str], Sequence[str]] = lambda prompt: (),
    ) -> None:
        self.parts, self.name, self.loading = parts, name, dict(loading or {})
        self.unet, self.vae = parts.unet, parts.vae
        self.published = resolve(parts.scheduler.get("_class_name", "ddim"), None, parts.scheduler)
        self.defaults = dict(defaults)
        self.quick: Callable[[Any], Any] = lambda net: net  # what runs in the place of a network: ``fast.quickening``
        self.whole_step: Callable[..., Denoise] = lambda net, denoise, how: denoise  # may be one graph: ``fast.graphs``
        self.encode_text, self.unknown_words = encode_text, unknown_words  # the first may remember: fast.remembered
        self.wraps = False  # whether pictures continue on the other side: ``seamless.around``
        self.size_numbers = parts.family.size_numbers
        self.tokens = min(parts.tokenizers[0].length, parts.text_encoders[0].config.positions)  # in one chunk

    @property
    def device(self) -> torch.device:
        """Where the U-Net is."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the U-Net computes in."""
        return next(self.unet.parameters()).dtype

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels that suit the model."""
        width, height, _, _ = Settings().filled(self.defaults).numbers()
        return width, height

    # ------------------------------------------------------------------------------------------------- the four steps

    def encode_prompt(
        self,
        prompt: str | Sequence[str | None] | None,
        *,
        clip_skip: int = 1,
        emphasis: str = "a1111",
        truncate: bool = False,
        chunks: int = 1,
        size: tuple[int, int] | None = None,
        notes: list[str] | None = None,
    ) -> Conditioning:
        """Prompts -> what the U-Net is told: context (B, T, D), for SDXL also pooled (B, P) and sizes (B, 6).

        None is 'nothing said': the empty prompt, or zeros where the model was trained with zeros (SDXL base).
        ``clip_skip`` counts layers from the end as A1111 does (1 is the last); ``size`` is the (width, height) in
        pixels that an SDXL model is told. Weights like (a:1.3) act as ``emphasis`` says (``prompts.emphasis``; "none"
        takes the text as it stands). A long prompt becomes as many chunks as it needs, ``chunks`` at least, or with
        ``truncate`` one. What is worth knowing is appended to ``notes``. AND and [a:b:0.5] are for whole runs.
        """
        prompts = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
        with torch.no_grad():
            text: TextEmbedding | Encoded
            text = plain = self.encode_text(self.parts, prompts, clip_skip=clip_skip)
            syntax = emphasis != "none" and SYNTAX.search("\n".join(filter(None, prompts)))
            if syntax or chunks > 1 or (any(map(any, plain.cut)) and not truncate):
                from sukashi.prompts.encode import encode_prompts

                how: dict[str, Any] = {"emphasis": emphasis, "truncate": truncate, "chunks": chunks}
                text = encode_prompts(self.parts, prompts, clip_skip=clip_skip, **how)
        if notes is not None:
            notes += [note for note in text.notes if note not in notes]
        told = Conditioning(context=text.context, pooled=text.pooled)
        if not self.size_numbers:
            return told
        from sukashi.sizes import told_sizes

        return replace(told, sizes=told_sizes(self.size_numbers, size or self.size, len(prompts)).to(self.device))

    def get_latents(self, width: int, height: int, *, seeds: Sequence[int] = (0,), rng: str = "cpu") -> Tensor:
        """Unit noise (B, C, height / f, width / f), f = 8, one generator for each seed: where every picture starts.

        Raises ValueError when width or height is not a multiple of f.
        """
        return per_picture(seeds, self.latent_shape(width, height), rng, self.device)()

    def denoise(
        self,
        latents: Tensor,
        wanted: Conditioning,
        unwanted: Conditioning | None = None,
        *,
        noise: Noise | None = None,
        **options: Any,
    ) -> Tensor:
        """Unit noise (B, C, h, w) -> clean latents (B, C, h, w). Options: those of ``Settings``.

        ``unwanted`` is the empty or the negative prompt (None: no guidance); ``noise`` feeds samplers that add some.
        """
        settings = Settings(**{"negative_prompt": "", **options}).filled(self.defaults)  # not None: unwanted is one
        plan = self.plan(settings)
        levels = plan.levels(settings.numbers()[2])
        noise = noise or per_picture(range(len(latents)), latents.shape[1:], settings.rng, self.device)
        x = latents * plan.start_scale(levels)
        if settings.steers or self.uses:
            from sukashi.steering import steered_denoiser

            denoise = steered_denoiser(self, wanted, unwanted, settings, [], levels=levels)
        else:
            denoise = self.denoiser(wanted, unwanted, settings, [])
        with torch.no_grad():
            for step in plan.run(denoise, x, levels, noise):
                x = step.x_next
        return x

    def vae_decode(self, latents: Tensor, notes: list[str] | None = None) -> Tensor:
        """Clean latents (B, C, h, w) -> images (B, 3, H, W) in [0, 1].

        An output that is not finite is computed again in float32, and what does not fit into memory is decoded in
        tiles; both are said in ``notes``. Raises NumericalError where float32 does not help.
        """
        said = [] if notes is None else notes
        run = guarded(self.vae, lambda vae, z: decode(self.quick(vae), z, said), "autoencoder", said)
        with torch.no_grad():
            image = run(latents)
        return (image.float() / 2 + 0.5).clamp(0, 1)  # from [-1, 1]

    # ------------------------------------------------------------------------------------------------- the whole run

    def steps(
        self, prompt: Prompt = "", prepare: Prepare | None = None, *, given: Given | None = None, **options: Any
    ) -> Run:
        """A run to be iterated step by step; options are the fields of ``Settings``.

        ``prompt`` and ``negative_prompt`` may be what ``encode_prompt`` gives; ``given`` has such by the names that
        stand for them. It is text-to-image unless ``prepare`` makes another task ready (``sukashi.tasks``).

        >>> for step in pipe.steps("a cat", steps=20):  # doctest: +SKIP
        ...     print(step.now.t, step.prediction.x0.std())
        """
        asked = Settings(**options).filled(self.defaults)
        if prepare or given or isinstance(prompt, Conditioning) or not self.plain(prompt, asked):
            from sukashi.elaborate import elaborate

            return elaborate(self, prompt, prepare, given or {}, options)
        width, height, n, _ = asked.numbers()
        prompts = [p for p in ([prompt] if isinstance(prompt, str) else prompt) for _ in range(asked.count)]
        first = secrets.randbelow(2**32) if asked.seed is None else asked.seed
        seeds = range(first, first + len(prompts))
        requests = [replace(asked, prompt=p, seed=seed, count=1) for p, seed in zip(prompts, seeds, strict=True)]
        shape, plan, notes = self.latent_shape(width, height), self.plan(asked), self.remarks(prompts)
        levels = plan.levels(n)
        told: dict[str, Any] = {"clip_skip": asked.clip_skip, "emphasis": "none", "truncate": True, "notes": notes}
        wanted = self.encode_prompt(prompts, size=(width, height), **told)
        unwanted = self.encode_prompt([asked.negative_prompt] * len(prompts), size=(width, height), **told)

        def start() -> tuple[Tensor, Noise]:
            noise = per_picture(seeds, shape, asked.rng, self.device)
            return noise() * plan.start_scale(levels), noise

        def walk() -> Iterator[Step]:
            x, noise = start()
            return plan.run(self.denoiser(wanted, unwanted, asked, notes), x, levels, noise)

        facts: dict[str, Any] = {"sampler": plan.sampler, "grid": plan.grid, "calls": plan.calls(n), "notes": notes}
        return Run(requests=requests, levels=levels, x=start()[0], walk=walk, **facts)

    def __call__(self, prompt: Prompt = "", **options: Any) -> Result:
        """Draw: exhaust ``steps`` and decode. ``.images`` of the result are PIL pictures."""
        start = time.perf_counter()
        run = self.steps(prompt, **options)
        x = run.x
        for step in run:
            x = step.x_next
        return self.finish(run, x, start)

    # ------------------------------------------------------------------------------------------------- what they share

    def plain(self, prompt: str | Sequence[str], asked: Settings) -> bool:
        """Whether a run is words as they stand, noise and the U-Net; ``sukashi.elaborate`` does all others."""
        held = self.uses or self.words or self.size_numbers
        if asked.steers or held or not isinstance(asked.negative_prompt, str | None):
            return False
        texts = [*([prompt] if isinstance(prompt, str) else prompt), asked.negative_prompt or ""]
        if asked.emphasis != "none" and SYNTAX.search("\n".join(texts)):
            return False
        return asked.truncate or not any(self.parts.tokenizers[0].cut(text, self.tokens) for text in texts)

    def plan(self, settings: Settings) -> Plan:
        """The sampler and grid that the settings name, else those the model was published with."""
        if settings.sampler is None and settings.grid is None and settings.eta is None:
            return self.published
        config, options = self.parts.scheduler, {} if settings.eta is None else {"eta": settings.eta}
        return resolve(settings.sampler or config.get("_class_name", "ddim"), settings.grid, config, **options)

    def remarks(self, prompts: Sequence[str], *, task: bool = False) -> list[str]:
        """What is to be said before drawing.

        Raises ValueError when the U-Net cannot draw from words alone and no ``task`` gives it more.
        """
        taken, made = self.unet.config.in_channels, self.vae.config.latent_channels
        if taken != made and not task:
            kind = self.parts.family.title
            raise ValueError(
                f"{self.name} is a {kind} model: its U-Net takes {taken} channels, {made} of them the latent, so it "
                f"needs a picture beside the prompt and cannot do text-to-image"
            )
        unknown = dict.fromkeys(word for prompt in prompts for word in self.unknown_words(prompt))
        return [f"{self.name} does not know: {', '.join(unknown)}"] if unknown else []

    def denoiser(
        self, wanted: Conditioning, unwanted: Conditioning | None, settings: Settings, notes: list[str]
    ) -> Denoise:
        """The U-Net, guarded against NaN and guided as the settings say."""
        unet = guarded(self.unet, lambda net, *inputs, **named: self.quick(net)(*inputs, **named), "U-Net", notes)
        guidance = settings.numbers()[3]
        if width := self.unet.config.guidance_dim:  # an LCM is told the scale and needs no second branch
            told = embed_guidance(guidance, width, len(wanted.context)).to(wanted.context)
            wanted, unwanted = replace(wanted, guidance=told), None
        how = (self.published.schedule.predicts, wanted, unwanted, guidance, settings.rescale)
        return self.whole_step(self.unet, guided(unet, *how), how)

    def finish(self, run: Run, x: Tensor, start: float) -> Result:
        """Clean latents (B, C, h, w) -> pictures, with the facts of their run; ``start`` is when it began."""
        if run.requests[0].seamless and not self.wraps:
            from sukashi.seamless import around

            return around(self, run.requests[0].seamless).finish(run, x, start)
        images = to_pictures(self.vae_decode(x, run.notes))
        run.notes.extend(getattr(self.quick, "notes", ()))
        return Result(
            images=images,
            requests=run.requests,
            latents=x,
            notes=run.notes,
            model=self.name,
            loading=self.loading,
            sampler=run.sampler,
            grid=run.grid,
            calls=run.calls,
            seconds=time.perf_counter() - start,
            task=run.task,
            options=run.options,
        )

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """(C, h, w) for a picture of so many pixels. Raises ValueError for sizes that are not whole cells."""
        cell, config = self.vae.config.factor, self.vae.config
        if width % cell or height % cell or min(width, height) < cell:
            raise ValueError(f"{width} x {height} pixels: width and height must be multiples of {cell} for this model")
        return config.latent_channels, height // cell, width // cell
