"""`pktlab echo`: the four programs as programs, with what a shell and a person do to them."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Started = Callable[..., Any]


@pytest.fixture
def started(environment: dict[str, str]) -> Started:
    """Start ``pktlab echo ARGUMENTS`` as a program, and give it with the port that it listens on."""

    @contextmanager
    def start(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        command = [sys.executable, "-m", "pktlab_cli", "echo", *arguments, "--port", "0"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as one:
            try:
                assert one.stdout is not None
                found = re.search(r"listening on .*?:([0-9]+)", one.stdout.readline())
                assert found is not None
                yield one, int(found[1])
            finally:
                one.kill()

    return start


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_client_and_server_are_two_programs(protocol: str, started: Started, pktlab: Any) -> None:
    with started(f"{protocol}-server") as (_, port):
        for host in ("127.0.0.1", "::1"):
            words = ("echo", f"{protocol}-client", "--host", host, "--port", port)
            assert pktlab(*words, "hello", "grüße") == (0, "HELLO\nGRÜSSE\n", "")
            assert pktlab(*words, stdin=b"from\na pipe") == (0, "FROM\nA PIPE\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_signal_ends_a_server_cleanly(protocol: str, number: int, started: Started) -> None:
    with started(f"{protocol}-server", "--host", "127.0.0.1") as (server, port):
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(10)
            client.connect(("127.0.0.1", port))
            client.send(b"last words")
            assert client.recv(100) == b"LAST WORDS"
            server.send_signal(number)
            out, err = server.communicate(timeout=10)
            assert (server.returncode, err) == (0, "")
            if protocol == "tcp":
                assert client.recv(100) == b""  # a FIN, no RST
                assert "closed, after 10 bytes in and 10 out" in out


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_kill_9_leaves_no_port_taken(protocol: str, started: Started, pktlab: Any) -> None:
    with started(f"{protocol}-server", "--host", "127.0.0.1") as (server, port):
        words = ("echo", f"{protocol}-client", "--port", port, "hello")
        assert pktlab(*words).out == "HELLO\n"
        server.kill()
        server.wait(10)
        status, out, err = pktlab(*words)
        assert (status, out) == (2, "")
        assert "nobody listens there" in err
        again = pktlab("echo", f"{protocol}-server", "--host", "127.0.0.1", "--port", port, "--seconds", "0")
        assert again == (0, f"listening on 127.0.0.1:{port}\n", "")


def test_a_client_with_its_own_server_and_the_time_line(pktlab: Any) -> None:
    for protocol in ("udp", "tcp"):
        status, out, _ = pktlab("echo", f"{protocol}-client", "--with-server", "--trace", "hello")
        assert status == 0
        lines = [line.split(maxsplit=1)[1] for line in out.splitlines()]
        assert any(line.startswith("server  bind(") for line in lines)
        assert lines.index("client  # HELLO") > lines.index(next(one for one in lines if "client  send(" in one))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tcp-client", "--host", "no such host", "x"), "no such host: there is no such host"),
        (("udp-client", "--tries", "0", "x"), "--tries"),
        (("udp-server", "--host", "192.0.2.9"), "192.0.2.9, udp port 12000: Cannot assign requested address"),
    ],
)
def test_a_slip_is_one_line(arguments: tuple[str, ...], said: str, pktlab: Any) -> None:
    status, out, err = pktlab("echo", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_an_answer_does_nothing_to_a_terminal(pktlab: Any) -> None:
    out = pktlab("echo", "tcp-client", "--with-server", "\x1b[2J").out
    assert out == "\\x1b[2J\n"
