"""Every field of the messages of real swarms, bytes and value, held against tshark's; and made ones, changed by a bit.

Each frame by itself, as pktlab reads it: where tshark is told not to put segments together. A field that differs has to
stand below with the reason; all others agree in both directions, wherever both have the name.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pktlab
from pktlab.errors import WireError
from pktlab.wire import Found, Header, Row, build
from pktlab.wire.apps.bittorrent.peer import MESSAGES, Handshake, Hashes, HashReject, HashRequest
from pktlab.wire.apps.bittorrent.peers import Bittorrent
from pktlab.wire.apps.bittorrent.utp import BitExtension, CloseReason, Sack, Utp
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

from ....agreement.test_mutations import mutants, reread
from ....columns.captures import Piece, pcap
from ..conftest import Place, ours
from .conftest import Ask, Swarm

GOES_ON = "tshark shows less, or other parts, of a message that goes on in the next segment"
LOST = "tshark 4.0 does not know types 21 to 23 and loses the messages behind one"
HTTP_LINE = "here only of lines without a name of their own, and without line end"
OWN = (
    r"bittorrent\.(hashes\..*|msg\.data|extended\..*)|bt-dht\.(?!(id|ip|ip6|port)$).*|bt-utp\.(close_.*|extension_bits)"
)
"""Names that Wireshark has none for."""
MORE = {
    r"bittorrent\.extended": "tshark shows the payload of a handshake, number 0, in parts without names",
    r"bittorrent\.piece\.data": GOES_ON,
    r"bt-dht\.id": "tshark has the name for compact nodes alone, and calls others bencoded strings",
    r"bt-dht\.port": "the port of announce_peer is a bencoded number in tshark",
    r"http\.request\.line": HTTP_LINE,
}
LESS = {r"bittorrent\.piece\.(index|begin|length)": GOES_ON, r"http\.request\.line": HTTP_LINE}
WHOLE = pytest.mark.thorough
SWARMS = [
    ("magnet", 600, "bittorrent", 300), ("plain", 500, "bittorrent", 200), ("v2", 500, "bittorrent", 200),
    ("utploss", 500, "bittorrent", 100), ("utploss", 900, "bt-utp", 1_000), ("magnet", 400, "bt-dht", 40),
    ("plain", 500, "http.", 100),
    *(pytest.param(*more, marks=WHOLE) for more in (
        ("magnet", 4000, "bittorrent", 1_000), ("plain", 4000, "bittorrent", 1_000),
        ("v2", 4000, "bittorrent", 500), ("utploss", 4774, "bittorrent", 800), ("utploss", 4774, "bt-utp", 12_000),
        ("magnet", 8000, "bt-dht", 200), ("plain", 8000, "http.", 200),
    )),
]  # fmt: skip
"""Captures, how many packets of each, a prefix, and fields that have to agree at least."""


def is_named(name: str, reasons: dict[str, str]) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in reasons)


def explained(packet: pktlab.Packet, place: Place) -> bool:
    """Tell whether a field that only pktlab shows has a reason."""
    if is_named(place[0], MORE):
        return True
    if place[0] == "bittorrent.msg.length" and place[3] == "0":
        return True  # tshark gives a keep-alive no range of bytes
    messages = [one for layer in packet.layers if isinstance(layer.header, Bittorrent) for one in layer.header.messages]
    lost = [one for one in messages if isinstance(one, HashRequest | Hashes | HashReject)]
    return bool(lost) and place[1] >= lost[0].spans()[0].start  # LOST


def is_odd(packet: pktlab.Packet) -> bool:
    """Tell whether there is what tshark 4.0 does not take for uTP: a selective ack that is no multiple of 4, or a
    close reason, both libtorrent's.
    """
    headers = [layer.header for layer in packet.layers]
    found = [one for header in headers if isinstance(header, Utp) for one in header.extensions]
    return any(isinstance(one, CloseReason) or (isinstance(one, Sack) and len(one.bitmask) % 4) for one in found)


@pytest.mark.parametrize(("name", "count", "prefix", "least"), SWARMS, ids=lambda part: str(part).rstrip("."))
def test_fields_and_bytes(name: str, count: int, prefix: str, least: int, swarm: Swarm, ask: Ask) -> None:
    path = swarm(name, count)
    theirs, same, unexplained = ask(path, prefix), 0, []
    for packet in pktlab.open(path):
        found = [(*place[:3], place[3].replace(":", "")) for place in ours(packet, prefix)]
        mine = Counter(place for place in found if not re.fullmatch(OWN, place[0]))
        if not mine:
            continue
        if packet.number not in theirs:
            assert is_odd(packet), packet.number
            continue
        names = {place[0] for place in mine}
        there = Counter(place for place in theirs[packet.number] if place[0] in names)
        same += (mine & there).total()
        unexplained += [(packet.number, one) for one in mine - there if not explained(packet, one)]
        unexplained += [(packet.number, one) for one in there - mine if not is_named(one[0], LESS)]
    assert unexplained == []
    assert same >= least


# ---- made messages, of any numbers, and every change of a schema

ROUTE = (Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800),)
ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}
TOP = "mask without its top bit"
TSHARK_KNOWS = [kind for kind in MESSAGES if kind < 20]
EQUIVALENT = {
    ("Piece", "bittorrent.msg.length", TOP): "no message is so long",
    ("Bitfield", "bittorrent.msg.length", TOP): "no message is so long",
    ("Utp", "bt-utp.type", TOP): "types end at 4",
    ("Utp", "bt-utp.next_extension_type", TOP): "extensions that tshark knows end at 2",
    ("Utp", "bt-utp.wnd_size", TOP): "no window is so large",
}
"""Mutants that nothing on the wire tells from the original."""


def drawn(kind: int, dice: random.Random) -> Header:
    """Return a message of a type with any numbers in it."""
    page, given = MESSAGES[kind], {}
    for declared in page.schema.fields:
        if declared.attr in ("index", "begin", "length", "port"):
            given[declared.attr] = dice.getrandbits(16 if declared.attr == "port" else 32)
        elif declared.attr in ("bitfield", "data"):
            given[declared.attr] = dice.randbytes(dice.randint(1, 40))
    return page(**given)


def conversation(dice: random.Random) -> Iterator[bytes]:
    """Yield a handshake and messages, each in a segment of its own."""
    shake = Handshake(reserved=dice.randbytes(8), info_hash=dice.randbytes(20), peer_id=dice.randbytes(20))
    seq = 1
    for header in (shake, *(drawn(kind, dice) for kind in TSHARK_KNOWS * 12)):
        payload = header.build()
        tcp = Tcp(srcport=40000, dstport=6881, seq_raw=seq, flags=TcpFlags.of("ack"))
        yield build(*ROUTE, Ip(proto=6, **ENDS), tcp, payload)
        seq += len(payload)


def datagrams(dice: random.Random) -> Iterator[bytes]:
    """Yield headers of uTP with any numbers in them."""
    for _ in range(60):
        times = {name: dice.getrandbits(32) for name in ("timestamp_us", "timestamp_diff_us")}
        numbers = {name: dice.getrandbits(16) for name in ("seq_nr", "ack_nr")}
        extension = dice.randrange(3)
        found = ((), (Sack(bitmask=dice.randbytes(4)),), (BitExtension(bits=dice.randbytes(8)),))[extension]
        header = Utp(
            type=dice.choice([0, 1, 2, 3]), connection_id=dice.getrandbits(16), wnd_size=dice.getrandbits(20), **times,
            **numbers, extension=extension, extensions=found,
        )  # fmt: skip
        data = b"\0\0\0\5\4\0\0\0\1" if header.type == 0 else b""
        yield build(*ROUTE, Ip(proto=17, **ENDS), Udp(srcport=40000, dstport=6881), header.build(), data)


def rows_of(page: type[Header]) -> list[Row]:
    return [row for row in page.schema.rows if row.name and row.width and row.offset is not None]


@pytest.mark.parametrize("transport", ["bittorrent", "bt-utp"])
def test_every_changed_row_is_caught(transport: str, tmp_path: Path, ask: Ask) -> None:
    """tshark's answers see each change of a place, width, mask, shift or byte order in a page."""
    path = tmp_path / "made.pcap"
    dice = random.Random(11)
    made = conversation(dice) if transport == "bittorrent" else datagrams(dice)
    path.write_bytes(pcap([Piece(data) for data in made]))
    theirs = ask(path, transport)
    pages = [Handshake, *(MESSAGES[kind] for kind in TSHARK_KNOWS)] if transport == "bittorrent" else [Utp]
    seen: dict[type[Header], list[tuple[bytes, int, list[Place]]]] = {page: [] for page in pages}
    for packet in pktlab.open(path):
        payload = packet.layers[3].start
        page = next(page for page in pages if fits(page, packet.data, payload))
        seen[page].append((packet.data, payload, theirs[packet.number]))
    count, survived = 0, set()
    for page in pages:
        for row in rows_of(page):
            assert all(agrees(row, 0, 0, *one) for one in seen[page]), row.name
            for name, changed, start, stop in mutants(row):
                one_value = row.kind == "str" or page.schema.declared[row.attr].equals is not None
                if one_value and not name.startswith(("offset", "width")):
                    continue  # what else it would read cannot stand there
                count += 1
                if all(agrees(changed, start, stop, *one) for one in seen[page]):
                    survived.add((page.__name__, row.name, name))
    assert count > (250 if transport == "bittorrent" else 60)
    assert survived == {one for one in EQUIVALENT if one[1].startswith(transport)}


def fits(page: type[Header], data: bytes, start: int) -> bool:
    try:
        page.parse(data, start)
    except WireError:
        return False
    return True


def agrees(row: Row, move: int, end: int, data: bytes, payload: int, said: list[Place]) -> bool:
    """Tell whether tshark shows what `row`, with its ends moved, reads in a packet."""
    start, stop = payload + (row.offset or 0) + move, payload + (row.offset or 0) + row.width + end
    found = Found(row, start, stop, data[start:stop]) if row.kind == "str" else reread(row, data, start, stop)
    if found is None:
        return False
    shown = found.text.replace(":", "")
    return (row.name, found.start, found.stop - found.start, shown) in said
