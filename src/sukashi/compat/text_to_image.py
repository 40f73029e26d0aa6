"""What the text-to-image pipelines share: arguments checked, latents drawn, the run, the picture.

The run is our own: a ``Plan`` walks the latents, the U-Net is guided by ``diffusion.denoiser``. diffusers counts a run
by the calls of the U-Net, so the callback comes after each call; the latents after a call are those that the next call
looks at, and a callback may change them there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sukashi.beginning import Beginning, Guide
from sukashi.compat.pipeline import DiffusionPipeline
from sukashi.compat.randomness import Generators, randn
from sukashi.diffusion.denoiser import Conditioning, UNetLike, embed_guidance, guided, plain
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Level, Prediction
from sukashi.precision import guarded

OnStepEnd = Callable[[Any, int, Tensor, dict[str, Any]], dict[str, Any] | None]
Told = dict[str, Tensor]  # what the U-Net is told, by diffusers' names; with guidance the negative half stands first


class Begun(NamedTuple):
    """Where a run begins: what it begins with, how many steps are left out before and after."""

    beginning: Beginning
    first: int = 0
    last: int | None = None  # the run ends at ``levels[last]``; None: at the end


Start = Callable[[Plan, list[Level]], Begun]


class Interrupted(Exception):  # not an error: it leaves a run that a callback has stopped
    """A callback set ``pipe._interrupt``: x (B, C, h, w) at a level is as far as it came."""

    def __init__(self, x: Tensor, level: Level) -> None:
        super().__init__("a callback stopped the run")
        self.x, self.level = x, level


class TextToImage(DiffusionPipeline):
    """A pipeline that draws from words; what a subclass adds is how it reads them."""

    callback_tensors: ClassVar[tuple[str, ...]] = ("latents", "prompt_embeds", "negative_prompt_embeds")
    _guidance_scale: float = 1.0
    _guidance_rescale: float = 0.0
    _clip_skip: int | None = None
    _interrupt: bool = False
    _num_timesteps: int = 0
    beside: ClassVar[tuple[int, ...]] = (0,)  # how many channels the U-Net takes beside the latent
    guide: Guide | None = None  # guidance of its own, in place of ``guided``

    @property
    def guidance_scale(self) -> float:
        """S in eps_neg + s (eps_pos - eps_neg), of the run that is on or was last."""
        return self._guidance_scale

    @property
    def guidance_rescale(self) -> float:
        """How far the guided output is brought to the positive one's standard deviation, 0..1."""
        return self._guidance_rescale

    @property
    def clip_skip(self) -> int | None:
        """Layers left out at the end of the text encoder, for the positive prompt."""
        return self._clip_skip

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether a second, negative branch is computed: for a scale above 1, unless the U-Net is told the scale."""
        return self._guidance_scale > 1 and self.unet.config.time_cond_proj_dim is None

    @property
    def num_timesteps(self) -> int:
        """Calls of the U-Net in a run."""
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Whether a callback has stopped the run, by setting ``pipe._interrupt = True``."""
        return self._interrupt

    # ---------------------------------------------------------------------------------------------- before a run

    def check_inputs(
        self,
        prompt: str | Sequence[str] | None,
        prompt_embeds: Tensor | None,
        width: int,
        height: int,
        names: Sequence[str] = (),
    ) -> int:
        """The number of prompts. Raises ValueError for what cannot be drawn, TypeError for a prompt that is no text."""
        if (prompt is None) == (prompt_embeds is None):
            raise ValueError("exactly one of prompt and prompt_embeds has to be given")
        if prompt is not None and not isinstance(prompt, str | list | tuple):
            raise TypeError(f"prompt is a {type(prompt).__name__}; a string or a list of strings is accepted")
        if width % self.vae_scale_factor or height % self.vae_scale_factor:
            raise ValueError(f"width {width} and height {height} have to be multiples of {self.vae_scale_factor}")
        taken, latent = self.unet.config.in_channels, self.vae.config.latent_channels
        if taken - latent not in self.beside:
            if self.beside != (0,):
                wanted = " or ".join(str(latent + more) for more in self.beside)
                raise ValueError(f"this U-Net takes {taken} channels; a {type(self).__name__} needs one of {wanted}")
            raise ValueError(
                f"this U-Net takes {taken} channels, {latent} of them the latent: it needs a picture beside the prompt"
            )
        if unknown := set(names) - {*self.callback_tensors}:
            raise ValueError(f"callback_on_step_end cannot see {sorted(unknown)}; it can see {self.callback_tensors}")
        if prompt_embeds is not None:
            return len(prompt_embeds)
        return 1 if isinstance(prompt, str) else len(prompt or ())

    def usual_size(self, width: int | None, height: int | None) -> tuple[int, int]:
        """Width and height in pixels, where they are not given those the model was trained at."""
        side = self.unet.config.sample_size * self.vae_scale_factor
        return width or side, height or side

    def prepare_latents(
        self,
        batch_size: int,
        num_channels_latents: int,
        height: int,
        width: int,
        dtype: torch.dtype,
        device: torch.device | str,
        generator: Generators,
        latents: Tensor | None = None,
    ) -> Tensor:
        """Where a run starts: unit noise (B, C, h, w), drawn or given, times ``scheduler.init_noise_sigma``."""
        unit = self._unit_latents((batch_size, num_channels_latents, height, width), dtype, device, generator, latents)
        return unit * self.scheduler.init_noise_sigma

    def _unit_latents(
        self,
        shape: tuple[int, int, int, int],
        dtype: torch.dtype,
        device: torch.device | str,
        generator: Generators,
        latents: Tensor | None,
    ) -> Tensor:
        count, channels, height, width = shape
        if latents is not None:
            return latents.to(device)
        cells = (count, channels, height // self.vae_scale_factor, width // self.vae_scale_factor)
        return randn(cells, generator, device, dtype)

    def _start(
        self, shape: tuple[int, int, int, int], dtype: torch.dtype, generator: Generators, latents: Tensor | None
    ) -> Start:
        """What a run of so many (B, C, H pixels, W pixels) begins with: noise; in other tasks a noised picture."""
        return self._from_noise(shape, dtype, generator, latents)

    def _from_noise(
        self,
        shape: tuple[int, int, int, int],
        dtype: torch.dtype,
        generator: Generators,
        latents: Tensor | None,
        **beside: Tensor,
    ) -> Start:
        """Pure noise, and what the U-Net is given ``beside`` it: the fields of ``Beginning``."""
        unit = self._unit_latents(shape, dtype, self.device, generator, latents)
        noise = self.scheduler.noise(unit, generator)
        rest: dict[str, Any] = {"noise": noise, **beside}
        return lambda plan, levels: Begun(Beginning(x=unit.float() * plan.start_scale(levels), **rest))

    def read_cut(self, prompts: Sequence[str], tokenizer: Any) -> None:
        """Say what falls off the end of prompts that are too long."""
        if cut := [text for prompt in prompts if (text := tokenizer.core.cut(prompt))]:
            warnings.warn(
                f"the text encoder reads {tokenizer.model_max_length} tokens; cut off: {cut}", UserWarning, stacklevel=4
            )

    # ---------------------------------------------------------------------------------------------- the run

    def run(
        self,
        told: Told,
        start: Start,
        *,
        steps: int | None,
        timesteps: Sequence[float] | None,
        sigmas: Sequence[float] | None,
        eta: float,
        callback: OnStepEnd | None,
        names: Sequence[str],
    ) -> Tensor:
        """From where ``start`` says -> clean latents (B, C, h, w), in the scheduler's coordinates."""
        scheduler = self.scheduler
        given = timesteps is not None or sigmas is not None
        scheduler.set_timesteps(None if given else steps, self.device, timesteps=timesteps, sigmas=sigmas)
        levels = scheduler.levels(None if given else steps, timesteps=timesteps, sigmas=sigmas)
        self._interrupt, plan = False, scheduler.plan(eta)
        begun = start(plan, levels)
        skipped, left = begun.first * scheduler.order, len(levels) - 1 - (begun.last or len(levels) - 1)
        self._num_timesteps = len(scheduler.timesteps) - skipped - left * scheduler.order
        if width := self.unet.config.time_cond_proj_dim:  # an LCM is told the scale
            count = len(begun.beginning.x)
            told["timestep_cond"] = embed_guidance(self._guidance_scale, width, count).to(told["prompt_embeds"])
        return self._walk(plan, levels, told, begun, callback, names)

    def _walk(
        self,
        plan: Plan,
        levels: list[Level],
        told: Told,
        begun: Begun,
        callback: OnStepEnd | None,
        names: Sequence[str],
    ) -> Tensor:
        notes: list[str] = []
        unet = self._around(lambda view: guarded(view, ask_view, "U-Net", notes), levels)
        beginning, first, last = begun.beginning, begun.first, begun.last or len(levels) - 1
        scheduler, dtype, calls = self.scheduler, told["prompt_embeds"].dtype, 0
        timesteps = scheduler.timesteps[first * scheduler.order :]

        def after_call(x: Tensor, level: Level) -> None:
            """Show the latents to the callback, as the scheduler has them, and take over what it made of them."""
            if callback is None or not calls:
                return
            latents = scheduler.outward(x, level).to(dtype)
            seen = {name: latents.clone() if name == "latents" else told.get(name) for name in names}
            changed = callback(self, calls - 1, timesteps[calls - 1], seen) or {}
            wanted = changed.pop("latents", seen.get("latents", latents))
            if not torch.equal(wanted, latents):
                x.copy_(scheduler.inward(wanted.float(), level))  # the sampler's own tensor: it goes on from there
            told.update({name: value for name, value in changed.items() if name in told})

        def denoise(x: Tensor, level: Level) -> Prediction:
            nonlocal calls
            after_call(x, level)
            if self._interrupt:
                raise Interrupted(x, level)
            calls += 1
            return look(x, level)

        def ask_both(x: Tensor, level: Level) -> Prediction:
            negative, positive = (None if half is None else beginning.tell(half) for half in self._halves(told))
            assert positive is not None
            if negative is None:
                return plain(unet, plan.schedule.predicts, positive)(x, level)
            scale, rescale = self._guidance_scale, self._guidance_rescale
            if self.guide:
                return self.guide(unet, plan.schedule.predicts, positive, negative, scale)(x, level)
            return guided(unet, plan.schedule.predicts, positive, negative, scale, rescale)(x, level)

        look = beginning.wrap(ask_both) if beginning.wrap else ask_both
        x, level = beginning.x.float(), levels[first]
        steps = plan.run(denoise, x, levels, beginning.noise, first) if first < last else iter(())
        try:
            for step in islice(steps, last - first):
                x, level = step.x_next, step.to
            after_call(x, level)
        except Interrupted as stopped:
            x, level = stopped.x, stopped.level
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=5)
        return scheduler.outward(x, level).to(dtype)

    def _around(self, guard: Callable[[Any], UNetLike], levels: Sequence[Level]) -> UNetLike:
        """The U-Net as it is asked in a run over ``levels``; ``guard`` makes a callable of it."""
        return guard(self.unet)

    def _halves(self, told: Told) -> tuple[Conditioning | None, Conditioning]:
        """What the U-Net is told, for the negative branch (None: there is none) and for the positive one."""
        names = {"context": "prompt_embeds", "pooled": "add_text_embeds", "sizes": "add_time_ids"}
        names["guidance"] = "timestep_cond"
        tensors = {field: told[name].to(self.unet.dtype) for field, name in names.items() if name in told}
        both = Conditioning(**tensors)  # the context is always among them
        if not self.do_classifier_free_guidance:
            return None, both
        parts = [Conditioning(**{k: v.chunk(2)[i] for k, v in tensors.items()}) for i in (0, 1)]
        return parts[0], parts[1]

    # ---------------------------------------------------------------------------------------------- after it

    def picture(self, latents: Tensor, output_type: str) -> Any:
        """Clean latents (B, C, h, w) -> pictures of the kind asked for, or the latents themselves."""
        if output_type == "latent":
            return latents
        notes: list[str] = []
        decode = guarded(self.vae, lambda vae, z: vae.decode(z, return_dict=False)[0], "autoencoder", notes)
        image = decode(latents / self.vae.config.scaling_factor)
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=4)
        return self.image_processor.postprocess(image, output_type)


def ask_view(
    unet: Any, x: Tensor, t: Tensor, context: Tensor, residuals: Sequence[Tensor] = (), **told: Tensor | None
) -> Tensor:
    """Run a U-Net that is called as diffusers' is, with what our denoiser says."""
    added = {"text_embeds": told["pooled"], "time_ids": told["sizes"]} if told["pooled"] is not None else None
    more: dict[str, Any] = {"timestep_cond": told["guidance"], "added_cond_kwargs": added}
    more["class_labels"] = told.get("noise_level")
    if residuals:
        *more["down_block_additional_residuals"], more["mid_block_additional_residual"] = residuals
    out: Tensor = unet(x, t, encoder_hidden_states=context, return_dict=False, **more)[0]
    return out


def as_many(prompt: str | Sequence[str], count: int) -> list[str]:
    """One prompt for each of ``count``, or as many as there are. Raises ValueError for another number."""
    prompts = [prompt] * count if isinstance(prompt, str) else list(prompt)
    if len(prompts) != count:
        raise ValueError(f"{len(prompts)} negative prompts for {count} prompts; one, or one for each, is right")
    return prompts
