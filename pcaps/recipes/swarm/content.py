"""What the swarms share: files whose bytes say where they belong, and the metainfo (.torrent) that describes them.

Each block of 16 KiB repeats one tag of 16 bytes with its piece and its offset there. So captures with all payload
compress to a fortieth, and whoever looks at a packet in a hex dump sees which block it is part of.

Spec: BEP 3 (bencoding, metainfo files).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["BLOCK_LEN", "PIECE_LEN", "Shared", "bencode"]

BLOCK_LEN, PIECE_LEN = 16 * 1024, 256 * 1024


def bencode(value: Any) -> bytes:
    """Return integers, strings, bytes, lists and dictionaries as BEP 3 writes them.

    >>> bencode({"b": [1, -2], "a": "spam"})
    b'd1:a4:spam1:bli1ei-2eee'
    """
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        return bencode(value.encode())
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def block(piece: int, offset: int) -> bytes:
    r"""Return the block at `offset` of `piece`.

    >>> block(3, 16384)[:32]
    b'p00003 o0016384\np00003 o0016384\n'
    """
    return (b"p%05d o%07d\n" % (piece, offset)) * (BLOCK_LEN // 16)


class Shared:
    """The files of a scenario.

    Parameters
    ----------
    name : of the file, or of the folder if there are `files`
    length : bytes of them all
    files : where each begins in those bytes, by name; empty for a single file

    >>> Shared("shared.bin", 300_000).pieces
    2
    """

    def __init__(self, name: str, length: int, files: dict[str, int] | None = None) -> None:
        self.name, self.length = name, length
        whole = b"".join(
            block(piece, offset)
            for piece in range(-(-length // PIECE_LEN))
            for offset in range(0, PIECE_LEN, BLOCK_LEN)
        )
        self.data = whole[:length]
        starts = [*(files or {}).values(), length]
        self.files = {file: (start, end) for file, start, end in zip(files or {}, starts[:-1], starts[1:], strict=True)}

    @property
    def pieces(self) -> int:
        """How many pieces it has."""
        return -(-self.length // PIECE_LEN)

    def info(self) -> dict[str, Any]:
        """Return the metainfo's `info`, whose SHA-1 is the info-hash."""
        ranges = range(0, self.length, PIECE_LEN)
        hashes = b"".join(hashlib.sha1(self.data[at : at + PIECE_LEN]).digest() for at in ranges)
        info: dict[str, Any] = {"name": self.name, "piece length": PIECE_LEN, "pieces": hashes}
        if self.files:
            lengths = [{"length": end - at, "path": file.split("/")} for file, (at, end) in self.files.items()]
            return info | {"files": lengths}
        return info | {"length": self.length}

    def info_hash(self) -> str:
        """Return the info-hash, 40 hexadecimal digits."""
        return hashlib.sha1(bencode(self.info())).hexdigest()

    def metainfo(self, tracker: str | None) -> bytes:
        """Return the .torrent file."""
        told = {"announce": tracker} if tracker else {}
        return bencode({**told, "info": self.info()})

    def write(self, folder: Path, pieces: Iterable[int] | None = None) -> None:
        """Write the files, those `pieces` of them only, with zeros for the others."""
        data = bytearray(self.length)
        for piece in range(self.pieces) if pieces is None else pieces:
            part = slice(piece * PIECE_LEN, min((piece + 1) * PIECE_LEN, self.length))
            data[part] = self.data[part]
        for file, (start, end) in (self.files or {"": (0, self.length)}).items():
            path = folder / self.name / file if file else folder / self.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[start:end])

    def is_in(self, folder: Path) -> bool:
        """Say whether the files in `folder` hold every byte."""
        for file, (start, end) in (self.files or {"": (0, self.length)}).items():
            path = folder / self.name / file if file else folder / self.name
            if not path.is_file() or path.read_bytes() != self.data[start:end]:
                return False
        return True
