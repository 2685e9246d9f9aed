"""What a header says in a line, declared as pieces: text, fields, words.

    class Udp(Header, layer="udp", says=("UDP ", this.srcport, " → ", this.dstport, " Len=", this.length - 8)):

The exact reader makes `Header.summary` of them, and `pktlab.columns.lines` compiles the same pieces for a kernel, which
prints them at the speed of memory. A header that says more than pieces can has a `summary` of its own, and its packets
are printed by the exact reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pktlab.wire import expressions

__all__ = ["Given", "Hexed", "Phrase", "Word"]


@dataclass(frozen=True, eq=False)
class Hexed:
    """A number in hex: ``0x`` and at least `digits` digits."""

    number: Any
    digits: int


@dataclass(frozen=True, eq=False)
class Word:
    """A number as a word: what `words` makes of it, of any number that the field can hold."""

    number: Any
    words: Callable[[int], str]


class Given:
    """Pieces that are said only if a number is not 0."""

    def __init__(self, number: Any, *pieces: Any) -> None:
        self.number, self.pieces = number, pieces


class Phrase:
    """The pieces that a header says, in order.

    >>> from types import SimpleNamespace
    >>> from construct import this
    >>> phrase = Phrase(("id ", Hexed(this.id, 4), Given(this.more, ", more")))
    >>> phrase.text(SimpleNamespace(id=42, more=1)), phrase.text(SimpleNamespace(id=42, more=0))
    ('id 0x002a, more', 'id 0x002a')
    """

    def __init__(self, pieces: Iterable[Any]) -> None:
        self.pieces = tuple(pieces)
        self._says: Callable[[Any], str] | None = None

    def text(self, header: Any) -> str:
        """Return what `header` says; AttributeError if a field of it was not read."""
        if self._says is None:  # compiled when it is first asked for: of most headers it never is
            self._says = _joined(self.pieces)
        return self._says(header)

    @property
    def numbers(self) -> Iterator[Any]:
        """The expressions in it."""
        return _numbers_in(self.pieces)


def _numbers_in(pieces: Iterable[Any]) -> Iterator[Any]:
    for piece in pieces:
        if isinstance(piece, Hexed | Word | Given):
            yield piece.number
        elif not isinstance(piece, str):
            yield piece
        if isinstance(piece, Given):
            yield from _numbers_in(piece.pieces)


def _joined(pieces: Iterable[Any]) -> Callable[[Any], str]:
    parts = [_part(piece) for piece in pieces]
    return lambda header: "".join([part(header) for part in parts])


def _part(piece: Any) -> Callable[[Any], str]:
    """Return the function that gives the text of a piece."""
    if isinstance(piece, str):
        return lambda _: piece
    if isinstance(piece, Given):
        holds, inside = expressions.evaluator(piece.number, over_header=True), _joined(piece.pieces)
        return lambda header: inside(header) if holds(header) else ""
    if isinstance(piece, Hexed):
        number, width = expressions.evaluator(piece.number, over_header=True), piece.digits
        return lambda header: f"0x{number(header):0{width}x}"
    if isinstance(piece, Word):
        number, words = expressions.evaluator(piece.number, over_header=True), piece.words
        return lambda header: words(number(header))
    value = expressions.evaluator(piece, over_header=True)
    return lambda header: f"{value(header)}"
