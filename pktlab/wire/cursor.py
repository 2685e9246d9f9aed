"""The stream that schemas are read from: absolute positions, a limit with a name, and an optional trace.

Construct reads from anything with `read`, `tell` and `seek`. This one never copies what lies beyond a read, counts
every position from the start of the whole buffer, and knows which length set the limit that it stands under, so that
an error can say exactly what ran out.
"""

from __future__ import annotations

import io

from pktlab.wire.rows import Traced

__all__ = ["BUFFER", "Cursor"]

BUFFER = "buffer"
"""Name of the outermost limit: the end of the bytes that are there. More may come; under any other limit none can."""


class Cursor:
    """A position in `data` that may not pass `end`.

    Parameters
    ----------
    data : the whole buffer; nothing of it is copied until it is read
    pos, end : bytes, counted from the start of `data`
    limit : what set `end`: `BUFFER` or the name of a length field
    trace : list that receives a `Traced` for every field read, or None
    """

    __slots__ = ("base", "data", "end", "limit", "pos", "short", "trace")

    def __init__(
        self,
        data: bytes,
        pos: int = 0,
        end: int | None = None,
        limit: str = BUFFER,
        trace: list[Traced] | None = None,
    ) -> None:
        self.data = data
        self.base = pos  # where offsets that stand in the data count from, as in compressed DNS names
        self.pos = pos
        self.end = len(data) if end is None else end
        self.limit = limit
        self.trace = trace
        self.short: tuple[int, int, int, str] | None = None

    def read(self, count: int = -1) -> bytes:
        """Return `count` bytes (all that are left if negative); fewer than asked for are never returned.

        A read that falls short is remembered in `short` as (offset, needed, available, limit), because Construct
        keeps such numbers only in the text of its error.
        """
        left = self.end - self.pos
        if count < 0:
            count = left
        if count > left:
            self.short = (self.pos, count, left, self.limit)
            return b""
        start = self.pos
        self.pos = start + count
        return bytes(self.data[start : self.pos])

    def tell(self) -> int:
        """Return the absolute position in bytes."""
        return self.pos

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as a file does; only stock Construct classes in a user's tail do this."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.pos, io.SEEK_END: self.end}[whence]
        self.pos = base + offset
        return self.pos
