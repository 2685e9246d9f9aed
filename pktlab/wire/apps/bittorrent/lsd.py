"""Local service discovery: a datagram to a multicast group that says which torrents its sender shares, in HTTP's lines.

Spec: BEP 14; the groups are 239.192.152.143 and ff15::efc0:988f, the port 6771.
"""

from __future__ import annotations

from construct import GreedyBytes

from pktlab.wire.apps.http import Http, Line, Lines, Start
from pktlab.wire.fields import field
from pktlab.wire.glance import Glance
from pktlab.wire.header import Header

__all__ = ["Lsd"]

FIRST_LINE = b"BT-SEARCH * HTTP/1.1\r\n"
KNOWN = {name: f"bt-lsd.{name}" for name in ("host", "port", "infohash", "cookie")}


class Lsd(Http, layer="bt-lsd", label="BitTorrent Local Service Discovery"):
    """BEP 14: the port on which its sender takes connections, and one line for each torrent."""

    start: Header = field(Start(), name="")
    lines: tuple[Line, ...] = field(Lines(KNOWN), name="", default=())
    rest: bytes = field(GreedyBytes, name="", default=b"")

    glances = (Glance(0, 4, ((int.from_bytes(FIRST_LINE[:4], "big"),) * 2,)),)

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether the first line is there, and a torrent."""
        return data.startswith(FIRST_LINE, start, end) and b"\ninfohash:" in data[start:end].lower()

    @property
    def info_hashes(self) -> list[bytes]:
        """The torrents; what is no hex is left out."""
        given = [line.value for line in self.lines if line.name == "infohash"]
        return [bytes.fromhex(one) for one in given if len(one) in (40, 64) and set(one.lower()) <= _HEX]

    def summary(self) -> str:
        """Return ``LSD port 6881 180f047e…``."""
        return f"LSD port {self.get('port')} {' '.join(one.hex() for one in self.info_hashes)}"


_HEX = frozenset("0123456789abcdef")
