"""The option lists at the end of pcapng blocks: code, length, value padded to four bytes.

Spec: draft-ietf-opsawg-pcapng section 3.5.
"""

from __future__ import annotations

from struct import Struct

__all__ = [
    "ANY_COMMENT",
    "EPB_FLAGS",
    "IF_DESCRIPTION",
    "IF_FCSLEN",
    "IF_NAME",
    "IF_TSOFFSET",
    "IF_TSRESOL",
    "SHB_APPLICATION",
    "SHB_HARDWARE",
    "SHB_OS",
    "Option",
    "build_options",
    "option_text",
    "parse_options",
]

Option = tuple[int, bytes]  # code and value, the value without its padding

END_OF_OPTIONS = 0
ANY_COMMENT = 1
SHB_HARDWARE, SHB_OS, SHB_APPLICATION = 2, 3, 4
IF_NAME, IF_DESCRIPTION, IF_TSRESOL, IF_FCSLEN, IF_TSOFFSET = 2, 3, 9, 13, 14
EPB_FLAGS = 2

_MAX_VALUE_LEN = 0xFFFF


def parse_options(data: bytes, pos: int, end: int, head: Struct) -> tuple[list[Option], str]:
    """Return the options in `data[pos:end]`, and what is wrong with the list ("" if nothing is).

    Parameters
    ----------
    head : struct of code and length, in the byte order of the section

    >>> parse_options(bytes.fromhex("01000300 61626300 00000000"), 0, 12, Struct("<HH"))
    ([(1, b'abc')], '')
    >>> parse_options(bytes.fromhex("01000900 61626300"), 0, 8, Struct("<HH"))
    ([], 'option 1 claims 9 bytes, the block leaves 4')
    """
    options: list[Option] = []
    while end - pos >= head.size:
        code, length = head.unpack_from(data, pos)
        if code == END_OF_OPTIONS:
            break
        pos += head.size
        if length > end - pos:
            return options, f"option {code} claims {length} bytes, the block leaves {end - pos}"
        options.append((code, data[pos : pos + length]))
        pos += length + -length % 4
    return options, ""


def build_options(options: list[Option]) -> bytes:
    """Return the list as little-endian bytes with its end mark; nothing at all for no options.

    Raises
    ------
    ValueError : a value is longer than 65,535 bytes

    >>> build_options([(1, b"abc")]).hex(" ", 4)
    '01000300 61626300 00000000'
    """
    if not options:
        return b""
    parts = []
    for code, value in options:
        if len(value) > _MAX_VALUE_LEN:
            raise ValueError(f"a pcapng option holds at most {_MAX_VALUE_LEN} bytes, not {len(value)}")
        parts.append(code.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value)
        parts.append(bytes(-len(value) % 4))
    return b"".join(parts) + bytes(4)


def option_text(value: bytes) -> str:
    """Return a text option: UTF-8 up to a zero byte, with what is no UTF-8 replaced (section 3.6.3).

    >>> option_text(b"eth0"), option_text(b"lo" + bytes(2)), option_text(bytes([255])) == chr(0xFFFD)
    ('eth0', 'lo', True)
    """
    return value.partition(b"\0")[0].decode("utf-8", "replace")
