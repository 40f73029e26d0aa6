"""What a prompt names: networks, and words as ComfyUI spells them."""

from __future__ import annotations

import random

import pytest

from sukashi.prompts.names import Network, networks, spell_words


@pytest.mark.parametrize(
    ("tag", "network"),
    [
        ("<lora:a>", Network("a", 1.0, 1.0)),
        ("<lora:a:0.5>", Network("a", 0.5, 0.5)),
        ("<lora:a b.v2:-.5>", Network("a b.v2", -0.5, -0.5)),
        ("<lora:a:0.5:0.8>", Network("a", unet_weight=0.8, text_weight=0.5)),
        ("<lora:a:0.5:0.8:64>", Network("a", unet_weight=0.8, text_weight=0.5, rank=64)),
        ("<lora:a:te=0.5:unet=0.8>", Network("a", unet_weight=0.8, text_weight=0.5)),
        ("<lora:a:unet=0.8>", Network("a", unet_weight=0.8, text_weight=1.0)),
        ("<lora:a:te=0.5>", Network("a", unet_weight=0.5, text_weight=0.5)),
        ("<lora:a:0.5:unet=0:dyn=8>", Network("a", unet_weight=0.0, text_weight=0.5, rank=8)),
        ("<LoRA:a: 1 >", Network("a", 1.0, 1.0)),
        ("<lyco:a:1>", Network("a", 1.0, 1.0)),
    ],
)
def test_tags(tag: str, network: Network) -> None:
    assert networks(f"a cat {tag}, red") == ("a cat , red", [network])


@pytest.mark.parametrize(
    "text",
    ["<lora:>", "<lora:a:b>", "<lora:a:1", "lora:a:1>", "<lora:a:x=1>", "<lora:a:1:2:3:4>", "<lora:a:nan>", "< lora:a>",
     "<lora: :1>", "<lora:a:inf>", "<lora:a:>", "<cat-toy>", "<hypernet:a:1>", "a < b > c"],
)  # fmt: skip
def test_what_is_no_tag_is_text(text: str) -> None:
    assert networks(text) == (text, [])


def test_several_in_their_order() -> None:
    assert networks("<lora:b:1><lora:a:2> x <lora:b:3>") == (
        " x ",
        [Network("b", 1, 1), Network("a", 2, 2), Network("b", 3, 3)],
    )


def test_no_text_is_an_error() -> None:
    rng = random.Random(3)
    pieces = [*"<>:=a1 -猫", "<lora:", ".5", "te", "unet", "dyn"]
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=9))
        left, found = networks(text)
        assert found or left == text


def test_words_as_comfyui_spells_them() -> None:
    words = ["easynegative", "My.Word", "cat toy"]
    assert spell_words("a embedding:EasyNegative, b", words) == ("a EasyNegative, b", [])
    assert spell_words("(embedding:easynegative:1.2)", words) == ("(easynegative:1.2)", [])
    assert spell_words("embedding:easynegative.pt embedding:my.word", words) == ("easynegative my.word", [])
    assert spell_words("embedding:nope (embedding:no:2)", words) == (
        "embedding:nope (embedding:no:2)",
        ["nope", "no"],
    )
    assert spell_words("embedding: x, myembedding:easynegative", words)[0] == "embedding: x, myembedding:easynegative"
    assert spell_words("plain", []) == ("plain", [])
