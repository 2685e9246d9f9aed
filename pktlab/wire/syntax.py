"""Python's syntax tree of a text, with a place for every mistake, and bounds; nothing is evaluated."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect
from itertools import accumulate

from pktlab.errors import ExpressionError

__all__ = ["Places", "parsed"]

MAX_TEXT = 600_000
"""Characters of an expression: a packet of 64 KiB in ``\\x`` escapes has 262,144, and some tunnels carry more."""
_STRANGE = re.compile("[\0\ud800-\udfff]")
_LONG_NUMBER = re.compile("[0-9_]{4300,}")
"""Python itself refuses to read such a number, wherever it stands."""


def parsed(text: str) -> tuple[ast.expr, int]:
    """Return the syntax tree of an expression, and how many blanks are in front of what it was made of.

    Raises
    ------
    ExpressionError : it is empty, too long, or Python's parser stumbles over it; with the place

    >>> parsed(" 1")[1]
    1
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError(text, MAX_TEXT, f"longer than {MAX_TEXT:,} characters")
    lead = len(text) - len(text.lstrip())
    if lead == len(text):
        raise ExpressionError(text, 0, "empty: write layers such as IP()/UDP(dport=53)")
    strange = _STRANGE.search(text)
    if strange:
        raise ExpressionError(text, strange.start(), "a character that no text has")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unknown escapes, which Python keeps as they are
            return ast.parse(text.strip(), mode="eval").body, lead
    except SyntaxError as error:
        long = _LONG_NUMBER.search(text)
        if long and "integer string conversion" in (error.msg or ""):
            raise ExpressionError(text, long.start(), "a number too large: no field takes 128 bits") from None
        start = Places(text.strip()).starts[(error.lineno or 1) - 1 :][:1] or [0]
        at = lead + start[0] + max((error.offset or 1) - 1, 0)
        raise ExpressionError(text, min(at, len(text)), _said(error)) from None
    except (MemoryError, RecursionError):
        raise ExpressionError(text, lead, "nested too deeply") from None
    except ValueError as error:
        raise ExpressionError(text, lead, str(error)) from None


def _said(error: SyntaxError) -> str:
    said = (error.msg or "does not read").replace("f-string: ", "")
    return "nested too deeply" if "too many nested" in said else said


class Places:
    """Which character of a text a line, from 1, and a column, in UTF-8 bytes, stand for; quick however often asked."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.starts = list(accumulate((len(line) + 1 for line in self.lines), initial=0))
        self._ends: dict[int, list[int]] = {}  # by line: byte behind each character, where they differ in width

    def find(self, line: int, column: int) -> int:
        """Return the character, from 0."""
        index = min(line, len(self.lines)) - 1
        text = self.lines[index]
        if text.isascii():
            return self.starts[index] + column
        if index not in self._ends:
            self._ends[index] = list(accumulate(len(char.encode(errors="surrogatepass")) for char in text))
        return self.starts[index] + bisect(self._ends[index], column)
