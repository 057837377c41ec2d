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


class Match:
    """What a statement has under the labels of its synopsis."""

    def __init__(self, text: str, kept: Kept, words: list[_Word]) -> None:
        self._text, self._kept, self._words = text, kept, words

    def __getitem__(self, label: str) -> str:
        """The text under `label`; empty where there is none."""
        return next(iter(self.all(label)), "")

    def all(self, label: str) -> list[str]:
        """Every text under `label`, in order."""
        return [
            self._text[self._words[start].start : self._words[end - 1].end]
            for name, start, end in self._kept
            if name == label and end > start
        ]

    def parts(self, label: str) -> Iterator[Match]:
        """A match for each text under `label`, with what is inside it."""
        for name, start, end in self._kept:
            if name == label:
                inner = tuple(each for each in self._kept if start <= each[1] and each[2] <= end)
                yield Match(self._text, inner, self._words)


def match_statement(text: str) -> tuple[dict[str, Any], Match]:
    """The row of the statement `text`, and its parts.

    Refused: no synopsis of its kind allows it; the page of the one that goes farthest is named.
    """
    words = [
        _Word("string" if kind == "tag" else str(kind), found[0], found.start(), found.end())
        for found in _WORDS.finditer(text)
        if (kind := found.lastgroup) != "blank"
    ]
    farthest, page = 0, "c_SQL_commands"  # until more than a verb is known
    for row in _TABLE["statements"]:
        matcher = _Matcher(words)
        for end, kept in matcher.match(_parsed(row["is"]), 0):
            if end == len(words):
                return row, Match(text, kept, words)
        if matcher.farthest > farthest:
            farthest = matcher.farthest
            page = row["page"] if farthest > 1 else page
    near = words[farthest].text if farthest < len(words) else "end of input"
    raise Refused(f'syntax error at or near "{near}", or not in the stand-in\'s tables ({page})')


@cache
def _parsed(synopsis: str) -> Node:
    return _choice(_SYNOPSIS.findall(synopsis), 0)[0]


def _choice(tokens: list[str], at: int) -> tuple[Node, int]:
    rows: list[list[Node]] = [[]]
    while at < len(tokens) and tokens[at] not in ("]", "}", ">"):
        sign = tokens[at]
        if sign in {"[", "{"} or (sign.startswith("<") and sign.endswith(":")):
            inner, at = _choice(tokens, at + 1)
            kind = {"[": "option", "{": "choice"}.get(sign, "label")
            rows[-1].append((kind, [inner], sign[1:-1]))
        elif sign.startswith("<") and len(sign) > 1:
            rows[-1].append(("piece", sign[1:-1]))
        elif sign in {"...", ",..."}:
            rows[-1].append(("repeat", rows[-1].pop(), sign == ",..."))
        elif sign == "|":
            rows.append([])
        else:
            rows[-1].append(("word", sign))
        at += 1
    return ("choice", [("row", row) for row in rows]), at


class _Matcher:
    def __init__(self, words: list[_Word]) -> None:
        self._words = words
        self.farthest = 0

    def match(self, node: Node, at: int) -> Iterator[tuple[int, Kept]]:
        """Every end that `node` may have from `at`, with what it kept."""
        kind, told, *label = node
        if kind == "word":
            yield from self._passed(at, at + self._is(at, told))
        elif kind == "row":
            yield from self._row(told, at)
        elif kind == "repeat":
            yield from self._repeat(told, at, by_comma=label[0])
        elif kind == "piece":
            yield from self._piece(told, at)
        else:
            for each in told:
                for end, kept in self.match(each, at):
                    yield end, ((label[0], at, end), *kept) if kind == "label" else kept
            if kind == "option":
                yield at, ()

    def _is(self, at: int, word: str) -> bool:
        found = self._words[at] if at < len(self._words) else None
        return found is not None and word == (
            found.text.upper() if found.kind == "word" else found.text
        )

    def _passed(self, at: int, end: int, *kept: tuple[str, int, int]) -> Iterator[tuple[int, Kept]]:
        if end > at:
            self.farthest = max(self.farthest, end)
            yield end, kept

    def _row(self, nodes: list[Node], at: int) -> Iterator[tuple[int, Kept]]:
        if not nodes:
            yield at, ()
            return
        for middle, kept in self.match(nodes[0], at):
            for end, more in self._row(nodes[1:], middle):
                yield end, (*kept, *more)

    def _repeat(self, node: Node, at: int, *, by_comma: bool) -> Iterator[tuple[int, Kept]]:
        """As many as there are, then fewer; of each one the first that matches."""
        found: list[tuple[int, Kept]] = []
        kept: Kept = ()
        while True:
            end, more = next(iter(self.match(node, at)), (at, ()))
            if end == at:
                break
            kept = (*kept, *more)
            found.append((end, kept))
            if by_comma and not self._is(end, ","):
                break
            at = end + by_comma
        yield from reversed(found)

    def _piece(self, piece: str, at: int) -> Iterator[tuple[int, Kept]]:
        if piece in _TABLE["pieces"]:
            for end, kept in self.match(_parsed(_TABLE["pieces"][piece]), at):
                yield end, ((piece, at, end), *kept)
            return
        end = at
        word = self._words[at] if at < len(self._words) else _Word("", "", 0, 0)
        if piece == "query" and word.text.upper() in ("SELECT", "WITH", "("):
            self.farthest = max(self.farthest, at)
            yield from ((end, ((piece, at, end),)) for end in range(len(self._words), at, -1))
        elif piece == "expression":  # to where the parenthesis around it closes
            depth = 0
            while end < len(self._words) and (depth or not self._is(end, ")")):
                depth += (self._words[end].text == "(") - (self._words[end].text == ")")
                end += 1
        elif piece in ("name", "ident"):  # a word that is not reserved (r_pg_keywords), or quoted
            is_free = word.kind == "word" and word.text.lower() not in RESERVED
            end += is_free or word.kind == "quoted"
            while (
                piece == "name" and end > at and self._is(end, ".") and end + 1 < len(self._words)
            ):
                end += 2
        else:
            end += word.kind == piece
        yield from self._passed(at, end, (piece, at, end))
