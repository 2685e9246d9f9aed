"""The shared files out of the blocks that were heard: each piece put together, checked by its hash, and written.

Blocks are kept in a file of their own while a capture is read, so memory does not grow with what was shared. A block
that came several times is kept once, and if copies differ each of them: a piece is right if some choice of its copies
has the hash that the metadata tell. Without metadata all pieces go into one file, in their order, and nothing is
checked.

Names of files are the torrent's, which anybody may have written: those that lead out of the target are refused.
"""

from __future__ import annotations

import itertools
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pktlab.errors import PktlabError
from pktlab.torrent.contents import Metainfo
from pktlab.torrent.geometry import MAX_PIECES, Geometry
from pktlab.torrent.merkle import BLOCK, block_hashes, merkle_root
from pktlab.torrent.swarm import Torrent

__all__ = ["BlockStore", "ExtractError", "Extracted", "extract"]

MAX_CHOICES = 64
"""Choices of differing copies that are tried for a piece."""
MAX_COPIES = 8


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

    def join(self, names: Mapping[str, str]) -> None:
        """Take it that blocks kept under one name are of the torrent of another."""
        for name, info_hash in names.items():
            for piece, begins in self._blocks.pop(name, {}).items():
                for begin, copies in begins.items():
                    self._blocks[info_hash][piece].setdefault(begin, []).extend(copies)

    def info_hashes(self) -> list[str]:
        """Return the torrents of which there are blocks."""
        return list(self._blocks)

    def pieces(self, info_hash: str) -> list[int]:
        """Return the pieces of which there are blocks, in their order."""
        return sorted(self._blocks[info_hash])

    def versions(self, info_hash: str, piece: int, length: int, content: int | None = None) -> Iterator[bytes]:
        """Yield the whole piece, in every choice of copies that differ; nothing if any block is missing.

        length : bytes of the piece; content : those in front of padding, which are zeros and are not sent
        """
        kept = self._blocks[info_hash].get(piece, {})
        at, rows = 0, []
        while at < (length if content is None else content):
            copies = [one for one in kept.get(at, ()) if at + one.length <= length]
            if not copies:
                return
            rows.append([one for one in copies if one.length == copies[0].length])
            at += copies[0].length
        for choice in itertools.islice(itertools.product(*rows), MAX_CHOICES):
            yield b"".join(map(self._read, choice)).ljust(length, b"\0")

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


def extract(store: BlockStore, torrent: Torrent, folder: Path) -> Extracted:
    """Write what a torrent's peers shared below `folder`; what is missing or bad is zeros.

    Raises
    ------
    Malformed : a name leads out of the folder, or two files have the same
    ExtractError : something in the folder leads out of it
    """
    metadata = torrent.metadata
    if metadata is None:
        return _unchecked(store, torrent.ledger.info_hash, folder, torrent.geometry)
    targets = {path: _target(folder, names) for path, names in metadata.safe_paths().items()}
    for file in metadata.files:
        if not file.is_padding:
            targets[file.path].parent.mkdir(parents=True, exist_ok=True)
            with targets[file.path].open("wb") as made:
                made.truncate(file.length)
    heard = _Heard(store, torrent.ledger.info_hash, metadata)
    good: list[int] = []
    bad: list[int] = []
    missing: list[int] = []
    for piece in range(metadata.piece_count):
        found, is_whole = heard.right(piece)
        if found is not None:
            _write(metadata, targets, piece, found)
        (good if found is not None else bad if is_whole else missing).append(piece)
    files = tuple(targets.values())
    return Extracted(torrent.info_hash, files, metadata.piece_count, tuple(good), tuple(bad), tuple(missing), True)


class _Heard:
    """The pieces that were heard, and what tells whether they are right."""

    def __init__(self, store: BlockStore, info_hash: str, metadata: Metainfo) -> None:
        self.store, self.info_hash = store, info_hash
        self.metadata = metadata if metadata.info_hash_v1 else replace(metadata, piece_layers=self._layers(metadata))

    def right(self, piece: int) -> tuple[bytes | None, bool]:
        """Return the piece with the right hash, if there is one, and whether all of its blocks were heard."""
        is_whole = False
        size, content = self.metadata.piece_size(piece), _ahead_of_padding(self.metadata, piece)
        for data in self.store.versions(self.info_hash, piece, size, content):
            is_whole = True
            if self.metadata.is_right(piece, data):
                return data, True
        return None, is_whole

    def _layers(self, metadata: Metainfo) -> dict[bytes, tuple[bytes, ...]]:
        """Return the hashes of the pieces of version 2; those that no metainfo tells are proven by the file's root."""
        layers = dict(metadata.piece_layers)
        width = metadata.piece_length // BLOCK
        for file in metadata.files:
            if file.length <= metadata.piece_length or file.pieces_root in layers:
                continue
            pieces = range(file.first_piece, file.first_piece + -(-file.length // metadata.piece_length))
            found = [next(self.store.versions(self.info_hash, one, metadata.piece_size(one)), None) for one in pieces]
            row = tuple(merkle_root(block_hashes(data), width=width) for data in found if data is not None)
            if len(row) == len(pieces) and merkle_root(row, width.bit_length() - 1) == file.pieces_root:
                layers[file.pieces_root] = row
        return layers


def _ahead_of_padding(metadata: Metainfo, piece: int) -> int:
    """Return how many bytes of a piece lie in front of the padding at its end (BEP 47)."""
    spans = metadata.spans(piece)
    while spans and spans[-1].file.is_padding:
        spans.pop()
    return sum(one.length for one in spans)


def _write(metadata: Metainfo, targets: Mapping[tuple[bytes, ...], Path], piece: int, data: bytes) -> None:
    """Write a piece into the files that it lies in."""
    at = 0
    for span in metadata.spans(piece):
        if not span.file.is_padding:
            with targets[span.file.path].open("r+b") as made:
                made.seek(span.start)
                made.write(data[at : at + span.length])
        at += span.length


def _unchecked(store: BlockStore, info_hash: str, folder: Path, geometry: Geometry) -> Extracted:
    """Write all pieces into one file, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{info_hash}.bin"
    heard: list[int] = []
    limit = MAX_PIECES if geometry.pieces is None else geometry.pieces
    kept = [piece for piece in store.pieces(info_hash) if piece < limit]
    with path.open("wb") as made:
        for piece in kept:
            size, written = geometry.length_of(piece), 0
            for begin, data in store.parts(info_hash, piece):
                if begin + len(data) <= size:
                    made.seek(piece * geometry.piece_length + begin)
                    written += made.write(data)
            if written >= size:
                heard.append(piece)
    missing = sorted({*(range(limit) if geometry.pieces else kept)} - {*heard})
    return Extracted(info_hash, (path,), geometry.pieces, tuple(heard), (), tuple(missing), False)


def _target(folder: Path, names: tuple[str, ...]) -> Path:
    """Return where a file goes, whose names are safe; ExtractError if a link that is there leads out all the same."""
    path = folder.joinpath(*names)
    if folder.exists() and not path.resolve().is_relative_to(folder.resolve()):
        raise ExtractError(f"{'/'.join(names)!r} leads out of {folder} by a link that is there: nothing was written")
    return path
