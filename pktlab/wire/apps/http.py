"""HTTP/1: the start line and the header lines of a request or response, and SSDP, which borrows them.

Spec: RFC 9112 sections 2 to 5; Universal Plug and Play Device Architecture 1.1, section 1 (SSDP). Recognised by its
first line, on any TCP port. Only whole lines are read: a line that goes on in the next segment, and the body, are
data. Bytes are kept as they stand, so that building gives them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from pktlab.errors import Malformed
from pktlab.wire.apps.nodes import DECIMAL, STRING, Digits, Literal, Token
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import field
from pktlab.wire.glance import Glance
from pktlab.wire.header import Header
from pktlab.wire.nodes import Readable
from pktlab.wire.rows import Row, Traced

__all__ = [
    "KNOWN", "METHODS", "Http", "Line", "Lines", "Request", "Response", "Ssdp", "Start", "line_of", "looks_like_http",
]  # fmt: skip

METHODS = (
    b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PROPFIND", b"PROPPATCH",
    b"MKCOL", b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"REPORT", b"SEARCH", b"SUBSCRIBE", b"UNSUBSCRIBE", b"NOTIFY",
    b"M-SEARCH",
)  # fmt: skip
"""Methods that Wireshark knows HTTP by: RFC 9110, WebDAV (RFC 4918, 3253, 5323), UPnP."""
_FIRST_WORDS = (b"HTTP/1.", *(method + b" " for method in METHODS))
FIRST_LINE_MAX = 8192
"""Octets of a first line; RFC 9112 section 3 asks for 8000 at least."""
KNOWN = {
    name: "http." + name.replace("-", "_")
    for name in (
        "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "connection",
        "content-encoding", "content-type", "cookie", "date", "host", "last-modified", "location",
        "proxy-authenticate", "proxy-authorization", "referer", "sec-websocket-accept", "sec-websocket-extensions",
        "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version", "server", "set-cookie",
        "transfer-encoding", "upgrade", "user-agent", "www-authenticate", "x-forwarded-for",
    )
} | {"content-length": "http.content_length_header"}  # fmt: skip
"""Header lines that have a field name of their own."""


class Line(NamedTuple):
    """One header line: its name in lower case, its value, and the octets, line end and all."""

    name: str
    value: str
    wire: bytes


@cache
def _row(full: str, label: str) -> Row:
    return Row(full, full.partition(".")[2], label, None, 0, None, 0, 1, False, "str", "dec", 0, None, STRING)


class Lines(Readable):
    """Header lines up to and with the empty one, as far as they are whole; each is in the trace under its own name.

    known : field names by the names of lines
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__()
        self.known = known
        others = [_row(f"http.{kind}.line", "Header line") for kind in ("request", "response")]
        self.inside = (*(_row(full, name.title()) for name, full in known.items()), *others)

    def read_from(self, cursor: Cursor, scope: Any) -> tuple[Line, ...]:
        """Read the lines; the last is the empty one if it is there."""
        other = "http.request.line" if isinstance(scope["start"], Request) else "http.response.line"
        lines: list[Line] = []
        while (stop := cursor.data.find(b"\n", cursor.pos, cursor.end) + 1) > 0:
            start, cursor.pos = cursor.pos, stop
            wire = bytes(cursor.data[start:stop])
            lines.append(line_of(wire))
            if not wire.strip(b"\r\n"):
                break
            if cursor.trace is not None:
                cursor.trace.append(self.traced(lines[-1], start, other))
        return tuple(lines)

    def traced(self, line: Line, start: int, other: str) -> Traced:
        """Return a line as it stands in the trace: under a name of its own, or as a whole."""
        name = self.known.get(line.name)
        value = line.wire if name is None else line.wire.partition(b":")[2]
        row = _row(other, "Header line") if name is None else _row(name, line.name.title())
        return row, start, start + len(line.wire), value.strip(b" \t\r\n")

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for line in obj:
            stream.write(line.wire)
        return obj


def line_of(wire: bytes) -> Line:
    r"""Return the line that octets are.

    >>> line_of(b"Host: a.example\r\n")[:2]
    ('host', 'a.example')
    """
    name, _, value = wire.partition(b":")
    text = STRING.decode(value.strip(b" \t\r\n"))
    return Line(name.decode("latin-1").strip().lower(), text, wire)


