"""How a torrent is cut, inferred from what is said: against a model that goes through it message by message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pktlab.torrent.geometry import MAX_PIECE_LEN, MAX_PIECES, Geometry
from pktlab.torrent.ledger import Ledger, Type, ones

NUMBERS = st.sampled_from([0, 1, 2, 3, 7, 8, 30, MAX_PIECES - 1, MAX_PIECES, 2**32 - 1])
SIZES = st.sampled_from([0, 100, 16384, 32768, MAX_PIECE_LEN, 2**32 - 1])
KINDS = st.sampled_from([Type.have, Type.request, Type.piece, Type.have_all, Type.choke, Type.cancel])
SAID = st.tuples(st.integers(0, 2), KINDS, NUMBERS, SIZES, SIZES.filter(bool))


def model(ledger: Ledger) -> tuple[int | None, int, int]:
    """Return pieces, the length of one and that of the last."""
    ends: dict[int, int] = {}
    named: dict[int, set[int]] = {}
    room, most, is_told = 0, -1, False
    for said in ledger.said():
        if said.type in (Type.have, Type.request, Type.piece) and said.piece < MAX_PIECES:
            named.setdefault(said.piece, set()).update({said.link, -1} if said.type == Type.piece else {said.link})
            if said.type != Type.have and said.begin + said.length <= MAX_PIECE_LEN:
                ends[said.piece] = max(ends.get(said.piece, 0), said.begin + said.length)
        elif said.type == Type.bitfield:
            octets = ledger.bitfields[said.piece]
            room, is_told = max(room, 8 * len(octets)), True
            most = max([most, *ones(octets)])
        is_told = is_told or said.type == Type.have_all
    most = max([most, *(one for one, links in named.items() if len(links) > 1 and (not room or one < room))])
    length = max((ends[one] for one in ends if one <= most), default=0)
    return (most + 1 if is_told and most >= 0 else None), length, ends.get(most, length)


@given(st.lists(SAID, max_size=12), st.lists(st.binary(max_size=3), max_size=2))
def test_what_is_inferred(said: list[tuple[int, Type, int, int, int]], bitfields: list[bytes]) -> None:
    ledger = Ledger("00" * 20)
    links = [ledger.link("tcp", (("192.0.2.1", port), ("192.0.2.2", 6881)), 0) for port in (1, 2, 3)]
    for octets in bitfields:
        ledger.say_bitfield(0, links[0], 0, octets)
    for now, (link, kind, piece, begin, length) in enumerate(said):
        ledger.say(now, links[link], 0, kind, piece, begin, length)
    found = Geometry.heard(ledger)
    assert (found.pieces, found.piece_length, found.last_length) == model(ledger)
