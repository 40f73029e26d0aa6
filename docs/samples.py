"""Draw the page of samples: ``python docs/samples.py``. Writes docs/kirie.md and docs/images/kirie*.png.

The prompts are those of the documents the project grows out of, and some of kirie's own world.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import sukashi
from sukashi.kirie.sheet import contact_sheet

HERE = Path(__file__).resolve().parent
PROMPTS = (
    "girl eating pizza",
    "girl eating pizza wearing glasses",
    "an astronaut flying like a bird in the sky of the mars",
    "the sea, sunrise, ship",
    "a cat wearing a red top hat in the forest",
    "a robot with a blue scarf waving at night",
    "a dog on the left and a boy eating an apple on the right",
    "a red circle above a blue square",
)
TWELVE = (  # of the README, seeds 1 to 12
    "a girl with glasses eating pizza",
    "an astronaut flying like a bird in the sky of mars",
    "painting depicting the sea, sunrise, ship",
    "a cat with a crown in the forest at night",
    "a robot with a red hat",
    "a bear eating an apple on a yellow background",
    "a boy with blue hair at the sea",
    "a dog wearing glasses in the forest",
    "a girl with pink hair and a crown",
    "an orange cat with a party hat",
    "a bear in the forest",
    "astronaut in the sky",
)
SCALES = (0.0, 1.0, 2.0, 10.0)
NEGATIVES = (None, "glasses", "blurry, low quality")
SEEDS = 4


def prompts_sheet(pipe: sukashi.Pipeline, path: Path) -> None:
    """Every prompt in a row, from the same seeds."""
    pictures = [picture for prompt in PROMPTS for picture in pipe(prompt, seed=1, count=SEEDS).images]
    contact_sheet(pictures, SEEDS).save(path)


def readme_sheet(pipe: sukashi.Pipeline, path: Path) -> None:
    """One picture of each of the twelve."""
    contact_sheet([pipe(prompt, seed=seed).images[0] for seed, prompt in enumerate(TWELVE, 1)], 6).save(path)


def guidance_sheet(pipe: sukashi.Pipeline, prompt: str, negative: str | None, path: Path) -> None:
    """One row for each scale, from the same seeds."""
    options = {"seed": 1, "count": SEEDS, "negative_prompt": negative}
    pictures = [picture for scale in SCALES for picture in pipe(prompt, guidance=scale, **options).images]
    contact_sheet(pictures, SEEDS).save(path)


def page(pipe: sukashi.Pipeline) -> str:
    """Draw all sheets and return the text around them."""
    steps, guidance = pipe.defaults["steps"], pipe.defaults["guidance"]
    prompts_sheet(pipe, HERE / "images" / "kirie-prompts.png")
    readme_sheet(pipe, HERE / "images" / "kirie.png")
    lines = [
        "# What kirie draws",
        "",
        "Every picture here is made by `python docs/samples.py` with the model inside the package. None was picked:",
        f"seeds 1 to {SEEDS} from left to right, {steps} steps, 128 x 128 pixels.",
        "",
        f"## Prompts, guidance {guidance:g}",
        "",
        "![eight prompts](images/kirie-prompts.png)",
        "",
        *(f"{k}. {prompt}" for k, prompt in enumerate(PROMPTS, 1)),
        "",
        "## Guidance",
        "",
        f"“{PROMPTS[0]}” at guidance {', '.join(f'{scale:g}' for scale in SCALES)} from top to bottom.",
        "At 0 the picture follows the negative prompt alone, at 1 the prompt alone; from there on it leaves the one",
        "for the other.",
        "",
    ]
    for k, negative in enumerate(NEGATIVES):
        guidance_sheet(pipe, PROMPTS[0], negative, HERE / "images" / f"kirie-guidance-{k}.png")
        told = "No negative prompt" if negative is None else f"Negative prompt “{negative}”"
        lines += [f"### {told}", "", f"![{told}](images/kirie-guidance-{k}.png)", ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="kirie", help="another model of the same world")
    pipe = sukashi.load(parser.parse_args().model, device="cpu")
    (HERE / "kirie.md").write_text(page(pipe), encoding="utf-8")


if __name__ == "__main__":
    main()
