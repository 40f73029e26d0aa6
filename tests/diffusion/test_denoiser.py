"""What the U-Net is asked, how its answer is read, and what guidance does to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning, embed_guidance, guided, plain, read, rescaled
from sukashi.diffusion.types import Level

LEVEL = Level(t=500.0, alpha=0.6, sigma=0.8)


class Recorder:
    """A fake U-Net: answers with the mean of the context, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, **_: Tensor | None) -> Tensor:
        self.calls.append((x, t, context))
        return x * 0.1 + context.mean(dim=(1, 2))[:, None, None, None]


def about(value: float, batch: int = 2) -> Conditioning:
    return Conditioning(context=torch.full((batch, 3, 5), value))


def latent(batch: int = 2) -> Tensor:
    return torch.randn(batch, 4, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_splits_x_into_signal_and_noise(predicts: str) -> None:
    x0, eps = latent(), latent().flip(0)
    x = LEVEL.alpha * x0 + LEVEL.sigma * eps
    out = {"epsilon": eps, "v_prediction": LEVEL.alpha * eps - LEVEL.sigma * x0, "sample": x0}[predicts]
    prediction = read(out, x, LEVEL, predicts)
    torch.testing.assert_close(prediction.x0, x0)
    torch.testing.assert_close(prediction.eps, eps)


def test_an_unknown_prediction_type_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown prediction type 'flow'; known: epsilon, v_prediction, sample"):
        read(latent(), latent(), LEVEL, "flow")


def test_epsilon_without_signal_is_refused_and_v_is_not() -> None:
    nothing = Level(t=999.0, alpha=0.0, sigma=1.0)
    with pytest.raises(ValueError, match="zero terminal SNR needs v_prediction"):
        read(latent(), latent(), nothing, "epsilon")
    assert torch.equal(read(latent(), latent(), nothing, "v_prediction").x0, -latent())


def test_guidance_is_one_call_with_the_unwanted_prompt_first() -> None:
    unet, x = Recorder(), latent()
    prediction = guided(unet, "epsilon", about(2.0), about(-1.0), 7.5)(x, LEVEL)
    [(asked, t, context)] = unet.calls
    assert asked.shape[0] == 4 and torch.equal(asked[:2], asked[2:]) and (t == 500).all()
    assert (context[:2] == -1).all() and (context[2:] == 2).all()
    unwanted, wanted = x * 0.1 - 1, x * 0.1 + 2
    torch.testing.assert_close(prediction.eps, unwanted + 7.5 * (wanted - unwanted))
    w = 6.5  # s = 1 + w
    torch.testing.assert_close(prediction.eps, (1 + w) * wanted - w * unwanted)
    torch.testing.assert_close(prediction.parts["unwanted"], unwanted)
    torch.testing.assert_close(prediction.parts["wanted"], wanted)


@pytest.mark.parametrize(("scale", "told"), [(1.0, 2.0), (0.0, -1.0)])
def test_no_second_branch_where_it_has_no_effect(scale: float, told: float) -> None:
    unet = Recorder()
    guided(unet, "epsilon", about(2.0), about(-1.0), scale)(latent(), LEVEL)
    [(asked, _, context)] = unet.calls
    assert asked.shape[0] == 2 and (context == told).all()


def test_without_an_unwanted_prompt_guidance_is_the_plain_model() -> None:
    a = guided(Recorder(), "v_prediction", about(2.0), None, 5.0)(latent(), LEVEL)
    b = plain(Recorder(), "v_prediction", about(2.0))(latent(), LEVEL)
    assert torch.equal(a.x0, b.x0)


def test_rescale_brings_back_the_spread_of_the_wanted_output() -> None:
    out, wanted = latent() * 3, latent().flip(0)
    full = rescaled(out, wanted, 1.0)
    torch.testing.assert_close(full.flatten(1).std(1), wanted.flatten(1).std(1))
    torch.testing.assert_close(rescaled(out, wanted, 0.25), 0.25 * full + 0.75 * out)


def test_rescale_equals_diffusers() -> None:
    module = pytest.importorskip("diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion")
    out, wanted = latent() * 3, latent().flip(0)
    torch.testing.assert_close(rescaled(out, wanted, 0.7), module.rescale_noise_cfg(out, wanted, 0.7))


def test_the_lcm_guidance_embedding_equals_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.StableDiffusionPipeline.get_guidance_scale_embedding(
        None, torch.tensor(8.5 - 1).repeat(3), embedding_dim=256
    )
    assert torch.equal(embed_guidance(8.5, 256, 3), theirs)


def test_whatever_the_unet_answers_in_x_keeps_its_precision() -> None:
    given = Conditioning(context=torch.ones(2, 3, 5, dtype=torch.bfloat16))
    prediction = plain(lambda x, t, c, **k: x.bfloat16(), "epsilon", given)(latent(), LEVEL)
    assert prediction.eps.dtype == prediction.x0.dtype == torch.float32


def test_extra_channels_stand_beside_the_latent() -> None:
    unet = Recorder()
    unet_5 = lambda x, t, c, **k: unet(x, t, c)[:, :4]  # noqa: E731
    given = Conditioning(context=torch.ones(2, 3, 5), extra=torch.full((2, 1, 6, 6), 9.0))
    plain(unet_5, "epsilon", given)(latent(), LEVEL)
    assert unet.calls[0][0].shape == (2, 5, 6, 6) and (unet.calls[0][0][:, 4] == 9).all()
