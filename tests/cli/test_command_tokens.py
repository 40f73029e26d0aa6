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
