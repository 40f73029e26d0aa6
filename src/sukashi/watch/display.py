"""Recordings and heat maps in a notebook; ``report`` has the whole page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from sukashi.rich import gallery, lines

if TYPE_CHECKING:
    from sukashi.watch.maps import Maps
    from sukashi.watch.recording import Recording

STEPS = 8  # of a recording that are shown
SIDE, MAP_SIDE = 128, 96  # pixels


def recording_html(recording: Recording) -> str:
    """Some guesses on the way, the finished picture, and the maps of its words."""
    last = len(recording) - 1
    chosen = sorted({round(i * last / (STEPS - 1)) for i in range(STEPS)}) if last >= 0 and recording.preview else []
    guesses = [(recording.picture(i), f"step {i + 1}, t = {recording.steps[i].now.t:g}") for i in chosen]
    guesses = [(picture.resize((SIDE, SIDE * picture.height // picture.width)), said) for picture, said in guesses]
    result = recording.result
    facts = [
        f"{result.requests[0].prompt}: {len(recording)} steps watched in {sum(recording.seconds):.2f} s",
        *(f"note: {note}" for note in recording.notes),
    ]
    maps = maps_html(recording.attention[0]) if recording.attention else ""
    return lines(facts) + gallery([*guesses, (result.images[0], "finished")], SIDE) + maps


def maps_html(maps: Maps) -> str:
    """The map of every word of the prompt, each with its own scale."""
    from sukashi.watch.encoding import heat
    from sukashi.watch.overlay import stretched

    shown = []
    for n, word in enumerate(maps.words("positive")) if maps.sheets["positive"] else ():
        side = MAP_SIDE * maps.size[0] // maps.size[1]
        shown.append((heat(stretched(maps.word(n), side, MAP_SIDE), 1.0), word.text))
    return "<div>" + gallery([(Image.merge("RGB", [grey] * 3), said) for grey, said in shown], MAP_SIDE) + "</div>"
