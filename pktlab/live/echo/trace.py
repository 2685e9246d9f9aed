"""System calls and packets on one time line.

    with Trace(print, port=12_000) as trace:
        server = udp_server(make=trace.maker("server"))

`maker` gives sockets that say each call: what gives something away (`bind`, `send`, `close`) when it begins, what waits
for something (`recv`, `accept`) when it returns, `connect` both times. Packets come from a `Tap` on all interfaces,
those to and from the port, and ICMP messages that quote one. Waiting for several sockets at once (`select`) is left
out. A line is shown a moment later than it happened, so that the kernel and the program can be put in order.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from pktlab.capture import Record
from pktlab.errors import PktlabError
from pktlab.flows.sockets import Endpoint
from pktlab.live.tap import Tap
from pktlab.packets import Packet
from pktlab.wire.text import one_line
from pktlab.wire.verdict import Verdict

__all__ = ["Trace"]

NS = 1_000_000_000
SLACK_NS = 50_000_000
"""How long a line is kept back: what the kernel saw before may still come."""
SHOWN = 24
"""Bytes of data that are shown."""
PORTS = ("udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport")
AT_RETURN = ("accept", "recv", "recvmsg")
IN_THE_END = ("connect",)


class Trace:
    """A context manager; it hands each line to `show`, in the order in which it all happened.

    Parameters
    ----------
    show : is given each line
    port : of the packets; 0 until it is known

    Without the privilege to see packets only system calls are shown; `blind` says why.
    """

    def __init__(self, show: Callable[[str], None], port: int = 0) -> None:
        self.show = show
        self.port = port
        self.blind = ""
        self._lines: list[tuple[int, str]] = []
        self._start = time.time_ns()
        self._lock = threading.Lock()
        self._tap: Tap | None = None
        self._stack = ExitStack()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trace", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._tap = self._stack.enter_context(Tap())
        except PktlabError as error:
            self.blind = str(error)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(SLACK_NS / NS)  # for the last packets, which the kernel sends by itself
        self._is_over.set()
        self._thread.join()
        self._collect()
        self._show_until(time.time_ns())
        self._stack.close()

    def note(self, text: str, time_ns: int | None = None) -> None:
        """Put a line on the time line: now, or when it was."""
        with self._lock:
            self._lines.append((time.time_ns() if time_ns is None else time_ns, text))

    def maker(self, who: str) -> Callable[[int, int], socket.socket]:
        """Return what makes sockets that say what is done with them, in the name of `who`."""

        def make(family: int, kind: int) -> socket.socket:
            one = _Traced(family, kind)
            one.follow(self, who)
            self.note(f"{who:<6}  socket({_family(family)}, {_kind(kind)}) = {one.fileno()}")
            return one

        return make

    def _run(self) -> None:
        while not self._is_over.is_set():
            if self._tap is not None:
                select.select([self._tap], [], [], SLACK_NS / NS)
            self._is_over.wait(SLACK_NS / NS)
            until = time.time_ns() - SLACK_NS
            self._collect()  # behind the time that is shown up to, however long this thread had to wait
            self._show_until(until)

    def _collect(self) -> None:
        if self._tap is not None:
            for record in self._tap.read():
                self._packet(record)

    def _packet(self, record: Record) -> None:
        packet = Packet(record, record.link_type)
        if any(self.port in packet.values(name) for name in PORTS):
            # A partial sum is no news: on its way out every packet has one that the hardware is to complete.
            judged = [one for one in packet.judgements if one.verdict is not Verdict.partial]
            self.note(f"{'':6}    {one_line(packet.dissection, judged)}", record.time_ns)

    def _show_until(self, now: int) -> None:
        with self._lock:
            due = sorted((line for line in self._lines if line[0] <= now), key=lambda line: line[0])
            self._lines = [line for line in self._lines if line[0] > now]
        for when, text in due:
            self.show(f"{(when - self._start) / NS:>10.6f}  {text}")


class _Traced(socket.socket):
    """A socket that says what is done with it."""

    _trace: Trace | None = None
    _who = ""

    def follow(self, trace: Trace, who: str) -> None:
        """Say it to `trace`, in the name of `who`."""
        self._trace, self._who = trace, who

    def _call(self, name: str, *arguments: Any) -> Any:
        began = time.time_ns()
        fd = self.fileno()
        said = f"{name}({', '.join(filter(None, (str(fd), *_shown(name, arguments))))})"
        if name in IN_THE_END:
            self._say(f"{said} …", began)
        try:
            result = getattr(super(), name)(*arguments)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                self._say(f"{said} = -1, {errno.errorcode.get(error.errno or 0, str(error))}", time.time_ns())
            raise
        when = time.time_ns() if name in (*AT_RETURN, *IN_THE_END) else began
        self._say(f"{said}{_result(name, result)}", when)
        return result

    def _say(self, text: str, when: int) -> None:
        if self._trace is not None:
            self._trace.note(f"{self._who:<6}  {text}", when)

    def bind(self, address: Any) -> None:
        self._call("bind", address)

    def listen(self, backlog: int = 0) -> None:
        self._call("listen", backlog)

    def connect(self, address: Any) -> None:
        self._call("connect", address)

    def send(self, data: Any, flags: int = 0) -> int:
        return int(self._call("send", data))

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0, address: Any = None) -> int:
        return int(self._call("sendmsg", buffers, ancillary, flags, address))

    def recv(self, size: int, flags: int = 0) -> bytes:
        return bytes(self._call("recv", size))

    def recvmsg(self, size: int, ancillary: int = 0, flags: int = 0) -> Any:
        return self._call("recvmsg", size, ancillary)

    def shutdown(self, how: int) -> None:
        self._call("shutdown", how)

    def close(self) -> None:
        if self.fileno() >= 0:
            self._call("close")

    def accept(self) -> Any:
        plain, peer = super().accept()
        child = _Traced(plain.family, plain.type, plain.proto, plain.detach())
        if self._trace is not None:
            child.follow(self._trace, self._who)
        self._say(f"accept({self.fileno()}) = {child.fileno()}, from {_end(peer)}", time.time_ns())
        return child, peer


def _shown(name: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """Yield arguments as a person reads them."""
    if name in ("bind", "connect"):
        yield _end(arguments[0])
    elif name == "send":
        yield _data(bytes(arguments[0]))
    elif name == "sendmsg":
        yield _data(b"".join(map(bytes, arguments[0])))
        yield f"to {_end(arguments[3])}"
    elif name == "shutdown":
        yield {socket.SHUT_RD: "SHUT_RD", socket.SHUT_WR: "SHUT_WR"}.get(arguments[0], "SHUT_RDWR")
    elif arguments:
        yield str(arguments[0])


def _result(name: str, result: Any) -> str:
    if name == "recv":
        return f" = {len(result)}{', ' + _data(result) if result else ': the other side will send no more'}"
    if name == "recvmsg":
        return f" = {len(result[0])}, {_data(result[0])} from {_end(result[3])}"
    return f" = {result}" if isinstance(result, int) else " = 0"


def _data(data: bytes) -> str:
    return f"{data[:SHOWN]!r}{'…' if len(data) > SHOWN else ''}"[1:]


def _end(address: Any) -> str:
    return str(Endpoint(*address[:2]))


def _family(family: int) -> str:
    return "AF_INET6" if family == socket.AF_INET6 else "AF_INET"


def _kind(kind: int) -> str:
    return "SOCK_STREAM" if kind == socket.SOCK_STREAM else "SOCK_DGRAM"
