"""Grids: one task over the values of one, two or three options, side by side with labels, with one model load."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.settings import Settings
from sukashi.tasks.driving import Show

LARGEST = 1024  # pictures in one grid
Axis = tuple[str, Sequence[Any]]


def grid(
    pipe: Pipeline,
    prompt: str = "",
    *,
    axes: Mapping[str, Sequence[Any]],
    task: str = "text-to-image",
    show: Show = iter,
    **options: Any,
) -> Result:
    """Run a task for every combination of one to three options: the first across, the second down, the third below.

    ``axes`` names options of the task or of ``Settings`` with their values; that of "prompt" replaces in the prompt:
    its first value by each of them (A1111's "prompt S/R"). Every picture has the same seed unless the seed is an axis.
    The result holds one picture, the labelled sheet. Raises ValueError for axes that cannot be drawn.
    """
    started, named = time.perf_counter(), [(name, list(values)) for name, values in axes.items()]
    check(named, prompt)
    fixed = {"seed": first_seed(options.pop("seed", None)), **options}
    call = find(task)
    check_options(named, call, task)
    results = []
    for values in combinations(named):
        asked = fixed | values
        said = prompt.replace(str(axes["prompt"][0]), str(asked.pop("prompt"))) if "prompt" in axes else prompt
        results.append(call(pipe, said, show=show, **asked))
    for result in results:
        if len(result.images) != 1:
            raise ValueError("a grid shows one picture for each combination; leave count at 1")
    sheet = layout([result.images[0] for result in results], named)
    last = results[-1]
    request = replace(results[0].requests[0], prompt=prompt)
    record = {"axes": dict(named), "task": task} | {k: v for k, v in options.items() if not hasattr(request, k)}
    return replace(
        last,
        images=[sheet],
        requests=[request],
        task="grid",
        options=[record],
        notes=list(dict.fromkeys(note for result in results for note in result.notes)),
        calls=sum(result.calls for result in results),
        seconds=time.perf_counter() - started,
    )


def find(task: str) -> Callable[..., Result]:
    """The function of a task by the name of its records."""
    from sukashi.tasks.replaying import TASKS

    if task not in TASKS or task == "grid":
        known = ", ".join(name for name in TASKS if name != "grid")
        raise ValueError(f"the task of a grid is {task!r}; accepted: {known}")
    return TASKS[task]


def first_seed(seed: int | None) -> int:
    """The seed all pictures share; one is drawn where none is given."""
    import secrets

    return secrets.randbelow(2**32) if seed is None else seed


def check(axes: Sequence[Axis], prompt: str) -> None:
    """Raises ValueError for no axis or more than three, for an empty one, and for too many pictures."""
    if not 1 <= len(axes) <= 3:
        raise ValueError(f"a grid has one to three axes, not {len(axes)}")
    pictures = 1
    for name, values in axes:
        if not values:
            raise ValueError(f"the axis {name} has no values")
        if name == "prompt" and str(values[0]) not in prompt:
            raise ValueError(f"the prompt does not have {values[0]!r} in it, which the axis is to replace")
        pictures *= len(values)
    if pictures > LARGEST:
        raise ValueError(f"the grid would have {pictures} pictures; at most {LARGEST} are accepted")


def check_options(axes: Sequence[Axis], call: Callable[..., Result], task: str) -> None:
    """Raises ValueError for an axis that is no option of the task, and for a word where a number belongs."""
    types = {field.name: str(field.type) for field in fields(Settings)} | {"prompt": "str"}
    own = inspect.signature(call).parameters.values()
    types |= {each.name: str(each.annotation) for each in own if each.kind is each.KEYWORD_ONLY and each.name != "show"}
    for name, values in axes:
        if name not in types:
            raise ValueError(f"{task} has no option {name!r} for an axis; it has {', '.join(sorted(types))}")
        for value in values if {*types[name].split(" | ")} <= {"int", "float", "None"} else ():
            if value is not None and not isinstance(value, int | float):
                raise ValueError(f"{name} is {value!r} on an axis; a number is accepted")


def combinations(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination, the first axis fastest."""
    found: list[dict[str, Any]] = [{}]
    for name, values in reversed(axes):
        found = [before | {name: value} for before in found for value in values]
    return [dict(reversed(each.items())) for each in found]


def layout(pictures: Sequence[Image.Image], axes: Sequence[Axis]) -> Image.Image:
    """Pictures in the order of ``combinations`` as one sheet: labels above the columns and left of the rows."""
    columns = len(axes[0][1])
    width, height = (max(getattr(p, side) for p in pictures) for side in ("width", "height"))
    font = ImageFont.load_default(max(10, min(width, height) // 10))
    above = [label(axes[0], k) for k in range(columns)]
    beside = [
        ", ".join(label(axis, index(k, axes, n)) for n, axis in list(enumerate(axes))[:0:-1])
        for k in range(len(pictures) // columns)
    ]
    head = max(text_size(text, font)[1] for text in above) + 8
    side = max((text_size(text, font)[0] for text in beside), default=0) + (12 if len(axes) > 1 else 0)
    wide = [max(width, text_size(text, font)[0] + 8) for text in above]
    sheet = Image.new("RGB", (side + sum(wide), head + height * len(beside)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, text in enumerate(above):
        pen.text((side + sum(wide[:k]) + wide[k] // 2, head // 2), text, fill="black", font=font, anchor="mm")
    for row, text in enumerate(beside):
        y = head + row * height
        pen.text((side - 6, y + height // 2), text, fill="black", font=font, anchor="rm")
        for k in range(columns):
            picture = pictures[row * columns + k]
            sheet.paste(picture, (side + sum(wide[:k]) + (wide[k] - picture.width) // 2, y))
    return sheet


def index(row: int, axes: Sequence[Axis], n: int) -> int:
    """Which value of axis n (1 or 2) row ``row`` shows."""
    return row % len(axes[1][1]) if n == 1 else row // len(axes[1][1])


def label(axis: Axis, k: int) -> str:
    """What stands beside the pictures with value k."""
    name, values = axis
    value = values[k]
    said = f"{value:g}" if isinstance(value, float) else str(value)
    return said if name == "prompt" else f"{name.replace('_', ' ')} {said}"


def text_size(text: str, font: Any) -> tuple[int, int]:
    """Width and height of a line in pixels."""
    left, top, right, bottom = font.getbbox(text or " ")
    return int(right - left), int(bottom - top)
