"""A torrent, its files and its pieces, once they are known; `pktlab.torrent.metainfo` reads them.

A version 1 torrent is one run of octets, its files one after another; in version 2 each file starts with a piece of
its own. `Metainfo.spans` says for either which files a piece lies in.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pktlab.errors import Malformed
from pktlab.torrent.merkle import BLOCK, block_hashes, merkle_root
from pktlab.torrent.paths import unsafe_because

__all__ = ["File", "Metainfo", "Span"]


class File(NamedTuple):
    """A file of a torrent.

    path : names of its folders and, last, its own, as they stand in the torrent
    length : octets
    first_piece : the piece that it starts in
    offset : octets in front of it in that piece
    pieces_root : version 2: the root of its hash tree, 32 octets; empty in version 1, and of an empty file
    attributes : letters of BEP 47: p padding, x executable, h hidden, l link
    """

    path: tuple[bytes, ...]
    length: int
    first_piece: int
    offset: int
    pieces_root: bytes = b""
    attributes: str = ""

    @property
    def is_padding(self) -> bool:
        """Whether it holds zeros that nobody wants, so that the next file starts with a piece."""
        return "p" in self.attributes

    @property
    def name(self) -> str:
        """Its path as text, for people; octets that are no UTF-8 are written out."""
        return "/".join(part.decode("utf-8", "backslashreplace") for part in self.path)


class Span(NamedTuple):
    """A stretch of a file: `length` octets from `start` on."""

    file: File
    start: int
    length: int


@dataclass(frozen=True)
class Metainfo:
    """A torrent; of `info` alone, as ut_metadata gives it, the trackers and piece layers are empty.

    info : its octets; `info_hash_v1` 20 octets, `info_hash_v2` 32; None where it is not of that version
    files : of both versions alike, padding files of version 1 among them
    piece_hashes : version 1: 20 octets a piece
    piece_layers : version 2: by the root of a file of more than one piece, the hashes of its pieces
    faults : what is wrong with it and does not keep it from being read
    """

    info: bytes
    name: bytes
    piece_length: int
    files: tuple[File, ...]
    info_hash_v1: bytes | None
    info_hash_v2: bytes | None
    piece_hashes: tuple[bytes, ...] = ()
    piece_layers: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    private: bool = False
    announce: str = ""
    tiers: tuple[tuple[str, ...], ...] = ()
    web_seeds: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """``"1"``, ``"2"``, or ``"1 and 2"`` of a hybrid."""
        return " and ".join(number for number, one in (("1", self.info_hash_v1), ("2", self.info_hash_v2)) if one)

    @property
    def wire_hashes(self) -> tuple[bytes, ...]:
        """What handshakes, trackers and the hash table call it: 20 octets, of version 2 the first ones."""
        return tuple(one[:20] for one in (self.info_hash_v1, self.info_hash_v2) if one is not None)

    @property
    def total_length(self) -> int:
        """Octets of all files, padding not counted."""
        return sum(one.length for one in self.files if not one.is_padding)

    @property
    def piece_count(self) -> int:
        """Pieces that peers number."""
        if self.info_hash_v1 is not None:
            return len(self.piece_hashes)
        return max((one.first_piece + -(-one.length // self.piece_length) for one in self.files), default=0)

    def piece_size(self, index: int) -> int:
        """Return the octets of a piece; IndexError if there is none of that number."""
        return sum(one.length for one in self.spans(index))

    def content_size(self, index: int) -> int:
        """Return the octets of a piece without padding, which nobody has to ask for (BEP 47); IndexError as above."""
        return sum(one.length for one in self.spans(index) if not one.file.is_padding)

    def spans(self, index: int) -> list[Span]:
        """Return the stretches of files that make up a piece, in order; IndexError if there is none of that number."""
        if not 0 <= index < self.piece_count:
            raise IndexError(f"piece {index} of {self.piece_count}")
        first, last = index * self.piece_length, (index + 1) * self.piece_length
        found = []
        for place in range(bisect_right(self._ends, first), len(self.files)):
            one, end = self.files[place], self._ends[place]
            start = end - one.length
            if start >= last:
                break
            if one.length:
                found.append(Span(one, max(first - start, 0), min(end, last) - max(first, start)))
        return found

    @cached_property
    def _ends(self) -> list[int]:
        """Where each file ends, counted from the start of the first piece; they come in this order."""
        return [one.first_piece * self.piece_length + one.offset + one.length for one in self.files]

    def is_right(self, index: int, data: bytes) -> bool:
        """Tell whether `data` are the piece: by its hash of version 1, else by that of version 2."""
        if len(data) != self.piece_size(index):
            return False
        if self.info_hash_v1 is not None:
            return hashlib.sha1(data, usedforsecurity=False).digest() == self.piece_hashes[index]
        ((file, start, _),) = self.spans(index)
        width = self.piece_length // BLOCK
        if file.length <= self.piece_length:
            return merkle_root(block_hashes(data)) == file.pieces_root
        layer = self.piece_layers.get(file.pieces_root, ())
        place = start // self.piece_length
        return place < len(layer) and merkle_root(block_hashes(data), width=width) == layer[place]

    def safe_paths(self) -> dict[tuple[bytes, ...], tuple[str, ...]]:
        """Return by path the names under which the files may be saved, padding left out.

        Raises
        ------
        Malformed : a name may not become a file, or two files have one name (upper and lower case are one)
        """
        found: dict[tuple[bytes, ...], tuple[str, ...]] = {}
        seen: set[tuple[str, ...]] = set()
        for one in self.files:
            if one.is_padding:
                continue
            why = unsafe_because(one.path)
            text = () if why else tuple(part.decode() for part in one.path)
            folded = tuple(part.casefold() for part in text)
            if why or folded in seen:
                raise Malformed("metainfo", 0, "path", one.name, why or "is there twice")
            seen.add(folded)
            found[one.path] = text
        return found
