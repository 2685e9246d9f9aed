"""Capture filters, written as for tcpdump: libpcap compiles them, once for each link type, into a program for packets.

A program is an array of instructions of the Berkeley Packet Filter. libpcap runs it over one packet; `kernels_bpf` runs
the same program over a window. It is compiled as for a saved file, so what only a network card knows (``inbound``) is
refused, as tcpdump refuses it.

Spec: pcap-filter(7); S. McCanne and V. Jacobson, The BSD Packet Filter, 1993.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
import struct
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pktlab.capture import Record, canonical_link_type, link_type_name
from pktlab.errors import FilterError, MissingLibrary

__all__ = ["HOST_ORDERED", "INSTRUCTION", "MOST_FAMILY", "CaptureFilter"]

Array = np.ndarray[Any, Any]
INSTRUCTION = np.dtype([("code", "u2"), ("jt", "u1"), ("jf", "u1"), ("k", "u4")])
"""``struct bpf_insn``: what to do, how far to jump if a test holds or fails, and a number."""
SNAPLEN = 262_144
"""libpcap's MAXIMUM_SNAPLEN."""
_NETMASK_UNKNOWN = 0xFFFFFFFF
_OPTIMISE = 1
_TRIED_FIRST = (1, 101, 113, 127, 105)
"""Link types that a filter has to suit one of: Ethernet, raw IP, Linux cooked, and those of wireless networks."""
HOST_ORDERED, MOST_FAMILY = (0, 109), 0xFFFF
"""Link types whose first word is in the byte order of the machine that captured (BSD loopback, OpenBSD IPsec), and
the highest address family that it may be: a word that is higher is in the other order."""
_NAMES = ("libpcap.so.1", "libpcap.so.0.8", "libpcap.A.dylib", "wpcap.dll")
_PACKAGES = "libpcap0.8 on Debian and Ubuntu, libpcap elsewhere, npcap on Windows"
_ONE_AT_A_TIME = threading.Lock()
_TOKEN = re.compile(r"\\?[\w.:/-]+|&&|\|\||<<|>>|[<>=!]=|\S")
_TAILS = ("", " tcp", " 1", " 1:2:3:4:5:6", " 1-2", " = 1")
"""Words of which one completes any filter that is right so far."""


class CaptureFilter:
    """A filter in libpcap's language.

    Raises
    ------
    FilterError : it does not read, or suits no link type; the message is libpcap's
    MissingLibrary : libpcap is not installed

    >>> CaptureFilter("udp port 53").matches(Record(1, 0, bytes(60), 60, link_type=1))
    False
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._programs: dict[tuple[int, bool], Array] = {}
        if not text.strip():
            raise FilterError(text, 0, "there is nothing in it")
        whys = []
        for link_type in _TRIED_FIRST:
            made = _compiled(text, link_type)
            if not isinstance(made, str):
                return
            whys.append(made)
        raise FilterError(text, _place(text, whys[0]), whys[0])

    def matches(self, record: Record) -> bool:
        """Tell whether a packet passes."""
        link_type, size = canonical_link_type(record.link_type), len(record.data)
        program = self.program(link_type, _is_swapped(link_type, record.data))
        return bool(_libpcap().bpf_filter(program.ctypes.data, record.data, min(record.length, 0xFFFFFFFF), size))

    def program(self, link_type: int, swapped: bool = False) -> Array:
        """Return the instructions for packets of a link type, `INSTRUCTION`.

        swapped : the first word of such a packet is in the other byte order than that of this machine

        Raises
        ------
        FilterError : the filter cannot be asked of this link type
        """
        found = self._programs.get((link_type, swapped))
        if found is None:
            made = _compiled(self.text, link_type, swapped)
            if isinstance(made, str):
                why = f"of {link_type_name(link_type)} packets it cannot be asked: {made}"
                raise FilterError(self.text, _place(self.text, made), why)
            found = self._programs[link_type, swapped] = made
        return found

    def __repr__(self) -> str:
        return f"<CaptureFilter {self.text}>"


def _is_swapped(link_type: int, data: bytes) -> bool:
    """Tell whether the first word of a packet is in the other byte order than that of this machine."""
    if link_type not in HOST_ORDERED or len(data) < 4:
        return False
    return int.from_bytes(data[:4], sys.byteorder) > MOST_FAMILY


def _compiled(text: str, link_type: int, swapped: bool = False) -> Array | str:
    """Return a filter's program, or what libpcap says is wrong with it."""
    library, program = _libpcap(), _Program()
    octets = text.encode(errors="surrogateescape")
    if b"\0" in octets:
        return "a filter holds no zero byte"
    with _ONE_AT_A_TIME:  # older versions keep what they are at in globals
        handle = _handle(library, link_type, swapped)
        try:
            if library.pcap_compile(handle, ctypes.byref(program), octets, _OPTIMISE, _NETMASK_UNKNOWN):
                return str(library.pcap_geterr(handle).decode(errors="replace"))
            size = program.count * INSTRUCTION.itemsize
            found = np.frombuffer(ctypes.string_at(program.instructions, size), INSTRUCTION)
            library.pcap_freecode(ctypes.byref(program))
            return found
        finally:
            library.pcap_close(handle)


