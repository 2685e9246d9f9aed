"""How the bytes and numbers of a field become the values that a person reads, and back.

A `View` is a pair of functions between what lies on the wire and what `packet["ip.src"]` shows. What it shows is
what tshark shows with ``-T fields``: addresses as text, flags as a number whose bits have names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, overload

__all__ = ["IPV4", "IPV6", "MAC", "Flags", "View", "flag", "ipv4_text", "ipv6_text", "mac_text"]


@dataclass(frozen=True)
class View:
    """Two functions between the raw form of a field and its value.

    `decode` maps raw to value, `encode` maps value to raw and raises ValueError for what does not fit.
    """

    kind: str
    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


def ipv4_text(raw: bytes) -> str:
    r"""Return 4 bytes in dotted decimal.

    >>> ipv4_text(b"\x0a\x00\x00\x01")
    '10.0.0.1'
    """
    return ".".join(map(str, raw))


def ipv6_text(raw: bytes) -> str:
    r"""Return 16 bytes as RFC 5952 writes them: lower case, the first longest run of zero words as ``::``.

    IPv4-mapped and IPv4-compatible addresses end in dotted decimal, as in Wireshark and inet_ntop.

    >>> ipv6_text(bytes.fromhex("20010db8000000000000000000000001")), ipv6_text(bytes(16))
    ('2001:db8::1', '::')
    >>> ipv6_text(bytes(10) + b"\xff\xff\xc0\x00\x02\x01")
    '::ffff:192.0.2.1'
    """
    words = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, 16, 2)]
    start, length = _longest_zero_run(words)
    if start == 0 and (length == 6 or (length == 5 and words[5] == 0xFFFF)):
        return ("::" if length == 6 else "::ffff:") + ipv4_text(raw[12:])
    if length < 2:
        return ":".join(f"{word:x}" for word in words)
    head = ":".join(f"{word:x}" for word in words[:start])
    tail = ":".join(f"{word:x}" for word in words[start + length :])
    return f"{head}::{tail}"


def _longest_zero_run(words: list[int]) -> tuple[int, int]:
    best = (0, 0)
    start = 0
    for i, word in enumerate([*words, 1]):
        if word:
            if i - start > best[1]:
                best = (start, i - start)
            start = i + 1
    return best


def mac_text(raw: bytes) -> str:
    r"""Return bytes as colon-separated hex pairs.

    >>> mac_text(b"\x02\x00\x00\x00\x00\x01")
    '02:00:00:00:00:01'
    """
    return raw.hex(":")


def _ip_packed(value: Any, version: int) -> bytes:
    import ipaddress  # 20 ms that only crafting needs

    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return kind(value).packed


def _mac_packed(value: Any) -> bytes:
    if isinstance(value, bytes) and len(value) == 6:
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", value):
        return bytes.fromhex(value.replace("-", ":").replace(":", ""))
    raise ValueError(f"{value!r} is no MAC address")


IPV4 = View("ipv4", ipv4_text, lambda value: _ip_packed(value, 4))
"""4 bytes shown as dotted decimal; built from text, bytes, int or an `ipaddress` object."""
IPV6 = View("ipv6", ipv6_text, lambda value: _ip_packed(value, 6))
"""16 bytes shown as RFC 5952 text; built from text, bytes, int or an `ipaddress` object."""
MAC = View("mac", mac_text, _mac_packed)
"""6 bytes shown as hex pairs with colons; built from such text or bytes."""


class flag:  # noqa: N801 - reads as a declaration
    """One named bit, or a run of bits, of a `Flags` number; reads as a bool."""

    def __init__(self, mask: int, label: str = "") -> None:
        self.mask = mask
        self.label = label

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.rstrip("_")
        self.label = self.label or self.name.upper()

    @overload
    def __get__(self, obj: None, owner: type) -> flag: ...
    @overload
    def __get__(self, obj: Flags, owner: type) -> bool: ...
    def __get__(self, obj: Flags | None, owner: type) -> flag | bool:
        return self if obj is None else bool(int(obj) & self.mask)


class Flags(int):
    """A number whose bits have names: ``tcp.flags.syn`` is a bool, ``tcp.flags`` still the number.

    An `enum.IntFlag` would read ``flags.syn`` as the constant SYN, whatever the packet holds; Wireshark's names ask
    for the bit.

    >>> class Demo(Flags):
    ...     urgent = flag(0x2, "Urgent")
    ...     final = flag(0x1, "Final")
    >>> value = Demo(3)
    >>> value.urgent, value.set_names(), value == 3
    (True, ['urgent', 'final'], True)
    >>> Demo.of("final")
    Demo(0x1: final)
    """

    members: ClassVar[tuple[flag, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.members = tuple(member for member in vars(cls).values() if isinstance(member, flag))

    @classmethod
    def of(cls, *names: str) -> Flags:
        """Return the number with the named bits set; ValueError names an unknown one."""
        masks = {member.name: member.mask for member in cls.members}
        unknown = [name for name in names if name not in masks]
        if unknown:
            raise ValueError(f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(masks)}")
        return cls(sum(masks[name] for name in names))

    def set_names(self) -> list[str]:
        """Return the names of the bits that are set, in the order of declaration."""
        return list(self._iter_set())

    def _iter_set(self) -> Iterator[str]:
        return (member.name for member in self.members if self & member.mask)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self):#x}: {'|'.join(self._iter_set()) or 'none'})"
