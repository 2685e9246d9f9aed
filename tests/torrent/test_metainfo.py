"""What a torrent is, of all versions: held against libtorrent, against its own hashes, and against any bytes."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.torrent import Metainfo, encode, parse_info, parse_metainfo
from pktlab.torrent.merkle import BLOCK, block_hashes, merkle_root
from pktlab.wire.bencode import decode

FILES = {
    "a.bin": bytes(range(256)) * 300, "empty.bin": b"", "sub/b.bin": b"b" * (3 * BLOCK + 5), "sub/c.bin": b"c" * 99,
    "z.bin": b"z" * (2 * BLOCK),
}  # fmt: skip
VERSIONS = {"1": "v1_only", "2": "v2_only", "1 and 2": ""}


def made(folder: Path, version: str, piece_length: int, files: dict[str, bytes]) -> tuple[bytes, Any]:
    """Return a torrent of libtorrent's making, and what libtorrent says of it."""
    lt = pytest.importorskip("libtorrent")
    for name, data in files.items():
        path = folder / "shared" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    listed_ = lt.list_files(str(folder / "shared" / (next(iter(files)) if len(files) == 1 else "")).rstrip("/"))
    flags = getattr(lt.create_torrent, VERSIONS[version]) if VERSIONS[version] else 0
    torrent = lt.create_torrent(listed_, piece_length, flags)
    torrent.add_tracker("http://tracker.example/announce", 0)
    torrent.add_tracker("udp://tracker.example:6969", 1)
    lt.set_piece_hashes(torrent, str(folder / "shared" if len(files) == 1 else folder))
    data = lt.bencode(torrent.generate())
    return data, lt.torrent_info(lt.bdecode(data))


def files_of(theirs: Any) -> list[tuple[str, int]]:
    layout = theirs.layout()
    count = range(layout.num_files())
    wanted = [at for at in count if not layout.file_flags(at) & layout.flag_pad_file]
    return [(layout.file_path(at), layout.file_size(at)) for at in wanted]


def content(torrent: Metainfo, index: int, files: dict[str, bytes]) -> bytes:
    """Return the octets of a piece."""
    top = 0 if len(files) == 1 else 1
    return b"".join(
        bytes(span.length)
        if span.file.is_padding
        else files["/".join(part.decode() for part in span.file.path[top:])][span.start : span.start + span.length]
        for span in torrent.spans(index)
    )


@pytest.mark.parametrize("files", [FILES, {"alone.bin": b"x" * (5 * BLOCK + 7)}], ids=["several", "alone"])
@pytest.mark.parametrize("piece_length", [BLOCK, 4 * BLOCK])
@pytest.mark.parametrize("version", VERSIONS)
def test_as_libtorrent_has_it(version: str, piece_length: int, files: dict[str, bytes], tmp_path: Path) -> None:
    data, theirs = made(tmp_path, version, piece_length, files)
    torrent = parse_metainfo(data)
    assert (torrent.version, torrent.faults, torrent.piece_length) == (version, (), piece_length)
    hashes = theirs.info_hashes()
    assert torrent.info_hash_v1 == (hashes.v1.to_bytes() if hashes.has_v1() else None)
    assert torrent.info_hash_v2 == (hashes.v2.to_bytes() if hashes.has_v2() else None)
    assert (torrent.piece_count, torrent.info) == (theirs.num_pieces(), theirs.info_section())
    assert [torrent.piece_size(index) for index in range(torrent.piece_count)] == [
        theirs.piece_size(index) for index in range(theirs.num_pieces())
    ] or version == "2"  # of a last piece of a file it gives the length of a whole one
    assert [(one.name, one.length) for one in torrent.files if not one.is_padding] == files_of(theirs)
    assert torrent.tiers == (("http://tracker.example/announce",), ("udp://tracker.example:6969",))
    check_pieces(torrent, files)
    assert parse_info(torrent.info).files == torrent.files


