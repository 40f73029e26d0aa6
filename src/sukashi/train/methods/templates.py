"""Sentences around a new word, so that it is learnt as a word and not as a whole prompt.

Gal et al. 2022, arXiv:2208.01618, sec. 3 and app.; the lists are those of its code and of diffusers'
``textual_inversion.py``, which go back to CLIP's templates for ImageNet.
"""

from __future__ import annotations

OBJECT = (
    "a photo of a {}",
    "a rendering of a {}",
    "a cropped photo of the {}",
    "the photo of a {}",
    "a photo of a clean {}",
    "a photo of a dirty {}",
    "a dark photo of the {}",
    "a photo of my {}",
    "a photo of the cool {}",
    "a close-up photo of a {}",
    "a bright photo of the {}",
    "a cropped photo of a {}",
    "a photo of the {}",
    "a good photo of the {}",
    "a photo of one {}",
    "a close-up photo of the {}",
    "a rendition of the {}",
    "a photo of the clean {}",
    "a rendition of a {}",
    "a photo of a nice {}",
    "a good photo of a {}",
    "a photo of the nice {}",
    "a photo of the small {}",
    "a photo of the weird {}",
    "a photo of the large {}",
    "a photo of a cool {}",
    "a photo of a small {}",
)
STYLE = (
    "a painting in the style of {}",
    "a rendering in the style of {}",
    "a cropped painting in the style of {}",
    "the painting in the style of {}",
    "a clean painting in the style of {}",
    "a dirty painting in the style of {}",
    "a dark painting in the style of {}",
    "a picture in the style of {}",
    "a cool painting in the style of {}",
    "a close-up painting in the style of {}",
    "a bright painting in the style of {}",
    "a cropped painting in the style of {}",
    "a good painting in the style of {}",
    "a close-up painting in the style of {}",
    "a rendition in the style of {}",
    "a nice painting in the style of {}",
    "a small painting in the style of {}",
    "a weird painting in the style of {}",
    "a large painting in the style of {}",
)
KINDS = {"object": OBJECT, "style": STYLE}


def said_of_all(kind: str, word: str) -> str:
    """A note about what stands in the place of captions."""
    choices = KINDS[kind]
    return f"captions are not read: {len(choices)} sentences are said of the pictures, as {sentence(kind, word, 0)!r}"


def sentence(kind: str, word: str, chance: float) -> str:
    """One of the sentences of a kind around ``word``; ``chance`` in [0, 1) picks it."""
    choices = KINDS[kind]
    return choices[int(chance * len(choices))].format(word)
