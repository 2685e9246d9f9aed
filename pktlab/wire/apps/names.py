r"""Domain names as DNS messages hold them, with compression pointers (RFC 1035 sections 3.1 and 4.1.4).

A name is text that remembers its labels and the bytes it was read from, so that a message is built again exactly as
it was, pointers and all; a name that was made, not read, is written without them. Pointers go back only, each before
the last, so that every name ends; more than 255 octets are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pktlab.errors import Malformed, Truncated
from pktlab.wire.cursor import Cursor
from pktlab.wire.nodes import Readable
from pktlab.wire.values import View

__all__ = ["DOMAIN", "DomainName", "Name"]

MAX_LEN, MAX_LABEL = 255, 63
ROOT = "<Root>"
"""What Wireshark calls the name without labels."""


class DomainName(str):
    r"""A domain name: its text without the last dot, and beside it what stands on the wire.

    labels : bytes of each label; wire : the bytes in the message, which may end in a pointer

    A dot or backslash inside a label is written ``\.`` and ``\\``, bytes that are no printable UTF-8 ``\DDD``
    (RFC 4343 section 2.1).

    >>> DomainName.of_labels([b"example", b"com"]).wire
    b'\x07example\x03com\x00'
    """

    labels: tuple[bytes, ...]
    wire: bytes

    @classmethod
    def of_labels(cls, labels: Iterable[bytes], wire: bytes | None = None) -> DomainName:
        """Return the name of `labels`; `wire` is made of them if not given."""
        labels = tuple(labels)
        name = cls(".".join(map(_label_text, labels)) or ROOT)
        name.labels = labels
        name.wire = b"".join(bytes([len(one)]) + one for one in labels) + b"\0" if wire is None else wire
        return name

    @classmethod
    def of_text(cls, text: str) -> DomainName:
        r"""Return the name that `text` says, with or without a last dot; ValueError for one that cannot be.

        >>> DomainName.of_text(r"a\.b.example.").labels
        (b'a.b', b'example')
        """
        labels = [] if text in ("", ".", ROOT) else _split(text)
        if any(not 0 < len(one) <= MAX_LABEL for one in labels) or sum(len(one) + 1 for one in labels) >= MAX_LEN:
            raise ValueError(f"{text!r} is no domain name: labels have 1 to 63 octets, a name up to 255")
        return cls.of_labels(labels)


def _label_text(label: bytes) -> str:
    text = label.decode("utf-8", "surrogateescape")
    return "".join(map(_char_text, text))


def _char_text(char: str) -> str:
    if char in "\\.":
        return "\\" + char
    if char.isprintable():
        return char
    return "".join(f"\\{byte:03d}" for byte in char.encode("utf-8", "surrogateescape"))


def _split(text: str) -> list[bytes]:
    labels, rest = [bytearray()], iter(text.removesuffix(".") if not text.endswith("\\.") else text)
    for char in rest:
        if char == ".":
            labels.append(bytearray())
        elif char != "\\":
            labels[-1] += char.encode()
        else:
            labels[-1] += _unescaped(rest)
    return [bytes(one) for one in labels]


def _unescaped(rest: Any) -> bytes:
    char = next(rest, "")
    if not char.isdigit():
        return bytes(char.encode())
    number = char + next(rest, "") + next(rest, "")
    if len(number) != 3 or not number.isdecimal() or int(number) > 255:
        raise ValueError(f"\\{number} is no octet")
    return bytes([int(number)])


def _encode(value: Any) -> DomainName:
    return value if isinstance(value, DomainName) else DomainName.of_text(value)


DOMAIN = View("str", lambda raw: raw, _encode)
"""A domain name, built from text."""


class Name(Readable):
    r"""A domain name, compressed or not; pointers count from the start of the message.

    >>> Name().parse(b"\x01a\x02bc\x00")
    'a.bc'
    """

    def read_from(self, cursor: Cursor, scope: Any) -> DomainName:
        """Read the name; the cursor is left behind its zero octet, or behind its first pointer."""
        start = at = floor = cursor.pos
        labels: list[bytes] = []
        stop, size = 0, 1
        while True:
            count = self._octet(cursor, start, at)
            if count >= 0xC0:
                target = cursor.base + ((count & 0x3F) << 8 | self._octet(cursor, start, at + 1))
                stop = stop or at + 2
                if target >= floor:
                    raise Malformed("dns", at, "name", target - cursor.base, "points not before itself")
                at = floor = target
                continue
            if count > MAX_LABEL:
                raise Malformed("dns", at, "name", count, "is no length of a label")
            at += 1 + count
            if not count:
                break
            self._octet(cursor, start, at - 1)
            labels.append(bytes(cursor.data[at - count : at]))
            size += 1 + count
            if size > MAX_LEN:
                raise Malformed("dns", start, "name", size, "octets are more than 255")
        cursor.pos = stop or at
        return DomainName.of_labels(labels, bytes(cursor.data[start : cursor.pos]))

    def _octet(self, cursor: Cursor, start: int, at: int) -> int:
        if at >= cursor.end:
            raise Truncated("dns name", start, at - start + 1, cursor.end - start, cursor.limit)
        return cursor.data[at]

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        stream.write(obj.wire)
        return obj
