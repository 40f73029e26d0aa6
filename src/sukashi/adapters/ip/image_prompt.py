"""An IP-Adapter with its image encoder: a picture -> image tokens, and a U-Net that attends to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sukashi.adapters.fetching import adapter_path, encoder_of_hub
from sukashi.adapters.ip.read import AdapterNets, read_adapter, read_vision
from sukashi.adapters.ip.scales import Scales, scales_of
from sukashi.adapters.steering import Act, Window
from sukashi.nets import ip_adapter
from sukashi.nets.clip_vision import CLIPVision
from sukashi.nets.ip_adapter import ImageAttention, Projection
from sukashi.nets.shallow import with_modules
from sukashi.nets.unet import TransformerBlock, UNet
from sukashi.weights.errors import CheckpointError
from sukashi.weights.load import Source, locally
from sukashi.weights.parts import Hold, PartReport

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP's training pictures
ENCODERS = ("image_encoder", "../image_encoder", "../models/image_encoder")  # where the published layout has it


@dataclass(frozen=True)
class IPAdapter:
    """A loaded adapter; it holds no picture and no run."""

    nets: AdapterNets
    vision: CLIPVision
    reports: tuple[PartReport, ...]
    source: str

    def check(self, unet: UNet) -> None:
        """Raise ValueError where it was made for another kind of U-Net."""
        own = [tuple(t.shape) for name, t in self.nets.ip_adapter.named_parameters() if "to_k_ip" in name]
        theirs = [tuple(block.attn2.to_k.weight.shape) for block in cross_attentions(unet).values()]
        if own != theirs:
            raise ValueError(
                f"{self.source} is an IP-Adapter for {len(own)} cross-attentions to tokens of width {own[0][1]}, but "
                f"this model has {len(theirs)} of width {theirs[0][1]}"
            )

    def tokens(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pictures (B, 3, S, S) -> image tokens (B, I, D), and those that say nothing.

        Nothing is a zero embedding for the plain adapter; for the others, which read hidden states, a zero picture.
        """
        projection = self.nets.image_proj
        if isinstance(projection, Projection):
            seen = self.vision(picture).embeds
            return projection(seen), projection(torch.zeros_like(seen))
        seen, nothing = (self.vision(p).hidden[-2] for p in (picture, torch.zeros_like(picture)))
        return projection(seen), projection(nothing)

    def see(self, picture: Image.Image) -> tuple[Tensor, Tensor]:
        """The tokens of a picture: wanted and unwanted, (1, I, D) each."""
        weight = self.vision.visual_projection.weight
        with torch.no_grad():
            return self.tokens(clip_picture(picture, self.vision.config.size).to(weight))

    def act(self, tokens: tuple[Tensor, Tensor], scale: Scales, window: Window) -> Act:
        """The adapter in a run: ``scale`` is how much the picture counts beside the text (1: as in training).

        A mapping says it block by block (``scales_of``).
        """

        def rebuild(unet: UNet, acts: bool) -> UNet:
            return with_image_prompt(unet, self.nets, tokens[0].shape[1], scale if acts else 0.0)

        return Act(window=window, rebuild=rebuild, tokens=tokens)


def clip_picture(picture: Image.Image, size: int) -> Tensor:
    """A picture as CLIP wants it, (1, 3, size, size): its middle, shorter side to ``size`` (bicubic), normalised."""
    width, height = picture.size
    short = min(width, height)
    scaled = picture.convert("RGB").resize(
        (int(size * width / short), int(size * height / short)), Image.Resampling.BICUBIC
    )
    left, top = (scaled.width - size) // 2, (scaled.height - size) // 2
    values = np.asarray(scaled.crop((left, top, left + size, top + size)), dtype=np.float32) / 255
    values = (values - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(values).permute(2, 0, 1)[None]


def cross_attentions(unet: UNet) -> dict[str, TransformerBlock]:
    """The transformer blocks of a U-Net by name in the order that adapters count them: down, up, middle."""
    found = {name: block for name, block in unet.named_modules() if isinstance(block, TransformerBlock)}
    order = ("down_blocks", "up_blocks", "mid_block")
    return {name: found[name] for part in order for name in found if name.startswith(part)}


def with_image_prompt(unet: UNet, nets: AdapterNets, tokens: int, scale: Scales) -> UNet:
    """A copy of the U-Net that also attends to the last ``tokens`` tokens of its context; it shares all weights."""
    new, blocks = {}, cross_attentions(unet)
    scales = scales_of(blocks, scale)
    for (name, block), layers in zip(blocks.items(), nets.ip_adapter.values(), strict=True):
        image = ip_adapter.Image(layers, tokens, scales[name])  # type: ignore[arg-type]  # a ModuleDict holds any module
        attention, images = block.attn2, [image]
        if isinstance(attention, ImageAttention):  # another adapter is there already
            attention, images = attention.text, [*attention.images, image]
        new[f"{name}.attn2"] = ImageAttention(attention, images)
    return with_modules(unet, new)


def load_ip_adapter(
    source: Source,
    *,
    image_encoder: Source | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    offline: bool = False,
) -> IPAdapter:
    """Load an IP-Adapter's file; ``image_encoder`` is a folder, by default ``image_encoder/`` beside the file.

    Raises ``CheckpointError`` or ``ConfigError`` naming what does not fit, is missing, or what the file is.
    """
    path = adapter_path(source, "IP-Adapter", offline=offline)
    hold = Hold(dtype, device)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the adapter's file in it, such as ip-adapter_sd15.safetensors")
    nets, report = read_adapter(path, hold)
    if image_encoder is not None:
        folder, _ = locally(image_encoder, offline=offline)
    else:
        places = [path.parent / name for name in ENCODERS]
        found = next((p for p in places if (p / "config.json").is_file()), encoder_of_hub(source, offline=offline))
        if found is None:
            raise CheckpointError(f"{path} needs an image encoder, and there is none in {places[0]}: name its folder")
        folder = found
    vision, vision_report = read_vision(folder, hold)
    projection = nets.image_proj
    needed = next(iter(projection.parameters())) if isinstance(projection, Projection) else None
    takes = needed.shape[1] if needed is not None else embed_width(nets)
    gives = vision.config.projection_dim if needed is not None else vision.config.width
    if takes != gives:
        raise CheckpointError(f"{path} wants picture embeddings of width {takes}, but {folder} makes {gives}")
    return IPAdapter(nets, vision, (report, vision_report), str(source))


def embed_width(nets: AdapterNets) -> int:
    """The width of the hidden states that a "plus" or "full" projection reads."""
    weights = dict(nets.image_proj.named_parameters())
    return weights.get("proj_in.weight", weights.get("proj.0.weight", torch.empty(0, 0))).shape[1]
