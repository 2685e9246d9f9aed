"""Rules that fill a field when building: checksums and padding. As a field's default they also describe it.

The verdict on a received packet is driven by the same `InternetChecksum` that fills the field of one to be sent:
what it covers, whether a pseudo-header is in front, and what a zero means stand in the schema once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pktlab.wire.checksum import checksum
from pktlab.wire.fields import Fill, Pseudo

__all__ = ["InternetChecksum", "Padding", "internet_checksum", "padding"]


@dataclass(frozen=True)
class InternetChecksum(Fill):
    """The field is an Internet checksum (RFC 1071).

    covers : ``"header"`` or ``"all"``, the header and what its lengths give it behind
    pseudo : a pseudo-header is summed in front
    zero_as : what is sent where the checksum comes out as zero
    zero_is_absent : a stored zero means that no checksum was computed
    """

    covers: str = "all"
    pseudo: bool = False
    zero_as: int = 0
    zero_is_absent: bool = False

    phase = 1

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> int:
        """Return the checksum over `header` with the field zero, `payload` if covered, and the pseudo-header."""
        data = header.replace(**{name: 0})._bytes() + (payload if self.covers == "all" else b"")
        front = b""
        if self.pseudo:
            if pseudo is None:
                raise ValueError(
                    f"{header.layer}.{name} covers a pseudo-header: build the packet with pktlab.wire.build(...), "
                    f"or give pseudo= or {name}="
                )
            front = pseudo(len(data))
        return checksum(front + data) or self.zero_as


def internet_checksum(
    *, covers: str = "all", pseudo: bool = False, zero_as: int = 0, zero_is_absent: bool = False
) -> Any:
    """Return the rule of an Internet checksum field; see `InternetChecksum`."""
    return InternetChecksum(covers, pseudo, zero_as, zero_is_absent)


@dataclass(frozen=True)
class Padding(Fill):
    """Zero bytes that bring the header to a multiple of `multiple` bytes."""

    multiple: int

    phase = 0

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> bytes:
        """Return the zero bytes."""
        return bytes(-len(header._bytes()) % self.multiple)


def padding(multiple: int) -> Any:
    """Return the rule of a padding field; see `Padding`."""
    return Padding(multiple)
