"""The machine's own sockets and packets, while both come and go."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from pktlab.demuxing import Demuxed
from pktlab.errors import PktlabError
from pktlab.flows.receiving import Delivery
from pktlab.flows.sockets import parse_socket
from pktlab.live import Sandbox
from pktlab.live.access import raw_socket_error
from pktlab.live.inside import inside
from pktlab.live.kernel_sockets import open_socket
from pktlab.live.own_host import OwnHost, own_addresses
from pktlab.live.sniff import Sniffer

ROOT = Path(__file__).resolve().parents[2]
UNAVAILABLE = Sandbox.available()
needs_raw_sockets = pytest.mark.skipif(bool(raw_socket_error()), reason="no raw sockets")


@contextmanager
def watched(port: int, deliveries: list[Delivery]) -> Iterator[None]:
    """Note what becomes of the packets of a port on loopback, until the block ends."""
    is_listening = threading.Event()
    with Sniffer("lo", bpf=f"port {port}") as sniffer:
        demuxed = Demuxed(OwnHost("lo"))
        sniffer.wire.on_start = is_listening.set

        def run() -> None:
            deliveries.extend(delivery for _, delivery in demuxed.read(sniffer) if delivery is not None)

        thread = threading.Thread(target=run)
        thread.start()
        assert is_listening.wait(10)
        try:
            yield
        finally:
            sniffer.stop()
            thread.join(10)


def said(deliveries: list[Delivery], key_part: str) -> list[str]:
    return [str(one) for one in deliveries if key_part in str(one.key)]


@needs_raw_sockets
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_datagrams_reach_the_sockets_that_the_kernel_lists(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deliveries: list[Delivery] = []
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        server.bind((host, 0))
        port = server.getsockname()[1]
        with watched(port, deliveries):
            client.sendto(b"question", (host, port))
            _, sender = server.recvfrom(100)
            server.sendto(b"answer", sender)
            assert client.recv(100) == b"answer"
    question, answer = deliveries
    assert question.match is not None
    assert question.match.socket is not None
    assert (question.match.socket.local, str(question.match.rule)) == ((host, port), "address")
    assert answer.match is not None
    assert answer.match.socket is not None
    assert answer.match.socket.local.port == sender[1]


@needs_raw_sockets
def test_a_connection_that_begins_while_it_is_watched() -> None:
    deliveries: list[Delivery] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with watched(port, deliveries):
            with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as child:
                client.sendall(b"hello")
                assert child.recv(100) == b"hello"
                end = client.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                pass
    there = said(deliveries, f":{end} →")
    assert there[0].endswith(f" tcp:127.0.0.1:{port} (address); asks for a connection")  # with the program in front
    assert f" tcp:127.0.0.1:{port},peer=127.0.0.1:{end} (handshake)" in there[1]
    assert there[2].endswith(f" tcp:127.0.0.1:{port},peer=127.0.0.1:{end} (four-tuple)")


@needs_raw_sockets
def test_a_port_that_nobody_has() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    deliveries: list[Delivery] = []
    with watched(port, deliveries), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"anybody?", ("127.0.0.1", port))
    assert [str(one) for one in deliveries] == ["no socket: ICMP port unreachable"]


def test_an_interface_that_is_none() -> None:
    with pytest.raises(PktlabError, match="there is no interface nothing0"):
        OwnHost("nothing0")


def test_own_addresses_have_their_networks() -> None:
    assert "127.0.0.0/8" in [str(one.network) for one in own_addresses()]


SERVED = (
    "udp:0.0.0.0:700,reuseaddr", "udp:192.0.2.2:700,reuseaddr", "udp:[::]:701,v6only", "udp:[::]:702",
    "udp:0.0.0.0:703,member=239.1.1.1%eth0", "udp:0.0.0.0:704,dev=eth0",
)  # fmt: skip
SENT = (
    ("192.0.2.2", 700), ("192.0.2.255", 700), ("2001:db8::2", 701), ("192.0.2.2", 701), ("192.0.2.2", 702),
    ("2001:db8::2", 702), ("239.1.1.1", 703), ("239.1.1.2", 703), ("192.0.2.2", 704), ("192.0.2.2", 705),
)  # fmt: skip
FOR_NOBODY = (("192.0.2.2", 701), ("239.1.1.2", 703), ("192.0.2.2", 705))


@pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "")
def test_the_command_says_where_the_kernel_puts_it() -> None:
    """In a namespace: what every socket really got is what the command, which only looked on, says that it got."""
    with Sandbox() as box, ExitStack() as stack:
        client, server = box
        sockets = {text: stack.enter_context(open_socket(server, parse_socket(text))) for text in SERVED}
        words = [sys.executable, "-m", "pktlab_cli", "demux", "-i", "eth0", "-f", "udp", "-c", len(SENT), "--json"]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "cli")])
        watching = server.popen(words, env=os.environ | {"PYTHONPATH": paths}, stderr=subprocess.PIPE)
        assert watching.stderr is not None
        assert watching.stderr.readline() == "pktlab: eth0: listening\n"
        for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            sender = stack.enter_context(inside(client, socket.socket, family, socket.SOCK_DGRAM))
            if version == 4:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(str(client.ipv4)))
            for address, port in SENT:
                if (":" in address) == (version == 6):
                    sender.sendto(b"x", (address, port))
        said, _ = watching.communicate(timeout=30)
        got = {text: count_in(one) for text, one in sockets.items()}
    told = {one["demux.socket"]: one["packets"] for one in json.loads(said)["sockets"]}
    assert told.pop(None) == len([place for place in SENT if place in FOR_NOBODY])
    assert {parse_socket(name.partition(" ")[2]).local: count for name, count in told.items()} == {
        parse_socket(text).local: count for text, count in got.items() if count
    }


def count_in(one: socket.socket) -> int:
    """Return how many datagrams wait in a socket."""
    one.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            one.recv(10)
            count += 1
    return count