def check_pieces(torrent: Metainfo, files: dict[str, bytes]) -> None:
    """Every piece is right, no other octets are, and the pieces are all there is."""
    total = 0
    for index in range(torrent.piece_count):
        data = content(torrent, index, files)
        total += len(data) - sum(span.length for span in torrent.spans(index) if span.file.is_padding)
        assert torrent.is_right(index, data)
        assert not torrent.is_right(index, data[:-1])
        assert not torrent.is_right(index, bytes([data[0] ^ 1]) + data[1:])
    assert total == torrent.total_length == sum(map(len, files.values()))


def simple(**more: Any) -> dict[str, Any]:
    return {"name": "a", "piece length": BLOCK, "length": 5, "pieces": hashlib.sha1(b"hello").digest(), **more}


def torrent_of(info: Any, **more: Any) -> bytes:
    return encode({"info": info, **more})


def test_the_hash_is_of_the_octets_as_they_stand() -> None:
    info = encode(simple()).replace(b"6:lengthi5e", b"6:lengthi05e")
    with pytest.raises(Malformed, match="leading zero"):
        parse_info(info)
    torrent = parse_info(info, strict=False)
    assert torrent.info_hash_v1 == hashlib.sha1(info).digest()
    assert torrent.info_hash_v1 != parse_info(encode(decode(encode(simple())))).info_hash_v1
    assert [one.partition(": ")[2] for one in torrent.faults] == ["bencode.integer = 05 has a leading zero"]
    assert torrent.is_right(0, b"hello")


def v2(**more: Any) -> dict[str, Any]:
    leaf = {"": {"length": 5, "pieces root": merkle_root(block_hashes(b"hello"))}}
    return {"name": "a", "piece length": BLOCK, "meta version": 2, "file tree": {"a": leaf}, **more}


WRONG: dict[str, Any] = {
    "is no dictionary": [],
    "piece length = nothing is not there": {"name": "a"},
    "piece length = 0 is no length": simple(**{"piece length": 0}),
    "piece length = 1125899906842624 is no length": simple(**{"piece length": 1 << 50}),
    "piece length = 20000 is no length": v2(**{"piece length": 20000}),
    "meta version = 3 is a version": simple(**{"meta version": 3}),
    "info.pieces = 19 bytes long": simple(pieces=b"x" * 19),
    "info.pieces = 40 bytes long": simple(pieces=b"x" * 40),
    "length = -1 is no length": simple(length=-1),
    "is no list, or stands beside": simple(files=[]),
    "is no list of names": {**simple(files=[{"length": 1, "path": []}]), "length": None},
    "file tree = nothing": v2(**{"file tree": None}),
    "bytes are no hash": v2(**{"file tree": {"a": {"": {"length": 1, "pieces root": b"x"}}}}),
    "is a file and a folder": v2(**{"file tree": {"a": {"": {"length": 0}, "b": {}}}}),
}


@pytest.mark.parametrize("why", WRONG)
def test_what_is_no_torrent(why: str) -> None:
    info = WRONG[why]
    given = {key: value for key, value in info.items() if value is not None} if isinstance(info, dict) else info
    with pytest.raises(Malformed, match=why.replace(".", r"\.")):
        parse_metainfo(torrent_of(given))


def test_octets_behind_it_and_a_cut() -> None:
    data = torrent_of(simple())
    with pytest.raises(Malformed, match="left over"):
        parse_metainfo(data + b"x")
    assert parse_metainfo(data + b"x", strict=False).faults == ("1 bytes behind the end",)
    for size in (0, 1, len(data) - 1):
        with pytest.raises(Truncated):
            parse_metainfo(data[:size])
        with pytest.raises(Truncated):
            parse_metainfo(data[:size], strict=False)


def test_layers_that_are_not_those_of_their_roots() -> None:
    content_ = bytes(3 * BLOCK)
    layer = b"".join(block_hashes(content_))
    root = merkle_root(block_hashes(content_))
    info = v2(**{"file tree": {"a": {"": {"length": len(content_), "pieces root": root}}}})
    right = parse_metainfo(torrent_of(info, **{"piece layers": {root: layer}}))
    assert (right.faults, right.is_right(2, bytes(BLOCK))) == ((), True)
    for wrong in (layer[:-32], layer[:-1], bytes(96)):
        torrent = parse_metainfo(torrent_of(info, **{"piece layers": {root: wrong}}))
        assert torrent.faults == ("the piece layer of a is not that of its root",)
        assert not torrent.is_right(2, bytes(BLOCK))
    assert parse_metainfo(torrent_of(info, **{"piece layers": {}})).faults == ("no piece layer for a",)
    assert parse_info(encode(info)).faults == ()


