"""The text encoders with the outputs of transformers. Letters: B texts, T tokens, D their width."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sukashi.compat.basics import Output
from sukashi.compat.models import View
from sukashi.nets.clip import CLIPText
from sukashi.weights import components
from sukashi.weights.configs import text_json
from sukashi.weights.embeddings import rows_of, set_rows
from sukashi.weights.parts import Hold


@dataclass
class BaseModelOutputWithPooling(Output):
    """``[0]`` is ``last_hidden_state`` (B, T, D), through the final norm; ``hidden_states`` are not normed."""

    last_hidden_state: Tensor
    pooler_output: Tensor  # (B, D): the last state at the end of the text
    hidden_states: tuple[Tensor, ...] | None = None  # (B, T, D) each; the first is the embedded text


@dataclass
class CLIPTextModelOutput(Output):
    """``[0]`` is ``text_embeds`` (B, P), the projected state at the end of the text."""

    text_embeds: Tensor
    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


class CLIPTextModel(View):
    """A text encoder: ``text_encoder(ids)[0]``, ``.last_hidden_state``, ``.pooler_output``."""

    net: CLIPText

    def __init__(self, net: CLIPText) -> None:
        super().__init__(net, text_json(net.config))

    @classmethod
    def from_folder(cls, folder: Path, hold: Hold) -> CLIPTextModel:
        """The text encoder of its own folder; of the class that transformers would have for it."""
        net, _ = components.text_from_folder(folder, hold)
        return view_of(net.eval())

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> Any:
        """Ids (B, T) -> states. The padding is read like text, as Stable Diffusion was trained; a mask is refused."""
        if attention_mask is not None:
            raise ValueError("attention_mask is not supported: Stable Diffusion's text encoders read the padding too")
        states = self.net(input_ids)
        hidden = states.hidden if output_hidden_states else None
        out = self.output(states.last, states.pooled, hidden)
        return out if return_dict else out.to_tuple()

    def output(self, last: Tensor, pooled: Tensor, hidden: tuple[Tensor, ...] | None) -> Output:
        """The states in this class's order."""
        return BaseModelOutputWithPooling(last, pooled, hidden)

    def get_input_embeddings(self) -> nn.Embedding:
        """The matrix of token embeddings: ``.weight.data[id]`` is one token's vector (D,)."""
        return rows_of(self.net)

    def resize_token_embeddings(self, count: int) -> nn.Embedding:
        """Make room for ``count`` tokens: new rows are normal around the mean of the old ones, as in transformers.

        Rows beyond ``count`` are dropped.
        """
        old = rows_of(self.net).weight.detach()
        more = count - len(old)
        if more > 0:
            old = torch.cat([old, old.mean(dim=0) + old.std(dim=0) * torch.randn(more, old.shape[1]).to(old)])
        set_rows(self.net, old[:count].clone())
        return rows_of(self.net)


class CLIPTextModelWithProjection(CLIPTextModel):
    """A text encoder whose pooled output is projected: SDXL's second."""

    def output(self, last: Tensor, pooled: Tensor, hidden: tuple[Tensor, ...] | None) -> Output:
        """The states in this class's order."""
        return CLIPTextModelOutput(pooled, last, hidden)


def view_of(net: CLIPText) -> CLIPTextModel:
    """The class that transformers would have for this encoder."""
    return CLIPTextModel(net) if net.config.projection_dim is None else CLIPTextModelWithProjection(net)
