"""The UDP tracker protocol: requests, which name their connection, and answers, which repeat a transaction.

Spec: BEP 15; BEP 41 (options behind an announce). In a request the action stands behind the connection ID, in an answer
in front: which of the two a datagram is, the flow says, and `request_at` and `answer_at` are for who knows. A datagram
alone is taken for one of the messages if its length and its numbers prove it. An answer to "connect" has 16 octets of
which four are 0: it is known by the flow alone, or on the trackers' usual port.
"""

from __future__ import annotations

from typing import Any

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32sb, Int32ub, Int64ub, obj_, this

from pktlab.errors import Malformed, Truncated
from pktlab.wire.apps.bittorrent.compact import Contact
from pktlab.wire.apps.nodes import STRING
from pktlab.wire.cursor import BUFFER
from pktlab.wire.fields import AUTO, field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, When
from pktlab.wire.values import IPV4, IPV6

__all__ = [
    "ACTIONS", "ANSWERS", "MAGIC", "REQUESTS", "Announce", "Announced", "Announced6", "Connect", "Connected", "Option",
    "Peer4", "Peer6", "Refused", "Scrape", "Scraped", "answer_at", "request_at",
]  # fmt: skip

MAGIC = 0x41727101980
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
ACTIONS = {CONNECT: "connect", ANNOUNCE: "announce", SCRAPE: "scrape", ERROR: "error"}
EVENTS = {0: "none", 1: "completed", 2: "started", 3: "stopped"}
OPTIONS = {0: "end of options", 1: "no operation", 2: "URL data"}
TORRENTS_MAX = 74
"""Torrents of one scrape: what fits a datagram, BEP 15."""
INTERVAL_MAX, COUNT_MAX = 7 * 86_400, (1 << 24) - 1
"""Seconds and peers beyond which an answer is not taken for one."""


def _is_random(data: bytes, at: int) -> bool:
    """Tell whether four octets may be a random number: small ones are more likely something else."""
    return any(data[at : at + 2])


def _connection() -> Any:
    return field(Int64ub, "Connection ID", base="hex", name="connection_id")


def _action(number: int) -> Any:
    return field(Int32ub, "Action", name="action", names=ACTIONS, default=number, equals=number)


def _transaction() -> Any:
    return field(Int32ub, "Transaction ID", base="hex", name="transaction_id")


def _info_hash() -> Any:
    return field(Bytes(20), "Info hash", name="info_hash")


class Connect(Header, layer="bt-tracker", label="Connect"):
    """BEP 15: asks for a connection ID; the magic number stands where others have theirs."""

    connection_id: int = field(
        Int64ub, "Protocol ID", base="hex", name="protocol_id", default=MAGIC, equals=MAGIC
    )  # fmt: skip
    action: int = _action(CONNECT)
    transaction_id: int = _transaction()

    glances = (Glance(0, 4, ((MAGIC >> 32,) * 2,)), Glance(4, 4, ((MAGIC & 0xFFFFFFFF,) * 2,)), Glance(8, 4, ((0, 0),)))

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether the magic number is there, and nothing else."""
        return end - start == cls.HEADER_LEN and stands(cls.glances, data, start, end)

    def summary(self) -> str:
        """Return ``Tracker connect``."""
        return "Tracker connect"


class Option(Header, layer="bt-tracker", label="Option"):
    """BEP 41: the two first have no length; `URL data` of several options are one text."""

    type: int = field(Int8ub, "Option type", name="option.type", names=OPTIONS)
    length: int | None = field(When(this.type > 1, Int8ub), "Option length", name="option.length", default=AUTO)
    data: bytes | None = field(
        When(this.type > 1, Bounded(this.length, GreedyBytes)), "Option data", name="option.data", default=None
    )

    def summary(self) -> str:
        """Return the option's name."""
        return OPTIONS.get(self.type, f"option {self.type}")


class Announce(Header, layer="bt-tracker", label="Announce"):
    """BEP 15: who shares what; `num_want` is -1 for what the tracker likes, octets are counted since the start."""

    connection_id: int = _connection()
    action: int = _action(ANNOUNCE)
    transaction_id: int = _transaction()
    info_hash: bytes = _info_hash()
    peer_id: bytes = field(Bytes(20), "Peer ID")
    downloaded: int = field(Int64ub, "Downloaded", default=0)
    left: int = field(Int64ub, "Left")
    uploaded: int = field(Int64ub, "Uploaded", default=0)
    event: int = field(Int32ub, "Event", names=EVENTS, default=0)
    ip_address: str = field(Bytes(4), "IP address", as_=IPV4, default="0.0.0.0")
    key: int = field(Int32ub, "Key", base="hex", default=0)
    num_want: int = field(Int32sb, "Peers wanted", default=-1)
    port: int = field(Int16ub, "Port")
    options: tuple[Option, ...] = field(Items(Option, stop=obj_.type == 0), name="", default=())

    glances = (
        Glance(8, 4, ((ANNOUNCE, ANNOUNCE),)), *(Glance(at, 2, ((0, 0),)) for at in (56, 64, 72)),
        Glance(80, 4, ((0, max(EVENTS)),)),
    )  # fmt: skip

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether action, event and counts under 2**48 are where they have to be, and only options behind."""
        if end - start < cls.HEADER_LEN or not stands(cls.glances, data, start, end):
            return False
        at = start + cls.HEADER_LEN
        while at < end and data[at]:
            at += 1 if data[at] == 1 else 2 + data[at + 1] if at + 1 < end else end
        return at == end or (at < end and not any(data[at:end]))

    @property
    def url_data(self) -> str:
        """Path and query of the tracker's address, put together from the options."""
        return b"".join(one.data or b"" for one in self.options if one.type == 2).decode("utf-8", "backslashreplace")

    def summary(self) -> str:
        """Return ``Tracker announce started c612…420e port 6881 left 2097152``."""
        event = f" {EVENTS.get(self.event, self.event)}" if self.event else ""
        return f"Tracker announce{event} {self.info_hash.hex()} port {self.port} left {self.left}"


