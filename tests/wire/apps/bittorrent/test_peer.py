"""The handshake and the messages between peers: each built and read again, and found in long stretches of bytes."""

from __future__ import annotations

import random
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pktlab.errors import Malformed, PktlabError, Truncated
from pktlab.testing import damaged, from_schema
from pktlab.wire import Header
from pktlab.wire.apps.bittorrent import framing, peer
from pktlab.wire.apps.bittorrent.framing import HANDSHAKE, KEEP_ALIVE, Frame, find_chain, frames
from pktlab.wire.apps.bittorrent.peer import MESSAGES, Handshake, Have, KeepAlive, Unknown, message_at

from ...codecs import check_any_bytes, check_codec

PAGES = (Handshake, KeepAlive, *MESSAGES.values(), Unknown)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
IN_HEX = {
    "KeepAlive": ("00000000", "keep-alive"),
    "Choke": ("0000000100", "choke"),
    "Unchoke": ("0000000101", "unchoke"),
    "Interested": ("0000000102", "interested"),
    "NotInterested": ("0000000103", "not interested"),
    "Have": ("000000050400000011", "have 17"),
    "Bitfield": ("0000000305f080", "bitfield 5 of at most 16 pieces"),
    "Request": ("0000000d06000000110000400000004000", "request 17 at 16384, 16384 bytes"),
    "Piece": ("0000000b0700000011000040006869", "piece 17 at 16384, 2 bytes"),
    "Cancel": ("0000000d08000000110000400000004000", "cancel 17 at 16384, 16384 bytes"),
    "Port": ("00000003091ae1", "port 6881"),
    "Suggest": ("000000050d00000011", "suggest piece 17"),
    "HaveAll": ("000000010e", "have all"),
    "HaveNone": ("000000010f", "have none"),
    "Reject": ("0000000d10000000110000400000004000", "reject request 17 at 16384, 16384 bytes"),
    "AllowedFast": ("000000051100000011", "allowed fast 17"),
    "Extended": ("0000000414006465", "extended handshake"),
    "HashRequest": ("0000003115" + "ab" * 32 + "00000000000000000000020000000003", "hash request layer 0, 512 from 0"),
    "Hashes": ("0000005116" + "ab" * 32 + "00000000000000000000000200000000" + "cd" * 32, "hashes layer 0, 2 from 0"),
    "HashReject": ("0000003117" + "ab" * 32 + "00000000000000000000020000000003", "hash reject layer 0, 512 from 0"),
    "Unknown": ("0000000263ff", "type 99, 2 bytes"),
}
HANDSHAKE_BYTES = (
    bytes.fromhex("13") + b"BitTorrent protocol" + bytes.fromhex("0000000000100015") + bytes(20) + b"-" * 20
)


@every_page
def test_codec(page: type[Header]) -> None:
    @settings(max_examples=20)
    @given(from_schema(page))
    def check(value: Header) -> None:
        check_codec(value)

    check()


@every_page
def test_any_bytes(page: type[Header]) -> None:
    @settings(max_examples=40)
    @given(st.binary(max_size=90) | damaged(page).map(lambda case: case.data))
    def check(data: bytes) -> None:
        check_any_bytes(page, data)

    check()


@pytest.mark.parametrize("name", IN_HEX)
def test_as_the_documents_have_it(name: str) -> None:
    octets, line = IN_HEX[name]
    data = bytes.fromhex(octets)
    message = message_at(data)
    assert (type(message).__name__, message.summary(), message.build()) == (name, line, data)
    for size in range(len(data)):
        with pytest.raises(Truncated) as caught:
            message_at(data[:size])
        assert caught.value.limit == "buffer"


def test_a_message_is_made_from_what_it_says() -> None:
    assert Have(index=3).build().hex() == "000000050400000003"
    assert peer.Piece(index=1, begin=2, data=b"abc").build().hex() == "0000000c070000000100000002616263"


def test_the_handshake() -> None:
    read = Handshake.parse(HANDSHAKE_BYTES)
    assert read.extensions == ("extension protocol", "version 2", "fast", "DHT")
    assert read.build() == HANDSHAKE_BYTES
    with pytest.raises(Malformed):
        Handshake.parse(HANDSHAKE_BYTES.replace(b"protocol", b"protocoI"))


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_length_that_the_type_cannot_have(kind: int) -> None:
    page = MESSAGES[kind]
    least = page.HEADER_LEN - 4
    for length in {least - 1, least + 1} if not page.schema.tail else {least - 1}:
        data = struct.pack(">IB", length, kind) + bytes(80)
        if not length:
            continue  # a keep-alive
        with pytest.raises((Malformed, Truncated)) as caught:
            message_at(data)
        assert not (isinstance(caught.value, Truncated) and caught.value.limit == "buffer")
        assert isinstance(frames(data).error, Malformed)


