"""What peers tell an HTTP tracker, and what it answers, in one connection: who listens where, who comes and goes.

Spec: BEP 3 (announce), BEP 7 and 23 (compact peers).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from pktlab.flows.keys import FlowKey
from pktlab.torrent.swarm import Swarm
from pktlab.wire.bencode import read_lax

__all__ = ["Announces", "contacts_of"]

MAX_LEN = 1 << 18
"""Bytes of one request or answer; an answer with a thousand peers has 6 KB."""
HASH_LEN = 20


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
        pending = self._pending[way] = (self._pending[way] + data)[:MAX_LEN]
        if way == 0 and b"\r\n\r\n" in pending:
            self._ask(pending, time_ns)
            self._pending = [b"", b""]

    def _ask(self, request: bytes, time_ns: int) -> None:
        target = request.split(b" ", 2)[1].decode("latin-1")
        if "info_hash=" not in target or "port=" not in target:
            return
        told = {name: values[-1] for name, values in parse_qs(_query(target), encoding="latin-1").items()}
        info_hash, port = told.get("info_hash", "").encode("latin-1", errors="replace"), told.get("port", "")
        if len(info_hash) == HASH_LEN and port.isdecimal() and port.isascii() and 0 < int(port[:6]) < 1 << 16:
            self.info_hash = info_hash.hex()
            self.swarm.contacts[self.info_hash].announce(time_ns, (self.key.src, int(port)), told.get("event", ""))

    def end(self) -> None:
        """Read the answer, when all of it is there."""
        answer = self._pending[1]
        at = answer.find(b"\r\n\r\n")
        if self.info_hash is None or at < 0:
            return
        value = read_lax(answer, at + 4).value
        if value is None:
            return
        listening = self.swarm.contacts[self.info_hash].listening
        for ip, port in contacts_of(value.string(b"peers") or b"", value.string(b"peers6") or b""):
            listening[ip].add(port)


def _query(target: str) -> str:
    """Return what stands behind the question mark of a request's target; nothing if it is none.

    >>> _query("/announce?port=1#x")
    'port=1'
    """
    try:
        return urlsplit(target).query
    except ValueError:
        return ""


def contacts_of(compact: bytes, compact6: bytes = b"") -> Iterator[tuple[str, int]]:
    r"""Yield addresses and ports out of the compact form (BEP 7, 23).

    >>> list(contacts_of(b"\xc0\0\2\1\x1a\xe1"))
    [('192.0.2.1', 6881)]
    """
    for data, size in ((compact, 4), (compact6, 16)):
        for at in range(0, len(data) - size - 1, size + 2):
            ip = ipaddress.ip_address(data[at : at + size])
            yield str(ip), int.from_bytes(data[at + size : at + size + 2], "big")
