"""`Bencoded`: a schema node for bencoded text, whose values are fields of the page that it stands on.

The octets are kept as they stand, so that building gives them back; a header shows them as plain values and is made
from plain values. Reading is lax (a key out of order is not worth a packet), but to the end. Which names the values
have in the trace is the page's: by key, whatever dictionary the key stands in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pktlab.wire import bencode
from pktlab.wire.bencoded import Value
from pktlab.wire.cursor import Cursor
from pktlab.wire.nodes import Readable
from pktlab.wire.rows import Row, Traced
from pktlab.wire.values import IPV4, IPV6, View

__all__ = ["BENCODED", "Bencoded", "Key", "Names", "plain_row", "value_of"]

COUNT = 20_000
"""Most values of what stands in one packet or message."""


def _decoded(raw: bytes) -> Any:
    found = bencode.read_lax(raw, count=COUNT).value
    return None if found is None else found.plain()


BENCODED = View("bencode", _decoded, lambda value: value if isinstance(value, bytes) else bencode.encode(value))
"""Bencoded octets shown as plain values; built from plain values, or from octets as they are."""
TEXT = View("str", lambda raw: raw.decode("utf-8", "backslashreplace"), lambda value: value)
NUMBER = View("uint", int, lambda value: value)


class Key(NamedTuple):
    """What is known of the value of a key.

    name : after the page's prefix; label : for people
    holds : ``"text"``, ``"number"``, ``"octets"``, ``"ip"`` (4 or 16 octets), compact contacts: ``"peers"``,
        ``"peers6"``, ``"nodes"``, ``"nodes6"``, or ``"address"``, of a kind that its length tells; ``"hashes"``, of 20
        octets each
    """

    name: str
    label: str
    holds: str = "text"


Names = Mapping[bytes, Key]
_ID, _PORT = ("id", 20, None), ("port", 2, NUMBER)
_CONTACTS: dict[str, tuple[tuple[str, int, View | None], ...]] = {
    "peers": (("ip", 4, IPV4), _PORT), "peers6": (("ip6", 16, IPV6), _PORT), "hashes": (("info_hash", 20, None),),
    "nodes": (_ID, ("ip", 4, IPV4), _PORT), "nodes6": (_ID, ("ip6", 16, IPV6), _PORT),
}  # fmt: skip
_SIZES = {holds: sum(width for _, width, _ in parts) for holds, parts in _CONTACTS.items()}


def plain_row(name: str, label: str, kind: str = "bytes", view: View | None = None) -> Row:
    """Return a row for a value of varying place."""
    return Row(name, name.rpartition(".")[2], label, None, 0, None, 0, 1, False, kind, "dec", 0, None, view)


def value_of(raw: bytes) -> Value | None:
    """Return what bencoded octets say, with places in them; None if nothing can be read."""
    return bencode.read_lax(raw, count=COUNT).value


class Bencoded(Readable):
    """A bencoded value.

    prefix : what the names in the trace start with, ``"bt-dht"``
    names : what is known of keys, or of ``outer/inner``; under any other key a string is ``prefix.bencoded.string``, a
        number ``prefix.bencoded.int``
    """

    def __init__(self, prefix: str, names: Names) -> None:
        super().__init__()
        self.prefix, self.names = prefix, names
        self._rows: dict[tuple[str, str], Row] = {}
        self.inside = tuple(self.every_row())

    def every_row(self) -> Iterator[Row]:
        """Yield a row for each name."""
        for known in self.names.values():
            if known.holds in _CONTACTS or known.holds == "address":
                for name, _, view in _CONTACTS[known.holds if known.holds in _CONTACTS else "peers"]:
                    yield self.row(Key(name, name.upper()), "", view)
            else:
                view = {"text": TEXT, "number": NUMBER, "octets": None, "ip": IPV4}[known.holds]
                yield self.row(known, "", view)
        yield self.row(None, "bencoded.int", NUMBER)
        yield self.row(None, "bencoded.string", TEXT)

    def read_from(self, cursor: Cursor, scope: Any) -> bytes:
        """Read the value; WireError if it does not end well."""
        start = cursor.pos
        found = bencode.read_lax(cursor.data, start, cursor.end, limit=cursor.limit, count=COUNT)
        if cursor.trace is not None and found.value is not None:
            cursor.trace += self.traced(found.value)
        if found.stop is not None:
            raise found.stop
        assert found.value is not None
        cursor.pos = found.value.stop
        return bytes(cursor.data[start : cursor.pos])

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        stream.write(obj)
        return obj

    def traced(self, top: Value) -> Iterator[Traced]:
        """Yield the numbers and strings inside, each under the name of the key that it stands under."""
        for value, path in top.walk():
            keys = [step for step in path[-3:] if isinstance(step, bytes)]
            known = self.names.get(b"/".join(keys[-2:])) or self.names.get(b"".join(keys[-1:]))
            if value.kind == "integer":
                yield self.row(known, "bencoded.int", NUMBER), value.start + 1, value.stop - 1, value.content
            elif value.kind == "string":
                yield from self.string(known, value)

    def string(self, known: Key | None, value: Value) -> Iterator[Traced]:
        """Yield a string, or the parts of one that is known to have them."""
        holds, size, octets = "text" if known is None else known.holds, value.stop - value.body, value.octets
        if holds == "address":
            holds = {6: "peers", 18: "peers6", 4: "ip", 16: "ip"}.get(size, "octets")
        if holds in _CONTACTS and size % _SIZES[holds] == 0 and size:
            yield from self.contacts(known, value, holds)
        elif holds == "ip" and size in (4, 16):
            view = IPV4 if size == 4 else IPV6
            yield self.row(known, "ip", view), value.body, value.stop, octets
        elif holds == "text":
            yield self.row(known, "bencoded.string", TEXT), value.body, value.stop, octets
        else:
            yield self.row(known, "bencoded.string", None), value.body, value.stop, octets

    def contacts(self, known: Key | None, value: Value, holds: str) -> Iterator[Traced]:
        """Yield the parts of each contact."""
        parts, size = _CONTACTS[holds], _SIZES[holds]
        for start in range(value.body, value.stop, size):
            at = start
            for name, width, view in parts:
                raw: Any = bytes(value._data[at : at + width])
                row = self.row(Key(name, name.upper()), "", view)
                yield row, at, at + width, int.from_bytes(raw, "big") if name == "port" else raw
                at += width

    def row(self, known: Key | None, other: str, view: View | None) -> Row:
        """Return the row of a value."""
        name, label = (other, other.rpartition(".")[2]) if known is None else (known.name, known.label)
        kind = "bytes" if view is None else view.kind
        if (name, kind) not in self._rows:
            self._rows[name, kind] = plain_row(f"{self.prefix}.{name}", label, kind, view)
        return self._rows[name, kind]
