"""The synopses of `statements.yml`, matched against statements word by word.

In a synopsis words in capitals are keywords, `[ … ]` may be left out, `{ … | … }` is a choice,
`,...` repeats what stands before it between commas, `...` without. `<piece>` is one of `pieces`, or
a name, ident, string, number, query; `<label: …>` keeps what matches under that label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from redshift_standin.rules import RESERVED, Refused, read_table

_TABLE = read_table("statements")
_WORDS = re.compile(
    r"(?P<blank>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>'(?:[^'\\]|''|\\.)*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r'|(?P<quoted>"(?:[^"]|"")*")|(?P<word>[^\W\d][\w$]*)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>::|\|\||.)',
    re.DOTALL,
)
_SYNOPSIS = re.compile(r",\.\.\.|\.\.\.|<\w+:|<\w+>|[\w$.]+|[^\s\w]")
Node = tuple[Any, ...]
Kept = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class _Word:
    kind: str
    text: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """A keyword as it is compared."""
        return self.text.upper() if self.kind == "word" else self.text


class Match:
    """What a statement has under the labels of its synopsis."""

    def __init__(self, text: str, kept: Kept, words: list[_Word]) -> None:
        self._text, self._kept, self._words = text, kept, words

    def __getitem__(self, label: str) -> str:
        """The text under `label`; empty where there is none."""
        return next(iter(self.all(label)), "")

    def all(self, label: str) -> list[str]:
        """Every text under `label`, in order."""
        return [self._slice(start, end) for name, start, end in self._kept if name == label]

    def parts(self, label: str) -> Iterator[Match]:
        """A match for each text under `label`, with what is inside it."""
        for name, start, end in self._kept:
            if name == label:
                inner = tuple(each for each in self._kept if start <= each[1] and each[2] <= end)
                yield Match(self._text, inner, self._words)

    def _slice(self, start: int, end: int) -> str:
        return (
            self._text[self._words[start].start : self._words[end - 1].end] if end > start else ""
        )


def match_statement(text: str) -> tuple[dict[str, str], Match]:
    """The row of the statement `text`, and its parts.

    Raises:
        Refused: no synopsis of its kind allows it; the page of the one that goes farthest is named.
    """
    words = [
        _Word(str(found.lastgroup if found.lastgroup != "tag" else "string"), *_place(found))
        for found in _WORDS.finditer(text)
        if found.lastgroup != "blank"
    ]
    farthest, page = 0, "c_SQL_commands"
    for row in _TABLE["statements"]:
        matcher = _Matcher(words)
        for end, kept in matcher.match(_parsed(row["is"]), 0):
            if end == len(words):
                return row, Match(text, kept, words)
        if matcher.farthest > farthest:
            farthest, page = matcher.farthest, row["page"]
    near = words[farthest].text if farthest < len(words) else "end of input"
    raise Refused(f'syntax error at or near "{near}" ({page})')


def _place(found: re.Match[str]) -> tuple[str, int, int]:
    return found[0], found.start(), found.end()


@cache
def _parsed(synopsis: str) -> Node:
    tokens = _SYNOPSIS.findall(synopsis)
    node, end = _choice(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"synopsis: {synopsis}")
    return node


def _choice(tokens: list[str], at: int) -> tuple[Node, int]:
    choices: list[Node] = []
    row: list[Node] = []
    while at < len(tokens) and tokens[at] not in ("]", "}", ">"):
        sign = tokens[at]
        if sign in {"[", "{"}:
            inner, at = _choice(tokens, at + 1)
            row.append(("option", inner) if sign == "[" else inner)
        elif sign.endswith(":") and sign.startswith("<"):
            inner, at = _choice(tokens, at + 1)
            row.append(("label", sign[1:-1], inner))
        elif sign.startswith("<") and len(sign) > 1:
            row.append(("piece", sign[1:-1]))
        elif sign in {"...", ",..."}:
            row.append(("repeat", row.pop(), sign == ",..."))
        elif sign == "|":
            choices.append(("row", tuple(row)))
            row = []
        else:
            row.append(("word", sign))
        at += 1
    choices.append(("row", tuple(row)))
    return ("choice", tuple(choices)) if len(choices) > 1 else choices[0], at


class _Matcher:
    def __init__(self, words: list[_Word]) -> None:
        self._words = words
        self.farthest = 0

    def match(self, node: Node, at: int) -> Iterator[tuple[int, Kept]]:
        """Every end that `node` may have from `at`, with what it kept."""
        kind = node[0]
        if kind == "word":
            if self._is(at, node[1]):
                yield from self._passed(at + 1)
        elif kind == "row":
            yield from self._row(node[1], at)
        elif kind == "choice":
            for each in node[1]:
                yield from self.match(each, at)
        elif kind == "option":
            yield from self.match(node[1], at)
            yield at, ()
        elif kind == "label":
            for end, kept in self.match(node[2], at):
                yield end, ((node[1], at, end), *kept)
        elif kind == "repeat":
            yield from self._repeat(node, at)
        else:
            yield from self._piece(node[1], at)

    def _is(self, at: int, word: str) -> bool:
        return at < len(self._words) and self._words[at].name == word

    def _names(self, at: int) -> bool:
        """Whether a name stands there: quoted, or a word that is not reserved (r_pg_keywords)."""
        word = self._words[at] if at < len(self._words) else None
        return word is not None and (
            word.kind == "quoted" or (word.kind == "word" and word.text.lower() not in RESERVED)
        )

    def _passed(self, end: int) -> Iterator[tuple[int, Kept]]:
        self.farthest = max(self.farthest, end)
        yield end, ()

    def _row(self, nodes: tuple[Node, ...], at: int) -> Iterator[tuple[int, Kept]]:
        if not nodes:
            yield at, ()
            return
        for middle, kept in self.match(nodes[0], at):
            for end, more in self._row(nodes[1:], middle):
                yield end, (*kept, *more)

    def _repeat(self, node: Node, at: int) -> Iterator[tuple[int, Kept]]:
        """As many as there are, then fewer; of each one the first that matches."""
        _kind, inner, by_comma = node
        found: list[tuple[int, Kept]] = []
        kept: Kept = ()
        while True:
            end, more = next(iter(self.match(inner, at)), (at, ()))
            if end == at:
                break
            kept = (*kept, *more)
            found.append((end, kept))
            if by_comma and not self._is(end, ","):
                break
            at = end + by_comma
        yield from reversed(found)

    def _piece(  # noqa: PLR0912 - one branch a piece
        self, piece: str, at: int
    ) -> Iterator[tuple[int, Kept]]:
        word = self._words[at] if at < len(self._words) else None
        end = at
        if piece in _TABLE["pieces"]:
            for end, kept in self.match(_parsed(_TABLE["pieces"][piece]), at):
                yield end, ((piece, at, end), *kept)
            return
        if word is None:
            return
        if piece == "name":
            end = at + self._names(at)
            while end > at and self._is(end, ".") and end + 1 < len(self._words):
                end += 2
        elif piece == "ident":
            end = at + self._names(at)
        elif piece in ("string", "number", "word"):
            end = at + (word.kind == piece)
        elif piece == "query":
            if word.name in ("SELECT", "WITH", "("):
                self.farthest = max(self.farthest, at)
                for end in range(len(self._words), at, -1):
                    yield end, ((piece, at, end),)
            return
        elif piece == "expression":  # to where the parenthesis around it closes
            depth = 0
            while end < len(self._words) and (depth or not self._is(end, ")")):
                depth += (self._words[end].text == "(") - (self._words[end].text == ")")
                end += 1
        if end > at:
            self.farthest = max(self.farthest, end)
            yield end, ((piece, at, end),)
