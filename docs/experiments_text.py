"""The words of docs/experiments.md: a title for each experiment, what is done, and what came out on kirie."""

from __future__ import annotations

HEAD = """
# Experiments

Each experiment is one function of a pipeline and one command. `sukashi experiment` lists them,
`sukashi experiment NAME --help` says what can be changed, `-m MODEL` takes another model than kirie. A command prints
its table and writes a sheet of pictures and the numbers as JSON to the folder `experiments` (`-o` names another); a
file that is there is replaced only with `--overwrite`. In Python:

```python
import sukashi
from sukashi.watch.experiments.guidance import guidance

found = guidance(sukashi.load("kirie"), "a robot on mars", scales=(1, 3, 9), seeds=(5,))
print(found.table())
found.picture().save("robot.png")
```

This page is written by `python docs/experiments_page.py`: what the commands print, with their defaults, and not one
picture is picked; the numbers and pictures are those of kirie-0.6. Kirie is small, so
some things that large models do well it does badly; the method is the same.
"""

ABOUT: dict[str, tuple[str, str, str]] = {
    "guidance": (
        "Guidance: 0, 1, 2, 10",
        "The U-Net is asked twice, with the prompt and without; guidance goes from one answer towards the other\n"
        "and beyond. 0 leaves the prompt out, 1 is the prompt alone.",
        "Contrast and colour grow with the scale, and so does the share of values that hit black or white. At 0\n"
        "kirie draws whatever comes, palely.",
    ),
    "blend": (
        "Between two prompts",
        "What the U-Net is told can be mixed like any numbers: along the straight line between two prompts\n"
        "(`lerp`), or along the arc, which keeps the length of every vector (`slerp`).",
        "The picture does not fade from one to the other: it stays near the first, then jumps between a quarter and\n"
        "half of the way. The straight line is shorter in the middle, which hardly shows in the\n"
        "picture.",
    ),
    "unscheduled": (
        "Denoising without a scheduler",
        "The slides of parediffusers take the scheduler away: `latents -= ratio * v / steps`, where 1.475 looks\n"
        "good, and nobody says why. Here is why. With `cos(phi) = sqrt(alpha-bar)` a noised picture is `x =\n"
        "cos(phi) x0 + sin(phi) eps`, and its derivative by phi is `cos(phi) eps - sin(phi) x0`: exactly what a\n"
        "v-prediction model predicts. So a step of `ratio / steps` turns x by that angle, and all steps together\n"
        "must turn it from the last training step to the first: for the betas of Stable Diffusion, which are\n"
        "kirie's too, by 1.5025 - 0.0292 = **1.4733**. `picture` and `noise` say how much of the picture and of\n"
        "the first noise the loop ends with if the model thought of one picture all along.",
        "The derived ratio and the slides' give the same picture, with 5 % of the noise left, which shows as a\n"
        "faint grain. It is still not DDIM's picture: the slides' steps are even in t, not in the angle, so the\n"
        "model is told more noise than there is for most of the way (the chart `unscheduled.svg` shows both\n"
        "angles). With steps of equal angle the loop is Euler's method on the same equation that DDIM solves, and\n"
        "comes out next to it.",
    ),
    "words": (
        "Leaving a word out",
        "The prompt is drawn again without each of its words, from the same noise; below is where the picture\n"
        "changed.",
        "The subject matters most, then the things. What is not said is drawn as it comes: without the glasses they\n"
        "are gone, without the hat the hair is pink, without the pizza she holds nothing that has a name. Articles,\n"
        '"with", "and", even "eating" do next to nothing.',
    ),
    "negative": (
        "When a negative prompt holds",
        "Above it holds from the start until a share of the steps, below from there to the end.",
        "The night stays, for the prompt asks for it; the dog turns white instead. A negative prompt pushes on\n"
        "everything that goes with its words, not only on the thing they name. Most of it happens in the first\n"
        "quarter of the run: held there alone it changes 24.1 of the 24.5 that it changes when held throughout; from\n"
        "there on, 9.9. For small things see the count over many pictures in [guidance.md](guidance.md).",
    ),
    "samplers": (
        "Samplers side by side",
        "One prompt, one noise, one grid. Without fresh noise every sampler solves the same equation; `distance`\n"
        "is to its solution, by Heun's method in 100 steps.",
        "All of those without fresh noise come nearer with more steps. Heun is the nearest of 16 steps, for 31\n"
        "calls. With 4 steps the simplest are the best here: the others correct themselves by what they saw over\n"
        "steps that are too long, and overshoot. Fresh noise leads to another picture, with more\n"
        "steps too.",
    ),
    "inversion": (
        "To noise and back",
        "DDIM run backwards finds the noise that a picture could have come from. PSNR is against what the\n"
        "autoencoder alone gives back.",
        "With 10 steps the way back ends in another picture: the night is lost. With 20 and more the picture comes\n"
        "back, but for some of the dog's colour; with guidance on the way back all of that colour goes. The noise\n"
        "that is found is no unit noise: its deviation is below 1, and flat parts of the picture can be seen in it.",
    ),
    "vae": (
        "The autoencoder alone",
        "Pictures of kirie's world in and out: the best that the model could draw of them.",
        "Large flat papers survive; outlines, thin lines and small faces blur. What is lost here, no sampler\n"
        "brings back.",
    ),
    "loss": (
        "A loss of one's own: bluer",
        "At every step the picture that the model thinks of is decoded, a loss says how far its blue is from 0.9,\n"
        "and the prediction is moved down the gradient. By default the gradient goes through the decoder alone,\n"
        "as in fast.ai's course; `--through unet` takes the exact one, for three times the time and far larger\n"
        "weights.",
        "At 100 red turns to pink and purple and the forest stays; at 300 a blue sea has taken its place, and one of\n"
        "the boys; at 1000 the loss has won, and nothing of the prompt is left.",
    ),
    "captions": (
        "From a picture to a prompt",
        "A picture is noised, and the model is asked about it under every caption. The caption under which it\n"
        "errs least explains the picture best. `gain` is in percent of the error without a caption. Here eight\n"
        "pictures of kirie's world, which training never showed, are asked under all their eight captions;\n"
        "`--image FILE CAPTION CAPTION ...` ranks captions of your own.",
        "Eight of eight, where chance would find one. This ranks captions that are given; it writes none, and it\n"
        "does not find the prompt that a picture was drawn with. The captions of this test differ a lot; two\n"
        "of the three with two figures gained least.",
    ),
}
