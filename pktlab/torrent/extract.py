"""The shared files out of the blocks that were heard: each piece put together, checked by its hash, and written.

Blocks are kept in a file of their own while a capture is read, so memory does not grow with what was shared. A block
that came several times is kept once, and if copies differ each of them: a piece is right if some choice of its copies
has the hash that the metadata tell. Without metadata all pieces go into one file, in their order, and nothing is
checked.

Names of files are the torrent's, which anybody may have written: those that lead out of the target are refused.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pktlab.errors import PktlabError
from pktlab.torrent.geometry import Geometry
from pktlab.torrent.metadata import BLOCK_LEN, File, Metadata, file_root, piece_root

__all__ = ["BlockStore", "ExtractError", "Extracted", "extract", "safe_path"]

MAX_CHOICES = 64
"""Choices of differing copies that are tried for a piece."""
MAX_COPIES = 8
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{name}{number}" for name in ("COM", "LPT") for number in range(1, 10))}


class ExtractError(PktlabError):
    """Files cannot be written as the torrent has them; the message says which and why."""


class _Copy(NamedTuple):
    place: int
    length: int
    crc: int


class BlockStore:
    """The blocks that were heard, by torrent; used as a context manager, it goes with its file at the end.

    >>> with BlockStore() as store:
    ...     store.add("00" * 20, 0, 0, 16384, b"second")
    ...     store.add("00" * 20, 0, 0, 0, b"first")
    ...     store.pieces("00" * 20)
    [0]
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="pktlab-blocks-")  # noqa: SIM115 - it lives as long as the store
        self._end = 0
        self._blocks: defaultdict[str, defaultdict[int, dict[int, list[_Copy]]]]
        self._blocks = defaultdict(lambda: defaultdict(dict))

    def __enter__(self) -> BlockStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, info_hash: str, time_ns: int, piece: int, begin: int, data: bytes) -> None:
        """Keep a block; a copy of one that is kept already costs nothing."""
        copies = self._blocks[info_hash][piece].setdefault(begin, [])
        crc = zlib.crc32(data)
        if len(copies) >= MAX_COPIES or any((one.length, one.crc) == (len(data), crc) for one in copies):
            return
        copies.append(_Copy(self._end, len(data), crc))
        self._file.write(data)
        self._end += len(data)

    def info_hashes(self) -> list[str]:
        """Return the torrents of which there are blocks."""
        return list(self._blocks)

    def pieces(self, info_hash: str) -> list[int]:
        """Return the pieces of which there are blocks, in their order."""
        return sorted(self._blocks[info_hash])

    def versions(self, info_hash: str, piece: int, length: int) -> Iterator[list[bytes]]:
        """Yield the whole piece as its blocks, in every choice of copies that differ; nothing if any is missing."""
        kept = self._blocks[info_hash].get(piece, {})
        at, rows = 0, []
        while at < length:
            copies = [one for one in kept.get(at, ()) if at + one.length <= length]
            if not copies:
                return
            rows.append([one for one in copies if one.length == copies[0].length])
            at += copies[0].length
        for choice in itertools.islice(itertools.product(*rows), MAX_CHOICES):
            yield [self._read(one) for one in choice]

    def parts(self, info_hash: str, piece: int) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks of a piece that may be incomplete, each with its offset; the first copy of each."""
        for begin, copies in sorted(self._blocks[info_hash].get(piece, {}).items()):
            yield begin, self._read(copies[0])

    def _read(self, copy: _Copy) -> bytes:
        self._file.seek(copy.place)
        data = self._file.read(copy.length)
        self._file.seek(self._end)
        return data


@dataclass(frozen=True)
class Extracted:
    """What was written of one torrent.

    files : what was written; pieces : how many there are, None if nothing tells
    good, bad : pieces whose hash was right, and those where no choice of copies has it; missing : not heard whole
    is_checked : there were hashes to check them by
    """

    info_hash: str
    files: tuple[Path, ...]
    pieces: int | None
    good: tuple[int, ...]
    bad: tuple[int, ...]
    missing: tuple[int, ...]
    is_checked: bool


def extract(
    store: BlockStore, info_hash: str, folder: Path, geometry: Geometry, metadata: Metadata | None = None
) -> Extracted:
    """Write what was shared below `folder`; what is missing or bad is zeros.

    Raises
    ------
    ExtractError : a name leads out of the folder, or two files have the same
    """
    if metadata is None:
        return _unchecked(store, info_hash, folder, geometry)
    targets = {file: safe_path(folder, file.path) for file in metadata.files}
    if len(set(targets.values())) < len(targets):
        raise ExtractError(f"torrent {info_hash}: two files have the same name; nothing was written")
    for file, path in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as made:
            made.truncate(file.length)
    if metadata.is_v2:
        _infer_layers(store, info_hash, metadata, geometry)
    good: list[int] = []
    bad: list[int] = []
    missing: list[int] = []
    for piece in range(geometry.pieces or 0):
        found, heard = _right(store, info_hash, metadata, geometry, piece)
        if found is not None:
            _write(metadata, targets, piece * metadata.piece_length, found)
        (good if found is not None else bad if heard else missing).append(piece)
    return Extracted(
        metadata.name_hash, tuple(targets.values()), geometry.pieces, tuple(good), tuple(bad), tuple(missing), True
    )


def _right(
    store: BlockStore, info_hash: str, metadata: Metadata, geometry: Geometry, piece: int
) -> tuple[bytes | None, bool]:
    """Return the piece with the right hash, if there is one, and whether all of its blocks were heard."""
    heard = False
    for blocks in store.versions(info_hash, piece, geometry.length_of(piece)):
        heard = True
        if _is_right(metadata, piece, blocks):
            return b"".join(blocks), True
    return None, heard


def _is_right(metadata: Metadata, piece: int, blocks: list[bytes]) -> bool:
    if not metadata.is_v2:
        return hashlib.sha1(b"".join(blocks)).digest() == metadata.hashes[piece]
    start = piece * metadata.piece_length
    file = next(one for one in metadata.files if one.start <= start < one.start + max(one.length, 1))
    if file.length <= metadata.piece_length:  # the file's root is that of its only piece
        return _root(b"".join(blocks)) == file.pieces_root
    row = metadata.layers.get(file.pieces_root, b"")
    number = (start - file.start) // metadata.piece_length
    return _root(b"".join(blocks), metadata.piece_length) == row[32 * number : 32 * number + 32]


def _root(data: bytes, piece_length: int = 0) -> bytes:
    """Return the root of a piece; of a file's only piece, the tree is as small as it can be."""
    blocks = [data[at : at + BLOCK_LEN] for at in range(0, len(data), BLOCK_LEN)]
    return piece_root(blocks, piece_length // BLOCK_LEN or 1 << max(len(blocks) - 1, 0).bit_length())


def _infer_layers(store: BlockStore, info_hash: str, metadata: Metadata, geometry: Geometry) -> None:
    """Find the hashes of the pieces of version 2 where no metainfo file tells them: the file's root proves them all."""
    for file in metadata.files:
        if file.length <= metadata.piece_length or file.pieces_root in metadata.layers:
            continue
        first = file.start // metadata.piece_length
        count = -(-file.length // metadata.piece_length)
        row = []
        for piece in range(first, first + count):
            blocks = next(store.versions(info_hash, piece, geometry.length_of(piece)), None)
            if blocks is None:
                break
            row.append(_root(b"".join(blocks), metadata.piece_length))
        if len(row) == count and file_root(row, metadata.piece_length) == file.pieces_root:
            metadata.layers[file.pieces_root] = b"".join(row)


def _write(metadata: Metadata, targets: Mapping[File, Path], start: int, data: bytes) -> None:
    """Write a piece into the files that it lies in."""
    for file, path in targets.items():
        first, last = max(start, file.start), min(start + len(data), file.start + file.length)
        if first < last:
            with path.open("r+b") as made:
                made.seek(first - file.start)
                made.write(data[first - start : last - start])


def _unchecked(store: BlockStore, info_hash: str, folder: Path, geometry: Geometry) -> Extracted:
    """Write all pieces into one file, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{info_hash}.bin"
    heard: list[int] = []
    missing: list[int] = []
    with path.open("wb") as made:
        for piece in range(geometry.pieces or max([*store.pieces(info_hash), -1]) + 1):
            parts = list(store.parts(info_hash, piece))
            for begin, data in parts:
                made.seek(piece * geometry.piece_length + begin)
                made.write(data)
            is_whole = sum(len(data) for _, data in parts) >= geometry.length_of(piece)
            (heard if is_whole else missing).append(piece)
    return Extracted(info_hash, (path,), geometry.pieces, tuple(heard), (), tuple(missing), False)


def safe_path(folder: Path, parts: tuple[str, ...]) -> Path:
    r"""Return where a file goes below `folder`.

    Raises
    ------
    ExtractError : its name is empty, climbs out, is absolute, or means something else on some system

    >>> safe_path(Path("out"), ("book", "chapter.txt")).as_posix()
    'out/book/chapter.txt'
    >>> safe_path(Path("out"), ("..", "etc", "passwd"))
    Traceback (most recent call last):
        ...
    pktlab.torrent.extract.ExtractError: the name '../etc/passwd' leads out of the folder: nothing was written
    """
    shown = "/".join(parts)
    for part in parts or ("",):
        if part in ("", ".", "..") or any(char in part for char in "/\\\0"):
            raise ExtractError(f"the name {shown!r} leads out of the folder: nothing was written")
        if part.partition(".")[0].upper() in RESERVED or part[1:2] == ":":
            raise ExtractError(f"the name {shown!r} is a device on some systems: nothing was written")
    path = folder.joinpath(*parts)
    if folder.exists() and not path.resolve().is_relative_to(folder.resolve()):
        raise ExtractError(f"the name {shown!r} leads out of the folder by a link: nothing was written")
    return path
