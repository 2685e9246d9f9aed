"""Files that were shared, bit for bit; blocks that were spoilt; names that climb out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.errors import Malformed
from pktlab.torrent.extract import BlockStore, ExtractError, extract
from pktlab.torrent.ledger import Ledger, Type
from pktlab.torrent.listening import swarm_of
from pktlab.torrent.metainfo import parse_info, parse_metainfo
from pktlab.torrent.swarm import Torrent
from pktlab.wire.bencode import encode

SWARMS = Path(__file__).resolve().parents[2] / "pcaps" / "swarms"
BLOCK = 1 << 14


def shared(length: int) -> bytes:
    """Return what the recipe shares: each block repeats a tag with its piece and offset."""
    places = ((piece, offset) for piece in range(length // 262144 + 1) for offset in range(0, 262144, BLOCK))
    blocks = (b"p%05d o%07d\n" % place * 1024 for place in places)
    return b"".join(blocks)[:length]


@pytest.mark.parametrize("name", ["ipv6", "magnet", "tcp", "trading", "udp-tracker", "utp"])
def test_the_files_come_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    with BlockStore() as store:
        swarm = swarm_of(pktlab.open(SWARMS / f"{name}.pcap.zst"), store.add)
        metainfo = parse_metainfo((SWARMS / f"{name}.torrent").read_bytes())
        (info_hash,) = store.info_hashes()
        if name == "magnet":
            assert swarm.metadata[info_hash].info == metainfo.info
        made = extract(store, Torrent(swarm.ledgers[info_hash], metadata=metainfo), tmp_path)
        unchecked = extract(store, Torrent(swarm.ledgers[info_hash]), tmp_path / "unchecked")
    assert (len(made.good), made.bad, made.missing) == (metainfo.piece_count, (), ())
    whole = b"".join(path.read_bytes() for path in made.files)
    assert whole == shared(metainfo.total_length)
    assert not unchecked.is_checked
    assert unchecked.files[0].name == f"{info_hash}.bin"
    assert unchecked.files[0].read_bytes() == whole


def torrent_of(data: bytes, **info: Any) -> tuple[Torrent, str]:
    """Return a torrent of two blocks a piece over `data`."""
    length = 2 * BLOCK
    hashes = b"".join(hashlib.sha1(data[at : at + length]).digest() for at in range(0, len(data), length))
    told = {"name": "a.bin", "piece length": length, "pieces": hashes, "length": len(data)} | info
    metainfo = parse_info(encode({key: value for key, value in told.items() if value is not None}))
    info_hash = metainfo.wire_hashes[0].hex()
    return Torrent(Ledger(info_hash), metadata=metainfo), info_hash


def test_of_copies_that_differ_the_right_one_is_taken(tmp_path: Path) -> None:
    data = bytes(range(256)) * 256  # 64 KiB: two pieces
    torrent, info_hash = torrent_of(data)
    with BlockStore() as store:
        store.add(info_hash, 0, 0, 0, b"spoilt" + data[6:BLOCK])
        store.add(info_hash, 0, 0, BLOCK, data[BLOCK : 2 * BLOCK])
        store.add(info_hash, 0, 0, 0, data[:BLOCK])
        store.add(info_hash, 0, 1, 0, bytes(BLOCK))
        store.add(info_hash, 0, 1, BLOCK, bytes(BLOCK))
        made = extract(store, torrent, tmp_path)
    assert (made.good, made.bad, made.missing) == ((0,), (1,), ())
    assert (tmp_path / "a.bin").read_bytes() == data[: 2 * BLOCK] + bytes(2 * BLOCK)


def test_what_was_not_heard_is_missing(tmp_path: Path) -> None:
    torrent, info_hash = torrent_of(bytes(3 * BLOCK))
    with BlockStore() as store:
        store.add(info_hash, 0, 1, 0, bytes(BLOCK))
        made = extract(store, torrent, tmp_path)
    assert (made.good, made.missing) == ((1,), (0,))


@pytest.mark.parametrize(
    "path", [["..", "a"], ["/etc", "a"], ["a", ".."], ["a/../../b"], ["C:", "a"], ["nul"]], ids=str
)
def test_names_that_climb_out_are_refused(path: list[str], tmp_path: Path) -> None:
    files = [{"length": 5, "path": path}]
    torrent, _ = torrent_of(bytes(5), name="safe", files=files, length=None)
    with BlockStore() as store, pytest.raises(Malformed):
        extract(store, torrent, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    torrent, _ = torrent_of(bytes(5), name="safe", files=[{"length": 5, "path": ["link", "a"]}], length=None)
    (tmp_path / "out" / "safe").mkdir(parents=True)
    (tmp_path / "out" / "safe" / "link").symlink_to(tmp_path)
    with BlockStore() as store, pytest.raises(ExtractError, match="leads out"):
        extract(store, torrent, tmp_path / "out")
    assert not (tmp_path / "a").exists()


def test_a_piece_that_cannot_be_makes_no_file_larger(tmp_path: Path) -> None:
    ledger = Ledger("ef" * 20)
    link = ledger.link("tcp", (("192.0.2.1", 50000), ("192.0.2.2", 6881)), 0)
    ledger.say(1, link, 1, Type.have_all)
    with BlockStore() as store:
        for piece, begin in ((0, 0), (1, 0), ((1 << 32) - 1, 0), (1, (1 << 32) - 1)):
            ledger.say(2, link, 1, Type.piece, piece, begin, 5)
            store.add("ef" * 20, 2, piece, begin, b"bytes")
        made = extract(store, Torrent(ledger), tmp_path)
    assert (made.pieces, made.good, made.missing) == (2, (0, 1), ())
    assert made.files[0].read_bytes() == b"bytesbytes"


def test_blocks_of_streams_that_were_named_late(tmp_path: Path) -> None:
    data = bytes(range(256)) * 128
    torrent, info_hash = torrent_of(data)
    with BlockStore() as store:
        store.add("? tcp 3", 0, 0, 0, data[:BLOCK])
        store.add(info_hash, 0, 0, BLOCK, data[BLOCK:])
        store.join({"? tcp 3": info_hash})
        assert store.info_hashes() == [info_hash]
        assert extract(store, torrent, tmp_path).good == (0,)
