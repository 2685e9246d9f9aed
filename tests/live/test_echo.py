"""The programs with real sockets on loopback, and everything that the other side may do to them."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pktlab.errors import PktlabError
from pktlab.live.access import raw_socket_error
from pktlab.live.echo import Server, Trace, ask_tcp, ask_udp, tcp_server, udp_server
from pktlab.live.echo.core import HIGH_WATER
from pktlab.live.stop import Stop

PATIENCE_S = 10
LOCAL = ("127.0.0.1", "::1") if Path("/proc/net/if_inet6").exists() else ("127.0.0.1",)


@contextmanager
def running(server: Server) -> Iterator[tuple[Any, ...]]:
    """Give where a server can be reached while it runs."""
    end = server.ends[0]
    with Stop() as stop:
        thread = threading.Thread(target=server.run, args=(stop,))
        thread.start()
        try:
            yield tuple(end)
        finally:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@contextmanager
def answering(kind: int, answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give the port of a socket that a function serves, in a thread."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.settimeout(PATIENCE_S)
        one.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            one.listen()
        thread = threading.Thread(target=answer, args=(one,))
        thread.start()
        yield one.getsockname()[1]
        thread.join(PATIENCE_S)


def connected(end: tuple[Any, ...]) -> socket.socket:
    return socket.create_connection(end[:2], PATIENCE_S)


def read_all(one: socket.socket) -> bytes:
    return b"".join(iter(lambda: one.recv(1 << 16), b""))


# ---- both together


@pytest.mark.parametrize("host", LOCAL)
def test_lines_come_back_in_capitals(host: str) -> None:
    lines = [b"hello", b"", "grüße".encode(), b"\xff\xfe", b"x" * 20_000]
    capitals = [b"HELLO", b"", "GRÜSSE".encode(), b"\xff\xfe", b"X" * 20_000]
    with running(udp_server(host, 0)) as end:
        assert list(ask_udp(lines, *end)) == capitals
    with running(tcp_server(host, 0)) as end:
        assert list(ask_tcp(lines, *end)) == capitals


def test_without_a_host_both_versions_are_served_on_one_port() -> None:
    for made, ask in ((udp_server, ask_udp), (tcp_server, ask_tcp)):
        server = made("", 0)
        (port,) = {end.port for end in server.ends}
        with running(server):
            assert [list(ask([b"a"], host, port)) for host in LOCAL] == [[b"A"], [b"A"]]


def test_a_line_that_fills_every_buffer_does_not_lock_both_sides_up() -> None:
    with running(tcp_server("127.0.0.1", 0)) as end:
        assert list(ask_tcp([b"y" * 1_000_000], *end)) == [b"Y" * 1_000_000]


# ---- what clients do to the servers


def test_many_clients_are_served_at_once_byte_by_byte() -> None:
    text = "grüße aus der vorlesung\n".encode()
    with running(tcp_server("127.0.0.1", 0)) as end, ExitStack() as stack:
        clients = [stack.enter_context(connected(end)) for _ in range(50)]
        for at in range(len(text)):
            for client in clients:
                client.send(text[at : at + 1])
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        assert {read_all(client) for client in clients} == {text.decode().upper().encode()}


def test_a_client_that_ends_its_half_gets_the_rest() -> None:
    with running(tcp_server("127.0.0.1", 0)) as end, connected(end) as client:
        client.sendall(b"no end of line\xc3")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"NO END OF LINE\xc3"


def test_a_client_that_expects_one_recv_to_be_the_answer_gets_it() -> None:
    with running(tcp_server("127.0.0.1", 0)) as end, connected(end) as client:
        client.send(b"as in the lecture, without the end of a line")
        assert client.recv(2048) == b"AS IN THE LECTURE, WITHOUT THE END OF A LINE"


def test_a_reset_ends_that_client_alone() -> None:
    said: list[str] = []
    with running(tcp_server("127.0.0.1", 0, say=said.append)) as end, connected(end) as other:
        with connected(end) as client:
            client.send(b"hello")
            assert client.recv(10) == b"HELLO"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.send(b"still there?")
        assert other.recv(100) == b"STILL THERE?"
    assert any("connection reset by peer, after 5 bytes in and 5 out" in line for line in said)


def test_a_client_that_reads_no_answers_costs_no_memory() -> None:
    server = tcp_server("127.0.0.1", 0)
    with running(server) as end, connected(end) as greedy, connected(end) as other:
        greedy.setblocking(False)
        sent = 0
        for _ in range(3000):
            try:
                sent += greedy.send(b"z" * 65_536)
            except BlockingIOError:
                other.send(b"x")  # the server had its turn
                assert other.recv(10) == b"X"
        assert sent > HIGH_WATER
        assert max(len(one.outgoing) for one in server._sessions.values()) <= HIGH_WATER + 65_536


def test_a_silent_client_is_sent_away() -> None:
    said: list[str] = []
    with running(tcp_server("127.0.0.1", 0, idle_s=0.05, say=said.append)) as end, connected(end) as client:
        assert client.recv(10) == b""
    assert any("nothing happened for 0.05 s" in line for line in said)


def test_more_clients_than_it_takes_wait_for_one_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pktlab.live.echo.servers.MAX_CLIENTS", 2)
    with running(tcp_server("127.0.0.1", 0)) as end:
        with connected(end) as first, connected(end) as second:
            for one in (first, second):
                one.send(b"a")
                assert one.recv(1) == b"A"
            third = connected(end)
            third.send(b"b")
            third.settimeout(0.05)
            with pytest.raises(TimeoutError):
                third.recv(1)
        third.settimeout(PATIENCE_S)
        assert third.recv(1) == b"B"
        third.close()


def test_no_room_for_another_client_is_no_end() -> None:
    said: list[str] = []

    class Full(socket.socket):
        left = 1

        def accept(self) -> Any:
            if Full.left:
                Full.left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    with running(tcp_server("127.0.0.1", 0, make=Full, say=said.append)) as end, connected(end) as client:
        client.send(b"a little later")
        assert client.recv(100) == b"A LITTLE LATER"
    assert said[0] == "no more clients for now: Too many open files"


def test_a_server_answers_from_the_address_that_was_asked() -> None:
    with running(udp_server("", 0)) as end:
        assert list(ask_udp([b"which one?"], "127.0.0.2", end[1])) == [b"WHICH ONE?"]


def test_an_answer_that_fits_no_datagram_is_said_and_no_end() -> None:
    said: list[str] = []
    with running(udp_server("127.0.0.1", 0, say=said.append)) as end:
        longer = "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}".encode() * 20_000  # three times as long
        with pytest.raises(PktlabError, match="no answer came in time"):
            list(ask_udp([longer], *end, wait_s=0.05, tries=1))
        assert list(ask_udp([b"still there?"], *end)) == [b"STILL THERE?"]
    assert any("the answer was not sent: Message too long" in line for line in said)


def test_the_longest_datagram_is_read_whole() -> None:
    with running(udp_server("127.0.0.1", 0)) as end:
        assert list(ask_udp([b"m" * 65_507], *end)) == [b"M" * 65_507]
        with pytest.raises(PktlabError, match=r"holds no line of 65,508 bytes"):
            list(ask_udp([b"m" * 65_508], *end))


def test_a_port_that_is_taken_is_one_line() -> None:
    for made in (udp_server, tcp_server):
        server = made("127.0.0.1", 0)
        with running(server) as end, pytest.raises(PktlabError, match="another program has it"):
            made("127.0.0.1", end[1])


def test_an_address_of_somebody_else_is_one_line() -> None:
    with pytest.raises(PktlabError, match=r"192\.0\.2\.9, tcp port 12000"):
        tcp_server("192.0.2.9")


# ---- what servers do to the clients


@pytest.mark.parametrize("host", LOCAL)
def test_nobody_there_is_told_at_once(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(PktlabError, match=r"nobody listens there, says an answer \(ICMP port unreachable\)"):
        list(ask_udp([b"x"], host, port, wait_s=PATIENCE_S))
    with pytest.raises(PktlabError, match=r"nobody listens there, says an answer \(RST\)"):
        list(ask_tcp([b"x"], host, port))


def test_a_lost_datagram_is_asked_again() -> None:
    seen: list[bytes] = []

    def deaf_once(one: socket.socket) -> None:
        seen.append(one.recv(100))
        data, sender = one.recvfrom(100)
        seen.append(data)
        one.sendto(data.upper(), sender)

    with answering(socket.SOCK_DGRAM, deaf_once) as port:
        assert list(ask_udp([b"hello"], port=port, wait_s=0.05)) == [b"HELLO"]
    assert seen == [b"hello", b"hello"]


def test_an_answer_that_comes_twice_is_not_taken_for_the_next() -> None:
    def twice(one: socket.socket) -> None:
        for _ in range(2):
            data, sender = one.recvfrom(100)
            one.sendto(data.upper(), sender)
            one.sendto(data.upper(), sender)

    with answering(socket.SOCK_DGRAM, twice) as port:
        assert list(ask_udp([b"one", b"two"], port=port)) == [b"ONE", b"TWO"]


def test_a_stranger_is_not_heard() -> None:
    def with_a_stranger(one: socket.socket) -> None:
        data, sender = one.recvfrom(100)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"ME FIRST", sender)
        one.sendto(data.upper(), sender)

    with answering(socket.SOCK_DGRAM, with_a_stranger) as port:
        assert list(ask_udp([b"hello"], port=port)) == [b"HELLO"]


def test_silence_ends_after_the_last_try() -> None:
    with answering(socket.SOCK_DGRAM, lambda one: None) as port, pytest.raises(PktlabError, match="no answer came"):
        list(ask_udp([b"hello"], port=port, wait_s=0.02, tries=2))


def served(what: bytes, *, reset: bool = False) -> Callable[[socket.socket], None]:
    """Return a server that reads a line and sends `what`, and ends the connection."""

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as one:
            while b"\n" not in one.recv(1 << 16):
                pass
            one.sendall(what)
            if reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return serve


@pytest.mark.parametrize(
    ("what", "reset", "said"),
    [
        (b"HAL", False, "before its answer was complete: 3 bytes came"),
        (b"", True, "broke off the connection"),
        (b"HELLO\nAND MORE\n", False, "answered more than it was asked"),
    ],
)
def test_a_server_that_breaks_off_is_one_line(what: bytes, reset: bool, said: str) -> None:
    with answering(socket.SOCK_STREAM, served(what, reset=reset)) as port, pytest.raises(PktlabError, match=said):
        list(ask_tcp([b"hello"], port=port, wait_s=PATIENCE_S))


def test_a_server_that_reads_once_as_in_the_lecture_is_understood() -> None:
    with answering(socket.SOCK_STREAM, served(b"HELLO\n")) as port:
        assert list(ask_tcp([b"hello"], port=port)) == [b"HELLO"]


def test_a_server_that_says_nothing_is_waited_for_in_vain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(PktlabError, match="no answer came in time"):
        list(ask_tcp([b"hello"], port=listener.getsockname()[1], wait_s=0.05))


def test_a_host_that_is_none_is_one_line() -> None:
    for ask in (ask_udp, ask_tcp):
        with pytest.raises(PktlabError, match="there is no such host"):
            list(ask([b"x"], "no such host"))


# ---- the end


def test_what_is_answered_goes_out_when_the_server_is_told_to_end() -> None:
    server = tcp_server("127.0.0.1", 0)
    with running(server) as end:
        client = connected(end)
        client.send(b"last words")
        assert client.recv(1) == b"L"
    assert read_all(client) == b"AST WORDS"
    client.close()
    assert all(one.fileno() == -1 for one in server.sockets)


def test_to_be_told_twice_or_too_late_does_no_harm() -> None:
    with Stop() as stop:
        for _ in range(3):
            stop.set()
    stop.set()


# ---- the time line


def traced(made: Callable[..., Server], ask: Callable[..., Iterator[bytes]]) -> list[str]:
    lines: list[str] = []
    with Trace(lines.append) as trace:
        server = made("127.0.0.1", 0, make=trace.maker("server"))
        trace.port = server.ends[0].port
        with running(server) as end:
            assert list(ask([b"hello"], *end, make=trace.maker("client"))) == [b"HELLO"]
    return lines


def places(lines: list[str], *parts: str) -> list[int]:
    found = [next((at for at, line in enumerate(lines) if part in line), -1) for part in parts]
    assert -1 not in found, (parts, lines)
    return found


@pytest.mark.skipif(bool(raw_socket_error()), reason="no raw sockets")
def test_system_calls_and_packets_stand_in_the_order_in_which_they_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pktlab.live.echo.trace.SLACK_NS", 400_000_000)  # a busy machine notes them late
    lines = traced(udp_server, ask_udp)
    order = places(
        lines, "server  bind", "client  send(", "→ 127.0.0.1 UDP", "server  recvmsg", "server  sendmsg", "client  recv("
    )
    assert order == sorted(order)
    assert sum("Len=5" in line for line in lines) == 2
    lines = traced(tcp_server, ask_tcp)
    order = places(
        lines, "listen(", "client  connect(", "[SYN]", "[SYN ACK]", "client  send(", "[PSH ACK]", "server  recv(",
        "client  recv(", "SHUT_WR", "[FIN ACK]", "will send no more",
    )  # fmt: skip
    assert order == sorted(order)
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)


def test_without_privilege_system_calls_are_shown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(protocol: int) -> socket.socket:
        raise PktlabError("raw sockets are not allowed here: run this with sudo")

    monkeypatch.setattr("pktlab.live.tap.packet_socket", forbidden)
    lines: list[str] = []
    with Trace(lines.append) as trace:
        assert trace.blind == "raw sockets are not allowed here: run this with sudo"
        with running(tcp_server("127.0.0.1", 0, make=trace.maker("server"))) as end:
            assert list(ask_tcp([b"hello"], *end)) == [b"HELLO"]
    places(lines, "server  accept(", "server  recv(", "server  send(", "server  close(")
    assert not any("→" in line for line in lines)


def test_an_error_of_a_call_has_its_name() -> None:
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Trace(lines.append) as trace, pytest.raises(PktlabError):
        list(ask_tcp([b"hello"], port=port, make=trace.maker("client")))
    places(lines, "client  connect(", "= -1, ECONNREFUSED", "client  close(")
