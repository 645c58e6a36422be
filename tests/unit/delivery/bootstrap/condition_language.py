"""Azure's language of conditions, as far as role assignments use it: parsed and evaluated by its documented rules, independently of what writes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKENS = re.compile(
    r"""\s*(?:
    (?P<attribute>@(?:Request|Resource)\[[^\]]+\])
    | (?P<operator>ForAnyOfAnyValues:(?:GuidEquals|StringEqualsIgnoreCase))
    | (?P<action>ActionMatches\{'[^']+'\})
    | (?P<set>\{[^{}]*\})
    | (?P<word>AND|OR)
    | (?P<sign>[()!])
    )""",
    re.VERBOSE,
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Node = Any


class NotTheLanguageError(Exception):
    """The text is none of Azure's."""


@dataclass(frozen=True)
class Request:
    """What somebody asks Azure to do; attributes by source and name."""

    action: str
    attributes: Mapping[tuple[str, str], str]


def allowed(text: str, request: Request) -> bool:
    """Whether the condition lets the request through."""
    return _evaluate(parse(text), request)


def parse(text: str) -> Node:
    """The tree of a condition."""
    tokens = []
    position = 0
    while text[position:].strip():
        token = _TOKENS.match(text, position)
        if not token:
            raise NotTheLanguageError(f"unexpected: {text[position : position + 40]!r}")
        tokens.append((token.lastgroup, token.group().strip()))
        position = token.end()
    tree, rest = _expression(tokens)
    if rest:
        raise NotTheLanguageError(f"left over: {rest}")
    return tree


def _expression(tokens: list) -> tuple[Node, list]:
    tree, rest = _term(tokens)
    words = set()
    while rest and rest[0][0] == "word":
        word = rest[0][1]
        words.add(word)
        if len(words) > 1:
            raise NotTheLanguageError("AND and OR side by side without parentheses: nobody knows which comes first")
        other, rest = _term(rest[1:])
        tree = (word, tree, other)
    return tree, rest


def _term(tokens: list) -> tuple[Node, list]:
    if not tokens:
        raise NotTheLanguageError("ends too early")
    kind, text = tokens[0]
    if text == "!":
        tree, rest = _term(tokens[1:])
        return ("NOT", tree), rest
    if text == "(":
        tree, rest = _expression(tokens[1:])
        if not rest or rest[0][1] != ")":
            raise NotTheLanguageError("a parenthesis is not closed")
        return tree, rest[1:]
    if kind == "action":
        return ("ACTION", text.split("'")[1]), tokens[1:]
    if kind == "attribute" and len(tokens) > 2 and (tokens[1][0], tokens[2][0]) == ("operator", "set"):
        source, name = text[1:-1].split("[")
        return (tokens[1][1].split(":")[1], (source, name), _values(tokens[1][1], tokens[2][1])), tokens[3:]
    raise NotTheLanguageError(f"unexpected: {text}")


def _values(operator: str, text: str) -> list[str]:
    values = [value.strip() for value in text[1:-1].split(",")]
    guids = operator.endswith("GuidEquals")
    for value in values:
        right = _GUID.fullmatch(value) if guids else re.fullmatch(r"'[^']*'", value)
        if not right:
            raise NotTheLanguageError(f"{value!r} is no value for {operator}")
    return [value.strip("'").lower() for value in values]


def _evaluate(tree: Node, request: Request) -> bool:
    match tree:
        case ("AND", one, other):
            return _evaluate(one, request) and _evaluate(other, request)
        case ("OR", one, other):
            return _evaluate(one, request) or _evaluate(other, request)
        case ("NOT", one):
            return not _evaluate(one, request)
        case ("ACTION", pattern):
            return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), request.action, re.IGNORECASE) is not None
        case (_, attribute, values):
            # An attribute that the request does not have equals nothing.
            return request.attributes.get(attribute, "").lower() in values
    raise NotTheLanguageError(str(tree))