class Torrent(Header, layer="bt-tracker", label="Torrent"):
    """One that a scrape asks for."""

    info_hash: bytes = _info_hash()

    def summary(self) -> str:
        """Return the hash."""
        return self.info_hash.hex()


class Scrape(Header, layer="bt-tracker", label="Scrape"):
    """BEP 15: asks how many share each torrent."""

    connection_id: int = _connection()
    action: int = _action(SCRAPE)
    transaction_id: int = _transaction()
    torrents: tuple[Torrent, ...] = field(Items(Torrent), name="")

    glances = (Glance(8, 4, ((SCRAPE, SCRAPE),)),)

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether there are random connection and transaction IDs, the action, and whole hashes.

        An RPC call (RFC 5531) has a version of 2 there, but zeros in front of it.
        """
        count, left_over = divmod(end - start - cls.HEADER_LEN, 20)
        if left_over or not 0 < count <= TORRENTS_MAX or not stands(cls.glances, data, start, end):
            return False
        return _is_random(data, start) and _is_random(data, start + 4) and _is_random(data, start + 12)

    def summary(self) -> str:
        """Return ``Tracker scrape c612…420e``, or of how many."""
        of = f"{len(self.torrents)} torrents" if len(self.torrents) != 1 else self.torrents[0].summary()
        return f"Tracker scrape {of}"


class Connected(Header, layer="bt-tracker", label="Connected"):
    """BEP 15: the connection ID, good for two minutes."""

    action: int = _action(CONNECT)
    transaction_id: int = _transaction()
    connection_id: int = _connection()

    glances = (Glance(0, 4, ((CONNECT, CONNECT),)),)

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether it is the length and the action: enough on the port of a tracker only."""
        return end - start == cls.HEADER_LEN and stands(cls.glances, data, start, end) and _is_random(data, start + 4)

    def summary(self) -> str:
        """Return ``Tracker connected``."""
        return "Tracker connected"


class Peer4(Header, layer="bt-tracker", label="Peer"):
    """A peer in six octets."""

    ip: str = field(Bytes(4), "IP", as_=IPV4)
    peer_port: int = field(Int16ub, "Port")

    def summary(self) -> str:
        """Return ``192.0.2.1:6881``."""
        return str(Contact(self.ip, self.peer_port))


class Peer6(Header, layer="bt-tracker", label="Peer"):
    """A peer in eighteen octets."""

    ip6: str = field(Bytes(16), "IP", as_=IPV6)
    peer_port: int = field(Int16ub, "Port")

    def summary(self) -> str:
        """Return ``[2001:db8::1]:6881``."""
        return str(Contact(self.ip6, self.peer_port))


class Announced(Header, layer="bt-tracker", label="Announced"):
    """BEP 15: when to come back, in seconds, how many share it, and who; over IPv4."""

    action: int = _action(ANNOUNCE)
    transaction_id: int = _transaction()
    interval: int = field(Int32ub, "Interval")
    leechers: int = field(Int32ub, "Leechers", default=0)
    seeders: int = field(Int32ub, "Seeders", default=0)
    peers: tuple[Header, ...] = field(Items(Peer4), name="", default=())

    glances = (
        Glance(0, 4, ((ANNOUNCE, ANNOUNCE),)), Glance(8, 4, ((1, INTERVAL_MAX),)), Glance(12, 4, ((0, COUNT_MAX),)),
        Glance(16, 4, ((0, COUNT_MAX),)),
    )  # fmt: skip

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether numbers are likely ones, and whole contacts follow."""
        left = end - start - cls.HEADER_LEN
        return left >= 0 and left % 6 == 0 and stands(cls.glances, data, start, end) and _is_random(data, start + 4)

    def summary(self) -> str:
        """Return ``Tracker announced: 3 peers, 1 seeds, 4 leechers, every 1800 s``."""
        counts = f"{len(self.peers)} peers, {self.seeders} seeds, {self.leechers} leechers"
        return f"Tracker announced: {counts}, every {self.interval} s"


class Announced6(Announced, layer="bt-tracker", label="Announced"):
    """The same over IPv6."""

    action: int = _action(ANNOUNCE)
    transaction_id: int = _transaction()
    interval: int = field(Int32ub, "Interval")
    leechers: int = field(Int32ub, "Leechers", default=0)
    seeders: int = field(Int32ub, "Seeders", default=0)
    peers: tuple[Header, ...] = field(Items(Peer6), name="", default=())

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether there are contacts whose addresses are all global or local ones of IPv6 (2000::/3, fc00::/7)."""
        first = data[start + cls.HEADER_LEN : end : 18]
        whole = first and (end - start - cls.HEADER_LEN) % 18 == 0
        return (
            bool(whole)
            and super().looks_like(data, start, end)
            and all(one >> 5 == 1 or one >> 1 == 126 for one in first)
        )