def _handle(library: Any, link_type: int, swapped: bool) -> int:
    """Return what libpcap compiles for: a file without packets, which it wants to lie on a disk."""
    order = ">" if (sys.byteorder == "little") == swapped else "<"
    why = ctypes.create_string_buffer(256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty.pcap")
        path.write_bytes(struct.pack(order + "IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, link_type))
        handle = library.pcap_open_offline(os.fsencode(path), why)
    if not handle:
        raise OSError(f"libpcap: {why.value.decode(errors='replace')}")
    return int(handle)


class _Program(ctypes.Structure):
    """``struct bpf_program``."""

    _fields_ = (("count", ctypes.c_uint), ("instructions", ctypes.c_void_p))


@cache
def _libpcap() -> Any:
    """Return the library; MissingLibrary if it is not there."""
    for name in (*_NAMES, ctypes.util.find_library("pcap")):
        try:
            library: Any = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is None:
            break
        library.pcap_open_offline.restype, library.pcap_open_offline.argtypes = _POINTER, (_TEXT, _TEXT)
        library.pcap_geterr.restype, library.pcap_geterr.argtypes = _TEXT, (_POINTER,)
        library.pcap_compile.argtypes = (_POINTER, _POINTER, _TEXT, ctypes.c_int, ctypes.c_uint32)
        library.pcap_freecode.argtypes = library.pcap_close.argtypes = (_POINTER,)
        library.bpf_filter.argtypes = (_POINTER, _TEXT, ctypes.c_uint, ctypes.c_uint)
        library.bpf_filter.restype = ctypes.c_uint
        return library
    raise MissingLibrary("libpcap", _PACKAGES)


_POINTER, _TEXT = ctypes.c_void_p, ctypes.c_char_p


# ---- where a mistake is, which libpcap does not say


def _place(text: str, why: str) -> int:
    """Return the character of `text` that a message is about: what it quotes, or where the grammar ends."""
    if "syntax error" in why:
        return _unexpected(text)
    names = [*re.findall(r"['\"]([^'\"]+)['\"]", why), *re.findall(r"\d+", why), *re.findall(r"\w+", why)]
    return next((text.find(name) for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)), 0)


def _unexpected(text: str) -> int:
    """Return where the first word is that nothing could follow to make a filter; the end, if that lacks something."""
    for found in _TOKEN.finditer(text):
        if not any(_reads(text[: found.end()] + tail) for tail in _TAILS):
            return found.start()
    return len(text.rstrip())


def _reads(text: str) -> bool:
    """Tell whether a filter is one when all that is open is closed; what it asks for need not be there."""
    closed = ""
    for sign in text:
        if sign in "([":
            closed = (")" if sign == "(" else "]") + closed
        elif sign == closed[:1]:
            closed = closed[1:]
    tries = (text + closed, text + closed + " = 1", text + closed.replace("]", "] = 1", 1))
    return any("syntax error" not in str(_compiled(one, 1)) for one in tries)
