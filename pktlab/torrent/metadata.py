"""The `info` of a torrent put together from the parts that peers send each other.

Spec: BEP 9, "Extension for Peers to Send Metadata Files": parts of 16 KiB, the last one shorter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Parts"]

PART_LEN = 1 << 14
MAX_LEN = 1 << 26
"""Bytes of an `info` that are put together; one with a million pieces has 20 MB."""


@dataclass
class Parts:
    """The parts so far.

    >>> parts = Parts()
    >>> parts.add(1, 16390, b"behind"), parts.add(0, 16390, bytes(16384)) == bytes(16384) + b"behind"
    (None, True)
    """

    total: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)

    def add(self, part: int, total: int, data: bytes) -> bytes | None:
        """Take a part of `total` bytes in all; return the whole when it is complete."""
        if not 0 < total <= MAX_LEN or not 0 <= part * PART_LEN < total:
            return None
        self.total = self.total or total
        self.parts[part] = data
        if len(self.parts) * PART_LEN < self.total:
            return None
        whole = b"".join(self.parts[number] for number in sorted(self.parts))
        return whole if len(whole) == self.total else None
