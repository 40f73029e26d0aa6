"""The networks by themselves: the same weights in memory, the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Row, agree, compare, seconds
from sukashi.fast.twin import Quick

LIMITS = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}  # of the largest value of the output


class Both:
    """One network on both sides, holding the same tensors."""

    def __init__(self, ours: nn.Module, theirs: nn.Module) -> None:
        self.ours, self.theirs = ours.eval(), theirs.eval()

    def to(self, device: str, dtype: torch.dtype) -> Both:
        """Move theirs, and give ours the same tensors."""
        self.theirs.to(device=device, dtype=dtype)
        self.ours.load_state_dict(self.theirs.state_dict(), strict=True, assign=True)
        return self

    def row(
        self, name: str, call: Callable[[nn.Module, bool], Tensor], runs: int, device: str, dtype: torch.dtype
    ) -> Row:
        """Time ``call(net, whether it is ours)``, which returns a tensor, after comparing what it returns."""
        with torch.inference_mode():
            ours = Quick()(self.ours)  # as sukashi.load runs it
            a, b = call(ours, True).float(), call(self.theirs, False).float()
            said = agree(float((a - b).abs().max() / b.abs().max()), LIMITS[dtype], "outputs")

            def timed(net: nn.Module, mine: bool) -> Callable[[], float]:
                def once() -> None:
                    call(net, mine)
                    if device == "cuda":
                        torch.cuda.synchronize()

                return seconds(once)

            return compare(name, "s", timed(ours, True), timed(self.theirs, False), runs, agreement=said)


def theirs(folder: Path, part: str) -> nn.Module:
    """A network of a diffusers folder, as its own library loads it."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    kinds: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}
    return kinds[part].from_pretrained(folder / part)


def pair(folder: Path, part: str) -> Both:
    """The same network from both libraries; ours is made without weights and given theirs."""
    from sukashi.nets.clip import CLIPText
    from sukashi.nets.unet import UNet
    from sukashi.nets.vae import VAE
    from sukashi.weights.folder import read_family

    family, _ = read_family(folder)
    with torch.device("meta"):
        net = {"unet": lambda: UNet(family.unet), "vae": lambda: VAE(family.vae)}.get(
            part, lambda: CLIPText(family.text[0])
        )()
    other = theirs(folder, part)
    if part == "text_encoder" and not any(k.startswith("text_model.") for k in other.state_dict()):
        other = Prefixed(other)  # transformers 5 dropped the prefix that checkpoints have
    return Both(net, other)


class Prefixed(nn.Module):
    """A text encoder under the name ``text_model``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.text_model = net

    def forward(self, ids: Tensor) -> Any:
        return self.text_model(ids)


def run(folder: Path, runs: int, *, size: str, device: str, dtypes: tuple[torch.dtype, ...]) -> list[Row]:
    """U-Net step (two pictures, as guidance has it), decoding and text encoding, per precision."""
    rows = []
    unet = pair(folder, "unet")
    config: Any = unet.theirs.config
    cells, width = config.sample_size, config.cross_attention_dim
    generator = torch.Generator().manual_seed(0)
    latent, context = (torch.randn(s, generator=generator) for s in ((2, 4, cells, cells), (2, 77, width)))
    t = torch.full((2,), 501.0, device=device)
    for dtype in dtypes:
        x, c = latent.to(device, dtype), context.to(device, dtype)
        name = f"U-Net step, {size}, 2 x {cells} x {cells}, {str(dtype)[6:]}"
        unet.to(device, dtype)
        rows.append(
            unet.row(name, lambda n, mine, x=x, c=c: n(x, t, c) if mine else n(x, t, c).sample, runs, device, dtype)
        )
    del unet
    vae = pair(folder, "vae").to(device, torch.float32)
    scale = vae.ours.config.scale
    z = latent[:1].to(device) * scale
    rows.append(
        vae.row(
            f"VAE decode, {size}, {8 * cells} x {8 * cells}, float32",
            lambda n, mine: n.decode(z) if mine else n.decode(z / scale).sample,
            runs,
            device,
            torch.float32,
        )
    )
    del vae
    text = pair(folder, "text_encoder").to(device, torch.float32)
    ids = torch.full((2, 77), text.ours.config.vocab_size - 1, device=device)
    ids[:, :20] = torch.randint(0, 500, (2, 20), generator=generator).to(device)
    rows.append(
        text.row(
            f"text encoder, {size}, 2 x 77, float32",
            lambda n, mine: n(ids).last if mine else n(ids).last_hidden_state,
            runs,
            device,
            torch.float32,
        )
    )
    return rows
