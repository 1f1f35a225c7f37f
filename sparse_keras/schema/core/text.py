"""From YAML text to a tree of plain values, in which each value and key knows its position.

Only a subset of YAML 1.2 is accepted: mappings, lists and scalars of the core schema (`1e-3` is a
number and `on` is text). Tags, anchors, aliases and directives are errors, and size and depth are
limited, so that an untrusted file can neither run code nor exhaust the memory.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from sparse_keras.schema.core.errors import ConfigError, Mark, Problem, Source, dotted

MAX_CHARACTERS = 50_000
MAX_DEPTH = 20

# The opposite of https://yaml.org/spec/1.2.2/#51-character-set.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Python refuses to convert very long integers, and no config needs one.
_LONGEST_NUMBER = 100

# The YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema), which editors use.
_CONSTANTS = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}
_NUMBERS = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)


@dataclass(frozen=True)
class Node:
    """A value and its position.

    Attributes:
        value: A scalar, a list of nodes, or a dict from key to node.
        mark: The position at which the value begins.
        key: The position of its key; None for the root and for list items.
    """

    value: Any
    mark: Mark
    key: Mark | None = None

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a dict."""
        return isinstance(self.value, dict)

    def plain(self) -> Any:
        """The value without positions, as `dict`, `list` and scalars."""
        if self.is_mapping:
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def nearest(self, path: Iterable[str]) -> "Node":
        """The node at `path`, or the deepest one on the way to it that exists."""
        node = self
        for key in path:
            if not (node.is_mapping and key in node.value):
                break
            node = node.value[key]
        return node


