"""A window on a stream: the bytes that are being looked at, and where in the stream they lie."""

from __future__ import annotations

from pktlab.capture.source import Chunks, FileChunks

__all__ = ["Window"]


class Window:
    """The unread part of a stream, as one `bytes` object that grows only by what has really come.

    A reader looks at `data` from `pos` on, moves `pos`, and calls `fill` when too little is left. A length
    that a file claims is only ever compared with what is there: nothing is allocated for it.

    >>> import io
    >>> from pktlab.capture.source import FileChunks
    >>> window = Window(FileChunks(io.BytesIO(b"abcdef")))
    >>> window.fill(2), window.data, window.fill(99)
    (6, b'abcdef', 6)
    >>> window.pos = 4
    >>> window.offset, window.shortfall("the header", 16)
    (4, 'the header needs 16 bytes, the file ends after 2')
    """

    __slots__ = ("_chunks", "base", "data", "pos")

    def __init__(self, chunks: Chunks) -> None:
        self.data = b""
        self.pos = 0
        self.base = 0
        self._chunks = chunks

    def read_into(self, room: memoryview) -> int:
        """Move the next bytes to `room` and return how many, at least one; 0 at the end of the stream."""
        if self.pos == len(self.data):
            self.base, self.data, self.pos = self.offset, b"", 0
            if isinstance(self._chunks, FileChunks):
                count = self._chunks.readinto(room)
                self.base += count
                return count
            if not self.fill(1):
                return 0
        taken = self.data[self.pos : self.pos + len(room)]
        room[: len(taken)] = taken
        self.pos += len(taken)
        return len(taken)

    def put_back(self, data: bytes) -> None:
        """Read `data` next, which were read last."""
        rest = self.data[self.pos :]
        self.base, self.data, self.pos = self.offset - len(data), data + rest, 0

    @property
    def offset(self) -> int:
        """Where `pos` lies in the stream, in bytes from its start."""
        return self.base + self.pos

    @property
    def trouble(self) -> str:
        """Why the stream ended before its time; empty if it did not."""
        return self._chunks.trouble

    def fill(self, needed: int) -> int:
        """Get at least `needed` bytes from `pos` on and return how many there are: fewer only at the end.

        `data` and `pos` are others afterwards, `offset` is the same.
        """
        have = len(self.data) - self.pos
        if have >= needed:
            return have
        parts = [self.data[self.pos :]]
        while have < needed:
            chunk = self._chunks.read(needed - have)
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        self.base += self.pos
        self.data, self.pos = b"".join(parts), 0
        return have

    def skip(self, count: int) -> bool:
        """Move over `count` bytes without holding them; return False if the stream ends before."""
        while (have := len(self.data) - self.pos) < count:
            self.pos += have
            count -= have
            if not self.fill(1):
                return False
        self.pos += count
        return True

    def shortfall(self, what: str, needed: int) -> str:
        """Say that `what` needs more bytes than are left, and why they are not there if that is known."""
        reason = f": {self.trouble}" if self.trouble else ""
        return f"{what} needs {needed} bytes, the file ends after {len(self.data) - self.pos}{reason}"
