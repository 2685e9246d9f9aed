"""Rules that fill a field when building: checksums and padding. As a field's default they also describe it.

The verdict on a received packet is driven by the same `InternetChecksum` that fills the field of one to be sent:
what it covers, whether a pseudo-header is in front, and what a zero means stand in the schema once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pktlab.wire import expressions
from pktlab.wire.checksum import checksum, crc32c
from pktlab.wire.fields import Fill, Pseudo
from pktlab.wire.nodes import When

__all__ = [
    "Crc32c",
    "InternetChecksum",
    "Padding",
    "Present",
    "crc32c_checksum",
    "internet_checksum",
    "padding",
    "present",
]


@dataclass(frozen=True)
class InternetChecksum(Fill):
    """The field is an Internet checksum (RFC 1071).

    covers : ``"header"`` or ``"all"``, the header and what its lengths give it behind
    pseudo : a pseudo-header is summed in front
    zero_as : what is sent where the checksum comes out as zero
    zero_is_absent : a stored zero means that no checksum was computed
    zero_is_illegal : a stored zero may not be
    part : expression over the header: how many bytes from its start are covered, 0 for all of them
    """

    covers: str = "all"
    pseudo: bool = False
    zero_as: int = 0
    zero_is_absent: bool = False
    zero_is_illegal: bool = False
    part: Any = field(default=None, compare=False)

    phase = 1
    width: ClassVar[int] = 2

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_part_of", expressions.evaluator(0 if self.part is None else self.part, over_header=True)
        )

    def part_of(self, header: Any) -> int:
        """Return how many bytes from the start of `header` are covered; 0 for all."""
        return int(self._part_of(header))  # type: ignore[attr-defined]

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> int | None:
        """Return the checksum over `header` with the field zero, `payload` if covered, and the pseudo-header.

        None where the header says that the field is not there.
        """
        if not _is_there(header, name):
            return None
        data = header.replace(**{name: 0})._bytes() + (payload if self.covers == "all" else b"")
        front = b""
        if self.pseudo:
            if pseudo is None:
                raise ValueError(
                    f"{header.layer}.{name} covers a pseudo-header: build the packet with pktlab.wire.build(...), "
                    f"or give pseudo= or {name}="
                )
            front = pseudo(len(data))
        return checksum(front + data[: self.part_of(header) or len(data)]) or self.zero_as


def internet_checksum(
    *,
    covers: str = "all",
    pseudo: bool = False,
    zero_as: int = 0,
    zero_is_absent: bool = False,
    zero_is_illegal: bool = False,
    part: Any = None,
) -> Any:
    """Return the rule of an Internet checksum field; see `InternetChecksum`."""
    return InternetChecksum(covers, pseudo, zero_as, zero_is_absent, zero_is_illegal, part)


def _is_there(header: Any, name: str) -> bool:
    """Tell whether the field `name` is in `header`, as its other fields say."""
    node = header.schema.declared[name].subcon
    return not isinstance(node, When) or bool(node.holds(header._numbers()))


@dataclass(frozen=True)
class Crc32c(Fill):
    """The field is the CRC32c of the header and all behind it, least significant octet first (RFC 9260 appendix A)."""

    phase = 1
    width: ClassVar[int] = 4

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> int:
        """Return the field's value over `header` with the field zero, and `payload`."""
        return crc32c_field(header.replace(**{name: 0})._bytes() + payload)


def crc32c_field(data: bytes) -> int:
    """Return what a big-endian field holds for the CRC32c of `data`.

    >>> hex(crc32c_field(b"123456789"))
    '0x839206e3'
    """
    return int.from_bytes(crc32c(data).to_bytes(4, "little"), "big")


def crc32c_checksum() -> Any:
    """Return the rule of a CRC32c field; see `Crc32c`."""
    return Crc32c()


@dataclass(frozen=True)
class Present(Fill):
    """The field is `value` where the header says that it is there, and left out where not."""

    value: int

    phase = 0

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> int | None:
        """Return the value, or None."""
        return self.value if _is_there(header, name) else None


def present(value: int) -> Any:
    """Return the rule of a field that other fields switch on; see `Present`."""
    return Present(value)


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
