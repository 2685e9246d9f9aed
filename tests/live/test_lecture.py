"""What docs/echo.md says of the lecture's programs, done to them: every fault is one."""

from __future__ import annotations

import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "echo.md"
PATIENCE_S = 10
SOON_S = 0.3
"""How long is waited for what does not come."""
Run = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a line of Python beside the programs that the page shows."""
    found = re.search(r"```python\n(# lecture\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "lecture.py").write_text(found[1])
    started: list[subprocess.Popen[str]] = []

    def start(line: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-u", "-c", f"from lecture import *; {line}"], cwd=tmp_path, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


@contextmanager
def udp(run: Run, host: str = "127.0.0.1") -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """Give the UDP server, and a socket that is connected to it."""
    port = free_port(socket.SOCK_DGRAM)
    server = run(f"udp_server({port})")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        until_it_works(lambda: probe.sendto(b"x", ("127.0.0.1", port)) and probe.recv(10))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect((host, port))
        yield server, client


def tcp(run: Run, port: int) -> tuple[subprocess.Popen[str], Callable[[], socket.socket]]:
    """Return the TCP server, and what connects to it."""
    server = run(f"tcp_server({port})")

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), PATIENCE_S)

    until_it_works(lambda: connect().close())
    return server, connect


def until_it_works(attempt: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            attempt()
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)
        else:
            return


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_silent(one: socket.socket) -> bool:
    one.settimeout(SOON_S)
    try:
        one.recv(10)
    except TimeoutError:
        return True
    finally:
        one.settimeout(PATIENCE_S)
    return False


def ended_with(server: subprocess.Popen[str], what: str) -> bool:
    return server.wait(PATIENCE_S) != 0 and what in (server.stderr.read() if server.stderr else "")


def test_line_1_ipv6_clients_find_nobody(run: Run) -> None:
    with udp(run) as (_, client), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.connect(("::1", client.getpeername()[1]))
        other.settimeout(PATIENCE_S)
        other.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            other.recv(10)


def test_line_2_the_answer_leaves_from_another_address(run: Run) -> None:
    with udp(run, "127.0.0.2") as (_, client):
        client.send(b"x")
        assert is_silent(client)


def test_line_3_ctrl_c_is_a_traceback(run: Run) -> None:
    with udp(run) as (server, _):
        server.send_signal(signal.SIGINT)
        assert ended_with(server, "Traceback")


def test_line_4_the_rest_of_a_longer_datagram_is_lost(run: Run) -> None:
    with udp(run) as (_, client):
        client.send(b"a" * 3000)
        assert client.recv(10_000) == b"A" * 2048


def test_line_5_a_datagram_that_is_no_text_ends_the_server(run: Run) -> None:
    with udp(run) as (server, client):
        client.send(b"\xff")
        assert ended_with(server, "UnicodeDecodeError")


def test_lines_6_and_7_nobody_there_is_waited_for_without_end(run: Run) -> None:
    client = run(f"udp_client('x', '127.0.0.1', {free_port(socket.SOCK_DGRAM)})")
    with pytest.raises(subprocess.TimeoutExpired):
        client.wait(2 * SOON_S)


def test_line_7_a_stranger_is_believed(run: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.settimeout(PATIENCE_S)
        server.bind(("127.0.0.1", 0))
        client = run(f"udp_client('x', '127.0.0.1', {server.getsockname()[1]})")
        _, sender = server.recvfrom(10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"ME FIRST", sender)
        assert client.communicate(timeout=PATIENCE_S)[0] == "ME FIRST\n"


def test_line_8_started_again_the_address_is_in_use(run: Run) -> None:
    port = free_port(socket.SOCK_STREAM)
    server, connect = tcp(run, port)
    with connect() as client:
        client.send(b"x")
        assert (client.recv(10), client.recv(10)) == (b"X", b"")
    server.kill()
    server.wait(PATIENCE_S)
    assert ended_with(run(f"tcp_server({port})"), "Address already in use")


def test_lines_9_and_10_a_silent_client_keeps_others_out(run: Run) -> None:
    _, connect = tcp(run, free_port(socket.SOCK_STREAM))
    with connect() as silent, connect() as other:
        other.send(b"x")
        assert is_silent(other)
        silent.send(b"y")
        assert (silent.recv(10), other.recv(10)) == (b"Y", b"X")


def test_lines_11_and_13_the_second_piece_is_never_read(run: Run) -> None:
    _, connect = tcp(run, free_port(socket.SOCK_STREAM))
    with connect() as client:
        client.send(b"hel")
        assert client.recv(10) == b"HEL"
        with pytest.raises(ConnectionError):
            send_until_it_fails(client)


def send_until_it_fails(client: socket.socket) -> None:
    while client.send(b"lo"):
        client.recv(10)


def test_line_11_half_a_character_ends_the_server(run: Run) -> None:
    server, connect = tcp(run, free_port(socket.SOCK_STREAM))
    with connect() as client:
        client.send("ü".encode()[:1])
        assert ended_with(server, "UnicodeDecodeError")


def test_line_11_a_reset_ends_the_server(run: Run) -> None:
    server, connect = tcp(run, free_port(socket.SOCK_STREAM))
    with connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ended_with(server, "ConnectionResetError")


def test_line_15_the_answer_s_second_piece_is_not_waited_for(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        client = run(f"tcp_client('hello', '127.0.0.1', {listener.getsockname()[1]})")
        with listener.accept()[0] as child:
            child.recv(10)
            child.send(b"HEL")
            assert client.communicate(timeout=PATIENCE_S)[0] == "HEL\n"
