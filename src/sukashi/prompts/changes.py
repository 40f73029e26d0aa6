"""What changes in a prompt during a run: ``[from:to:when]``, ``[to:when]``, ``[from::when]`` and ``[a|b]``."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from lark import Token, Transformer

from sukashi.prompts.grammar import changes_parser


class Group(NamedTuple):
    """Items one after another; not ``sound`` when a bracket or a colon among them belongs to nothing."""

    items: tuple[Any, ...]
    sound: bool = True


class Scheduled(NamedTuple):
    """``before`` up to and including step ``when``, then ``after``; ``when`` with a point is a fraction of the run."""

    before: Group
    after: Group
    when: str
    sound: bool = True


class Alternate(NamedTuple):
    """One option for each step in turn."""

    options: tuple[Group, ...]
    sound: bool = True


class Builder(Transformer[Token, Any]):
    """Makes nodes of what the parser finds, from the inside out."""

    def start(self, items: list[Any]) -> Group:
        """The whole prompt."""
        return Group(tuple(items))

    def round(self, items: list[Any]) -> Group:
        """``(a)`` or ``(a:1.3)``: left for ``parse_stress`` to read."""
        return Group(tuple(items), _sound(items[1:-1]) and len(_split(items[1:-1], "COLON")) <= 2)

    def square(self, items: list[Any]) -> Group | Scheduled | Alternate:
        """All that stands in square brackets."""
        inner, end = items[1:-1], items[-1]
        colons, bars = _split(inner, "COLON"), _split(inner, "BAR")
        sound = _sound(inner)
        if sound and end.type == "WHEN" and len(colons) <= 2:
            before = Group(tuple(colons[0] if len(colons) == 2 else ()))
            return Scheduled(before, Group(tuple(colons[-1])), end.value[1:-1].strip())
        if sound and end.type == "SQUARE_CLOSE" and len(colons) == 1 and len(bars) > 1:
            return Alternate(tuple(Group(tuple(option)) for option in bars))
        return Group(tuple(items), sound and end.type == "SQUARE_CLOSE" and len(colons) == 1)


BUILDER = Builder()


def _sound(items: list[Any]) -> bool:
    return all(item.type != "STRAY" if isinstance(item, Token) else item.sound for item in items)


def _split(items: list[Any], at: str) -> list[list[Any]]:
    """Items between the tokens of one type."""
    found: list[list[Any]] = [[]]
    for item in items:
        if isinstance(item, Token) and item.type == at:
            found.append([])
        else:
            found[-1].append(item)
    return found


@cache
def parse_changes(prompt: str) -> Group:
    """The tree of a prompt; what fits no rule is text in it."""
    return changes_parser(BUILDER).parse(prompt)  # type: ignore[return-value]  # the builder's nodes, not lark's trees


def schedule(prompt: str, steps: int, first_pass: int | None = None) -> list[tuple[int, str]]:
    """What the prompt says when: (last step, text) in order, steps counted from 1, the last of them ``steps``.

    ``when`` is a step, or with a point in it a fraction of the run. In a second pass after one of ``first_pass`` steps
    both count on: 1.5 is half of the second pass. Weights and escapes stay in the text.

    >>> schedule("a [b:c:.5] d", 10)
    [(5, 'a b d'), (10, 'a c d')]
    """
    if "[" not in prompt:
        return [(steps, prompt)]
    tree, ends = parse_changes(prompt), {steps}
    for node in _nodes(tree):
        if isinstance(node, Scheduled):
            ends.add(_last_step(node.when, steps, first_pass))
        elif isinstance(node, Alternate):
            ends |= set(range(1, steps + 1))
    return [(end, _text(tree, end, steps, first_pass)) for end in sorted(ends) if end >= 1]


def _last_step(when: str, steps: int, first_pass: int | None) -> int:
    """The step that a ``when`` means, not beyond the last."""
    value = float(when)
    if "." in when:
        value = (value - (first_pass is not None)) * steps
    else:
        value -= first_pass or 0
    return int(max(0, min(steps, value)))


def _nodes(tree: Group) -> list[Any]:
    """Every node of the tree."""
    todo, found = list[Any]([tree]), list[Any]()
    while todo:
        node = todo.pop()
        if not isinstance(node, Token):
            found.append(node)
            todo += _inside(node)
    return found


def _inside(node: Any) -> tuple[Any, ...]:
    if isinstance(node, Scheduled):
        return (node.before, node.after)
    return node.options if isinstance(node, Alternate) else node.items


def _text(tree: Group, step: int, steps: int, first_pass: int | None) -> str:
    """The prompt at one step."""
    todo, said = list[Any]([tree]), list[str]()
    while todo:
        node = todo.pop()
        if isinstance(node, Token):
            said.append(node.value)
        elif isinstance(node, Scheduled):
            todo.append(node.before if step <= _last_step(node.when, steps, first_pass) else node.after)
        elif isinstance(node, Alternate):
            todo.append(node.options[(step - 1) % len(node.options)])
        else:
            todo += reversed(node.items)
    return "".join(said)
