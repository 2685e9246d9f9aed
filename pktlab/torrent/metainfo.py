"""What a torrent is: its files, its pieces, and the hashes that they are held against; versions 1, 2 and both.

Spec: BEP 3; BEP 12 (lists of trackers), 19 (web seeds), 27 (private), 47 (padding files), 52 (version 2). The hash that
names a torrent is taken of the octets of ``info`` as they stand, never of what would be written again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NoReturn

from pktlab.errors import Malformed
from pktlab.torrent.contents import File, Metainfo, Span
from pktlab.torrent.merkle import BLOCK, merkle_root
from pktlab.wire.bencode import Value, read, read_lax

__all__ = ["COUNT", "File", "Metainfo", "Span", "parse_info", "parse_metainfo"]

COUNT = 1_000_000
"""Most bencoded values of a torrent: some hundred thousand files."""
PIECE_MAX = 1 << 30
"""Octets of the largest piece that is taken for one."""

FILE_MAX = 1 << 62
"""Octets of the largest file that is taken for one."""


def parse_metainfo(data: bytes, *, strict: bool = True) -> Metainfo:
    """Return the torrent that a .torrent file is.

    Parameters
    ----------
    strict : refuse bencode that another program would write otherwise; if not, that is among the `faults`

    Raises
    ------
    Truncated, Malformed : it is not bencoded, or not as BEP 3 or BEP 52 have it
    """
    faults: list[str] = []
    if strict:
        top = read(data, count=COUNT)
    else:
        found = read_lax(data, count=COUNT)
        if found.stop is not None or found.value is None:
            raise found.stop or Malformed("metainfo", 0, "metainfo", b"", "is empty")
        top, faults = found.value, [str(one) for one in found.faults]
    if top.stop < len(data):
        if strict:
            raise Malformed("metainfo", top.stop, "metainfo", bytes(data[top.stop : top.stop + 8]), "is left over")
        faults.append(f"{len(data) - top.stop} bytes behind the end")
    return Reader(top, faults).metainfo()


def parse_info(info: bytes, *, strict: bool = True) -> Metainfo:
    """Return the torrent of which `info` is the info dictionary, as peers send it to each other (BEP 9).

    Raises
    ------
    Truncated, Malformed : as for `parse_metainfo`

    >>> torrent = parse_info(b"d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae")
    >>> torrent.version, torrent.files[0].name, torrent.piece_count, torrent.piece_size(0)
    ('1', 'a', 1, 5)
    """
    return parse_metainfo(b"d4:info%be" % bytes(info), strict=strict)


def refuse(value: Value, name: str, why: str, shown: object = None) -> NoReturn:
    """Raise Malformed about a value."""
    if shown is None:
        shown = value.content if value.kind == "integer" else value.raw[:16]
    raise Malformed("metainfo", value.start, name, shown, why)


class Reader:
    """One pass over the dictionary of a .torrent file."""

    def __init__(self, top: Value, faults: list[str]) -> None:
        if top.kind != "dictionary":
            refuse(top, "metainfo", "is no dictionary")
        self.top = top
        self.info = self.need(top, b"info", "dictionary")
        self.faults = faults

    def metainfo(self) -> Metainfo:
        """Read everything."""
        info, raw = self.info, self.info.raw
        length = self.need(info, b"piece length", "integer")
        is_v2 = info.integer(b"meta version") == 2
        if info.get(b"meta version") is not None and not is_v2:
            refuse(info.get(b"meta version") or info, "info.meta version", "is a version that is not known")
        is_v1 = info.get(b"pieces") is not None or not is_v2
        size = length.content
        if not 0 < size <= PIECE_MAX or (is_v2 and (size < BLOCK or size & (size - 1))):
            refuse(length, "info.piece length", "is no length of pieces")
        first = tuple(self.files_v1(size)) if is_v1 else ()
        second = tuple(self.files_v2(size)) if is_v2 else ()
        hashes = self.piece_hashes(first, size) if is_v1 else ()
        if is_v1 and is_v2:
            self.compare(first, second)
        tiers = tuple(self.tiers())
        return Metainfo(
            info=raw,
            name=self.need(info, b"name", "string").octets,
            piece_length=size,
            files=self.both(first, second) if is_v1 else second,
            info_hash_v1=hashlib.sha1(raw, usedforsecurity=False).digest() if is_v1 else None,
            info_hash_v2=hashlib.sha256(raw).digest() if is_v2 else None,
            piece_hashes=hashes,
            piece_layers=dict(self.layers(second, size)) if is_v2 else {},
            private=info.integer(b"private") == 1,
            announce=self.text(self.top.get(b"announce")),
            tiers=tiers,
            web_seeds=tuple(self.web_seeds()),
            faults=tuple(self.faults),
        )

    # ---- one value

    def need(self, inside: Value, key: bytes, kind: str) -> Value:
        """Return what stands under `key`; Malformed if it is not there or of another kind."""
        found, name = inside.get(key), key.decode()
        if found is None:
            refuse(inside, name, "is not there", "nothing")
        if found.kind != kind:
            refuse(found, name, f"is no {kind}")
        return found

    def size(self, inside: Value) -> int:
        """Return the length of a file."""
        found = self.need(inside, b"length", "integer")
        if not 0 <= found.content <= FILE_MAX:
            refuse(found, "length", "is no length of a file")
        return int(found.content)

    @staticmethod
    def text(value: Value | None) -> str:
        """Return a string as text; an empty one if there is none."""
        return value.octets.decode("utf-8", "backslashreplace") if value is not None and value.kind == "string" else ""

    # ---- version 1

    def files_v1(self, piece_length: int) -> Iterator[File]:
        """Yield the files, one behind the other."""
        info, at = self.info, 0
        listed = info.get(b"files")
        name = self.need(info, b"name", "string").octets
        if listed is None:
            yield File((name,), self.size(info), 0, 0, b"", self.text(info.get(b"attr")))
            return
        if listed.kind != "list" or info.get(b"length") is not None:
            refuse(listed, "info.files", "is no list, or stands beside a length")
        for one in listed:
            path = self.need(one, b"path", "list")
            if not len(path) or any(part.kind != "string" for part in path):
                refuse(path, "path", "is no list of names")
            size = self.size(one)
            names = (name, *(part.octets for part in path))
            yield File(names, size, at // piece_length, at % piece_length, b"", self.text(one.get(b"attr")))
            at += size

    def piece_hashes(self, files: tuple[File, ...], piece_length: int) -> tuple[bytes, ...]:
        """Return the hashes of the pieces, as many as the files need."""
        pieces = self.need(self.info, b"pieces", "string")
        count, left_over = divmod(len(pieces), 20)
        needed = -(-sum(one.length for one in files) // piece_length)
        if left_over or count != needed:
            refuse(pieces, "info.pieces", f"bytes long, where {needed} pieces need {20 * needed}", len(pieces))
        octets = pieces.octets
        return tuple(octets[at : at + 20] for at in range(0, len(octets), 20))

    # ---- version 2

    def files_v2(self, piece_length: int) -> Iterator[File]:
        """Yield the files of the tree, each from the start of a piece on."""
        tree = self.need(self.info, b"file tree", "dictionary")
        name = self.need(self.info, b"name", "string").octets
        alone = len(tree) == 1 and tree.content[0][0].octets == name and tree.content[0][1].get(b"") is not None
        todo: list[tuple[tuple[bytes, ...], Value]] = [(() if alone else (name,), tree)]
        piece = 0
        while todo:
            path, node = todo.pop()
            if node.kind != "dictionary":
                refuse(node, "file tree", "is no dictionary")
            leaf = node.get(b"")
            if leaf is None:
                todo += [((*path, key.octets), one) for key, one in reversed(node.content)]
                continue
            if len(node) > 1 or leaf.kind != "dictionary":
                refuse(node, "file tree", "is a file and a folder, or neither")
            size = self.size(leaf)
            root = self.need(leaf, b"pieces root", "string").octets if size else b""
            if size and len(root) != 32:
                refuse(leaf, "pieces root", "bytes are no hash", len(root))
            yield File(path, size, piece, 0, root, self.text(leaf.get(b"attr")))
            piece += -(-size // piece_length)

    def layers(self, files: tuple[File, ...], piece_length: int) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
        """Yield the layers of pieces that are there and have the root of their file."""
        given = self.top.get(b"piece layers")
        height = (piece_length // BLOCK).bit_length() - 1
        for one in {file.pieces_root: file for file in files if file.length > piece_length}.values():
            found = None if given is None else given.get(one.pieces_root)
            if found is None or found.kind != "string":
                if given is not None:
                    self.faults.append(f"no piece layer for {one.name}")
                continue
            octets, count = found.octets, -(-one.length // piece_length)
            layer = tuple(octets[at : at + 32] for at in range(0, len(octets), 32))
            if len(octets) != 32 * count or merkle_root(layer, height) != one.pieces_root:
                self.faults.append(f"the piece layer of {one.name} is not that of its root")
                continue
            yield one.pieces_root, layer

    # ---- both

    def compare(self, first: tuple[File, ...], second: tuple[File, ...]) -> None:
        """Note where the two versions of a hybrid are not the same files (BEP 52, "upgrade path")."""
        one = [(file.path, file.length, file.first_piece) for file in first if not file.is_padding and file.length]
        other = [(file.path, file.length, file.first_piece) for file in second if file.length]
        if one != other:
            self.faults.append("the files of version 1 and of version 2 are not the same")

    def both(self, first: tuple[File, ...], second: tuple[File, ...]) -> tuple[File, ...]:
        """Return the files of version 1 with the roots of version 2."""
        roots = {file.path: file.pieces_root for file in second}
        return tuple(file._replace(pieces_root=roots.get(file.path, b"")) for file in first)

    def tiers(self) -> Iterator[tuple[str, ...]]:
        """Yield the trackers, tier by tier."""
        given: Any = self.top.get(b"announce-list") or ()
        for tier in given:
            yield tuple(self.text(one) for one in tier if one.kind == "string")

    def web_seeds(self) -> Iterator[str]:
        """Yield the addresses of web servers that have the files."""
        given = self.top.get(b"url-list")
        if given is not None:
            yield from (self.text(one) for one in (given if given.kind == "list" else [given]) if len(one.raw) > 2)
