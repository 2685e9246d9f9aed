"""How results are printed: lines, tables, JSON; colour where a terminal shows it.

Text from packets, captures and file names goes through `escape` first; JSON is pure ASCII, so that no character in
it can act on a terminal either.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

import click

from pktlab.jsontext import json_text

__all__ = ["JsonArray", "Printer", "count", "escape", "is_colored", "json_text", "table", "wrapped"]

_STYLES: dict[str, dict[str, Any]] = {
    "heading": {"bold": True},
    "quiet": {"dim": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "illegal-zero": {"fg": "red", "bold": True},
    "malformed": {"fg": "red", "bold": True},
    "stop": {"fg": "red"},
    "partial": {"fg": "yellow"},
    "unverified": {"fg": "yellow"},
    "absent": {"fg": "yellow"},
    "note": {"fg": "cyan"},
}


def escape(text: str) -> str:
    r"""Return `text` with everything that could act on a terminal written out, as `pktlab.wire.text.escape` does.

    That one is not asked when there is nothing to do, because it would load all protocols.

    >>> print(escape("a.pcap"), escape("\x1b[2J.pcap"))
    a.pcap \x1b[2J.pcap
    """
    if text.isprintable():
        return text
    from pktlab.wire import text as wire_text

    return wire_text.escape(text)


def is_colored(wish: str, stream: TextIO) -> bool:
    """Tell whether to colour what goes to `stream`; `wish` is ``"auto"``, ``"always"`` or ``"never"``.

    Spec: https://no-color.org: any value of NO_COLOR but an empty one turns colour off, an explicit wish beats it.

    >>> is_colored("always", sys.stdout), is_colored("never", sys.stdout)
    (True, False)
    """
    if wish != "auto":
        return wish == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Printer:
    """Where data go: standard output.

    Parameters
    ----------
    color : ``"auto"``, ``"always"`` or ``"never"``
    eager : pass on every line at once, for somebody who waits for it

    >>> Printer("never").line("hello")
    hello
    """

    def __init__(self, color: str = "auto", *, eager: bool = False) -> None:
        self.is_colored = is_colored(color, sys.stdout)
        self.eager = eager

    def line(self, text: str = "") -> None:
        """Print a line."""
        sys.stdout.write(f"{text}\n")
        if self.eager:
            sys.stdout.flush()

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines."""
        for line in lines:
            self.line(line)

    def paint(self, text: str, style: str) -> str:
        """Return `text` in the colours of `style`; unchanged if there is no colour, or no such style."""
        return click.style(text, **_STYLES[style]) if self.is_colored and style in _STYLES else text

    def json(self, value: Any) -> None:
        """Print one JSON document."""
        self.line(json_text(value, indent=2))


class JsonArray:
    """A JSON array that is printed item by item; the closing bracket is printed also if reading fails.

    >>> with JsonArray(Printer("never")) as array:
    ...     array.add({"a": 1})
    [
      {
        "a": 1
      }
    ]
    """

    def __init__(self, out: Printer) -> None:
        self._out = out
        self._waiting: str | None = None

    def add(self, value: Any) -> None:
        """Print one item."""
        self._out.line("[" if self._waiting is None else f"{self._waiting},")
        self._waiting = "\n".join(f"  {line}" for line in json_text(value, indent=2).splitlines())

    def put(self, items: bytes) -> bytes:
        """Return items that come with a comma and a newline in front of each, as they are to be printed."""
        is_first, self._waiting = self._waiting is None, ""
        return b"[" + items[1:] if is_first else items

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, OSError):
            self._out.line("[]" if self._waiting is None else f"{self._waiting}\n]")


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "packet"), count(12345, "packet")
    ('1 packet', '12,345 packets')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def wrapped(text: str, indent: int, width: int = 79) -> list[str]:
    """Return `text` in lines of at most `width` characters, each indented.

    >>> wrapped("one two three", 2, 9)
    ['  one two', '  three']
    """
    import textwrap

    margin = " " * indent
    return textwrap.wrap(text, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows as aligned lines, two spaces between columns; the columns in `right` are flush right.

    >>> table([("name", "bits"), ("udp.length", "16")], right=[1])
    ['name        bits', 'udp.length    16']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
