"""Aspect-ratio buckets: sizes of about the same area, so that a wide picture is trained wide instead of being cut.

NovelAI 2022, "Improvements on Stable Diffusion" (blog, section on aspect ratio bucketing), in the form that Kohya's
sd-scripts has it (``library/model_util.py``, ``make_bucket_resolutions``; the choice of a bucket is
``BucketManager.select_bucket`` of ``library/train_util.py``). Sizes are (width, height) in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

Size = tuple[int, int]


def bucket_sizes(size: int, *, step: int = 64, least: int | None = None, most: int | None = None) -> tuple[Size, ...]:
    """All sizes whose sides are multiples of ``step`` and whose area is at most size x size, as large as can be.

    For each width w from ``least`` to ``most``: h = floor(size^2 / w / step) step, at most ``most``; each also turned
    around, and the square. ``least`` is size / 2 unless given, ``most`` 2 size (Kohya: 256 and 1024 for 512).
    Raises ValueError when ``step`` does not fit into ``size``.

    >>> bucket_sizes(512, least=384, most=640)
    ((384, 640), (448, 576), (512, 512), (576, 448), (640, 384))
    """
    least, most = least or max(step, size // 2), most or 2 * size
    if step < 1 or size < step or not least <= size <= most:
        raise ValueError(f"buckets of step {step} from {least} to {most} around {size}: step <= least <= size <= most")
    square = size // step * step
    found = {(square, square)}
    for width in range(least, most + 1, step):
        height = min(most, size * size // width // step * step)
        if height >= least:
            found |= {(width, height), (height, width)}
    return tuple(sorted(found))


def nearest_bucket(picture: Size, buckets: Sequence[Size]) -> Size:
    """The bucket of a picture: its own size where there is such a bucket, or the nearest ratio of width to height.

    Of two ratios equally near, the larger bucket is taken.
    """
    if picture in buckets:
        return picture
    ratio = picture[0] / picture[1]
    return min(buckets, key=lambda bucket: (abs(bucket[0] / bucket[1] - ratio), -bucket[0] * bucket[1]))


def covering(picture: Size, bucket: Size) -> Size:
    """The size to which a picture is shrunk or enlarged, its ratio kept, so that it just covers the bucket."""
    (width, height), (wide, high) = picture, bucket
    if width * high >= height * wide:  # wider than the bucket: as high as it, and cut left and right
        return max(wide, (width * high * 2 + height) // (height * 2)), high
    return wide, max(high, (height * wide * 2 + width) // (width * 2))
