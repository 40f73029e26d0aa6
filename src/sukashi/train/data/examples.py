"""Captioned pictures to learn from: in files or in memory, as a sequence that gives batches.

>>> from PIL import Image
>>> examples = Examples([Example(None, "a photo of sks dog", picture=Image.new("RGB", (200, 100)))])
>>> examples.batches(seed=0, batch_size=2, size=64)(0).pixels.shape
torch.Size([2, 3, 64, 64])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

from PIL import Image

from sukashi.opening import open_picture
from sukashi.train.data.buckets import Size

if TYPE_CHECKING:
    from sukashi.train.data.batches import Batches

ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 lie on their side
LYING = (5, 6, 7, 8)


@dataclass(frozen=True, eq=False)
class Example:
    """One picture and its caption: in a file (``path``), or in memory (``picture``)."""

    path: Path | None
    caption: str
    caption_from: str = "given"  # where the caption came from, in words
    repeats: int = 1  # how often an epoch shows it
    prior: bool = False  # of the class, to keep what the model knew (DreamBooth)
    picture: Image.Image | None = None

    def open(self) -> Image.Image:
        """The picture, upright and RGB. Raises as ``opening.open_picture`` does, and ValueError without a picture."""
        return open_picture(self._source()).picture

    def size(self) -> Size:
        """Width and height of the upright picture, from the file's head alone."""
        source = self._source()
        if isinstance(source, Image.Image):
            return source.size
        with Image.open(source) as picture:
            width, height = picture.size
            lying = picture.getexif().get(ORIENTATION, 1) in LYING
        return (height, width) if lying else (width, height)

    def _source(self) -> Image.Image | Path:
        source = self.picture or self.path
        if source is None:
            raise ValueError("an example needs a path or a picture")
        return source


class Examples(Sequence[Example]):
    """The pictures of one training. Raises ValueError when there are none to learn from."""

    def __init__(self, examples: Iterable[Example], notes: Sequence[str] = ()) -> None:
        self.examples, self.notes = tuple(examples), tuple(notes)
        if not any(not example.prior for example in self.examples):
            raise ValueError("there is no picture to learn from")
        if low := [example for example in self.examples if example.repeats < 1]:
            raise ValueError(f"{low[0].path}: {low[0].repeats} repeats; 1 and more are accepted")

    def __len__(self) -> int:
        return len(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Example, ...]: ...

    def __getitem__(self, index: int | slice) -> Example | tuple[Example, ...]:
        return self.examples[index]

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """Width and height of every picture, each file's head read once."""
        return tuple(example.size() for example in self.examples)

    def batches(
        self,
        seed: int,
        batch_size: int,
        size: int | Size,
        buckets: Sequence[Size] | None = None,
        *,
        crop: str = "center",
        flip: float = 0.0,
        zoom: bool = False,
    ) -> Batches:
        """Batches of ``batch_size`` as a function of the step, see :class:`sukashi.train.data.batches.Batches`.

        Without ``buckets`` every picture is cut to ``size`` (a side, or width and height, in pixels); with them
        (``buckets.bucket_sizes``) to the one whose shape is nearest. ``crop`` is "center" or "random", ``flip`` the
        share of pictures that are mirrored, ``zoom`` whether they are shown smaller and larger (``data.zoom``).
        """
        from sukashi.train.data.batches import Batches

        square = (size, size) if isinstance(size, int) else size
        return Batches(self, seed, batch_size, tuple(buckets or (square,)), crop, flip, zoom)