def parse(text: str, source: Source) -> tuple[Node, list[Problem]]:
    """Reads one YAML document.

    Args:
        text: The YAML text.
        source: The `Source` that positions refer to; without lines, errors give no line numbers.

    Returns:
        `(root, problems)`: the root `Node`, and a list with a `Problem` for each duplicate key. The
        first of duplicate keys stays, so that the rest can still be checked.

    Raises:
        ConfigError: If the text is not YAML, or uses a feature of YAML that is not accepted.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"{source.name}: {len(text)} characters; a config has at most {MAX_CHARACTERS}"
        )
    unreadable = _NOT_ALLOWED.search(text)
    if unreadable:
        raise ConfigError(
            Problem(
                source.mark_at(text[: unreadable.start()]),
                "",
                f"not valid YAML: the character U+{ord(unreadable[0]):04X} is not allowed in a "
                "config",
            )
        )
    reader = _Reader(source)
    try:
        return reader.document(YAML(typ="safe", pure=True).parse(text)), reader.problems
    except MarkedYAMLError as error:
        message = " ".join(filter(None, [error.problem, error.context and f"({error.context})"]))
        mark = error.problem_mark or error.context_mark
        raise ConfigError(Problem(reader.mark(mark), "", f"not valid YAML: {message}")) from None


class _Reader:
    """Builds nodes from ruamel's events, and raises at the first one that is not allowed."""

    def __init__(self, source):
        self.source = source
        self.problems = []

    def mark(self, mark):
        return Mark(self.source, mark.line + 1, mark.column + 1)

    def refuse(self, mark, message):
        raise ConfigError(Problem(self.mark(mark), "", message))

    def document(self, events):
        root = None
        for event in events:
            if isinstance(event, StreamEndEvent):
                break
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self.refuse(event.start_mark, "a second document; a config is one document")
                if event.version or event.tags:
                    self.refuse(event.start_mark, "directives (%) are not allowed")
                root = self.node(events, next(events))
        return root or Node(None, Mark(self.source, 1, 1))

    def node(self, events, event, key=None, path=()):
        start = event.start_mark
        if isinstance(event, AliasEvent) or event.anchor:
            self.refuse(start, "anchors (&) and aliases (*) are not allowed; quote text with '...'")
        if event.tag:
            self.refuse(start, "tags (!) are not allowed; quote text with '...'")
        if len(path) >= MAX_DEPTH:
            self.refuse(start, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, ScalarEvent):
            value = _scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, MappingStartEvent):
            value = self.mapping(events, path)
        else:
            value = []
            while not isinstance(event := next(events), SequenceEndEvent):
                value.append(self.node(events, event, path=(*path, len(value))))
        return Node(value, self.mark(start), key)

    def mapping(self, events, path):
        value = {}
        while not isinstance(event := next(events), MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.tag or event.anchor:
                self.refuse(event.start_mark, "a key must be a plain word")
            key, mark = event.value, self.mark(event.start_mark)
            node = self.node(events, next(events), mark, (*path, key))
            if key in value:
                message = f"duplicate key, first given on line {value[key].key.line}"
                self.problems.append(Problem(mark, dotted((*path, key)), message))
            else:
                value[key] = node
        return value


def _scalar(text):
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for pattern, convert in _NUMBERS:
        if len(text) <= _LONGEST_NUMBER and pattern.fullmatch(text):
            return convert(text)
    return text


def overlay(base: Node, top: Node) -> Node:
    """Lays one tree over another: mappings merge, everything else replaces.

    A mapping with another `type` replaces the whole mapping below it, because the keys of one type
    mean nothing to another. A mapping with a `preset` replaces all keys but `type`, because only
    keys that are given beside a preset override its values.
    """
    if not (base.is_mapping and top.is_mapping):
        return top
    if "type" in base.value and "type" in top.value:
        if base.value["type"].plain() != top.value["type"].plain():
            return top
    merged = dict(base.value)
    if "preset" in top.value:
        merged = {key: node for key, node in base.value.items() if key == "type"}
    for key, node in top.value.items():
        merged[key] = overlay(merged[key], node) if key in merged else node
    return Node(merged, top.mark, top.key)


def read_overrides(overrides: Iterable[str]) -> Node | None:
    """Reads `--set` assignments into one tree.

    They form one tree before it is laid over a file, so their order does not matter.

    Args:
        overrides: Strings `PATH=VALUE`; the path is dotted, the value is YAML.

    Returns:
        The root `Node`; None without overrides.

    Raises:
        ConfigError: If an assignment is not `PATH=VALUE`, is not YAML, or contradicts another.
    """
    root, problems = None, []
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.split(".")
        if not equals or not all(key and key == key.strip() for key in keys):
            raise ConfigError(
                f"--set {override}: expected PATH=VALUE, such as --set training.epochs=5"
            )
        if len(keys) > MAX_DEPTH:
            raise ConfigError(f"--set {path[:60]}...: nested more than {MAX_DEPTH} levels deep")
        mark = Mark(Source("--set"))
        try:
            value, duplicates = parse(text, mark.source)
        except ConfigError as error:
            if not error.problems:
                raise
            raise ConfigError(
                *(Problem(mark, path, problem.message) for problem in error.problems)
            ) from None
        problems += [Problem(mark, path, problem.message) for problem in duplicates]
        node = _move(value, mark)
        for key in reversed(keys):
            node = Node({key: Node(node.value, mark, mark)}, mark)
        clash = root and _clash(root, node)
        if clash:
            problems.append(Problem(mark, clash, "set twice"))
        root = overlay(root, node) if root else node
    if problems:
        raise ConfigError(*problems)
    return root


def _move(node, mark):
    """The same tree with every position replaced by `mark`."""
    value = node.value
    if node.is_mapping:
        value = {key: _move(child, mark) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_move(child, mark) for child in value]
    return Node(value, mark, mark)


def _clash(first, second, path=()):
    """The dotted path of a value that both trees set; None if there is none."""
    if not (first.is_mapping and second.is_mapping):
        return ".".join(path)
    common = [key for key in second.value if key in first.value]
    clashes = (_clash(first.value[key], second.value[key], (*path, key)) for key in common)
    return next(filter(None, clashes), None)
