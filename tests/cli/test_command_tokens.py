"""``sukashi tokens``."""

from __future__ import annotations

import json

PROMPT = "a (girl:1.3) with [glasses|a hat] AND (pizza):0.5"


def test_a_table_for_every_voice(sukashi) -> None:
    code, out, err = sukashi("tokens", PROMPT)
    assert code == 0 and not err
    first, second = out.split("\n\n")
    assert first.splitlines()[0] == "text encoder 1 of 1: 'a (girl:1.3) with glasses'"
    assert first.splitlines()[3].split()[3] == "1.3" and first.splitlines()[3].endswith("girl</w>     girl")
    assert second.splitlines()[0] == "text encoder 1 of 1, weight 0.5: '(pizza)'"
    assert second.splitlines()[-1].startswith("1 token in 1 chunk of ")
    assert "'a (girl:1.3) with a hat'" in sukashi("tokens", PROMPT, "--step", "2", "--steps", "4")[1]


def test_json(sukashi) -> None:
    code, out, _ = sukashi("tokens", PROMPT, "--json", "--vectors", "--emphasis", "none")
    (table,) = json.loads(out)["tables"]
    assert code == 0 and table["prompt"] == PROMPT and {token["weight"] for token in table["tokens"]} == {1.0}
    token = table["tokens"][0]
    assert abs(sum(x * x for x in token["vector"]) ** 0.5 - token["norm"]) < 1e-4


def test_what_falls_off(sukashi) -> None:
    long = "a girl with glasses, " * 20
    assert "; cut off: '" in sukashi("tokens", long, "--truncate")[1]
    assert "chunks of" in sukashi("tokens", long)[1] and "cut off" not in sukashi("tokens", long)[1]


def test_a_step_that_does_not_exist(sukashi) -> None:
    code, out, err = sukashi("tokens", "a", "--step", "3", "--steps", "2")
    assert (code, out) == (2, "") and err == "sukashi: --step is 3 of --steps 2; 1 to --steps is accepted\n"


def test_nearest_words(sukashi) -> None:
    code, out, _ = sukashi("tokens", "girl with glasses", "--nearest", "3")
    assert code == 0 and out.splitlines()[-3].startswith("girl</w>: ") and out.splitlines()[-1].count(",") == 2
    (table,) = json.loads(sukashi("tokens", "girl", "--nearest", "2", "--json")[1])["tables"]
    assert [row["kind"] for row in table["rows"][:4]] == ["start", "word", "end", "pad"]
    assert len(table["rows"][1]["nearest"]) == 2 and table["rows"][1]["nearest"][0][0] != "girl</w>"


def test_nearest_words_of_an_inversion(sukashi, tmp_path) -> None:
    import torch
    from safetensors.torch import save_file

    from sukashi import load
    from sukashi.weights.embeddings import rows_of

    pipe = load("kirie")
    rows = rows_of(pipe.parts.text_encoders[0]).weight.detach()
    girl, cat = pipe.parts.tokenizers[0].encode("girl cat")
    save_file({"<both>": torch.stack([rows[girl], 2 * rows[cat]])}, tmp_path / "both.safetensors")
    code, out, _ = sukashi("tokens", "--inversion", tmp_path / "both.safetensors", "--nearest", "1")
    assert code == 0 and out.splitlines()[0].startswith("'<both>', text encoder 1 of 1: 2 vectors")
    assert [line.split()[-2:] for line in out.splitlines()[1:]] == [["girl</w>", "1.00"], ["cat</w>", "1.00"]]
    found = json.loads(sukashi("tokens", "--inversion", tmp_path / "both.safetensors", "--json")[1])
    assert found["word"] == "<both>" and [len(one["nearest"]) for one in found["vectors"][0]] == [5, 5]
    for words in ((), ("a", "--inversion", "x.pt")):
        assert sukashi("tokens", *words)[0] == 2
