"""The TCP, UDP and UDP-Lite headers of a packet as conversations see them: who to whom, and what TCP says.

What counts as such a header follows Wireshark 4.0, so that conversations get its numbers: the ends are those of the
checksum's pseudo-header (behind source routes the final destination, of a mobile node its home address); a packet that
an ICMP error quotes belongs to its conversation; UDP-Lite is of the conversations of UDP; of TCP the first 16 bytes
have to be there, of UDP all 8. A quote that has 8 bytes of TCP tells the sequence number, but not the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pktlab.flows.keys import FlowKey
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Fragment, Ipv6
from pktlab.wire.pseudo import ends_of
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.udplite import UdpLite

__all__ = ["Transport", "transports"]

_SEQUENCE, _LAST_NEEDED = (Tcp.schema.declared[name].index for name in ("seq_raw", "window_size_value"))
"""Wireshark reads a TCP header up to the latter before it looks for the conversation."""
MIN_LEN = 20
"""Bytes of a TCP header without options."""


class Transport(NamedTuple):
    """One such header.

    layer : its place among the layers of the packet
    key : protocol (``"tcp"`` or ``"udp"``), and who sends to whom
    seq, ack, flags : as sent; 0 for UDP
    is_whole : all of the header is there, and it is no quote: it counts as a packet
    is_analysed : the sequence numbers that relative ones count from may be taken from it; in a fragment they may not
    has_ack : there is an acknowledgment number to show
    is_placed : enough is there to tell the conversation
    """

    layer: int
    key: FlowKey
    seq: int = 0
    ack: int = 0
    flags: int = 0
    is_whole: bool = True
    is_analysed: bool = True
    has_ack: bool = True
    is_placed: bool = True


def transports(packet: Dissection) -> list[Transport]:
    """Return the transport headers of a packet, the outermost first.

    >>> from pktlab.wire.dissection import dissect
    >>> data = bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b")
    >>> [str(one.key) for one in transports(dissect(data, Ip))]
    ['udp 127.0.0.1:53 → 127.0.0.1:69']
    """
    found = []
    for index, layer in enumerate(packet.layers):
        header = layer.header
        if isinstance(header, Tcp):
            if len(header._raw) <= (_SEQUENCE if layer.quoted else _LAST_NEEDED):
                continue
        elif not isinstance(header, Udp | UdpLite) or layer.error is not None:
            continue
        below = [one.header for one in packet.layers[:index] if one.header is not None]
        ends = ends_of(below)
        if ends is None:
            continue
        key = FlowKey("tcp" if isinstance(header, Tcp) else "udp", ends.src, header.srcport, ends.dst, header.dstport)
        if isinstance(header, Tcp):
            found.append(_segment(index, key, layer, header, below))
        else:
            found.append(Transport(index, key, is_whole=not layer.quoted))
    return found


def _segment(index: int, key: FlowKey, layer: Layer, header: Tcp, below: Sequence[Header]) -> Transport:
    if len(header._raw) <= _LAST_NEEDED:
        return Transport(index, key, header.seq_raw, is_whole=False, is_analysed=False, has_ack=False, is_placed=False)
    is_short = header.hdr_len < MIN_LEN  # Wireshark then shows the sequence number, and ends there
    is_there = layer.start + max(header.hdr_len, MIN_LEN) <= layer.end
    is_analysed = is_there and not layer.quoted and not _is_piece(below)
    is_whole = is_there and not is_short and not layer.quoted
    return Transport(
        index, key, header.seq_raw, header.ack_raw, int(header.flags), is_whole, is_analysed, has_ack=not is_short
    )


def _is_piece(below: Sequence[Header]) -> bool:
    """Tell whether the headers below say that it is in a fragment."""
    for header in reversed(below):
        if isinstance(header, Ip):
            return bool(header.flags.mf or header.frag_offset)
        if isinstance(header, Fragment):
            return bool(header.more or header.offset)
        if isinstance(header, Ipv6):
            return False
    return False
