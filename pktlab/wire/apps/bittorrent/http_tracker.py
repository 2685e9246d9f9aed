"""HTTP trackers: what a GET asks in its query, and the bencoded answer.

Spec: BEP 3 (announce), 7 and 23 (compact peers), 24 (external IP), 31 (retry in), 48 (scrape). Octets in a query are
escaped as ``%nn``. A request is known by an ``info_hash`` of 20 octets in it, an answer by the keys of its dictionary,
which is whole and all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pktlab.wire.apps.bittorrent.compact import Contact, contacts
from pktlab.wire.apps.bittorrent.tree import BENCODED, Bencoded, Key, plain_row
from pktlab.wire.apps.http import KNOWN, Http, Line, Lines, Start, looks_like_http
from pktlab.wire.apps.nodes import STRING
from pktlab.wire.bencode import read_lax
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.header import Header
from pktlab.wire.rows import Traced

__all__ = ["TrackerAnswer", "TrackerGet", "announce_uri", "query_of"]

NAMES = {
    b"interval": Key("interval", "Interval", "number"),
    b"min interval": Key("min_interval", "Least interval", "number"),
    b"tracker id": Key("trackerid", "Tracker ID"), b"complete": Key("seeders", "Seeders", "number"),
    b"incomplete": Key("leechers", "Leechers", "number"), b"downloaded": Key("completed", "Completed", "number"),
    b"peers": Key("peers", "Peers", "peers"), b"peers6": Key("peers6", "Peers", "peers6"),
    b"peer id": Key("peer_id", "Peer ID", "octets"), b"ip": Key("ip", "IP"),
    b"port": Key("peer_port", "Port", "number"),
    b"external ip": Key("external_ip", "External IP", "ip"), b"failure reason": Key("failure_reason", "Failure"),
    b"warning message": Key("warning_message", "Warning"), b"retry in": Key("retry_in", "Retry in"),
    b"min_request_interval": Key("min_request_interval", "Least interval of scrapes", "number"),
    b"name": Key("name", "Name"),
}  # fmt: skip
_PATH, _QUERY, _PARAMETER = (
    plain_row(f"http.request.uri.{name}", label, "str", STRING)
    for name, label in (("path", "Path"), ("query", "Query"), ("query.parameter", "Query parameter"))
)
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})").sub
_HAS_HASH = re.compile(rb"[?&]info_hash=((?:%[0-9A-Fa-f]{2}|[^%&# \r\n]){20})[&# ]").search
QUERY_MAX = 4096
"""Octets of a query that are looked at for a hash."""


def unescaped(octets: bytes) -> bytes:
    r"""Return octets with each ``%nn`` as what it stands for; a plus sign is a plus sign.

    >>> unescaped(b"a+%00%fFz%")
    b'a+\x00\xffz%'
    """
    return _ESCAPED(lambda found: bytes.fromhex(found[1].decode()), octets)


def escaped(octets: bytes) -> str:
    r"""Return octets as they stand in a query: all but letters, digits and ``-._~`` escaped.

    >>> escaped(b"a b\xff~")
    'a%20b%FF~'
    """
    return "".join(chr(one) if one in _PLAIN else f"%{one:02X}" for one in octets)


def query_of(uri: bytes) -> Iterator[tuple[str, bytes]]:
    r"""Yield the parameters of a query, in order, the octets of their values unescaped.

    >>> list(query_of(b"/announce?port=6881&info_hash=%00A~"))
    [('port', b'6881'), ('info_hash', b'\x00A~')]
    """
    for part in uri.partition(b"?")[2].split(b"&"):
        name, _, value = part.partition(b"=")
        yield STRING.decode(unescaped(name)), unescaped(value)


class TrackerStart(Start):
    """A request line whose address is shown in its parts."""

    inside = (*Start.inside, _PATH, _QUERY, _PARAMETER)

    def read_from(self, cursor: Cursor, scope: Any) -> Header:
        """Read the line."""
        mark = len(cursor.trace or ())
        header = super().read_from(cursor, scope)
        if cursor.trace is not None:
            place = next((at for at in range(mark, len(cursor.trace)) if cursor.trace[at][0].attr == "uri"), None)
            if place is not None:
                _, start, stop, _ = cursor.trace[place]
                cursor.trace[place + 1 : place + 1] = _parts(bytes(cursor.data[start:stop]), start)
        return header


def _parts(uri: bytes, at: int) -> Iterator[Traced]:
    """Yield path, query and parameters of an address that stands at `at`."""
    path, mark, query = uri.partition(b"?")
    yield _PATH, at, at + len(path), path
    if mark:
        at += len(path) + 1
        yield _QUERY, at, at + len(query), query
        for part in query.split(b"&"):
            if part:
                yield _PARAMETER, at, at + len(part), part
            at += len(part) + 1


class TrackerGet(Http, layer="http", label="HTTP tracker request"):
    """BEP 3 and 48: an announce, or a scrape, in the address of a GET."""

    start: Header = field(TrackerStart(), name="")
    lines: tuple[Line, ...] = field(Lines(KNOWN), name="", default=())

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether there is a whole request line with a hash in it."""
        if not data.startswith(b"GET ", start, end) or not looks_like_http(data, start, end):
            return False
        return _HAS_HASH(data, start, min(end, start + QUERY_MAX)) is not None

    @property
    def query(self) -> dict[str, bytes]:
        """The parameters, their octets unescaped; of one that is there twice the first."""
        uri = self.start._raw[self.start.schema.declared["uri"].index]
        return dict(reversed([*query_of(uri)]))

    @property
    def info_hash(self) -> bytes:
        """The torrent, 20 octets; none of a scrape of all."""
        return self.query.get("info_hash", b"")

    def summary(self) -> str:
        """Return ``HTTP tracker announce started 4c34… port 6881 left 16777216``."""
        query = self.query
        if "peer_id" not in query:
            return f"HTTP tracker scrape {self.info_hash.hex()}"
        said = {name: STRING.decode(query.get(name, b"?")) for name in ("event", "port", "left")}
        event = f" {said['event']}" if query.get("event") else ""
        return f"HTTP tracker announce{event} {self.info_hash.hex()} port {said['port']} left {said['left']}"


