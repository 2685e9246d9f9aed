"""Strategies of several packets that belong together: the fragments of a datagram, and captures.

Right ones, and ones with a fault that is named: of a datagram in fragments those of any packet's checksum, and pieces
that do not fit; of a capture that its file is damaged.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

from hypothesis import strategies as st

from pktlab.api import packet as read_packet
from pktlab.capture import Record, open_writer
from pktlab.packets import Packet
from pktlab.testing.faults import faults_of
from pktlab.testing.stacks import packets
from pktlab.wire import AUTO, build
from pktlab.wire.ipv6 import Fragment

__all__ = ["CAPTURE_FAULTS", "FRAGMENT_FAULTS", "captures", "fragments"]

Draw = Callable[[st.SearchStrategy[Any]], Any]
Format = Literal["pcap", "pcapng"]

FRAGMENT_FAULTS = ("hole", "overlap", "open")
"""A piece is missing; one covers the end of the one before with other bytes; the last says that more follow."""
CAPTURE_FAULTS = ("cut", "length")
"""The file ends in its last record; a record's length is larger than any file."""


def fragments(
    version: Literal[4, 6] = 4, *, valid: bool = True, fault: str | None = None
) -> st.SearchStrategy[list[Packet]]:
    """Return a strategy of the fragments of one UDP datagram, in order; at least two, without a fault.

    Parameters
    ----------
    valid : the datagram is right; if not, it has one fault
    fault : the fault that each has: one of `FRAGMENT_FAULTS`, or of a checksum as for `packets`

    Raises
    ------
    ValueError : there is no such fault

    >>> from hypothesis import find
    >>> [one.is_fragment for one in find(fragments(), lambda pieces: True)]
    [True, True]
    >>> len(find(fragments(6, fault="hole"), lambda pieces: True))
    1
    """
    stack = "ip/udp" if version == 4 else "ipv6/udp"
    sums = [name for name in faults_of(stack.split("/")) if name not in ("bit", "cut", "length")]
    faults = [*FRAGMENT_FAULTS, *sums]
    if fault is not None and fault not in faults:
        raise ValueError(f"fragments cannot have the fault {fault!r}; there are {', '.join(faults)}")
    if valid and fault is None:
        return _fragments(version, stack, None)
    return st.sampled_from(faults if fault is None else [fault]).flatmap(
        lambda name: _fragments(version, stack, name)
    )  # fmt: skip


@st.composite
def _fragments(draw: Draw, version: int, stack: str, fault: str | None) -> list[Packet]:
    of_sum = None if fault in FRAGMENT_FAULTS else fault
    least = 2 if fault == "overlap" else 1  # in units of 8 bytes: no piece may start at 0 but the first
    whole = draw(packets(stack, fault=of_sum, data=st.binary(min_size=8 * least - 7, max_size=64)))
    payload = whole.data[whole.layers[0].stop :]
    cuts = sorted(draw(st.sets(st.integers(least, (len(payload) - 1) // 8), min_size=1, max_size=4)))
    pieces = [
        (first, payload[8 * first : None if last is None else 8 * last], last is not None or fault == "open")
        for first, last in pairwise([0, *cuts, None])
    ]
    if fault == "hole":
        del pieces[draw(st.integers(0, len(pieces) - 1))]
    if fault == "overlap":
        at = draw(st.integers(1, len(pieces) - 1))
        first, data, more = pieces[at]
        pieces[at] = first - 1, bytes(255 - byte for byte in pieces[at - 1][1][-8:]) + data, more
    number = draw(st.integers(0, 0xFFFF))
    return [_piece(whole, version, number, *piece) for piece in pieces]


def _piece(whole: Packet, version: int, number: int, first: int, data: bytes, more: bool) -> Packet:
    """Return a fragment of `whole` that holds `data` from 8 times `first` on."""
    below = whole.layers[0].header
    assert below is not None
    if version == 4:
        head = below.replace(id=number, flags=int(more), frag_offset=first, len=AUTO, checksum=AUTO)
        return read_packet(build(head, data), as_="ip")
    extension = Fragment(nxt=17, offset=first, more=more, ident=number)
    return read_packet(build(below.replace(nxt=44, plen=AUTO), extension, data), as_="ipv6")


# ---- captures


def captures(
    packets: st.SearchStrategy[Packet] | None = None, *, max_packets: int = 8, format: Format = "pcap",
    valid: bool = True, fault: str | None = None,
) -> st.SearchStrategy[bytes]:  # fmt: skip
    """Return a strategy of capture files, as bytes: ``pktlab.open(io.BytesIO(data))`` reads one.

    Parameters
    ----------
    packets : what is in them, all of one link type; Ethernet frames with UDP, if not given
    valid : the file is whole; if not, it has one fault. What its packets have is no matter of this
    fault : the fault that each has, one of `CAPTURE_FAULTS`

    Raises
    ------
    ValueError : there is no such fault

    >>> from hypothesis import find
    >>> find(captures(), lambda data: True)[:4].hex()
    '4d3cb2a1'
    >>> len(find(captures(fault="cut"), lambda data: True))
    25
    """
    if fault is not None and fault not in CAPTURE_FAULTS:
        raise ValueError(f"there is no fault {fault!r} of captures; there are {', '.join(CAPTURE_FAULTS)}")
    faults: Sequence[str] = () if valid and fault is None else CAPTURE_FAULTS if fault is None else [fault]
    return _captures(packets if packets is not None else _default(), max_packets, format, faults)


def _default() -> st.SearchStrategy[Packet]:
    return packets()


@st.composite
def _captures(
    draw: Draw, packets: st.SearchStrategy[Packet], most: int, form: Format, faults: Sequence[str]
) -> bytes:  # fmt: skip
    time_ns, file = 1_700_000_000_000_000_000, io.BytesIO()
    drawn = draw(st.lists(packets, min_size=min(len(faults), 1), max_size=most))
    link_type = drawn[0].link_type if drawn else 1
    with open_writer(file, format=form, link_type=link_type) as writer:
        for number, packet in enumerate(drawn, 1):
            time_ns += draw(st.integers(0, 2_000_000)) * 1000
            writer.write(Record(number, time_ns, packet.data, packet.length, link_type))
    data = file.getvalue()
    if not faults:
        return data
    size = 16 + len(drawn[-1].data) if form == "pcap" else int.from_bytes(data[-4:], "little")
    return _damaged(draw, data, len(data) - size, form, faults)


def _damaged(draw: Draw, data: bytes, start: int, form: Format, faults: Sequence[str]) -> bytes:
    """Return a file whose last record starts at `start`, with one of `faults` in that."""
    if draw(st.sampled_from(faults)) == "cut":
        return data[: draw(st.integers(start + 1, len(data) - 1))]
    at = start + (8 if form == "pcap" else 4)
    return data[:at] + b"\x7f\xff\xff\x7f" + data[at + 4 :]
