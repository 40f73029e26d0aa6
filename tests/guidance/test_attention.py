"""Attention seen and replaced from outside: copies of a U-Net that share its weights and leave it alone."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Level
from sukashi.guidance.attention import map_size, watched
from sukashi.guidance.making import Guidance
from sukashi.guidance.nag import attending_away
from sukashi.guidance.pag import perturbed
from sukashi.guides import guides
from sukashi.nets.shallow import attentions, shallow
from sukashi.nets.unet import UNet
from tiny_models import tiny_model

LEVEL = Level(t=400.0, alpha=0.8, sigma=0.6)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tiny(name: str = "sd1") -> UNet:
    """A random U-Net whose attention is sharp and matters."""
    unet = copy.deepcopy(tiny_model(name).unet)
    for name, weight in unet.named_parameters():
        if "norm" in name and name.endswith("weight"):
            weight.add_(1)
        elif ".attn" in name:
            weight.mul_(4)
    return unet


def inputs(unet: UNet, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    return random(batch, 4, 16, 16), torch.full((batch,), 400.0), random(batch, 7, unet.config.context_dim, seed=1)


def oracle(unet: UNet):
    """The same network in diffusers."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
    config = unet.config
    down = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in config.depth]
    up = ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(config.depth)]
    net = diffusers.UNet2DConditionModel(
        block_out_channels=config.channels, down_block_types=down, up_block_types=up, norm_num_groups=config.groups,
        attention_head_dim=config.heads[0], cross_attention_dim=config.context_dim, layers_per_block=config.resnets,
    )  # fmt: skip
    net.load_state_dict(unet.state_dict(), strict=True)
    return net.eval()


def test_a_shallow_copy_shares_every_tensor_and_no_table() -> None:
    unet = tiny()
    twin = shallow(unet)
    assert all(a is b for a, b in zip(unet.parameters(), twin.parameters(), strict=True))
    twin.mid_block = torch.nn.Identity()
    twin.conv_in.register_forward_hook(lambda *_: 1 / 0)
    x, t, context = inputs(unet)
    assert unet(x, t, context).isfinite().all() and type(unet) is type(twin)


@torch.no_grad()
def test_watching_changes_no_bit_and_shows_softmax_of_q_k() -> None:
    unet, seen = tiny(), {}
    x, t, context = inputs(unet)
    asked: dict[str, Tensor] = {}
    layers = attentions(unet, to_text=True)
    hooks = [
        layer.to_q.register_forward_hook(lambda _, __, out, name=name: asked.__setitem__(name, out))
        for name, layer in layers.items()
    ]
    assert torch.equal(watched(unet, seen.__setitem__)(x, t, context), unet(x, t, context))
    for hook in hooks:
        hook.remove()
    assert list(seen) == [name for name in asked] and len(seen) == len(layers)
    for name, layer in layers.items():
        q = asked[name].unflatten(-1, (layer.heads, -1))  # (B, N, heads, d)
        k = layer.to_k(context).unflatten(-1, (layer.heads, -1))
        scores = torch.einsum("bnhd,bthd->bhnt", q, k) / q.shape[-1] ** 0.5
        torch.testing.assert_close(seen[name], scores.softmax(-1))


def test_the_size_of_a_map() -> None:
    assert map_size(64 * 64, 64, 64) == (64, 64)
    assert map_size(8 * 12, 64, 96) == (8, 12)
    assert map_size(5 * 3, 9, 5) == (5, 3)
    with pytest.raises(ValueError, match="10 image tokens do not come from a latent of 8 x 8"):
        map_size(10, 8, 8)


