"""The names of all fields, and what is known of each: its type, its width, and where it comes from.

Filters, ``-e`` and the bulk engine look names up here. Most come out of the schemas, a line of a field table each;
the rest is what a capture says of its packets (``frame.*``), what pktlab concludes (``*.checksum.verdict``), names that
stand for either end (``ip.addr``), and protocols themselves.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from pktlab.errors import SchemaError
from pktlab.flows import FLOW_FIELDS
from pktlab.wire.bindings import EITHER_END
from pktlab.wire.fields import FieldDecl
from pktlab.wire.fills import Crc32c, InternetChecksum
from pktlab.wire.header import Header
from pktlab.wire.layout import Layout
from pktlab.wire.packet import PROTOCOLS
from pktlab.wire.rows import Names, Row
from pktlab.wire.table import nodes_of

__all__ = ["CHECKSUM_STATUS", "FieldType", "Registry", "headers_in", "registry"]

_HOSTS = {
    "ip.host": ("ip.src", "ip.dst"), "ip.src_host": ("ip.src",), "ip.dst_host": ("ip.dst",),
    "ipv6.host": ("ipv6.src", "ipv6.dst"), "ipv6.src_host": ("ipv6.src",), "ipv6.dst_host": ("ipv6.dst",),
}  # fmt: skip
"""Addresses as text: pktlab looks up no names, so a host is called by its address."""
_FRAME = {
    "frame.number": ("uint", 4), "frame.len": ("uint", 4), "frame.cap_len": ("uint", 4),
    "frame.interface_id": ("uint", 4), "frame.time_epoch": ("timestamp", 8), "frame.time_epoch_ns": ("int", 8),
    "frame.time_relative": ("timestamp", 8), "frame.time_delta": ("timestamp", 8),
    "frame.protocols": ("str", 0), "frame.comment": ("str", 0),
}  # fmt: skip
_PAYLOADS = {
    "tcp.len": ("uint", 4), "tcp.payload": ("bytes", 0), "udp.payload": ("bytes", 0),
    "data.data": ("bytes", 0), "data.len": ("uint", 4),
}  # fmt: skip
_FLOWS = dict.fromkeys(FLOW_FIELDS, ("uint", 4))
CHECKSUM_STATUS = {0: "Bad", 1: "Good", 2: "Unverified", 3: "Not present", 4: "Illegal"}
"""Wireshark's names of the numbers in ``*.checksum.status``."""


@dataclass(frozen=True, eq=False)
class FieldType:
    """What is known of one name.

    `source` says where its values come from:

    ``"row"`` : a schema, by the rows in `rows`; headers may share a name
    ``"either"`` : the fields in `parts`, in that order
    ``"host"`` : the same, as text
    ``"frame"`` : the capture
    ``"payload"`` : bytes that a header has behind it, or how many
    ``"flow"`` : the conversation that a packet is part of
    ``"checksum"`` : the verdicts on a packet's checksums
    ``"protocol"`` : headers of that name; the value is the bytes from a header's start to the end of its packet
    """

    name: str
    kind: str  # uint int bool ipv4 ipv6 mac flags enum bytes str timestamp, header (a group), protocol
    width: int  # bytes of the word it lies in; 0 where it varies
    source: str
    rows: tuple[tuple[type[Header], Row], ...] = ()
    parts: tuple[str, ...] = ()
    names: Names | None = None  # of values

    @property
    def row(self) -> Row | None:
        """The first row of that name; None where it comes from no schema."""
        return self.rows[0][1] if self.rows else None

    def values_named(self, word: str) -> list[int]:
        """Return the values that are called `word`.

        >>> registry().find("arp.opcode").values_named("request")
        [1]
        """
        if self.names is None:
            return []
        if isinstance(self.names, type):
            return [int(one) for one in self.names if one.name == word]
        return [value for value, name in self.names.items() if name == word]


