"""Everything about one run: every step, what was told and said, how long it took; for any task.

>>> recording = record(pipe, "a girl with glasses", seed=1)  # doctest: +SKIP
>>> recording.picture(5, "x0")  # what it thought after six steps  # doctest: +SKIP

A ``Recorder`` stands between a run and whoever iterates it, and keeps a copy of what goes by, so a live viewer can do
the same: ``for step in recorder(pipe.steps(...))``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Level, Prediction, Step
from sukashi.pictures import to_pictures
from sukashi.prompts.table import TokenTable, token_tables
from sukashi.run import Result, Run
from sukashi.tasks.driving import Show
from sukashi.tasks.replaying import TASKS
from sukashi.watch.attention import attention as attentive
from sukashi.watch.blocks import Block
from sukashi.watch.maps import Maps
from sukashi.watch.networks import blocks_of
from sukashi.watch.previews import Preview, preview
from sukashi.watch.schedule import Training, Walk, training
from sukashi.watch.words import shown, spelled_by

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline, Prompt

SIDES = ("positive", "negative")
SEEN = ("x", "x0", "eps", "x_next")


class Recorder:
    """Keeps what a run shows: ``for step in recorder(run)``. One recorder may see several runs, one after another.

    ``show`` is what iterates the run itself, such as a progress bar.
    """

    def __init__(self, show: Show = iter) -> None:
        self.show = show
        self.steps: list[Step] = []  # on the CPU, float32
        self.seconds: list[float] = []  # of each step, without what its watchers did
        self.starts: list[int] = []  # the step at which each run began: two for a task of two passes
        self.levels: list[Sequence[Level]] = []  # of each run

    def __call__(self, run: Run) -> Iterator[Step]:
        """The steps of ``run``, as they are; the copies are in ``steps``."""
        self.starts.append(len(self.steps))
        self.levels.append(run.levels)
        steps: Iterable[Step] = self.show(run)
        began = time.perf_counter()
        for step in steps:
            self.steps.append(kept(step))  # waits for an accelerator to finish
            self.seconds.append(time.perf_counter() - began)
            yield step
            began = time.perf_counter()


def kept(step: Step) -> Step:
    """A copy of a step on the CPU in float32, that nothing changes any more."""

    def copy(tensor: Tensor) -> Tensor:
        return tensor.detach().to("cpu", torch.float32, copy=True)

    x0, eps, parts = step.prediction
    seen = Prediction(copy(x0), copy(eps), {name: copy(part) for name, part in parts.items()})
    return step._replace(x=copy(step.x), prediction=seen, x_next=copy(step.x_next))


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One run, complete. Tensors are on the CPU in float32; steps hold a batch of B pictures."""

    result: Result
    family: str  # for people
    predicts: str  # what the U-Net's outputs in ``prediction.parts`` are: 'epsilon', 'v_prediction', ...
    steps: Sequence[Step]
    seconds: Sequence[float]  # of each step
    starts: Sequence[int]  # the step at which each pass begins
    tokens: Mapping[str, Sequence[TokenTable]]  # by side, of picture 0: a table for each text encoder and prompt
    rows: Mapping[str, Sequence[Sequence[dict[str, Any]]]]  # by side: of each of those tables what ``words.shown`` says
    embedding: Mapping[str, Tensor]  # by side: (T, D), what the U-Net is told of picture 0 to begin with
    blocks: Sequence[Block]  # of the U-Net, timed apart from the run
    walk: Walk  # the levels that were visited
    training: Training  # the noise that the model was trained with
    preview: Preview | None = None
    attention: Sequence[Maps] = ()  # of each picture of the batch, where they were asked for
    notes: Sequence[str] = field(default=())  # of the watching; those of the run are in ``result.notes``

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.steps)

    def latents(self, i: int, which: str = "x0") -> Tensor:
        """'x', 'x0', 'eps' or 'x_next' of step i, (B, C, h, w). Raises ValueError for another word."""
        step = self.steps[i]
        if which not in SEEN:
            raise ValueError(f"a step has no {which!r}; it has {', '.join(SEEN)}")
        return getattr(step if which.startswith("x") and which != "x0" else step.prediction, which)

    def picture(self, i: int, which: str = "x0", k: int = 0) -> Image.Image:
        """What a latent of step i looks like, of picture k, by the preview that was asked for.

        Raises ValueError where the recording was made without previews.
        """
        if self.preview is None:
            raise ValueError("this recording has no previews; record(..., previews='linear') has")
        return to_pictures(self.preview(self.latents(i, which)[k : k + 1]))[0]

    def _repr_html_(self) -> str:
        from sukashi.watch.display import recording_html

        return recording_html(self)


