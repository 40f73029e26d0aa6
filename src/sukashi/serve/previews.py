"""What a picture looks like while it is drawn: the clean latent expected at a step, made visible for whoever looks."""

from __future__ import annotations

import threading
import weakref

from PIL import Image

from sukashi.pictures import to_pictures
from sukashi.pipeline import Pipeline
from sukashi.serve.jobs.live import Live, Moment
from sukashi.serve.pictures import data_url
from sukashi.watch.previews import Preview, preview

_made: weakref.WeakKeyDictionary[Pipeline, Preview] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def picture(moment: Moment, kind: str = "linear") -> Image.Image:
    """The picture of a moment: "linear" (one pixel a cell, enlarged) or "vae" (decoded fully)."""
    pipe, cell = moment.pipe, moment.pipe.vae.config.factor
    if kind == "vae":
        return to_pictures(pipe.vae_decode(moment.x0))[0]
    with _making:
        if pipe not in _made:
            _made[pipe] = preview(pipe, "linear") or (lambda latents: pipe.vae_decode(latents))
    small = to_pictures(_made[pipe](moment.x0))[0]
    height, width = moment.x0.shape[2:]
    return small.resize((width * cell, height * cell), Image.Resampling.BICUBIC)


def shown(live: Live, moment: Moment, kind: str = "linear") -> str:
    """The same as a data URL, made once for all who look at this step."""
    with live.showing:
        had = live.shown.get(kind)
        if had is None or had[0] is not moment:
            had = live.shown[kind] = (moment, data_url(picture(moment, kind)))
        return had[1]
