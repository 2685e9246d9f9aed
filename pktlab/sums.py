"""`checksum`, the public family: a function with its relatives beside it."""

from __future__ import annotations

from pktlab.wire import checksum as arithmetic
from pktlab.wire.explain import explain_bytes

__all__ = ["checksum"]


class _Checksum:
    """The Internet checksum (RFC 1071) of bytes, as a function; its relatives are attributes of it.

    >>> from pktlab import checksum
    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    >>> checksum.verify(bytes.fromhex("0001f203f4f5f6f7220d"))
    True
    >>> hex(checksum.update(0xDD2F, bytes.fromhex("5555"), bytes.fromhex("3285")))
    '0x0'
    """

    sum = staticmethod(arithmetic.ones_sum)
    verify = staticmethod(arithmetic.verify)
    update = staticmethod(arithmetic.update)
    combine = staticmethod(arithmetic.combine)

    def __call__(self, data: bytes, initial: int = 0) -> int:
        """Return the checksum of `data`, any length; `initial` is a sum carried in, e.g. of a pseudo-header."""
        return arithmetic.checksum(data, initial)

    def explain(self, data: bytes, initial: int = 0) -> str:
        """Return how the checksum of `data` comes about: the words, the carries, the complement."""
        return "\n".join(explain_bytes(data, initial))

    def __repr__(self) -> str:
        return "<pktlab.checksum: the Internet checksum, with .sum .verify .update .combine .explain>"


checksum = _Checksum()
