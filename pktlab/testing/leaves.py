"""What application protocols have at the ends of their schemas: names, words, lines, numbers of several widths."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st

from pktlab.wire import Header
from pktlab.wire.apps.http import METHODS, Line, Lines, Request, Response, Start, line_of
from pktlab.wire.apps.names import DomainName, Name
from pktlab.wire.apps.nodes import Digits, Literal, Token
from pktlab.wire.apps.quic import VarInt, VarIntNode

__all__ = ["LEAVES", "leaf"]

LEAVES = (Name, Token, Literal, Digits, VarIntNode, Start, Lines)
MOST_LABELS = 4
_TEXT = "".join(map(chr, range(0x21, 0x7F)))
_FIELDS = (b"Host", b"Content-Length", b"Content-Type", b"X-Own")


@lru_cache(maxsize=256)
def leaf(node: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of what `node`, one of `LEAVES`, reads.

    >>> from hypothesis import find
    >>> find(leaf(Name()), lambda name: len(name.labels) == 2), find(leaf(Token(b" ")), len)
    ('0.0', b'0')
    """
    return _LEAVES[type(node)](node)


def _name(node: Name) -> st.SearchStrategy[DomainName]:
    plain = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12).map(str.encode)
    label = plain | st.binary(min_size=1, max_size=60)
    return st.lists(label, max_size=MOST_LABELS).map(DomainName.of_labels)


def _token(node: Token) -> st.SearchStrategy[bytes]:
    return st.text([one for one in _TEXT if ord(one) not in node.stops], max_size=20).map(str.encode)


def _number(node: VarIntNode) -> st.SearchStrategy[VarInt]:
    return st.integers(0, (1 << 62) - 1).map(VarInt)


def _start(node: Start) -> st.SearchStrategy[Header]:
    words = st.text(_TEXT, min_size=1, max_size=12)
    request = st.builds(Request, method=st.sampled_from(METHODS).map(bytes.decode), uri=words.map("/".__add__))
    return request | st.builds(Response, code=st.integers(100, 599), phrase=words)


def _lines(node: Lines) -> st.SearchStrategy[tuple[Line, ...]]:
    values = _token(Token(b""))
    line = st.builds(lambda name, value: line_of(name + b": " + value + b"\r\n"), st.sampled_from(_FIELDS), values)
    return st.lists(line, max_size=3).map(lambda lines: (*lines, line_of(b"\r\n")))


_LEAVES: dict[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    Name: _name,
    Token: _token,
    Literal: lambda node: st.sampled_from(node.choices),
    Digits: lambda node: st.integers(10 ** (node.count - 1), 10**node.count - 1).map(lambda number: b"%d" % number),
    VarIntNode: _number,
    Start: _start,
    Lines: _lines,
}
