"""The two grammars of A1111's prompts, read with lark: what changes during a run, and what is stressed.

Text that fits no rule is text: neither grammar can fail. Brackets are paired, or found to be stray, between the lexer
and the parser, so that the parser only ever sees brackets that have a partner.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.lark import PostLex

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)"

CHANGES = rf"""
start: _item*
_item: TEXT | ESCAPED | COLON | BAR | STRAY | round | square
round: OPEN _item* CLOSE
square: SQUARE_OPEN _item* (SQUARE_CLOSE | WHEN)

WHEN.2: /:\s*{NUMBER}([eE][+-]?\d+)?\s*\]/
ESCAPED.1: /\\./s
TEXT: /[^\\()\[\]:|]+/ | "\\"
OPEN: "("
CLOSE: ")"
SQUARE_OPEN: "["
SQUARE_CLOSE: "]"
COLON: ":"
BAR: "|"
%declare STRAY
"""

STRESS = rf"""
start: (TEXT | ESCAPED | WEIGHT | OPEN | CLOSE | SQUARE_OPEN | SQUARE_CLOSE | BREAK)*

WEIGHT.3: /:\s*{NUMBER}\s*\)/
BREAK.2: /\s*\bBREAK\b\s*/
ESCAPED.1: /\\[()\[\]\\]/
TEXT: /(?:(?!\s*\bBREAK\b)[^\\()\[\]:])+/ | ":" | "\\"
OPEN: "("
CLOSE: ")"
SQUARE_OPEN: "["
SQUARE_CLOSE: "]"
"""

PARTNERS = {"CLOSE": "OPEN", "SQUARE_CLOSE": "SQUARE_OPEN", "WHEN": "SQUARE_OPEN"}


class Pairs(PostLex):
    """Makes brackets without a partner STRAY: a closing one that meets another kind frees all that are open."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Tokens in the order of the text, each a bracket with a partner or none at all."""
        tokens, opened = list(stream), list[int]()
        paired = set[int]()
        for i, token in enumerate(tokens):
            if token.type in PARTNERS.values():
                opened.append(i)
            elif partner := PARTNERS.get(token.type):
                if opened and tokens[opened[-1]].type == partner:
                    paired |= {i, opened.pop()}
                else:
                    opened.clear()
        for i, token in enumerate(tokens):
            stray = token.type in (*PARTNERS, *PARTNERS.values()) and i not in paired
            yield Token.new_borrow_pos("STRAY", token.value, token) if stray else token


@cache
def changes_parser(builder: Transformer[Token, Any]) -> Lark:
    """The parser of what changes during a run; ``builder`` makes its nodes from the inside out."""
    return Lark(CHANGES, parser="lalr", lexer="basic", postlex=Pairs(), transformer=builder)


@cache
def stress_parser() -> Lark:
    """The parser of what is stressed: a flat list of tokens."""
    return Lark(STRESS, parser="lalr", lexer="basic")