class Counts(Header, layer="bt-tracker", label="Torrent"):
    """How many share one torrent, and how often it was completed."""

    seeders: int = field(Int32ub, "Seeders")
    completed: int = field(Int32ub, "Completed", default=0)
    leechers: int = field(Int32ub, "Leechers", default=0)

    def summary(self) -> str:
        """Return ``1 seeds, 4 leechers, 2 completed``."""
        return f"{self.seeders} seeds, {self.leechers} leechers, {self.completed} completed"


class Scraped(Header, layer="bt-tracker", label="Scraped"):
    """BEP 15: the counts, in the order of the request."""

    action: int = _action(SCRAPE)
    transaction_id: int = _transaction()
    torrents: tuple[Counts, ...] = field(Items(Counts), name="", default=())

    glances = (Glance(0, 4, ((SCRAPE, SCRAPE),)), *(Glance(at, 4, ((0, COUNT_MAX),)) for at in (8, 12, 16)))

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether likely counts follow a random transaction ID."""
        count, left_over = divmod(end - start - cls.HEADER_LEN, 12)
        if left_over or not 0 < count <= TORRENTS_MAX or not stands(cls.glances, data, start, end):
            return False
        return _is_random(data, start + 4) and not any(data[start + cls.HEADER_LEN : end : 4])

    def summary(self) -> str:
        """Return ``Tracker scraped: 1 seeds, 4 leechers, 2 completed``."""
        return f"Tracker scraped: {'; '.join(one.summary() for one in self.torrents[:3])}"


class Refused(Header, layer="bt-tracker", label="Error"):
    """BEP 15: why a request was refused."""

    action: int = _action(ERROR)
    transaction_id: int = _transaction()
    message: str = field(GreedyBytes, "Message", as_=STRING, default="")

    glances = (Glance(0, 4, ((ERROR, ERROR),)),)

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether words in ASCII follow a random transaction ID."""
        text = data[start + cls.HEADER_LEN : end].rstrip(b"\0")
        if not stands(cls.glances, data, start, end) or not _is_random(data, start + 4):
            return False
        return len(text) >= 4 and all(0x20 <= one < 0x7F for one in text)

    def summary(self) -> str:
        """Return ``Tracker error: unknown torrent``."""
        return f"Tracker error: {self.message}"


REQUESTS: dict[int, type[Header]] = {CONNECT: Connect, ANNOUNCE: Announce, SCRAPE: Scrape}
ANSWERS: dict[int, type[Header]] = {CONNECT: Connected, ANNOUNCE: Announced, SCRAPE: Scraped, ERROR: Refused}


def request_at(data: bytes, offset: int = 0, end: int | None = None) -> Any:
    """Return the request that a datagram is: `Connect`, `Announce` or `Scrape`.

    Raises
    ------
    Truncated, Malformed : it is none

    >>> request_at(Connect(transaction_id=7).build())
    Connect(connection_id=4497486125440, action=0, transaction_id=7)
    """
    return _at(REQUESTS, data, offset, len(data) if end is None else end, 8)


def answer_at(data: bytes, offset: int = 0, end: int | None = None, *, ipv6: bool = False) -> Any:
    """Return the answer that a datagram is: `Connected`, `Announced`, `Announced6` over IPv6, `Scraped` or `Refused`.

    Raises
    ------
    Truncated, Malformed : it is none

    >>> answer_at(Refused(transaction_id=7, message="no such torrent").build()).message
    'no such torrent'
    """
    answers = {**ANSWERS, ANNOUNCE: Announced6} if ipv6 else ANSWERS
    return _at(answers, data, offset, len(data) if end is None else end, 0)


def _at(pages: dict[int, type[Header]], data: bytes, start: int, end: int, place: int) -> Any:
    """Return the message whose action stands `place` octets behind `start`."""
    at = start + place
    if end - at < 4:
        raise Truncated("bt-tracker", start, place + 4, end - start, BUFFER)
    action = int.from_bytes(data[at : at + 4], "big")
    if action not in pages:
        raise Malformed("bt-tracker", at, "bt-tracker.action", action, "is none of these")
    return pages[action].parse(data, start, end)
