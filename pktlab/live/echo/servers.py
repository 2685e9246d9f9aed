"""The servers: one loop over all sockets, which never waits for one client alone.

What the network or a client may do to it ends nothing but that client's session: it resets the connection, closes its
half, reads no answers, says nothing for a minute, is a thousand clients. Told to end, it lets out what is already
answered, and closes everything.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable

from pktlab.errors import PktlabError
from pktlab.flows.sockets import Endpoint, unmapped
from pktlab.live.echo.core import PORT, Session, uppercase
from pktlab.live.stop import Stop

__all__ = ["Server", "tcp_server", "udp_server"]

Say = Callable[[str], None]
Make = Callable[[int, int], socket.socket]
NS = 1_000_000_000
IDLE_S = 60.0
GOODBYE_S = 1.0
"""How long what is answered may take to go out once the server was told to end."""
BACKLOG = 128
MAX_CLIENTS = 1000
"""Connections at a time; further clients wait in the backlog of the listener."""
AGAIN_NS = NS // 10
"""How long to wait where the system has no room for another client."""
READ_LEN = 1 << 16
ANCILLARY_LEN = 256
IP_PKTINFO = 8  # include/uapi/linux/in.h
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """A server that waits for datagrams or connections.

    Parameters
    ----------
    sockets : bound, and listening if they are TCP's; they are closed at the end
    idle_s : seconds after which a silent client is sent away; say : is told what happens, a line each
    """

    def __init__(self, sockets: list[socket.socket], *, idle_s: float = IDLE_S, say: Say = lambda line: None) -> None:
        self.sockets = sockets
        self.idle_ns = int(idle_s * NS)
        self.say = say
        self._selector = selectors.DefaultSelector()
        self._sessions: dict[socket.socket, Session] = {}
        self._names: dict[socket.socket, str] = {}
        self._is_listening = False
        self._is_ending = False
        self._again_ns: int | None = None

    @property
    def ends(self) -> list[Endpoint]:
        """Where it can be reached."""
        return [Endpoint(*one.getsockname()[:2]) for one in self.sockets]

    def run(self, stop: Stop, *, seconds: float | None = None) -> None:
        """Serve until `stop`, or for so many seconds."""
        end = None if seconds is None else time.monotonic_ns() + int(seconds * NS)
        try:
            self._selector.register(stop, selectors.EVENT_READ, lambda mask: None)
            self._listen()
            while not self._is_time_up(end):
                if stop.fileno() in self._turn(end):
                    break
            self._say_goodbye()
        finally:
            self.close()

    @staticmethod
    def _is_time_up(end: int | None) -> bool:
        return end is not None and time.monotonic_ns() >= end

    def _turn(self, end: int | None) -> set[int]:
        """Wait until something happens and deal with it; return the file descriptors where it did."""
        deadlines = [one.deadline_ns for one in self._sessions.values()]
        deadlines += [when for when in (end, self._again_ns) if when is not None]
        wait_s = max(min(deadlines) - time.monotonic_ns(), 0) / NS if deadlines else None
        ready = self._selector.select(wait_s)
        for key, mask in ready:
            key.data(mask)
        now = time.monotonic_ns()
        for one in [one for one, session in self._sessions.items() if session.deadline_ns <= now]:
            self._end(one, f"nothing happened for {self.idle_ns / NS:g} s")
        if self._again_ns is not None and self._again_ns <= now:
            self._listen()
        return {key.fd for key, _ in ready}

    def _listen(self) -> None:
        if not self._is_listening and not self._is_ending:
            for one in self.sockets:
                answer = self._accept if one.type == socket.SOCK_STREAM else self._datagrams
                self._selector.register(one, selectors.EVENT_READ, lambda mask, one=one, answer=answer: answer(one))
            self._is_listening = True
        self._again_ns = None

    def _listen_no_more(self) -> None:
        if self._is_listening:
            for one in self.sockets:
                self._selector.unregister(one)
            self._is_listening = False

    # ---- UDP

    def _datagrams(self, one: socket.socket) -> None:
        """Answer one datagram, from the address that it was sent to: a client may hear no other."""
        try:
            data, ancillary, _, sender = one.recvmsg(READ_LEN, ANCILLARY_LEN)
        except BlockingIOError:
            return  # its sum was wrong: the kernel saw that when it was asked for it
        name = _name(sender)
        try:
            one.sendmsg([uppercase(data)], _own_address(ancillary), 0, sender)
            self.say(f"{name}: {len(data)} bytes")
        except BlockingIOError:
            self.say(f"{name}: the answer was dropped, there is no room to send it")
        except OSError as error:
            self.say(f"{name}: the answer was not sent: {error.strerror}")

    # ---- TCP

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, peer = listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # it has gone again
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.say(f"no more clients for now: {error.strerror}")
            self._listen_no_more()
            self._again_ns = time.monotonic_ns() + AGAIN_NS
            return
        client.setblocking(False)
        session = self._sessions[client] = Session(self.idle_ns)
        session.began(time.monotonic_ns())
        self._names[client] = _name(peer)
        self.say(f"{self._names[client]}: connected")
        self._selector.register(client, selectors.EVENT_READ, lambda mask: self._serve(client, mask))
        if len(self._sessions) >= MAX_CLIENTS:
            self._listen_no_more()

    def _serve(self, client: socket.socket, mask: int) -> None:
        """Read what a client sent, and send what it has to get, as much as goes without waiting."""
        session = self._sessions[client]
        try:
            if mask & selectors.EVENT_READ:
                session.receive(client.recv(READ_LEN), time.monotonic_ns())
            if session.outgoing:
                session.took(client.send(session.outgoing), time.monotonic_ns())
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(client, str(error.strerror).lower())
            return
        if session.is_over:
            self._end(client, "closed")
            return
        reads = selectors.EVENT_READ * session.wants_input
        writes = selectors.EVENT_WRITE * bool(session.outgoing)
        self._selector.modify(client, reads | writes, lambda mask: self._serve(client, mask))

    def _end(self, client: socket.socket, why: str) -> None:
        session, name = self._sessions.pop(client), self._names.pop(client)
        self._selector.unregister(client)
        client.close()
        self.say(f"{name}: {why}, after {session.received} bytes in and {session.sent} out")
        self._listen()

    # ---- the end

    def _say_goodbye(self) -> None:
        """Take nothing more, and let go out what is answered."""
        self._listen_no_more()
        self._is_ending = True
        end = time.monotonic_ns() + int(GOODBYE_S * NS)
        for client, session in list(self._sessions.items()):
            session.is_half_closed = True
            self._serve(client, 0)
        while self._sessions and time.monotonic_ns() < end:
            self._turn(end)

    def close(self) -> None:
        """Close all sockets; `run` does so at its end."""
        for one in (*self._sessions, *self.sockets):
            one.close()
        self._sessions.clear()
        self._selector.close()


def _name(address: tuple[str, int]) -> str:
    return str(Endpoint(unmapped(address[0]), address[1]))


def _own_address(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Return what makes an answer leave from the address that the question came to (ip(7), RFC 3542 section 6)."""
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return [(level, kind, struct.pack("=i4s4s", 0, value[4:8], bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, value)]
    return []


# ---- sockets


def udp_server(host: str = "", port: int = PORT, *, make: Make = socket.socket, **options: object) -> Server:
    """Return the UDP server, bound to an address, or to every one of both IP versions.

    Raises
    ------
    PktlabError : the port is taken, or there is no such address

    >>> server = udp_server("127.0.0.1", 0)
    >>> server.ends[0].address
    '127.0.0.1'
    >>> server.close()
    """
    return Server(_bound(host, port, socket.SOCK_DGRAM, make), **options)  # type: ignore[arg-type]


def tcp_server(host: str = "", port: int = PORT, *, make: Make = socket.socket, **options: object) -> Server:
    """Return the TCP server, listening on an address, or on every one of both IP versions.

    Raises
    ------
    PktlabError : the port is taken, or there is no such address

    >>> server = tcp_server("127.0.0.1", 0)
    >>> [type(one.port) for one in server.ends]
    [<class 'int'>]
    >>> server.close()
    """
    return Server(_bound(host, port, socket.SOCK_STREAM, make), **options)  # type: ignore[arg-type]


def _bound(host: str, port: int, kind: int, make: Make) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for family, address in _places(host, kind):
            one = make(family, kind)
            made.append(one)
            _bind(one, address, port or (made[0].getsockname()[1] if made[1:] else 0))
    except OSError as error:
        for one in made:
            one.close()
        where = f"{host or 'every address'}, {'udp' if kind == socket.SOCK_DGRAM else 'tcp'} port {port}"
        if error.errno == errno.EADDRINUSE:
            raise PktlabError(f"{where}: another program has it; end that, or take another with --port") from None
        raise PktlabError(f"{where}: {error.strerror or error}") from None
    return made


def _places(host: str, kind: int) -> list[tuple[int, str]]:
    if host:
        found = socket.getaddrinfo(host, None, type=kind, flags=socket.AI_PASSIVE)
        return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))
    places: list[tuple[int, str]] = [(socket.AF_INET, "0.0.0.0")]
    return [*places, (socket.AF_INET6, "::")] if _has_ipv6() else places


def _has_ipv6() -> bool:
    return socket.has_ipv6 and os.path.exists("/proc/net/if_inet6")  # noqa: PTH110


def _bind(one: socket.socket, address: str, port: int) -> None:
    one.setblocking(False)
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
    if one.type == socket.SOCK_STREAM:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections in TIME_WAIT are not in the way
        one.bind((address, port))
        one.listen(BACKLOG)
        return
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        one.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    one.bind((address, port))