def record(
    pipe: Pipeline,
    prompt: Prompt = "",
    *,
    task: str = "text-to-image",
    attention: bool | str = True,
    previews: str = "linear",
    show: Show = iter,
    **options: Any,
) -> Recording:
    """Run a task and keep everything. Options are those of the task (``sukashi.tasks``) and the fields of ``Settings``.

    ``attention`` also watches the cross-attention ("sum", "steps" or "all" say how much is kept, see
    ``watch.attention``; True is "steps"); ``previews`` is 'linear', 'vae', 'none' or the file of a TAESD; ``show``
    iterates the run, as a progress bar does. The picture is the one that is drawn without recording. Raises ValueError
    for a task that does not exist or draws more than one run side by side ("grid"), and what the task raises.
    """
    if task not in TASKS or task == "grid":
        known = ", ".join(name for name in TASKS if name != "grid")
        raise ValueError(f"the task to record is {task!r}; accepted: {known}")
    notes: list[str] = []
    shown = preview(pipe, previews, notes)
    recorder = Recorder(show)
    draw: Callable[..., Result] = TASKS[task]
    watched = None if not attention else attentive(pipe, keep="steps" if attention is True else attention)
    result = draw(watched or pipe, prompt, show=recorder, **options)
    height, width = (side * pipe.vae.config.factor for side in result.latents.shape[2:])
    told = said(pipe, prompt, options.get("negative_prompt"), result)
    tokens = {side: tables(pipe, text, result) for side, text in told.items()}
    return Recording(
        result=result,
        family=pipe.parts.family.title,
        predicts=pipe.published.schedule.predicts,
        steps=recorder.steps,
        seconds=recorder.seconds,
        starts=recorder.starts,
        tokens=tokens,
        rows={side: rows(pipe, found, result) for side, found in tokens.items()},
        embedding={side: embedded(pipe, text, result) for side, text in told.items()},
        blocks=blocks_of(pipe, width=width, height=height, repeat=1),
        walk=Walk(result.sampler, result.grid, len(recorder.steps), result.calls, visited(recorder)),
        training=training(pipe.published.schedule),
        preview=shown,
        attention=watched.maps if watched else (),
        notes=notes,
    )


def visited(recorder: Recorder) -> list[Level]:
    """The levels of all passes."""
    return [level for levels in recorder.levels for level in levels]


def said(pipe: Pipeline, prompt: Prompt, negative: Any, result: Result) -> dict[str, str | Conditioning | None]:
    """Prompt and negative prompt of picture 0: as text, as embeddings where such were given, None for nothing."""
    request = result.requests[0]
    return {
        "positive": prompt if isinstance(prompt, Conditioning) else request.prompt,
        "negative": negative if isinstance(negative, Conditioning) else request.negative_prompt,
    }


def tables(pipe: Pipeline, text: str | Conditioning | None, result: Result) -> list[TokenTable]:
    """The tokens of a prompt for every text encoder; none of embeddings."""
    if isinstance(text, Conditioning):
        return []
    request = result.requests[0]
    options: dict[str, Any] = {"emphasis": request.emphasis, "truncate": request.truncate}
    encoders = range(len(pipe.parts.text_encoders))
    return [table for k in encoders for table in token_tables(pipe, text or "", encoder=k, **options)]


def rows(pipe: Pipeline, found: Sequence[TokenTable], result: Result) -> list[list[dict[str, Any]]]:
    """Every row of the context that each table stands for, with start, end and padding, and the nearest other words."""
    request = result.requests[0]
    how: dict[str, Any] = {"emphasis": request.emphasis, "truncate": request.truncate}
    texts = [(table.encoder, spelled_by(pipe, table.prompt, encoder=table.encoder, **how)) for table in found]
    return [shown(pipe, text, encoder=encoder) for encoder, text in texts]


def embedded(pipe: Pipeline, text: str | Conditioning | None, result: Result) -> Tensor:
    """What the U-Net is told at first: (T, D)."""
    if not isinstance(text, Conditioning):
        request = result.requests[0]
        options: dict[str, Any] = {"emphasis": request.emphasis, "truncate": request.truncate}
        plain = text and token_tables(pipe, text, **options)[0].prompt if request.emphasis != "none" else text
        text = pipe.encode_prompt(plain, clip_skip=request.clip_skip, **options)
    return text.context[0].detach().float().cpu()
