"""The words of the captions: every way in which they name a thing."""

from __future__ import annotations

NOUNS = {
    "girl": ("girl", "girl", "girl", "young girl", "little girl", "woman"),
    "boy": ("boy", "boy", "boy", "young boy", "little boy", "man"),
    "cat": ("cat", "cat", "cat", "kitten"),
    "dog": ("dog", "dog", "dog", "puppy"),
    "bear": ("bear", "bear", "bear", "teddy bear"),
    "robot": ("robot",),
    "astronaut": ("astronaut", "astronaut", "astronaut", "cosmonaut"),
}
SPELLINGS = {"blond": ("blond", "blonde"), "gray": ("gray", "gray", "grey")}
EATING = {
    "pizza": ("eating pizza", "eating pizza", "eating a pizza", "eating a slice of pizza", "with a slice of pizza"),
    "apple": ("eating an apple", "eating an apple", "eating apple", "eating a red apple", "with an apple"),
    "ice cream": ("eating ice cream", "eating ice cream", "eating an ice cream", "with an ice cream cone"),
    "donut": ("eating a donut", "eating a donut", "eating donut", "eating a pink donut", "with a donut"),
}
SEEING = ("wearing glasses", "wearing glasses", "with glasses", "in glasses", "with round glasses")
WAVING = ("waving", "waving", "waving a hand", "waving hello")
SIDES = {
    "left": ("on the left", "on the left", "on the left side"),
    "right": ("on the right", "on the right", "on the right side"),
    "middle": ("in the middle", "in the center"),
}
NEXT_TO = ("and", "and", "and", "with", "next to", "beside")
LEFT_OF = ("to the left of", "to the left of", "left of")
RIGHT_OF = ("to the right of", "to the right of", "right of")
RELATIONS = {"left of": LEFT_OF, "right of": RIGHT_OF, "above": ("above", "above", "over"), "below": ("below", "under")}
PLURALS = {
    "girl": "girls",
    "boy": "boys",
    "cat": "cats",
    "dog": "dogs",
    "bear": "bears",
    "robot": "robots",
    "astronaut": "astronauts",
}
SIZE_WORDS = {"big": ("big", "big", "large"), "small": ("small", "small", "little")}
WHERE = {
    "sky": ("in the sky", "in the blue sky", "in the clouds", "sky with clouds"),
    "mars": ("on mars", "on mars", "in mars", "on the planet mars", "on the red planet"),
    "forest": ("in the forest", "in a forest", "in the woods", "among the trees"),
    "night": ("at night", "at night", "under the stars", "in the night", "under the moon and the stars"),
}
FLYING = {
    None: ("flying", "flying like a bird"),
    "sky": ("flying in the sky", "flying like a bird in the sky", "flying in the blue sky"),
    "mars": (
        "flying like a bird in the sky of the mars",
        "flying in the sky of mars",
        "flying on mars",
        "flying over mars",
    ),
    "night": ("flying in the night sky", "flying at night", "flying like a bird in the night sky"),
}
SCENERY = {
    "sky": ("the sky", "the blue sky with clouds", "clouds in the sky", "sky, clouds"),
    "mars": ("mars", "the planet mars", "the red planet", "landscape of mars", "the surface of mars"),
    "forest": ("a forest", "the forest", "the woods", "trees in the forest", "forest, trees"),
    "night": ("the night sky", "the moon and the stars", "a night with stars", "night, moon, stars"),
}
MEDIA = ("painting of", "picture of", "drawing of", "illustration of", "painting depicting", "paper cut of", "image of")
PRAISE = ("high quality", "best quality", "sharp", "masterpiece")
BLAME = {
    "blurry": ("blurry", "blurry", "blurred", "out of focus"),
    "faded": ("faded", "washed out", "low contrast"),
    "noisy": ("noisy", "noisy", "grainy", "noise"),
}
LOW = ("low quality", "bad quality", "worst quality")
