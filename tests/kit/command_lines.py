"""What a page tells its reader to type, in the page's order, with what it shows of the answer.

A line that nothing here can run has its reason behind it (inline code) or before its block, in a
comment that Markdown does not show: `<!-- not run: why -->`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

# A word that begins a line to type. Others in backticks are names.
PROGRAMS = {
    *("ansible-playbook", "aws", "cd", "dbt", "docker", "export", "gh", "git"),
    *("lakehouse", "make", "python", "rm", "sh", "source", "terraform"),
}
ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
_MARK = r"<!-- not run: (?P<{}>.+?) -->"
_TYPED = re.compile(
    rf"(?:^{_MARK.format('before')}\n)?^(?P<indent> *)```(?:sh|console)?\n(?P<block>.*?)^ *```$"
    r"|^ *```.*?^ *```$"  # data, not to be typed
    r"|(?<=\n\n)(?P<quoted>(?: {4}[^\n]*\n+)+)"
    rf"|`(?P<inline>[^`]+)`(?:\s*{_MARK.format('behind')})?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Line:
    """A line to type: its section, the page's output below it, why nothing here runs it."""

    section: str
    text: str
    shown: str = ""
    reason: str = ""


def lines(page: str) -> Iterator[Line]:
    """All of a page, in its order."""
    headings = [(match.start(), match[1]) for match in re.finditer(r"^#+ (.+)$", page, re.M)]
    for match in _TYPED.finditer(page):
        section = next((title for at, title in reversed(headings) if at < match.start()), "")
        reason = " ".join((match["before"] or match["behind"] or "").split())
        if match["inline"]:
            text = " ".join(match["inline"].split())
            if _is_typed(text) and " " in text:
                yield Line(section, text, "", reason)
        elif block := match["block"] or match["quoted"]:
            for text, shown in _of_block(block):
                yield Line(section, text, shown, reason)


def _of_block(block: str) -> Iterator[tuple[str, str]]:
    """With `$ ` before what is typed the rest is output; without it all is typed, or nothing."""
    rows = [
        row.strip() if row.strip().startswith("$ ") else row.rstrip() for row in block.splitlines()
    ]
    prompted = any(row.startswith("$ ") for row in rows)
    if not prompted and not _is_typed(rows[0].strip()):
        return
    while rows:
        text = rows.pop(0)
        if prompted and not text.startswith("$ "):
            continue  # of no command
        text = text.removeprefix("$ ").strip()
        while text.endswith("\\"):
            text = f"{text[:-1].rstrip()} {rows.pop(0).strip()}"
        if here := re.search(r"<<'(\w+)'$", text):
            while rows:
                text += "\n" + rows.pop(0).removeprefix("    ")
                if text.endswith(f"\n{here[1]}"):
                    break
        shown = []
        while prompted and rows and not rows[0].startswith("$ "):
            shown.append(rows.pop(0))
        if text:
            yield text, "\n".join(shown)


def _is_typed(text: str) -> bool:
    words = iter(text.removeprefix("$ ").split())
    return next((word for word in words if not ASSIGNMENT.match(word)), "") in PROGRAMS


def commands(text: str) -> Iterator[list[str]]:
    """The programs that a line starts, each with its arguments and the assignments before it.

    Of a line with `$(…)` also the inner one; behind `>` is no argument.
    """
    text = text.partition("\n")[0].partition(" <<")[0]
    for inner in re.findall(r"\$\((.+?)\)", text):
        yield from commands(inner)
    lexer = shlex.shlex(re.sub(r"\$\(.+?\)", "…", text), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[str] = []
    for word in lexer:
        if word == "#":
            break
        if set(word) <= set("|&;"):
            yield found
            found = []
        else:
            found.append(word)
    if ">" in found:
        del found[found.index(">") : found.index(">") + 2]
    yield found
