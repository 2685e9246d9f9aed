"""The clients: a line goes out, its answer comes back, and nothing is waited for without end."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator

from pktlab.errors import PktlabError
from pktlab.flows.sockets import Endpoint
from pktlab.live.echo.core import PORT, Answers, Question

__all__ = ["ask_tcp", "ask_udp"]

Make = Callable[[int, int], socket.socket]
NS = 1_000_000_000
READ_LEN = 1 << 16


def ask_udp(
    lines: Iterable[bytes], host: str = "127.0.0.1", port: int = PORT, *, wait_s: float = 1.0, tries: int = 3,
    make: Make = socket.socket,
) -> Iterator[bytes]:  # fmt: skip
    """Yield the answer to each line; a line without an answer is sent again, and waited for twice as long.

    Every line goes out of a socket of its own. So an answer that comes late, or twice, reaches a port that nobody
    listens at any more, and is never taken for that to the next line. The socket is connected: it hears the server
    alone, and is told when nobody listens there.

    Raises
    ------
    PktlabError : nobody listens there, no answer came, a line does not fit into a datagram, there is no such host

    >>> next(ask_udp([b"hello"], "no such host"))
    Traceback (most recent call last):
        ...
    pktlab.errors.PktlabError: no such host: there is no such host (...)
    """
    family, end = _resolved(host, port, socket.SOCK_DGRAM)[0]
    for line in lines:
        with make(family, socket.SOCK_DGRAM) as one, _told(end, "udp", len(line)):
            one.setblocking(False)
            one.connect(end)
            yield _asked(one, line, Question(int(wait_s * NS), tries))


def _asked(one: socket.socket, line: bytes, question: Question) -> bytes:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        while True:
            now = time.monotonic_ns()
            if question.is_due(now):
                one.send(line)
            if selector.select((question.next_ns - now) / NS):
                return one.recv(READ_LEN)


def ask_tcp(
    lines: Iterable[bytes], host: str = "127.0.0.1", port: int = PORT, *, wait_s: float = 10.0,
    make: Make = socket.socket,
) -> Iterator[bytes]:  # fmt: skip
    """Yield the answer to each line over one connection.

    While a long line is sent, the answer to its beginning is read: if both sides only sent, both would wait for ever.

    Parameters
    ----------
    wait_s : seconds in which something has to happen

    Raises
    ------
    PktlabError : nobody listens there, the server said nothing in time, or ended the connection before its answer was
        complete, there is no such host
    """
    one, end = _connected(_resolved(host, port, socket.SOCK_STREAM), wait_s, make)
    answers = Answers()
    with one, _told(end, "tcp"), selectors.DefaultSelector() as selector:
        one.setblocking(False)
        selector.register(one, selectors.EVENT_READ)
        for line in lines:
            yield _answer(one, selector, memoryview(line + b"\n"), answers, wait_s)
        one.shutdown(socket.SHUT_WR)  # the server sees that this was all, and closes
        while selector.select(wait_s):
            if not one.recv(READ_LEN):
                break


def _answer(
    one: socket.socket, selector: selectors.BaseSelector, pending: memoryview, answers: Answers, wait_s: float
) -> bytes:
    lines: list[bytes] = []
    while not lines:
        selector.modify(one, selectors.EVENT_READ | selectors.EVENT_WRITE * bool(pending))
        ready = selector.select(wait_s)
        if not ready:
            raise TimeoutError
        if ready[0][1] & selectors.EVENT_WRITE:
            pending = pending[one.send(pending) :]
        if ready[0][1] & selectors.EVENT_READ:
            data = one.recv(READ_LEN)
            if not data:
                raise PktlabError(
                    f"the server closed the connection before its answer was complete: {len(answers.rest)} bytes came"
                )
            lines = answers.receive(data)
    if len(lines) > 1 or pending:
        raise PktlabError("the server answered more than it was asked: it does not speak line by line")
    return lines[0]


# ---- where to, and what may go wrong


def _resolved(host: str, port: int, kind: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=kind)
    except (socket.gaierror, UnicodeError) as error:
        raise PktlabError(f"{host}: there is no such host ({error})") from None
    return [(family, place) for family, _, _, _, place in found]  # type: ignore[misc]


def _connected(
    places: list[tuple[int, tuple[str, int]]], wait_s: float, make: Make
) -> tuple[socket.socket, tuple[str, int]]:
    """Return a connection to the first of a host's addresses that takes one."""
    for number, (family, end) in enumerate(places, 1):
        one = make(family, socket.SOCK_STREAM)
        one.settimeout(wait_s)
        try:
            one.connect(end)
        except OSError as error:
            one.close()
            if number == len(places):
                raise PktlabError(_why(error, end, "tcp", 0)) from None
            continue
        return one, end
    raise AssertionError("getaddrinfo gives one place at least")


class _told:  # noqa: N801 - it is used as a function is
    """Turns the errors of sockets into what a person can do about them."""

    def __init__(self, end: tuple[str, int], protocol: str, length: int = 0) -> None:
        self.end, self.protocol, self.length = end, protocol, length

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise PktlabError(_why(error, self.end, self.protocol, self.length)) from None


def _why(error: OSError, end: tuple[str, int], protocol: str, length: int) -> str:
    where = f"{Endpoint(*end[:2])}, {protocol}"
    if isinstance(error, TimeoutError):
        return f"{where}: no answer came in time; is it the right host, and does a firewall let it through?"
    if isinstance(error, ConnectionRefusedError):
        how = "RST" if protocol == "tcp" else "ICMP port unreachable"
        return f"{where}: nobody listens there, says an answer ({how}): start `pktlab echo {protocol}-server`"
    if isinstance(error, ConnectionError):
        return f"{where}: the server broke off the connection ({str(error.strerror).lower()})"
    if error.errno == errno.EMSGSIZE:
        return f"{where}: a datagram holds no line of {length:,} bytes: use tcp-client, or shorter lines"
    return f"{where}: {error.strerror or error}"
