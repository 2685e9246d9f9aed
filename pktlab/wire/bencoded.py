"""`Value`: a value that stands bencoded in some bytes, and knows where; `pktlab.wire.bencode` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Value"]


class Value:
    """A value that was read, with the bytes that it was read from.

    kind : ``"integer"``, ``"string"``, ``"list"`` or ``"dictionary"``
    start, stop : its first byte and the one behind its last, in the buffer it was read from
    body : of a string, where its octets start behind the colon
    content : the number of an integer; the values of a list; the (key, value) pairs of a dictionary, in wire order
    """

    __slots__ = ("_data", "_index", "body", "content", "kind", "start", "stop")

    def __init__(self, data: Any, kind: str, start: int, stop: int, body: int, content: Any) -> None:
        self._data, self.kind, self.start, self.stop, self.body, self.content = data, kind, start, stop, body, content
        self._index: dict[bytes, Value] | None = None

    @property
    def raw(self) -> bytes:
        """The octets that it was read from."""
        return bytes(self._data[self.start : self.stop])

    @property
    def octets(self) -> bytes:
        """The octets of a string; none of any other value."""
        return bytes(self._data[self.body : self.stop])

    def __len__(self) -> int:
        return self.stop - self.body if self.content is None else len(self.content)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Value]:
        """Iterate over the values of a list or a dictionary; a number or a string has none."""
        if self.kind == "dictionary":
            return iter([value for _, value in self.content])
        return iter(self.content if self.kind == "list" else ())

    def get(self, key: bytes) -> Value | None:
        """Return the value of `key`, the first if there are several; None if there is none or it is no dictionary."""
        if self.kind != "dictionary":
            return None
        if self._index is None:
            self._index = {name.octets: value for name, value in reversed(self.content)}
        return self._index.get(key)

    def integer(self, key: bytes) -> int | None:
        """Return the number that stands under `key`; None if none does."""
        found = self.get(key)
        return found.content if found is not None and found.kind == "integer" else None

    def string(self, key: bytes) -> bytes | None:
        """Return the octets that stand under `key`; None if none do."""
        found = self.get(key)
        return found.octets if found is not None and found.kind == "string" else None

    def walk(self) -> Iterator[tuple[Value, tuple[Any, ...]]]:
        """Yield each value inside, this one first, with the keys (bytes) and places (int) that lead to it."""
        todo: list[tuple[Value, tuple[Any, ...]]] = [(self, ())]
        while todo:
            value, path = todo.pop()
            yield value, path
            if value.kind == "dictionary":
                todo += [(one, (*path, key.octets)) for key, one in reversed(value.content)]
            elif value.kind == "list":
                todo += [(one, (*path, place)) for place, one in reversed([*enumerate(value.content)])]

    def plain(self) -> Any:
        r"""Return it as int, bytes, list or dict; of a key that is there twice the first.

        >>> from pktlab.wire.bencode import read
        >>> read(b"d1:ai1e1:bl1:xee").plain()
        {b'a': 1, b'b': [b'x']}
        """
        top: list[Any] = []
        todo: list[tuple[Value, Any, Any]] = [(self, top, None)]
        while todo:
            value, inside, key = todo.pop()
            made: Any = value.content
            if value.kind == "list":
                made = []
                todo += [(one, made, None) for one in reversed(value.content)]
            elif value.kind == "dictionary":
                made = {}
                todo += [(one, made, name.octets) for name, one in reversed(value.content)]
            elif value.kind == "string":
                made = value.octets
            if isinstance(inside, list):
                inside.append(made)
            else:
                inside.setdefault(key, made)
        return top[0]

    def __repr__(self) -> str:
        return f"<{self.kind} at {self.start}-{self.stop}>"