def test_two_versions_of_different_files() -> None:
    info = {**simple(), **v2(), "length": 4, "pieces": b"x" * 20}
    assert parse_info(encode(info)).faults == ("the files of version 1 and of version 2 are not the same",)
    assert parse_info(encode({**simple(), **v2()})).faults == ()


def listed(*paths: list[Any]) -> Metainfo:
    files = [{"length": 0, "path": path} for path in paths]
    return parse_info(encode({"name": "top", "piece length": BLOCK, "pieces": b"", "files": files}))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (["..", "a"], "climbs out"), (["."], "climbs out"), (["/etc", "passwd"], "separator"),
        (["a/../../b"], "separator"), (["a\\b"], "separator"),
        ([""], "empty name"), (["c:"], "colon"), (["a:stream"], "colon"), (["a\x00"], "print"),
        (["\x1b[2J"], "print"), (["\u202eexe.txt"], "print"), ([b"\xff"], "UTF-8"), (["con"], "Windows"),
        (["NUL.txt"], "Windows"), (["a "], "Windows"), (["a."], "Windows"), (["x" * 256], "255"), (["a"] * 100, "100"),
    ],
    ids=str,
)  # fmt: skip
def test_names_that_are_refused(path: list[Any], why: str) -> None:
    with pytest.raises(Malformed, match=why):
        listed(["fine"], path).safe_paths()


def test_names_that_are_taken() -> None:
    torrent = listed(["a"], ["b", "c.bin"], ["größe"], [".hidden"], ["..."[:2] + "x"], ["console"])
    assert sorted(torrent.safe_paths().values())[0] == ("top", "..x")
    for twice in (["A"], ["a"]):
        with pytest.raises(Malformed, match="is there twice"):
            listed(["a"], twice).safe_paths()


def test_pieces_that_there_are_not() -> None:
    torrent = parse_info(encode(simple()))
    for index in (-1, 1, 1 << 40):
        with pytest.raises(IndexError):
            torrent.spans(index)


# ---- any bytes

SEEDS = (
    torrent_of(simple(private=1), announce="http://t", **{"announce-list": [["http://t"]], "url-list": "http://w"}),
    torrent_of(v2(), **{"piece layers": {}}),
    torrent_of({**simple(), **v2()}),
    encode(
        {"info": {"name": "t", "piece length": BLOCK, "pieces": b"x" * 20, "files": [{"length": 9, "path": ["a"]}]}}
    ),
)


def check(data: bytes) -> bool:
    try:
        torrent = parse_metainfo(data, strict=False)
    except WireError:
        return False
    for index in range(min(torrent.piece_count, 3)):
        assert not torrent.is_right(index, b"") or torrent.piece_size(index) == 0
    return bool(torrent.version) and torrent.total_length >= 0 and all(one.name for one in torrent.files)


@given(st.binary(max_size=100), st.sampled_from(SEEDS), st.integers(0, 400))
def test_any_bytes(noise: bytes, seed: bytes, at: int) -> None:
    check(noise)
    check(seed[:at] + noise + seed[at:])


def check_mutated(count: int, seed: int) -> None:
    dice = random.Random(seed)
    taken = 0
    for _ in range(count):
        data = bytearray(dice.choice(SEEDS))
        for _ in range(dice.randint(1, 3)):
            data[dice.randrange(len(data))] = dice.choice(b"ilde0123456789:-\xff/.")
        taken += check(bytes(data))
    assert taken > count // 20


def test_mutated_torrents() -> None:
    check_mutated(1_000, 1)


@pytest.mark.thorough
def test_a_hundred_thousand_mutated_torrents() -> None:
    check_mutated(100_000, 2)
