"""The ComfyUI ``prompt`` graph as a graph: nodes, links, and values that come over links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Link = tuple[str, int]  # node id, number of the output

# What nodes that hold one value call it, in the order we look.
_VALUES = ("value", "text", "string", "String", "int", "float", "number", "seed", "populated_text", "wildcard_text")


class Graph:
    """``{"3": {"class_type": "KSampler", "inputs": {"seed": 1, "model": ["4", 0], ...}}, ...}``, read safely.

    What cannot be followed is told in ``notes``, once.
    """

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self.nodes = {str(key): node for key, node in nodes.items() if _is_node(node)}
        self._links = {node: self._links_of(node) for node in self.nodes}
        self.about = ""  # what notes are about, put before them
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not followed, in sentences."""
        return tuple(self._notes)

    def note(self, sentence: str) -> None:
        """Say something about the reading, once."""
        self._notes[self.about + sentence] = None

    def kind(self, node: str) -> str:
        """The class of a node, e.g. "KSampler"."""
        return str(self.nodes[node]["class_type"])

    def name(self, node: str) -> str:
        """A node as notes call it."""
        return f"node {node} ({self.kind(node)})"

    def inputs(self, node: str) -> dict[str, Any]:
        """The inputs of a node: constants and links."""
        inputs: dict[str, Any] = self.nodes[node]["inputs"]
        return inputs

    def link(self, value: Any) -> Link | None:
        """``value`` as a link to a node that exists, or None."""
        if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], int):
            return None
        if not isinstance(value[0], str | int):
            return None
        return (str(value[0]), value[1]) if str(value[0]) in self.nodes else None

    def source(self, node: str, key: str) -> Link | None:
        """Where the input ``key`` of ``node`` comes from, if over a link."""
        return self.link(self.inputs(node).get(key))

    def links(self, node: str) -> dict[str, Link]:
        """All inputs of a node that come over links."""
        return self._links[node]

    def upstream(self, node: str) -> set[str]:
        """All nodes that ``node`` depends on."""
        seen: set[str] = set()
        waiting = [node]
        while waiting:
            for source, _ in self.links(waiting.pop()).values():
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return seen

    def walk(self, link: Link | None, *keys: str) -> Iterator[str]:
        """The nodes met from ``link`` on, following one of the inputs ``keys`` from node to node."""
        seen: set[str] = set()
        while link and link[0] not in seen:
            seen.add(link[0])
            yield link[0]
            found = [source for source in (self.source(link[0], key) for key in keys) if source]
            link = found[0] if found else self._only(link[0])

    def _only(self, node: str) -> Link | None:
        links = list(self.links(node).values())
        return links[0] if len(links) == 1 else None

    def value(self, node: str, *keys: str) -> Any:
        """The first of the inputs ``keys`` that is a constant, or a link to a node holding one; else None."""
        for key in keys:
            value = self.inputs(node).get(key)
            if link := self.link(value):
                value = self._held(link, key)
                if value is None:
                    self.note(f"{key} of {self.name(node)} comes from {self.name(link[0])}, which was not followed")
            if value is not None and not isinstance(value, list | dict):
                return value
        return None

    def _links_of(self, node: str) -> dict[str, Link]:
        found = {key: self.link(value) for key, value in self.inputs(node).items()}
        return {key: link for key, link in found.items() if link}

    def _held(self, link: Link, key: str) -> Any:
        for _ in range(len(self.nodes)):  # at most one step per node, whatever circles there are
            node = link[0]
            inputs = self.inputs(node)
            if self.kind(node) == "StringConcatenate":
                parts = [self._part(inputs.get(name), key) for name in ("string_a", "string_b")]
                return None if None in parts else str(inputs.get("delimiter", "")).join(map(str, parts))
            for name in (key, *_VALUES):
                if name in inputs:
                    break
            else:
                constants = [n for n, v in inputs.items() if not isinstance(v, list | dict | bool)]
                name = constants[0] if len(constants) == 1 else ""
            following = self.link(inputs.get(name)) if name else self._only(node)
            if not following:
                value = inputs.get(name)
                return None if isinstance(value, list | dict) else value
            link = following
        return None

    def _part(self, value: Any, key: str) -> Any:
        link = self.link(value)
        if link and self.kind(link[0]) == "StringConcatenate":
            return None  # one level is enough; deeper is told as not followed
        return self._held(link, key) if link else value


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def is_graph(values: Mapping[str, Any]) -> bool:
    """Whether JSON is a ComfyUI graph: some of its values are nodes."""
    return any(_is_node(node) for node in values.values())
