"""What can go wrong: one root, `PktlabError`, and a kind for each thing a caller may want to catch.

The attributes come first and the message is made from them, so that a program reads the numbers and a person reads
the sentence. Misuse by the caller (a wrong type, a value that does not fit its field) is a plain `TypeError` or
`ValueError` and not found here.
"""

from __future__ import annotations

__all__ = [
    "CaptureError", "DamagedCapture", "FilterError", "Malformed", "MissingExtra", "MissingLibrary", "PktlabError",
    "QueryError", "SchemaError", "Truncated", "WireError",
]  # fmt: skip


class PktlabError(Exception):
    """Root of every error that pktlab raises for what it was given to read."""


class WireError(PktlabError):
    """The bytes of one packet do not read as `layer` says they should; `offset` is absolute in those bytes."""

    layer: str
    offset: int


class Truncated(WireError):
    """A length ran out.

    Parameters
    ----------
    layer : dotted name of the header or field that was being read, e.g. ``"tcp"`` or ``"tcp.options"``
    offset : byte at which it starts, counted from the start of the buffer
    needed : bytes that it needs from there
    available : bytes that are there
    limit : which length ran out: ``"buffer"`` (more bytes may come) or the name of a length, e.g. ``"ip.len"``

    >>> str(Truncated("udp", 34, 8, 3, "ip.len"))
    'udp at byte 34 needs 8 bytes, but ip.len leaves 3'
    """

    def __init__(self, layer: str, offset: int, needed: int, available: int, limit: str) -> None:
        super().__init__(layer, offset, needed, available, limit)
        self.layer = layer
        self.offset = offset
        self.needed = needed
        self.available = available
        self.limit = limit

    def __str__(self) -> str:
        ended = "the data end after" if self.limit == "buffer" else f"{self.limit} leaves"
        unit = "byte" if self.needed == 1 else "bytes"
        return f"{self.layer} at byte {self.offset} needs {self.needed} {unit}, but {ended} {self.available}"


class Malformed(WireError):
    """A value that cannot be.

    Parameters
    ----------
    layer : dotted name of the header, e.g. ``"ip"``
    offset : byte at which the field starts, counted from the start of the buffer
    field : full name of the field, e.g. ``"ip.hdr_len"``
    value : what stands there
    why : what is wrong with it, as the end of a sentence

    >>> str(Malformed("ip", 14, "ip.hdr_len", 16, "is under 20"))
    'ip at byte 14: ip.hdr_len = 16 is under 20'
    """

    def __init__(self, layer: str, offset: int, field: str, value: object, why: str) -> None:
        super().__init__(layer, offset, field, value, why)
        self.layer = layer
        self.offset = offset
        self.field = field
        self.value = value
        self.why = why

    def __str__(self) -> str:
        shown = self.value.hex() if isinstance(self.value, bytes) else self.value
        return f"{self.layer} at byte {self.offset}: {self.field} = {shown} {self.why}"


class SchemaError(PktlabError):
    """A user's schema cannot be loaded or bound to a packet; the message names the schema and the reason."""


class CaptureError(PktlabError):
    """Nothing could be read: no such file, a directory, empty, not a capture. The message names the file."""


class DamagedCapture(CaptureError):
    """A capture that was read up to a damaged place.

    Parameters
    ----------
    path : the file as the user named it
    offset : byte in the (unpacked) file at which the damage starts
    packets : packets that were read before it
    why : what is wrong there, as a sentence without a full stop

    >>> str(DamagedCapture("a.pcap", 24, 0, "the record header needs 16 bytes, the file ends after 3"))
    'a.pcap: damaged at byte 24, after 0 packets: the record header needs 16 bytes, the file ends after 3'
    """

    def __init__(self, path: str, offset: int, packets: int, why: str) -> None:
        super().__init__(path, offset, packets, why)
        self.path = path
        self.offset = offset
        self.packets = packets
        self.why = why

    def __str__(self) -> str:
        count = "1 packet" if self.packets == 1 else f"{self.packets} packets"
        return f"{self.path}: damaged at byte {self.offset}, after {count}: {self.why}"


class FilterError(PktlabError):
    r"""A filter that cannot be read, or asks for what no packet can have.

    Parameters
    ----------
    text : the filter
    at : character at which the mistake is, from 0; its length if something is missing at the end
    why : what is wrong there, as a sentence without a full stop

    >>> error = FilterError("tcp.prot == 80", 0, "no field is called tcp.prot, did you mean tcp.port?")
    >>> print(error)
    filter, column 1: no field is called tcp.prot, did you mean tcp.port?
    >>> print("\n".join(error.pointer))
    tcp.prot == 80
    ^~~~~~~~
    """

    def __init__(self, text: str, at: int, why: str) -> None:
        super().__init__(text, at, why)
        self.text = text
        self.at = at
        self.why = why

    def __str__(self) -> str:
        return f"filter, column {self.at + 1}: {self.why}"

    @property
    def pointer(self) -> tuple[str, str]:
        """The filter in one line, and a line that points at the place."""
        shown = "".join(one if one.isprintable() else " " for one in self.text)
        word = 0
        while self.at + word < len(shown) and not shown[self.at + word].isspace():
            word += 1
        if shown[self.at : self.at + 1] in ('"', "'", "(", ")", "{", "}", "[", "]"):
            word = 1
        return shown, " " * self.at + "^" + "~" * (word - 1)


class MissingExtra(PktlabError):
    """A package that is not installed, because not everybody needs it.

    Parameters
    ----------
    package : what is missing; extra : what to install

    >>> str(MissingExtra("pyarrow", "pktlab-toolkit[arrow]"))
    'this needs pyarrow: pip install pktlab-toolkit[arrow]'
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return f"this needs {self.package}: pip install {self.extra}"


class MissingLibrary(PktlabError):
    """A library that does not come with Python packages, and is not installed.

    Parameters
    ----------
    library : what is missing; packages : what it is called where it is installed from

    >>> str(MissingLibrary("libpcap", "libpcap0.8 on Debian"))
    'this needs libpcap, which is not installed: the package is libpcap0.8 on Debian'
    """

    def __init__(self, library: str, packages: str) -> None:
        super().__init__(library, packages)
        self.library = library
        self.packages = packages

    def __str__(self) -> str:
        return f"this needs {self.library}, which is not installed: the package is {self.packages}"


class QueryError(PktlabError):
    """SQL that does not read, or asks for what is not there; the message is one line."""