def test_four_gibibytes_are_refused_at_once() -> None:
    for length in (peer.MAX_LEN + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        data = struct.pack(">IBII", length, 7, 0, 0)
        with pytest.raises(Malformed, match="is over"):
            message_at(data)
        assert isinstance(frames(data).error, Malformed)


STREAM = st.lists(
    st.one_of(*(from_schema(page) for page in PAGES if page is not Unknown)).map(Header.build), max_size=8
)


@given(STREAM, st.binary(max_size=20))
def test_frames_are_the_messages(parts: list[bytes], before: bytes) -> None:
    data = before + b"".join(parts)
    found = frames(data, len(before))
    assert (found.stop, found.error) == (len(data), None)
    assert [data[one.start : one.start + one.size] for one in found.frames] == parts
    for frame in found.frames:
        assert_numbers(data, frame)
    assert found == frames(bytearray(data), len(before)) == frames(memoryview(data), len(before))


def assert_numbers(data: bytes, frame: Frame) -> None:
    """What a frame has is what the page of its type reads."""
    if frame.type == HANDSHAKE:
        shake = Handshake.parse(data, frame.start)
        assert frame.fields == (shake.info_hash, shake.peer_id)
        return
    message = message_at(data, frame.start)
    count = message.schema.fixed_count
    assert frame.fields == (() if frame.type == KEEP_ALIVE else message._raw[2:count])
    assert len(message.build()) == frame.size


@given(STREAM, st.data())
def test_cut_at_any_byte_the_rest_comes_later(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    size = data.draw(st.integers(0, len(whole)))
    found = frames(whole, end=size)
    assert found[:2] == frames(whole[:size])[:2]
    assert repr(found.error) == repr(frames(whole[:size]).error)
    ends = [one.start + one.size for one in found.frames]
    assert found.stop == (ends[-1] if ends else 0)
    if found.stop < size:
        assert isinstance(found.error, Truncated)
        assert (found.error.offset, found.error.available) == (found.stop, size - found.stop)
        needed = found.stop + found.error.needed
        assert size < needed <= len(whole)
        assert needed == found.stop + 4 or needed in [one.start + one.size for one in frames(whole).frames]
    again = frames(whole, found.stop)
    assert found.frames + again.frames == frames(whole).frames


@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\0\0", b"\x13BitTor"]))
def test_any_bytes_have_frames_and_an_end(data: bytes, before: bytes) -> None:
    found = frames(before + data)
    assert all(0 <= one.start < one.start + one.size <= len(before + data) for one in found.frames)
    assert (found.error is None) == (found.stop == len(before + data))
    find_chain(before + data)


def test_a_chain_in_the_middle_of_a_stream() -> None:
    request = peer.Request(index=3, begin=16384, length=16384).build()
    piece = peer.Piece(index=3, begin=16384, data=bytes(16384)).build()
    noise = bytes(range(256)) * 40
    assert find_chain(noise + request * 2 + piece) == len(noise)
    assert find_chain(bytes(9000) + piece * 2) == 9000
    assert find_chain(noise + HANDSHAKE_BYTES) == len(noise)
    assert find_chain(noise) is None
    assert find_chain(noise + request + b"\0\0\0\6\4" + bytes(99)) is None


def test_long_stretches_cost_what_their_messages_do() -> None:
    data = peer.Piece(index=3, begin=0, data=b"\xa5" * 16384).build() * 2000
    tracemalloc.start()
    found = frames(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.frames) == 2000
    assert most < len(data) // 20


@pytest.mark.thorough
def test_a_hundred_thousand_damaged_streams() -> None:
    dice = random.Random(7)
    parts = [bytes.fromhex(octets) for octets, _ in IN_HEX.values()] + [HANDSHAKE_BYTES]
    for _ in range(100_000):
        data = bytearray(b"".join(dice.choices(parts, k=dice.randint(1, 6))))
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        del data[dice.randint(1, len(data)) :]
        found = framing.frames(data)
        assert (found.error is None) == (found.stop == len(data))
        try:
            message = message_at(bytes(data), found.stop)
        except PktlabError:
            continue
        assert found.error is None or message.build()[:4] == b"\x13Bit"
