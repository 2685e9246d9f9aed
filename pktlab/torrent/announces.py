"""What peers tell an HTTP tracker, and what it answers, in one connection: who listens where, who comes and goes.

Spec: BEP 3 (announce), BEP 7 and 23 (compact peers).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pktlab.flows.keys import FlowKey
from pktlab.torrent.swarm import HASH_LEN, Swarm
from pktlab.wire.apps.bittorrent.compact import Contact, contacts
from pktlab.wire.apps.bittorrent.http_tracker import query_of
from pktlab.wire.bencode import read_lax
from pktlab.wire.bencoded import Value

__all__ = ["Announces"]

MAX_LEN = 1 << 18
"""Bytes of one request or answer; an answer with a thousand peers has 6 KB."""


class Announces:
    r"""One connection to a tracker; way 0 asks.

    Parameters
    ----------
    swarm : where it is written down; key : from the peer to the tracker

    >>> swarm = Swarm()
    >>> asked = Announces(swarm, FlowKey("tcp", "192.0.2.1", 50000, "192.0.2.9", 6969))
    >>> asked.take(0, b"GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&port=6881&event=started HTTP/1.1\r\n\r\n", 5)
    >>> swarm.contacts["61" * 20].announced
    [(5, ('192.0.2.1', 6881), 'started')]
    """

    def __init__(self, swarm: Swarm, key: FlowKey) -> None:
        self.swarm, self.key = swarm, key
        self.info_hash: str | None = None
        self._pending = [b"", b""]

    def take(self, way: int, data: bytes, time_ns: int) -> None:
        """Take what is said one way."""
        if way == 0 and self._pending[1]:  # the next request: what was answered to the one before is all there
            self.end()
        pending = self._pending[way] = (self._pending[way] + data)[:MAX_LEN]
        if way == 0 and b"\r\n\r\n" in pending:
            self._ask(pending, time_ns)
            self._pending[0] = b""

    def _ask(self, request: bytes, time_ns: int) -> None:
        told = dict(query_of(request.split(b" ", 2)[1].partition(b"#")[0]))
        info_hash, port = told.get("info_hash", b""), _number(told.get("port", b""))
        if len(info_hash) == HASH_LEN and port:
            self.info_hash = info_hash.hex()
            left = 0 if told.get("left") == b"0" else None
            event = told.get("event", b"").decode("ascii", "replace")
            told_of = self.swarm.contacts_of(self.info_hash)
            told_of.announce(time_ns, (self.key.src, port), event, told.get("peer_id", b""), left)

    def end(self) -> None:
        """Read the answer, when all of it is there."""
        answer, self._pending[1] = self._pending[1], b""
        at = answer.find(b"\r\n\r\n")
        if self.info_hash is None or at < 0:
            return
        value = read_lax(answer, at + 4).value
        if value is None:
            return
        told = self.swarm.contacts_of(self.info_hash)
        for ip, port, _ in _named(value):
            told.name(ip, port)


def _named(answer: Value) -> Iterator[Contact]:
    """Yield whom an answer names, in any of the three forms."""
    for one in answer.get(b"peers") or ():
        yield Contact(_text(one.string(b"ip") or b""), min(max(one.integer(b"port") or 0, 0), 0xFFFF))
    yield from contacts(answer.string(b"peers") or b"")
    yield from contacts(answer.string(b"peers6") or b"", ipv6=True)


def _number(digits: bytes) -> int:
    """Return the port that digits say; 0 if they say none.

    >>> _number(b"6881"), _number(b"70000"), _number(b"x")
    (6881, 0, 0)
    """
    number = int(digits) if len(digits) <= 5 and digits.isdigit() else 0
    return number if number < 1 << 16 else 0


def _text(ip: bytes) -> str:
    """Return an IP address as it is always written; the text as it is if it is none, a name for one.

    >>> _text(b"2001:DB8:0::1"), _text(b"a.test")
    ('2001:db8::1', 'a.test')
    """
    text = ip.decode("ascii", "replace")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
