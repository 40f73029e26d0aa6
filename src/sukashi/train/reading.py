"""Teach a text encoder to read before a U-Net learns to draw what it read.

Stable Diffusion's text encoder could read long before: it was trained on other pictures (CLIP) and is frozen while the
U-Net trains (Rombach et al. 2022, arXiv:2112.10752, sec. 3.3). The loss of the U-Net alone teaches a text encoder very
slowly whose hat is red. Here captions come with what they claim, so that a small reader can ask: "which colour has the
hat of the one named first?" It looks at the words with one query for each question, as the U-Net's cross-attention
will, and never at the start and end tokens, so that what is said about a thing stays with its words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.kirie.captions import tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim
from sukashi.nets.clip import CLIPText
from sukashi.train.labels import Encode
from sukashi.train.run import Log, Run, cosine

Question = tuple[str, int]  # what, and of which thing in the order of mention; 0: of the picture
Answers = dict[Question, str]
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
SAID = 5.0  # how often a question counts that the caption answers, beside those it is silent about
KNOWN = 20_000  # captions that the questions and their answers are collected from
HEADS = 4


def answers(claims: Iterable[Claim]) -> Answers:
    """What a caption says of the things it mentions; a relation is always told of the one named first."""
    claims = tuple(claims)
    order: dict[int, int] = {0: 0}
    for claim in claims:
        order.setdefault(claim.who, len(order))
    said: Answers = {}
    for what, value, who in claims:
        if what == "relation":
            relation = value.rpartition(" ")[0]
            said[what, 1] = relation if order[who] == 1 else OPPOSITE[relation]
        else:
            said[what, order[who]] = value
    return said


def captions(salt: str, count: int, *, held_out: bool = False) -> tuple[list[str], list[Answers]]:
    """``count`` captions of the world and what each says; ``held_out``: as for :func:`draw_scene`."""
    told = []
    for k in range(count):
        rng = Random(f"reading {salt} {k}")
        told.append(tell(draw_scene(rng, held_out=held_out), rng))
    return [phrase.text for phrase in told], [answers(phrase.claims) for phrase in told]


class Reader(nn.Module):
    """Answers the same questions about every caption from the states of its tokens."""

    keys: Tensor
    possible: Tensor

    def __init__(self, width: int, said: Sequence[Answers]) -> None:
        super().__init__()
        self.questions: list[Question] = sorted({question for one in said for question in one})
        self.values = [sorted({one[q] for one in said if q in one}) for q in self.questions]
        most = 1 + max(map(len, self.values))  # answer 0: it is not said
        self.query = nn.Parameter(torch.randn(len(self.questions), width) * 3 * width**-0.5)
        self.to_k, self.to_v = nn.Linear(width, width), nn.Linear(width, width)
        self.answer = nn.Parameter(torch.randn(len(self.questions), width, most) * width**-0.5)
        possible = torch.tensor([[k <= len(values) for k in range(most)] for values in self.values])
        self.register_buffer("possible", possible, persistent=False)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """States (B, T, D) and which of them are words (B, T) -> scores (B, questions, answers)."""
        b, t, d = states.shape
        q = self.query.view(1, -1, HEADS, d // HEADS).transpose(1, 2).expand(b, -1, -1, -1)
        k, v = (to(states).view(b, t, HEADS, d // HEADS).transpose(1, 2) for to in (self.to_k, self.to_v))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=words[:, None, None])
        seen = seen.transpose(1, 2).reshape(b, -1, d)  # (B, questions, D)
        return torch.einsum("bqd,qda->bqa", seen, self.answer).masked_fill(~self.possible, -1e4)

    def labels(self, said: Sequence[Answers]) -> Tensor:
        """The right answers (B, questions). Raises ValueError for an answer that was unknown when it was made."""
        return torch.tensor(
            [
                [
                    values.index(one[q]) + 1 if q in one else 0
                    for q, values in zip(self.questions, self.values, strict=True)
                ]
                for one in said
            ]
        )


def read(text: CLIPText, reader: Reader, ids: Tensor) -> Tensor:
    """Token ids (B, T) -> the reader's scores (B, questions, answers)."""
    end = text.config.eos_token_id
    words = (ids != end) & (ids != end - 1)
    longest = int(words.sum(1).max()) + 1  # the start token is first
    return reader(text(ids[:, :longest]).last, words[:, :longest])


def train_reading(
    text: CLIPText, reader: Reader, encode: Encode, run: Run, *, batch: int, rate: float, seed: int, log: Log
) -> None:
    """Train both to the end of the run's budget; ``run.parts`` must hold the optimiser as "optimizer"."""
    optimizer: torch.optim.Optimizer = run.parts["optimizer"]
    device = reader.query.device
    text.train()
    for step, spent in run:
        for group in optimizer.param_groups:
            group["lr"] = cosine(rate, step, spent, warmup=50)
        told, said = captions(f"{seed} {step}", batch)
        right = reader.labels(said).to(device)
        scores = read(text, reader, encode(told).to(device))
        each = F.cross_entropy(scores.flatten(0, 1), right.flatten(), reduction="none")
        loss = (each * torch.where(right.flatten() > 0, SAID, 1.0)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        optimizer.step()
        if step % 50 == 49:
            log(f"reading {step + 1} {spent:.1%} loss {loss.item():.4f}")
    text.eval()


@torch.no_grad()
def understood(text: CLIPText, reader: Reader, encode: Encode, *, count: int, held_out: bool) -> tuple[float, float]:
    """The share of things said, and of whole captions, that are read rightly; none of them was trained on."""
    told, said = captions("unseen", count, held_out=held_out)
    right = reader.labels(said)
    ids = encode(told).to(reader.query.device)
    found = torch.cat([read(text, reader, part).argmax(-1).cpu() for part in torch.split(ids, 256)])
    return (found == right)[right > 0].float().mean().item(), (found == right).all(1).float().mean().item()
