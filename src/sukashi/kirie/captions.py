"""English captions: the same scene said in many ways, often leaving things out.

A caption never says what is not in the picture, but may be silent about what is, so that "girl eating pizza" leaves the
glasses open. Bad pictures always say so.
"""

from __future__ import annotations

from random import Random

from sukashi.kirie.scene import ANIMALS, PEOPLE, Scene, pick

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
}
LOW = ("low quality", "bad quality", "worst quality")


def caption(scene: Scene, rng: Random) -> str:
    """One caption of ``scene``, chosen by ``rng``."""
    if scene.subject is None:
        text = _scenery(scene, rng)
    else:
        tags = rng.random() < 0.25
        keep = (1.0, 0.85, 0.55)[int(rng.random() * 3)]  # thorough, usual, terse
        text = _tags(scene, rng, keep) if tags else _sentence(scene, rng, keep)
    if rng.random() < 0.15:
        text = f"{pick(rng, MEDIA)} {text}"
    return ", ".join([text, *_quality(scene, rng)])


def _quality(scene: Scene, rng: Random) -> list[str]:
    if scene.flaw is None:
        return [pick(rng, PRAISE)] if rng.random() < 0.06 else []
    words = [pick(rng, BLAME[scene.flaw])] if rng.random() < 0.8 else []
    if not words or rng.random() < 0.4:
        words.append(pick(rng, LOW))
    return words if rng.random() < 0.5 else words[::-1]


def _sentence(scene: Scene, rng: Random, keep: float) -> str:
    """'a girl with black hair eating pizza wearing glasses in the forest'."""
    assert scene.subject
    noun, clauses, scenes = pick(rng, NOUNS[scene.subject]), [], []
    coat = _word(scene.coat, rng) if rng.random() < keep else ""
    if coat and (scene.subject in PEOPLE or (scene.subject in ANIMALS and rng.random() < 0.25)):
        material = "hair" if scene.subject in PEOPLE else "fur"
        if rng.random() < 0.25 and material == "hair":
            noun = f"{coat} haired {noun}"
        else:
            noun = f"{noun} with {coat} {material}"
    elif coat and scene.subject == "astronaut":
        noun = pick(rng, (f"{noun} in {_a(coat)} suit", f"{coat} {noun}"))
    elif coat:
        noun = f"{coat} {noun}"
    if scene.clothes and rng.random() < keep * 0.6:
        clauses.append(f"{pick(rng, ('in', 'wearing'))} {_a(_dress(scene))}")
    if scene.glasses and rng.random() < keep:
        clauses.append(pick(rng, SEEING))
    elif not scene.glasses and rng.random() < 0.04:
        clauses.append("without glasses")
    if scene.hat and rng.random() < keep:
        clauses.append(f"{pick(rng, ('wearing', 'wearing', 'with', 'in'))} {_a(_hat(scene, rng))}")
    if scene.food and rng.random() < keep:
        clauses.append(pick(rng, EATING[scene.food]))
    if scene.flying and rng.random() < max(keep, 0.85):
        known = scene.place if rng.random() < keep else None
        clauses.append(pick(rng, FLYING[known]))
        if not known:
            scenes = _where(scene, rng, 0.3 if scene.place else keep)
    else:
        scenes = _where(scene, rng, keep)
    _shuffle(clauses, rng)
    joint = pick(rng, (" ", " ", " ", ", ", " and ")) if clauses else " "
    text = noun if rng.random() < 0.35 else _a(noun)
    text += " " + joint.join(clauses) if clauses else ""
    return pick(rng, (" ", " ", ", ")).join([text, *scenes])


def _tags(scene: Scene, rng: Random, keep: float) -> str:
    """'girl, black hair, glasses, eating pizza, forest'."""
    assert scene.subject
    tags: list[str] = []
    if rng.random() < keep:
        material = {"robot": "", "astronaut": "suit"}.get(scene.subject, "hair" if scene.subject in PEOPLE else "fur")
        word = _word(scene.coat, rng)
        tags.append(f"{word} {material}" if material else f"{word} robot")
    if scene.clothes and rng.random() < keep * 0.6:
        tags.append(_dress(scene))
    if scene.glasses and rng.random() < keep:
        tags.append(pick(rng, ("glasses", "glasses", "wearing glasses")))
    if scene.hat and rng.random() < keep:
        tags.append(_hat(scene, rng))
    if scene.food and rng.random() < keep:
        tags.append(pick(rng, (scene.food, EATING[scene.food][0])))
    if scene.flying and rng.random() < max(keep, 0.85):
        tags.append("flying")
    if rng.random() < keep:
        if scene.place == "sea":
            tags += _sea_words(scene)
        elif scene.place:
            tags.append(scene.place)
        else:
            tags.append(f"{_word(scene.paper, rng)} background")
    _shuffle(tags, rng)
    return ", ".join([pick(rng, NOUNS[scene.subject]), *tags])


def _where(scene: Scene, rng: Random, keep: float) -> list[str]:
    if rng.random() >= keep:
        return []
    if scene.place is None:
        return [f"{pick(rng, ('', 'on a ', 'in front of a ', 'with a '))}{_word(scene.paper, rng)} background"]
    if scene.place != "sea":
        return [pick(rng, WHERE[scene.place])]
    text = pick(rng, ("at the sea", "by the sea", "in front of the sea", "in the sea"))
    if scene.ship and rng.random() < keep:
        text += pick(rng, (" with a ship", " and a ship", ", ship"))
    if scene.sunrise and rng.random() < max(keep, 0.8):
        text += pick(rng, (" at sunrise", " at sunrise", ", sunrise", " at sunset"))
    return [text]


def _scenery(scene: Scene, rng: Random) -> str:
    if scene.place != "sea":
        assert scene.place
        return pick(rng, SCENERY[scene.place])
    words = _sea_words(scene)
    if rng.random() < 0.5:
        _shuffle(words, rng)
        return ", ".join(words)
    ship, dawn = scene.ship and rng.random() < 0.9, scene.sunrise and rng.random() < 0.9
    first = pick(rng, ("a ship on the sea", "the sea with a ship", "a ship sailing on the sea")) if ship else "the sea"
    if dawn:
        return pick(rng, (f"{first} at sunrise", f"{first}, sunrise", f"sunrise, {first}", f"{first} at sunset"))
    return first


def _sea_words(scene: Scene) -> list[str]:
    return ["the sea" if scene.layout % 2 else "sea"] + ["sunrise"] * scene.sunrise + ["ship"] * scene.ship


def _word(colour: str, rng: Random) -> str:
    return pick(rng, SPELLINGS[colour]) if colour in SPELLINGS else colour


def _dress(scene: Scene) -> str:
    return f"{scene.clothes} {'dress' if scene.subject == 'girl' else 'shirt'}"


def _hat(scene: Scene, rng: Random) -> str:
    assert scene.hat
    kind = scene.hat if scene.hat in ("cap", "crown") or rng.random() < 0.65 else "hat"
    if not scene.hat_colour or rng.random() < 0.2:
        return kind
    return f"{scene.hat_colour} {kind}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _shuffle(words: list[str], rng: Random) -> None:
    """Fisher-Yates from ``random()`` alone, whose values Python keeps."""
    for i in range(len(words) - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        words[i], words[j] = words[j], words[i]
