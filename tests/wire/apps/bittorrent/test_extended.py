"""The extension handshake and the extensions: by name, and as far as a message alone proves what it is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.wire import Header
from pktlab.wire.apps.bittorrent.compact import Contact, packed
from pktlab.wire.apps.bittorrent.extended import (
    EXTENSIONS,
    DontHave,
    ExtendedHandshake,
    Flag,
    Holepunch,
    Metadata,
    Opaque,
    Pex,
    Said,
    extension_at,
)
from pktlab.wire.apps.bittorrent.peer import Extended
from pktlab.wire.apps.bittorrent.peers import Bittorrent

HANDSHAKE = {
    "m": {"ut_metadata": 3, "ut_pex": 1, "lt_donthave": 7, "off": 0, "odd": -1, "text": b"x"}, "v": "pktlab", "p": 6881,
    "reqq": 250, "metadata_size": 31235, "yourip": bytes([192, 0, 2, 1]), "upload_only": 1,
}  # fmt: skip
PEERS = [Contact("192.0.2.1", 6881), Contact("192.0.2.2", 6882)]
PEX = {
    "added": packed(PEERS), "added.f": b"\x12\x04", "added6": packed([Contact("2001:db8::1", 1)]),
    "dropped": packed(PEERS[:1]),
}  # fmt: skip
SAID: dict[str, tuple[bytes, Header, str]] = {
    "handshake": (b"", ExtendedHandshake(message=HANDSHAKE), "extended handshake pktlab"),
    "metadata request": (
        b"ut_metadata", Metadata(message={"msg_type": 0, "piece": 3}), "ut_metadata request of piece 3",
    ),
    "metadata": (
        b"ut_metadata", Metadata(message={"msg_type": 1, "piece": 0, "total_size": 9}, data=b"d1:ai1ee"),
        "ut_metadata data of piece 0, 8 bytes",
    ),
    "no metadata": (
        b"ut_metadata", Metadata(message={"msg_type": 2, "piece": 0}), "ut_metadata reject of piece 0",
    ),
    "pex": (b"ut_pex", Pex(message=PEX), "ut_pex 3 added, 1 dropped"),
    "don't have": (b"lt_donthave", DontHave(index=17), "lt_donthave 17"),
    "rendezvous": (
        b"ut_holepunch", Holepunch(type=0, addr=bytes([192, 0, 2, 1]), port=6881),
        "ut_holepunch rendezvous 192.0.2.1:6881",
    ),
    "hole of IPv6": (
        b"ut_holepunch", Holepunch(type=2, addr_type=1, addr=bytes(15) + b"\1", port=1, err_code=2),
        "ut_holepunch error [::1]:1, error 2",
    ),
    "upload only": (b"upload_only", Flag(value=1), "on"),
    "share mode": (b"share_mode", Flag(value=0), "off"),
    "another": (b"lt_tex", Opaque(payload=b"de"), "2 bytes"),
}  # fmt: skip
PROVEN = {"handshake": 0, "metadata request": 3, "metadata": 3, "no metadata": 3, "pex": 1}


@pytest.mark.parametrize("name", SAID)
def test_by_name(name: str) -> None:
    extension, header, line = SAID[name]
    read = extension_at(extension, header.build())
    assert (type(read), read.summary(), read.build()) == (type(header), line, header.build())
    assert read == header


@pytest.mark.parametrize("name", SAID)
def test_as_far_as_a_message_proves(name: str) -> None:
    _, header, line = SAID[name]
    number = PROVEN.get(name, 9)
    data = Extended(id=number, payload=header.build()).build()
    (said,) = Bittorrent.parse(data).messages
    assert isinstance(said, Said)
    assert said.build() == data
    if name in PROVEN:
        assert (said.body, said.summary()) == (header, line)
    else:
        assert said.summary() == f"extended 9, {len(header.build())} bytes"


def test_what_a_handshake_says() -> None:
    read = extension_at(b"", ExtendedHandshake(message=HANDSHAKE).build())
    assert read.ids == {b"lt_donthave": 7, b"off": 0, b"ut_metadata": 3, b"ut_pex": 1}
    assert (read.client, read.number(b"metadata_size")) == ("pktlab", 31235)
    assert {(one.name, one.text) for one in read.spans()} >= {
        ("bittorrent.extended.m.ut_metadata", "3"),
        ("bittorrent.extended.v", "pktlab"),
        ("bittorrent.extended.yourip", "192.0.2.1"),
        ("bittorrent.extended.upload_only", "1"),
        ("bittorrent.extended.bencoded.int", "0"),
    }


def test_whom_pex_names() -> None:
    read = extension_at(b"ut_pex", Pex(message=PEX).build())
    assert [(str(one.contact), one.flags, one.says) for one in read.added] == [
        ("192.0.2.1:6881", 0x12, ("seed", "reachable")),
        ("192.0.2.2:6882", 0x04, ("uTP",)),
        ("[2001:db8::1]:1", None, ()),
    ]
    assert read.dropped == PEERS[:1]


def test_the_data_stand_behind_the_dictionary() -> None:
    payload = b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx"
    read = extension_at(b"ut_metadata", payload)
    assert (read.data, read.number(b"total_size")) == (b"xxxxxxxx", 34256)
    assert read.build() == payload


def test_what_does_not_read() -> None:
    for name, payload in ((b"ut_pex", b"d5:added"), (b"lt_donthave", b"\0\0\0"), (b"ut_holepunch", b"\0\0")):
        with pytest.raises(Truncated):
            extension_at(name, payload)
    with pytest.raises(Malformed):
        extension_at(b"", b"nothing")
    for payload in (b"i1e", b"de", b"d1:mi1ee", b"d1:ml1:aee", b"d5:addedi1e7:droppedlee"):
        for name in (b"", b"ut_metadata", b"ut_pex"):
            read = extension_at(name, payload)
            assert isinstance(read.summary(), str)
            assert read.build() == payload


@given(st.sampled_from([b"", *EXTENSIONS]), st.binary(max_size=80))
def test_any_bytes(name: bytes, payload: bytes) -> None:
    check(name, payload)


def check(name: bytes, payload: bytes) -> None:
    try:
        read: Any = extension_at(name, payload)
    except WireError:
        pass
    else:
        assert isinstance(read.summary(), str)
        assert payload.startswith(read.build())
    data = Extended(id=len(name), payload=payload).build()
    packet = Bittorrent.parse(data)
    assert packet.build() == data
    assert all(0 <= one.start <= one.stop <= len(data) and one.text is not None for one in packet.spans())


def check_mutated(count: int, seed: int) -> None:
    dice = random.Random(seed)
    whole = [(name, header.build()) for name, header, _ in SAID.values()]
    for _ in range(count):
        name, data = dice.choice(whole)
        octets = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            octets[dice.randrange(len(octets))] = dice.choice(b"ilde0123456789:-\x00\xff")
        check(name, bytes(octets[: dice.choice([None, dice.randrange(len(octets) + 1)])]))


def test_mutated_extensions() -> None:
    check_mutated(1_000, 1)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_hundred_thousand_mutated_extensions(seed: int) -> None:
    check_mutated(20_000, seed)