class Registry:
    """Every name that a packet can be asked for, in the order of the protocols."""

    def __init__(self, types: Iterable[FieldType]) -> None:
        self._types = {one.name: one for one in types}

    def __iter__(self) -> Iterator[FieldType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def get(self, name: str) -> FieldType | None:
        """Return what is known of `name`; None if nothing is."""
        return self._types.get(name)

    def find(self, name: str) -> FieldType:
        """Return what is known of `name`.

        Raises
        ------
        SchemaError : no packet can have it; the message has the nearest name that one can

        >>> registry().find("udp.srcport").kind
        'uint'
        """
        found = self._types.get(name)
        if found is None:
            near = self.near(name)
            raise SchemaError(f"no field is called {name!r}" + (f", did you mean {near}?" if near else ""))
        return found

    def near(self, name: str) -> str | None:
        """Return the name that is most like `name`; None if none is.

        >>> registry().near("tcp.prot"), registry().near("TCP.Port"), registry().near("zzz")
        ('tcp.port', 'tcp.port', None)
        """
        plain = name.lower()
        if plain in self._types:
            return plain
        likely = difflib.get_close_matches(plain, self._types, 1, 0.7)
        return likely[0] if likely else None


def registry(protocols: Iterable[type[Header]] = ()) -> Registry:
    """Return the names of pktlab's own protocols and of `protocols`, the user's.

    >>> [registry().find(name).kind for name in ("ip.src", "tcp.flags.syn", "eth.src", "frame.time_epoch", "udp")]
    ['ipv4', 'bool', 'mac', 'timestamp', 'protocol']
    """
    own = tuple(dict.fromkeys(protocols))
    return _registry(own) if own else _built_in()


@cache
def _built_in() -> Registry:
    return _registry(())


def _registry(own: tuple[type[Header], ...]) -> Registry:
    types: dict[str, FieldType] = {"frame": FieldType("frame", "protocol", 0, "protocol")}
    for names, source in ((_FRAME, "frame"), (_PAYLOADS, "payload"), (_FLOWS, "flow")):
        types |= {name: FieldType(name, kind, width, source) for name, (kind, width) in names.items()}
    types |= {name: FieldType(name, "str", 0, "host", parts=parts) for name, parts in _HOSTS.items()}
    types["data"] = FieldType("data", "protocol", 0, "protocol")
    headers = (*PROTOCOLS, *own)
    for header in headers:
        types.setdefault(header.layer, FieldType(header.layer, "protocol", 0, "protocol"))
    by_name: dict[str, list[tuple[type[Header], Row]]] = {}
    for header in dict.fromkeys(one for outer in headers for one in (outer, *headers_in(outer))):
        for row in (*header.schema.rows, *rows_inside(header)):
            if row.name:
                by_name.setdefault(row.name, []).append((header, row))
    types |= {name: _of_rows(name, tuple(rows)) for name, rows in by_name.items()}
    for name, parts in EITHER_END.items():
        one = types[parts[0]]
        types[name] = FieldType(name, one.kind, one.width, "either", parts=parts, names=one.names)
    for header in headers:
        if any(isinstance(one.default, InternetChecksum | Crc32c) for one in header.schema.declared.values()):
            types |= _of_checksum(header.layer)
    return Registry(types.values())


def _of_rows(name: str, rows: tuple[tuple[type[Header], Row], ...]) -> FieldType:
    kinds = {row.kind for _, row in rows}
    kind = rows[0][1].kind if len(kinds) == 1 else "enum" if kinds <= {"uint", "enum"} else rows[0][1].kind
    names = next((row.names for _, row in rows if row.names is not None), None)
    widths = [row.width for _, row in rows]
    return FieldType(name, kind, max(widths) if all(widths) else 0, "row", rows, names=names)


def _of_checksum(layer: str) -> dict[str, FieldType]:
    return {
        f"{layer}.checksum.verdict": FieldType(f"{layer}.checksum.verdict", "str", 0, "checksum"),
        f"{layer}.checksum.cause": FieldType(f"{layer}.checksum.cause", "str", 0, "checksum"),
        f"{layer}.checksum.status": FieldType(f"{layer}.checksum.status", "enum", 1, "checksum", names=CHECKSUM_STATUS),
    }


def headers_in(header: type[Header]) -> list[type[Header]]:
    """Return the headers that lie in fields of `header`, in the order of the schema, each once.

    >>> from pktlab.wire.ipv4 import Ip
    >>> [one.__name__ for one in headers_in(Ip)][:2]
    ['IpOptions', 'IpOption']
    """
    found: dict[type[Header], None] = {}
    for declared in header.schema.fields:
        for node in _nodes_of(declared):
            if isinstance(node, Layout) and node.header not in found:
                found[node.header] = None
                found.update(dict.fromkeys(headers_in(node.header)))
    return list(found)


def rows_inside(header: type[Header]) -> list[Row]:
    """Return the rows that nodes of `header` make as they read, which are not in its own field table."""
    return [
        one
        for declared in header.schema.fields
        for node in _nodes_of(declared)
        for one in getattr(node, "inside", ())
        if isinstance(one, Row)
    ]


def _nodes_of(declared: FieldDecl) -> list[object]:
    return list(nodes_of(declared.subcon))
