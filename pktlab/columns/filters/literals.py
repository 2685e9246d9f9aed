"""What a literal says beside a field of some kind: numbers, addresses, octets, text, times.

Each function returns a constant's value and raises `Wrong` with what is the matter. Spec: wireshark-filter(4).
"""

from __future__ import annotations

import re
from functools import cache

from pktlab.columns.filters.nodes import Literal
from pktlab.columns.filters.occurrences import plain_text

__all__ = ["Wrong", "address", "mac", "number", "octets", "text_of", "time_ns"]


class Wrong(ValueError):
    """A literal that says nothing of the kind that is wanted; `str` of it is why."""


_ESCAPES = {
    "a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v",
    "\\": b"\\", '"': b'"', "'": b"'",
}  # fmt: skip


@cache
def _escape() -> re.Pattern[str]:
    return re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)


def text_of(literal: Literal) -> bytes:
    r"""Return what stands between the quotes, escapes read; a word as it is.

    >>> text_of(Literal("string", r'"\x48EAD \"\u00e9"')), text_of(Literal("raw", r'r"a\d"'))
    (b'HEAD "\xc3\xa9', b'a\\d')
    """
    if literal.kind == "word":
        return plain_text(literal.text)
    if literal.kind == "raw":
        return plain_text(literal.text[2:-1])
    inner, result, at = literal.text[1:-1], b"", 0
    for match in _escape().finditer(inner):
        result += plain_text(inner[at : match.start()]) + _escaped(match)
        at = match.end()
    return result + plain_text(inner[at:])


def _escaped(match: re.Match[str]) -> bytes:
    hexadecimal, octal, short, long, letter = match.groups()
    if letter is not None:
        if letter not in _ESCAPES:
            raise Wrong(f'\\{letter} is no escape; write \\\\{letter}, or a raw string r"…"')
        return _ESCAPES[letter]
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if octal is not None:
        if int(octal, 8) > 0xFF:
            raise Wrong(f"\\{octal} is more than one octet")
        return bytes([int(octal, 8)])
    point = int(short or long, 16)
    if point > 0x10FFFF or 0xD800 <= point < 0xE000:
        raise Wrong(f"U+{point:04X} is no character")
    return plain_text(chr(point))


_BASES = (
    (re.compile(r"0[xX]([0-9A-Fa-f]+)"), 16), (re.compile(r"0[bB]([01]+)"), 2), (re.compile(r"0([0-7]+)"), 8),
    (re.compile(r"(0|[1-9][0-9]*)"), 10),
)  # fmt: skip


def number(literal: Literal) -> int:
    r"""Return an integer: decimal, 0x hex, 0 octal, 0b binary, or a character's code.

    >>> [number(Literal("word", text)) for text in ("10", "0xa", "012", "0b1010")], number(Literal("char", r"'\x0a'"))
    ([10, 10, 10, 10], 10)
    """
    if literal.kind == "char":
        code = text_of(literal)
        if len(code) != 1:
            raise Wrong(f"{literal.text} is {'too long for ' if code else 'not '}one character")
        return code[0]
    if literal.kind != "word":
        raise Wrong(f"a number is wanted, not the text {literal.text}")
    for pattern, base in _BASES:
        match = pattern.fullmatch(literal.text)
        if match is not None:
            if len(match[1]) > 64:
                raise Wrong(f"{literal.text[:20]}… is too big")
            return int(match[1], base)
    raise Wrong(f"{literal.text} is no number")


_TIME = re.compile(r"([0-9]+)(?:\.([0-9]{0,18}))?|\.([0-9]{1,18})")


def time_ns(literal: Literal) -> int:
    """Return seconds, with up to nine places, as nanoseconds.

    >>> time_ns(Literal("word", "1.5"))
    1500000000
    """
    match = _TIME.fullmatch(literal.text) if literal.kind == "word" else None
    if match is None or len(match[1] or "") > 18:
        raise Wrong(f"{literal.text} is no time; write seconds, as in 1.5")
    places = (match[2] or match[3] or "").ljust(9, "0")[:9]
    return int(match[1] or 0) * 1_000_000_000 + int(places)


_GROUPS = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*:?|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2})*-?")
_DOTTED = re.compile(r"[0-9A-Fa-f]{1,2}(?:\.[0-9A-Fa-f]{1,2})*\.?")
_QUADS = re.compile(r"[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4})+")
_RUN = re.compile(r"[0-9A-Fa-f]+")
_OCTET = re.compile(r"0[xX]([0-9A-Fa-f]{1,2})")


def octets(literal: Literal) -> bytes:
    r"""Return octets: hex pairs between ``:``, ``-`` or ``.`` or nothing; one as 0x2a; a string is its characters.

    >>> octets(Literal("word", "00:00:83")), octets(Literal("word", "0.1")), octets(Literal("string", '"GET"'))
    (b'\x00\x00\x83', b'\x00\x01', b'GET')
    """
    text = literal.text
    if literal.kind == "char":
        return bytes([number(literal)])
    if literal.kind != "word":
        return text_of(literal)
    octet = _OCTET.fullmatch(text)
    if octet is not None:
        return bytes([int(octet[1], 16)])
    if _QUADS.fullmatch(text) or _GROUPS.fullmatch(text):
        return bytes.fromhex(text.translate(_SEPARATORS))
    if "." in text and _DOTTED.fullmatch(text):
        return bytes(int(one, 16) for one in text.rstrip(".").split("."))
    if _RUN.fullmatch(text):
        return bytes.fromhex(text[: len(text) // 2 * 2]) + (bytes([int(text[-1], 16)]) if len(text) % 2 else b"")
    raise Wrong(f"{text} is neither octets in hex, as in 00:1b, nor a string in quotes")


_SEPARATORS = {ord(one): None for one in ":-."}


def mac(literal: Literal) -> bytes:
    r"""Return the six octets of an Ethernet address.

    >>> mac(Literal("word", "0200.0000.0001"))
    b'\x02\x00\x00\x00\x00\x01'
    """
    if literal.kind != "word":
        raise Wrong(f"an address is wanted, as in 02:00:00:00:00:01, not the text {literal.text}")
    value = octets(literal)
    if len(value) != 6:
        raise Wrong(f"{literal.text} has {len(value)} octets, an Ethernet address 6")
    return value


def address(literal: Literal, version: int) -> tuple[bytes, int | None]:
    r"""Return the octets of an IP address and, if it has one, the length of its prefix in bits.

    >>> address(Literal("word", "10.0.0.0/8"), 4), address(Literal("word", "::1"), 6)[0][-2:]
    ((b'\n\x00\x00\x00', 8), b'\x00\x01')
    """
    import ipaddress  # 20 ms

    if literal.kind != "word":
        raise Wrong(f"an address is wanted, not the text {literal.text}")
    text, _, bits = literal.text.partition("/")
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    try:
        packed = kind(text).packed if "%" not in text else b""
    except ValueError:
        packed = b""
    if not packed:
        raise Wrong(f"{text} is no IPv{version} address, and names are not looked up")
    if not bits:
        return packed, None
    if len(bits) > 3 or int(bits) > 8 * len(packed):
        raise Wrong(f"a prefix of IPv{version} has up to {8 * len(packed)} bits, not {bits[:10]}")
    return packed, int(bits)