def announce_uri(path: str, **query: bytes | str | int) -> str:
    r"""Return the address of a request: `path`, and the parameters with their octets escaped.

    >>> announce_uri("/announce", info_hash=b"\x00A~" + bytes([255]), port=6881)
    '/announce?info_hash=%00A~%FF&port=6881'
    """
    octets = {name: value if isinstance(value, bytes) else str(value).encode() for name, value in query.items()}
    return f"{path}?{'&'.join(f'{name}={escaped(value)}' for name, value in octets.items())}"


class TrackerAnswer(Header, layer="bt-tracker", label="HTTP tracker answer"):
    """BEP 3, 7, 23, 48: peers, or counts, or why not."""

    message: Any = field(Bencoded("bt-tracker", NAMES), name="", as_=BENCODED)

    glances = (Glance(0, 1, ((0x64, 0x64),)), Glance(1, 1, ((0x31, 0x39),)), Glance(2, 1, ((0x30, 0x3A),)))

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether it is one whole dictionary with the keys of an answer."""
        if end - start < 8 or data[end - 1] != 0x65 or not stands(cls.glances, data, start, end):
            return False
        found = read_lax(data, start, end, count=20_000)
        value = found.value
        if found.stop is not None or value is None or value.stop != end:
            return False
        if value.string(b"failure reason") is not None:
            return True
        files = value.get(b"files")
        if files is not None and files.kind == "dictionary":
            return all(len(key) == 20 and one.integer(b"complete") is not None for key, one in files.content)
        return value.integer(b"interval") is not None and (value.get(b"peers") or value.get(b"peers6")) is not None

    @property
    def entries(self) -> dict[bytes, Any]:
        """The dictionary; an empty one if it is something else."""
        found = self.message
        return found if isinstance(found, dict) else {}

    @property
    def peers(self) -> list[Contact]:
        """The peers, compact or not, of IPv4 and then of IPv6."""
        given, six = self.entries.get(b"peers"), self.entries.get(b"peers6")
        found = contacts(given) if isinstance(given, bytes) else [*_listed(given)]
        return [*found, *(contacts(six, ipv6=True) if isinstance(six, bytes) else ())]

    @property
    def torrents(self) -> dict[bytes, dict[bytes, Any]]:
        """What a scrape says of each torrent, by its hash."""
        found = self.entries.get(b"files")
        return {key: one for key, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}

    def summary(self) -> str:
        """Return ``HTTP tracker answer: 7 peers, 1 seeds, 6 leechers, every 10 s``."""
        entries = self.entries
        for key in (b"failure reason", b"warning message"):
            if isinstance(entries.get(key), bytes):
                return f"HTTP tracker {key.decode()}: {STRING.decode(entries[key])}"
        if b"files" in entries:
            return f"HTTP tracker answer: {len(self.torrents)} torrents"
        words = {b"complete": "seeds", b"incomplete": "leechers"}
        counts = [f"{entries[key]} {word}" for key, word in words.items() if isinstance(entries.get(key), int)]
        said = ", ".join([f"{len(self.peers)} peers", *counts])
        return f"HTTP tracker answer: {said}, every {entries.get(b'interval')} s"


def _listed(given: Any) -> Iterator[Contact]:
    """Yield the peers of a list of dictionaries; what names nobody is passed over."""
    for one in given if isinstance(given, list) else ():
        ip, port = (one.get(b"ip"), one.get(b"port")) if isinstance(one, dict) else (None, None)
        if isinstance(ip, bytes) and isinstance(port, int):
            yield Contact(STRING.decode(ip), port, one[b"peer id"] if isinstance(one.get(b"peer id"), bytes) else b"")
