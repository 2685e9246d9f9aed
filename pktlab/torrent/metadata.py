"""The `info` of a torrent, which its info-hash names: how it is cut, its files, the hashes of its pieces.

It comes out of a metainfo file (BEP 3) or out of the peers' own messages (BEP 9), and is put together here from blocks
of 16 KiB. Files of version 2 (BEP 52) begin with a piece of their own each, and the hash of a piece is the root of a
tree over its blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pktlab.errors import Malformed
from pktlab.torrent.geometry import Geometry
from pktlab.wire.bencode import Value, read, read_lax

__all__ = ["File", "Metadata", "Parts", "file_root", "metadata_of", "piece_root", "read_metainfo", "tree_root"]

BLOCK_LEN = 1 << 14
MAX_LEN = 1 << 26
"""Bytes of an `info` that are put together; one with a million pieces has 20 MB."""
SHA1_LEN, SHA256_LEN = 20, 32
MAX_PIECES = 1 << 24


@dataclass(frozen=True)
class File:
    """A file: its path below the target, length in bytes, and where it begins in the bytes of all pieces."""

    path: tuple[str, ...]
    length: int
    start: int
    pieces_root: bytes = b""


@dataclass(frozen=True)
class Metadata:
    """What an `info` says.

    info_hash : as handshakes have it, 40 hex digits; name_hash : in full, 64 digits where it is version 2 alone
    length : bytes of all pieces
    hashes : of the pieces, SHA-1; empty for version 2 alone, where `File.pieces_root` and `layers` have them
    """

    info_hash: str
    name_hash: str
    name: str
    piece_length: int
    files: tuple[File, ...]
    hashes: tuple[bytes, ...]
    length: int
    layers: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def is_v2(self) -> bool:
        """Whether pieces are checked by the trees of version 2 alone."""
        return not self.hashes

    @property
    def geometry(self) -> Geometry:
        """How it is cut."""
        short = {}
        if self.is_v2:
            for file in self.files:
                if file.length % self.piece_length:
                    short[(file.start + file.length) // self.piece_length] = file.length % self.piece_length
        whole = Geometry.of(self.length, self.piece_length)
        return Geometry(whole.pieces, whole.piece_length, whole.last_length, short)


def read_metainfo(data: bytes) -> Metadata:
    """Return what a metainfo file, a .torrent, says.

    Raises
    ------
    Truncated, Malformed : it is none

    >>> read_metainfo(b"d4:infod6:lengthi3e4:name1:a12:piece lengthi16384e6:pieces20:" + b"x" * 20 + b"ee").name
    'a'
    """
    value = read(data)
    info = value.get(b"info")
    if info is None:
        raise Malformed("metainfo", 0, "metainfo.info", b"", "is not there: this is no .torrent file")
    layers = value.get(b"piece layers")
    pairs = layers.content if layers is not None and layers.kind == "dictionary" else ()
    return metadata_of(info.raw, {key.octets: one.octets for key, one in pairs})


def metadata_of(info: bytes, layers: dict[bytes, bytes] | None = None) -> Metadata:
    """Return what the bytes of an `info` say.

    Parameters
    ----------
    info : as they stand, since their hash is what names the torrent
    layers : of version 2, by the roots of the files, the hashes of their pieces

    Raises
    ------
    Truncated, Malformed : something that it takes is not there or cannot be
    """
    found = read_lax(info, count=2_000_000)
    if found.value is None or found.stop is not None:
        raise found.stop or Malformed("metainfo", 0, "metainfo.info", info[:8], "is no dictionary")
    value = found.value
    piece_length = _number(value, b"piece length", 1)
    pieces = value.string(b"pieces")
    name = _text(value.string(b"name.utf-8") or value.string(b"name") or b"")
    if pieces is not None:
        hashes = tuple(pieces[at : at + SHA1_LEN] for at in range(0, len(pieces), SHA1_LEN))
        files, length = _files(value, name)
        if len(pieces) % SHA1_LEN or -(-length // piece_length) != len(hashes):
            raise _wrong("pieces", len(hashes), f"are not the hashes of {length} bytes")
    else:
        hashes, files = (), _tree(value, name, piece_length)
        length = max((file.start + file.length for file in files), default=0)
    sha1, sha256 = hashlib.sha1(info).hexdigest(), hashlib.sha256(info).hexdigest()
    is_v2 = pieces is None
    short = sha256[: 2 * SHA1_LEN] if is_v2 else sha1
    return Metadata(short, sha256 if is_v2 else sha1, name, piece_length, files, hashes, length, layers or {})


def _files(info: Value, name: str) -> tuple[tuple[File, ...], int]:
    """Return the files of version 1, and the bytes of all pieces, with what only fills up (BEP 47)."""
    listed = info.get(b"files")
    if listed is None:
        length = _number(info, b"length", 0)
        return (File((name,), length, 0),), length
    files, start = [], 0
    for one in listed:
        length = _number(one, b"length", 0)
        parts = one.get(b"path.utf-8") or one.get(b"path")
        path = tuple(_text(part.octets) for part in parts) if parts is not None else ()
        if b"p" not in (one.string(b"attr") or b""):
            files.append(File((name, *path), length, start))
        start += length
    return tuple(files), start


def _tree(info: Value, name: str, piece_length: int) -> tuple[File, ...]:
    """Return the files of version 2 (BEP 52, "file tree"): each begins with a piece of its own."""
    tree = info.get(b"file tree")
    if tree is None:
        raise _wrong("pieces", b"", "is not there, nor a file tree")
    files: list[File] = []
    start = 0
    for value, path in tree.walk():
        if path and path[-1] == b"" and value.kind == "dictionary":
            parts = tuple(_text(part) for part in path[:-1] if isinstance(part, bytes))
            length = _number(value, b"length", 0)
            whole = parts if len(tree) == 1 and parts == (name,) else (name, *parts)
            files.append(File(whole, length, start, value.string(b"pieces root") or b""))
            start += -(-length // piece_length) * piece_length
    if start > MAX_PIECES * piece_length:
        raise _wrong("length", start, "takes too many pieces")
    return tuple(files)


def _number(value: Value, key: bytes, least: int) -> int:
    number = value.integer(key)
    if number is None or not least <= number < 1 << 62:
        raise _wrong(key.decode(), number, "is no length" if number is not None else "is not there")
    return number


def _wrong(what: str, value: object, why: str) -> Malformed:
    return Malformed("metainfo", 0, f"metainfo.{what}", value, why)


def _text(name: bytes) -> str:
    return name.decode("utf-8", errors="surrogateescape")


def piece_root(blocks: Sequence[bytes], leaves: int) -> bytes:
    """Return the root of the tree over the hashes of `blocks`, filled up with zeros to `leaves`, a power of two.

    Spec: BEP 52: SHA-256, blocks of 16 KiB, and the hash of what is missing at the end is 32 zeros.
    """
    row = [hashlib.sha256(block).digest() for block in blocks]
    return tree_root(row, leaves, bytes(SHA256_LEN))


def tree_root(row: Sequence[bytes], leaves: int, filler: bytes) -> bytes:
    """Return the root over a row of hashes, filled up to `leaves`, a power of two, with `filler`.

    >>> tree_root([b"a" * 32], 1, bytes(32)) == b"a" * 32
    True
    """
    row = [*row, *([filler] * (leaves - len(row)))]
    while len(row) > 1:
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def file_root(layer: Sequence[bytes], piece_length: int) -> bytes:
    """Return the root of a file of version 2 over the roots of its pieces, of which there is more than one."""
    filler = piece_root((), piece_length // BLOCK_LEN)
    return tree_root(layer, 1 << (len(layer) - 1).bit_length(), filler)


@dataclass
class Parts:
    """An `info` that comes in parts, from peers that are asked for it (BEP 9)."""

    total: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)

    def add(self, part: int, total: int, data: bytes) -> bytes | None:
        """Take a part; return the whole when it is complete."""
        if not 0 < total <= MAX_LEN or not 0 <= part * BLOCK_LEN < total:
            return None
        self.total = self.total or total
        self.parts[part] = data
        if len(self.parts) * BLOCK_LEN < self.total:
            return None
        whole = b"".join(self.parts[number] for number in sorted(self.parts))
        return whole if len(whole) == self.total else None
