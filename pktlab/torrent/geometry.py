"""How a torrent is cut into pieces: said by its metadata, or inferred from what its peers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pktlab.torrent.contents import Metainfo
from pktlab.torrent.ledger import Ledger, Type

__all__ = ["MAX_PIECES", "Geometry"]

MAX_PIECES = 1 << 22
"""Numbers of pieces that are believed; a torrent of a million pieces is a very large one."""
MAX_PIECE_LEN = 1 << 26
"""Bytes of a piece that are believed; clients make none of more than 16 MiB by themselves."""
NAMING = [Type.have, Type.request, Type.piece]


@dataclass(frozen=True)
class Geometry:
    """How a torrent is cut.

    pieces : how many there are; None if nothing tells; piece_length, last_length : bytes of a piece, and of the last
    short : lengths of others that are shorter, at the end of a file (BEP 52), or padded there (BEP 47)
    """

    pieces: int | None
    piece_length: int
    last_length: int
    short: Mapping[int, int] = field(default_factory=dict)

    def length_of(self, index: int) -> int:
        """Return the bytes of a piece.

        >>> Geometry(3, 262144, 1000).length_of(2)
        1000
        """
        usual = self.last_length if index + 1 == self.pieces else self.piece_length
        return self.short.get(index, usual)

    @classmethod
    def of(cls, length: int, piece_length: int) -> Geometry:
        """Return how `length` bytes are cut.

        >>> Geometry.of(300_000, 262_144)
        Geometry(pieces=2, piece_length=262144, last_length=37856, short={})
        """
        pieces = -(-length // piece_length)
        return cls(pieces, piece_length, length - (pieces - 1) * piece_length)

    @classmethod
    def told(cls, metainfo: Metainfo) -> Geometry:
        """Return what the metainfo tells."""
        count, usual = metainfo.piece_count, metainfo.piece_length
        ends = {file.first_piece + (file.offset + file.length - 1) // usual for file in metainfo.files if file.length}
        short = {piece: size for piece in ends if (size := metainfo.content_size(piece)) != usual}
        return cls(count, usual, short.get(count - 1, usual), short)

    @classmethod
    def heard(cls, ledger: Ledger) -> Geometry:
        """Infer it: from who has everything, and from the ends of the blocks that were asked for and sent.

        A number of a piece counts that stands in a bitfield, or that two connections name: one alone may be a lie.
        """
        told = ledger.columns()
        octets = [ledger.bitfields[number] for number in told.pieces[told.types == Type.bitfield].tolist()]
        room = max((8 * len(one) for one in octets), default=0)
        naming = np.isin(told.types, NAMING) & (told.pieces < MAX_PIECES)
        pieces, place = np.unique(told.pieces[naming], return_inverse=True)
        kinds, links = told.types[naming], told.links[naming]
        stops = (told.begins + told.lengths)[naming] * (kinds != Type.have)
        first, last, ends = (
            np.full(len(pieces), np.iinfo(np.int64).max),
            np.full(len(pieces), -1),
            np.zeros(len(pieces), np.int64),
        )
        np.minimum.at(first, place, links)
        np.maximum.at(last, place, np.where(kinds == Type.piece, np.iinfo(np.int64).max, links))
        np.maximum.at(ends, place, np.where(stops <= MAX_PIECE_LEN, stops, 0))
        likely = pieces[(first < last) & ((pieces < room) | (room == 0))]
        most = max([-1, *map(_last, octets), *likely[-1:].tolist()])
        is_told = bool(octets) or bool(np.any(told.types == Type.have_all))
        piece_length = int(ends[pieces <= most].max(initial=0))
        last_length = int(ends[pieces == most].max(initial=0)) or piece_length
        return cls(most + 1 if is_told and most >= 0 else None, piece_length, last_length)


def _last(octets: bytes) -> int:
    r"""Return the last piece that a bitfield holds, -1 if there is none.

    >>> _last(b"\xa0\x40\x00"), _last(b"\0")
    (9, -1)
    """
    bits = int.from_bytes(octets, "big")
    return 8 * len(octets) - (bits & -bits).bit_length() if bits else -1