@torch.no_grad()
@pytest.mark.parametrize("layers", ["mid", "up_blocks.1", "down_blocks.0.attentions.1+mid"])
def test_pag_equals_the_processor_of_diffusers(layers: str) -> None:
    unet = tiny()
    theirs = oracle(unet)
    from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0

    for name, module in theirs.named_modules():
        if name.endswith("attn1") and any(part in name for part in layers.split("+")):
            module.set_processor(PAGIdentitySelfAttnProcessor2_0())
    x, t, context = inputs(unet)
    expected = theirs(torch.cat([x, x]), 400, torch.cat([context, context])).sample.chunk(2)
    before = unet(x, t, context)
    torch.testing.assert_close(before, expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(perturbed(unet, layers)(x, t, context), expected[1], rtol=1e-4, atol=1e-5)
    assert torch.equal(unet(x, t, context), before)
    assert not torch.allclose(expected[0], expected[1], atol=1e-4), "the oracle perturbs nothing"


def test_pag_refuses_layers_that_do_not_exist() -> None:
    with pytest.raises(
        ValueError, match=r"pag: no self-attention in layers 'up_blocks.7'; the layers are down_blocks.0"
    ):
        perturbed(tiny(), "mid+up_blocks.7")


class NAGProcessor:
    """Normalized attention guidance as its authors' diffusers processor does it: rows are prompt, then negative."""

    def __init__(self, scale: float, tau: float, alpha: float) -> None:
        self.scale, self.tau, self.alpha = scale, tau, alpha

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        positive, negative = encoder_hidden_states.chunk(2)
        q = attn.to_q(hidden_states)

        def attend(context):
            split = [
                y.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for y in (q, attn.to_k(context), attn.to_v(context))
            ]
            return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)

        plus, minus = attend(positive), attend(negative)
        z = plus * self.scale - minus * (self.scale - 1)
        ratio = z.norm(p=1, dim=-1, keepdim=True) / plus.norm(p=1, dim=-1, keepdim=True)
        z = z * ratio.clamp(max=self.tau) / ratio
        return attn.to_out[0](z * self.alpha + plus * (1 - self.alpha))


@torch.no_grad()
@pytest.mark.parametrize("tau", [1.2, 100.0])
def test_nag_equals_its_processor_in_diffusers(tau: float) -> None:
    unet = tiny()
    theirs = oracle(unet)
    for name, module in theirs.named_modules():
        if name.endswith("attn2"):
            module.set_processor(NAGProcessor(5.0, tau, 0.25))
    x, t, context = inputs(unet)
    negative = random(2, 7, context.shape[2], seed=2)
    doubled = torch.cat([context, negative])
    ours = attending_away(unet, negative, 5.0, tau, 0.25)(x, t, context)
    # the U-Net of diffusers lets the context have another batch size than x: only the processors read it
    torch.testing.assert_close(ours, theirs(x, 400, doubled).sample, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, unet(x, t, context), atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl-base", "x4-upscaler"])
def test_copies_work_in_every_family(name: str) -> None:
    from sukashi.families import FAMILIES

    name = next(family for family in FAMILIES if family.startswith(name.split("-")[0]))
    unet = tiny(name)
    config = unet.config
    x, t = random(1, config.in_channels, 16, 16), torch.full((1,), 10.0)
    context = random(1, 7, config.context_dim, seed=1)
    told = {}
    if config.noise_levels:
        told["noise_level"] = torch.tensor([3])
    if config.pooled_dim:
        width = config.pooled_dim - 6 * config.size_dim
        told |= {"pooled": random(1, width), "sizes": torch.ones(1, 6)}
    same = attending_away(unet, random(1, 5, config.context_dim, seed=2), 1.0, 2.5, 0.5)(x, t, context, **told)
    torch.testing.assert_close(same, unet(x, t, context, **told), rtol=1e-4, atol=1e-5)
    seen: list[str] = []
    watched(unet, lambda name, _: seen.append(name))(x, t, context, **told)
    assert len(seen) == len(attentions(unet, to_text=True)) > 0


@torch.no_grad()
def test_a_concurrent_run_of_the_same_unet_is_not_touched() -> None:
    unet = tiny()
    x, t, context = inputs(unet)
    wanted, empty, negative = (Conditioning(context=random(2, 7, context.shape[2], seed=k)) for k in range(3))
    guidance = Guidance(
        unet=unet, guard=lambda net: net, predicts="epsilon", scale=5.0, methods=guides("pag(layers=attn1) nag")
    )
    steered = guidance.make([(wanted, 1.0)], empty, negative)
    alone, together = unet(x, t, context), steered(x, LEVEL).eps
    stop, bad = threading.Event(), []

    def other() -> None:
        while not stop.is_set():
            bad.extend([] if torch.equal(unet(x, t, context), alone) else ["changed"])

    thread = threading.Thread(target=other)
    thread.start()
    again = [steered(x, LEVEL).eps for _ in range(5)]
    stop.set()
    thread.join()
    assert not bad and all(torch.equal(one, together) for one in again)
