"""The extended messages of one connection: who calls which extension by which number, and what they tell.

Each side says in its extended handshake by which numbers it wants to be sent the extensions (BEP 10), so a message is
read with the numbers of the side that receives it.

Spec: BEP 9 (metadata), BEP 10, BEP 11 (PEX), BEP 54 (a piece is gone).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

from pktlab.wire.bencode import Value, read_lax

__all__ = ["Extensions", "Said", "contacts_of"]

DATA = 1  # BEP 9: msg_type of a part of the metadata
MAX_NAME = 64


@dataclass
class Said:
    """What a message tells: peers, parts of the metadata as (number, bytes in all, bytes), pieces that are gone."""

    contacts: list[tuple[str, int]] = field(default_factory=list)
    metadata: list[tuple[int, int, bytes]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


class Extensions:
    r"""What both sides said of themselves: `versions` of their clients and listening `ports`, by way.

    >>> extensions = Extensions()
    >>> extensions.take(0, b"\0d1:md6:ut_pexi3ee1:pi6881e1:v4:teste").contacts
    []
    >>> extensions.versions, extensions.ports
    (['test', ''], [6881, 0])
    >>> extensions.take(1, b"\3d5:added6:\xc0\0\2\1\x1a\xe1e").contacts
    [('192.0.2.1', 6881)]
    """

    def __init__(self) -> None:
        self.versions, self.ports = ["", ""], [0, 0]
        self._names: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})

    def take(self, way: int, message: bytes) -> Said:
        """Take a message that goes that way, from its extended id on; what cannot be read tells nothing."""
        said = Said()
        if not message:
            return said
        number, name = message[0], self._names[1 - way].get(message[0])
        if name == b"lt_donthave" and len(message) == 5:
            said.gone.append(int.from_bytes(message[1:], "big"))
        if number and name not in (b"ut_pex", b"ut_metadata"):
            return said
        value = read_lax(message, 1).value
        if value is None or value.kind != "dictionary":
            return said
        if number == 0:
            self._handshake(way, value)
        elif name == b"ut_pex":
            said.contacts += contacts_of(value.string(b"added") or b"", value.string(b"added6") or b"")
        elif value.integer(b"msg_type") == DATA:
            part, total = value.integer(b"piece"), value.integer(b"total_size")
            if part is not None and total is not None:
                said.metadata.append((part, total, message[value.stop :]))
        return said

    def _handshake(self, way: int, value: Value) -> None:
        """Take what a side says of itself; numbers are added to those that it named before, 0 takes one away."""
        names = value.get(b"m")
        for key, one in names.content if names is not None and names.kind == "dictionary" else ():
            known = self._names[way]
            for number in [number for number, name in known.items() if name == key.octets]:
                del known[number]
            if one.kind == "integer" and 0 < one.content < 256:
                known[one.content] = key.octets
        version, port = value.string(b"v"), value.integer(b"p")
        if version is not None:
            self.versions[way] = version[:MAX_NAME].decode("utf-8", errors="replace")
        if port is not None and 0 < port < 1 << 16:
            self.ports[way] = port


def contacts_of(compact: bytes, compact6: bytes = b"") -> Iterator[tuple[str, int]]:
    r"""Yield addresses and ports out of the compact form (BEP 7, 23).

    >>> list(contacts_of(b"\xc0\0\2\1\x1a\xe1"))
    [('192.0.2.1', 6881)]
    """
    for data, size in ((compact, 4), (compact6, 16)):
        for at in range(0, len(data) - size - 1, size + 2):
            ip = ipaddress.ip_address(data[at : at + size])
            yield str(ip), int.from_bytes(data[at + size : at + size + 2], "big")
