"""Unpacking on the way: gzip and zstd streams, of one or more members, in bounded memory.

Whatever a packed file claims, one step gives a bounded number of bytes. What could be unpacked before a
damaged place is given out before the damage is told.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

from pktlab.capture.source import CHUNK_LEN, Chunks

__all__ = ["COMPRESSIONS", "UnpackedChunks", "detect_compression"]

GZIP_WBITS = 31  # zlib's word for "a gzip header and trailer, a window of up to 32 KiB"

# zstandard cannot bound its output, and 4 bytes of input can stand for 128 KiB (an RLE block): 16 MiB a step
# at most.
ZSTD_PIECE_LEN = 512


class _Member(Protocol):
    """One gzip member or zstd frame."""

    done: bool  # its end, checksum and all, was seen
    trouble: str  # what is wrong with it; "" while all is well
    pending: bool  # more output may come without more input

    def step(self, packed: bytes, at: int) -> tuple[bytes, int]:
        """Unpack some of `packed` from `at` on; return what came out, and where to go on."""


class _GzipMember:
    """Spec: RFC 1952."""

    def __init__(self) -> None:
        self.done = False
        self.trouble = ""
        self.pending = False
        self._decoder = zlib.decompressobj(GZIP_WBITS)

    def step(self, packed: bytes, at: int) -> tuple[bytes, int]:
        before = self._decoder.copy()
        try:
            output = self._decoder.decompress(packed[at:], CHUNK_LEN)
        except zlib.error as error:
            self.trouble = f"the gzip data are damaged ({_reason(error)})"
            return _inflate_until_error(before, packed[at:]), len(packed)
        self.done = self._decoder.eof
        self.pending = len(output) == CHUNK_LEN and not self.done
        rest = self._decoder.unused_data if self.done else self._decoder.unconsumed_tail
        return output, len(packed) - len(rest)


def _inflate_until_error(decoder: zlib._Decompress, packed: bytes) -> bytes:
    """Return what comes out before the error: zlib drops the output of the call that fails, so take small steps."""
    output = bytearray()
    try:
        for byte in packed:
            output += decoder.decompress(bytes([byte]))
    except zlib.error:
        pass  # the error that the caller has just met and reports
    return bytes(output)


class _ZstdFrame:
    """Spec: RFC 8878."""

    def __init__(self) -> None:
        import zstandard  # 20 ms that only zstd files pay for

        self.done = False
        self.trouble = ""
        self.pending = False
        self._error = zstandard.ZstdError
        self._decoder = zstandard.ZstdDecompressor().decompressobj()

    def step(self, packed: bytes, at: int) -> tuple[bytes, int]:
        piece = packed[at : at + ZSTD_PIECE_LEN]
        try:
            output = self._decoder.decompress(piece)
        except self._error as error:
            self.trouble = f"the zstd data are damaged ({_reason(error)})"
            return b"", len(packed)
        self.done = self._decoder.eof
        unused = len(self._decoder.unused_data) if self.done else 0
        return output, at + len(piece) - unused


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2]


COMPRESSIONS: dict[str, Callable[[], _Member]] = {"gzip": _GzipMember, "zstd": _ZstdFrame}


class UnpackedChunks:
    """The unpacked bytes of a packed stream.

    Parameters
    ----------
    chunks : the packed stream
    head : packed bytes that were already taken from it
    compression : `"gzip"` or `"zstd"`

    Raises
    ------
    ImportError : the zstandard package is missing

    >>> import gzip, io
    >>> from pktlab.capture.source import FileChunks
    >>> packed = gzip.compress(b"one ") + gzip.compress(b"two")
    >>> chunks = UnpackedChunks(FileChunks(io.BytesIO(packed[2:])), packed[:2], "gzip")
    >>> chunks.read(1), chunks.read(1), chunks.read(1), chunks.trouble
    (b'one ', b'two', b'', '')
    """

    def __init__(self, chunks: Chunks, head: bytes, compression: str) -> None:
        self.trouble = ""
        self._compression = compression
        self._new_member = COMPRESSIONS[compression]
        self._chunks = chunks
        self._packed = head
        self._at = 0  # how much of it is unpacked
        self._member = self._new_member()

    def read(self, wanted: int) -> bytes:
        """Return the next unpacked bytes; `wanted` says nothing about how many packed bytes that takes."""
        while not self.trouble:
            if self._at == len(self._packed) and not self._member.pending:
                self._packed, self._at = self._chunks.read(ZSTD_PIECE_LEN), 0
                if not self._packed:
                    self._end()
                    break
            if self._member.done:
                self._packed, self._at = self._packed[self._at :].lstrip(b"\0"), 0  # some tools pad with zeros
                if self._packed:
                    self._member = self._new_member()
                continue
            output, self._at = self._member.step(self._packed, self._at)
            self.trouble = self._member.trouble
            if output:
                return output
        return b""

    def _end(self) -> None:
        cut = "" if self._member.done else f"the {self._compression} data are cut short"
        self.trouble = self._chunks.trouble or cut


def detect_compression(head: bytes) -> str | None:
    """Return how a stream that starts with `head` (4 bytes or more) is packed, None if it is not.

    >>> detect_compression(bytes.fromhex("1f8b0808")), detect_compression(bytes.fromhex("28b52ffd"))
    ('gzip', 'zstd')
    """
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    is_skippable = head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5  # pzstd starts with such a frame
    return "zstd" if is_skippable or head.startswith(b"\x28\xb5\x2f\xfd") else None