class Request(Header, layer="http"):
    """RFC 9112 section 3."""

    method: str = field(Token(b" \r\n"), "Request method", as_=STRING, name="request.method")
    gap: bytes = field(Literal(b" "), name="", default=b" ")
    uri: str = field(Token(b" \r\n"), "Request URI", as_=STRING, name="request.uri")
    gap2: bytes = field(Literal(b" "), name="", default=b" ")
    version: str = field(Token(b"\r\n"), "Request version", as_=STRING, name="request.version", default="HTTP/1.1")
    eol: bytes = field(Literal(b"\r\n", b"\n"), name="", default=b"\r\n")

    def summary(self) -> str:
        """Return method and URI."""
        return f"{self.method} {self.uri}"


class Response(Header, layer="http"):
    """RFC 9112 section 4."""

    version: str = field(Token(b" \r\n"), "Response version", as_=STRING, name="response.version", default="HTTP/1.1")
    gap: bytes = field(Literal(b" "), name="", default=b" ")
    code: int = field(Digits(3), "Status code", as_=DECIMAL, name="response.code")
    gap2: bytes = field(Literal(b" ", b""), name="", default=b" ")
    phrase: str = field(Token(b"\r\n"), "Response phrase", as_=STRING, name="response.phrase", default="")
    eol: bytes = field(Literal(b"\r\n", b"\n"), name="", default=b"\r\n")

    def summary(self) -> str:
        """Return code and phrase."""
        return f"{self.code} {self.phrase}".rstrip()


class Start(Readable):
    """A request line or a status line: the latter starts with the version."""

    inside: tuple[Any, ...] = (Request, Response)

    def read_from(self, cursor: Cursor, scope: Any) -> Header:
        """Read the line."""
        is_response = cursor.data.startswith(b"HTTP/", cursor.pos, cursor.end)
        start = cursor.pos
        header: Header = (Response if is_response else Request).schema.read_from(cursor, scope)
        if not header.version.startswith("HTTP/"):  # type: ignore[attr-defined]
            raise Malformed("http", start, "http.request.version", bytes(cursor.data[start : start + 8]), "is no HTTP")
        return header

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return obj.schema._build(obj, stream, context, path)


def looks_like_http(data: bytes, start: int, end: int) -> bool:
    r"""Tell whether the bytes start with a whole first line of HTTP/1.

    >>> looks_like_http(b"GET / HTTP/1.1\r\n", 0, 16), looks_like_http(b"GET the ball\r\n", 0, 14)
    (True, False)
    """
    stop = data.find(b"\n", start, min(end, start + FIRST_LINE_MAX))
    if stop < 0:
        return False
    if data.startswith(b"HTTP/1.", start, stop):
        return True
    return data.find(b" HTTP/1.", start, stop) > 0 and bytes(data[start:stop]).partition(b" ")[0] in METHODS


class Http(Header, layer="http", label="Hypertext Transfer Protocol"):
    """RFC 9112: a first line and header lines; the body is behind it."""

    start: Header = field(Start(), name="")
    lines: tuple[Line, ...] = field(Lines(KNOWN), name="", default=())

    glances = (Glance(0, 4, tuple((int.from_bytes(one[:4], "big"),) * 2 for one in _FIRST_WORDS)),)

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether there is a whole first line of HTTP/1."""
        return looks_like_http(data, start, end)

    def get(self, name: str) -> str | None:
        """Return the value of the first header line `name`, in any case; None if there is none."""
        return next((line.value for line in self.lines if line.name == name.lower()), None)

    def summary(self) -> str:
        """Return ``HTTP GET /index.html example.com`` or ``HTTP 200 OK text/html``."""
        about = self.get("host" if isinstance(self.start, Request) else "content-type")
        return f"HTTP {self.start.summary()}{f' {about}' if about else ''}"


class Ssdp(Http, layer="ssdp", prefix="http", label="Simple Service Discovery Protocol"):
    """UPnP Device Architecture 1.1: HTTP's first line and headers in one datagram to port 1900."""

    def summary(self) -> str:
        """Return ``SSDP M-SEARCH ssdp:all`` or ``SSDP 200 OK upnp:rootdevice``."""
        about = self.get("st") or self.get("nt")
        what = self.start.method if isinstance(self.start, Request) else self.start.summary()
        return f"SSDP {what}{f' {about}' if about else ''}"
