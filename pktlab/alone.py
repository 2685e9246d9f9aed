"""A packet that stands alone: bytes that no capture holds.

>>> packet(bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b"), as_="ip")["udp.dstport"]
69
"""

from __future__ import annotations

from collections.abc import Mapping

from pktlab.capture import Record
from pktlab.packets import Packet
from pktlab.wire.bindings import bind
from pktlab.wire.header import Header
from pktlab.wire.packet import LINK_TYPES, PROTOCOLS

__all__ = ["AS", "NO_LINK_TYPE", "packet"]

AS: dict[str, type[Header] | int] = {
    **{header.layer: header for header in reversed(PROTOCOLS) if "." not in header.layer},
    "raw": 101,
    "sll2": 276,
    "loop": 108,
    "data": -1,
}
"""What `packet` may be told that bytes start with: a protocol, or a link type."""
NO_LINK_TYPE = 147
"""LINKTYPE_USER0, for bytes that start with something that no link type stands for."""


def packet(data: bytes, *, as_: str = "eth", protocols: Mapping[str, type[Header]] | None = None) -> Packet:
    """Return the packet that `data` are.

    Parameters
    ----------
    data : its bytes
    as_ : what they start with, one of `AS`
    protocols : as for `pktlab.open`

    Raises
    ------
    ValueError : `as_` is unknown
    """
    if as_ not in AS:
        raise ValueError(f"as_ is {as_!r}; it is one of {', '.join(sorted(AS))}")
    first = AS[as_]
    known = [number for number, header in LINK_TYPES.items() if first in (number, header)]
    link_type = known[0] if known else NO_LINK_TYPE
    record = Record(1, None, bytes(data), len(data), link_type)
    bindings = tuple(bind(condition, header) for condition, header in (protocols or {}).items())
    return Packet(record, first, bindings)
