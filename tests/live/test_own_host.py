"""The machine's own sockets and packets, while both come and go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pktlab.demuxing import Demuxed
from pktlab.errors import PktlabError
from pktlab.flows.receiving import Delivery
from pktlab.live.access import raw_socket_error
from pktlab.live.own_host import OwnHost, own_addresses
from pktlab.live.sniff import Sniffer

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
    assert there[0] == f"tcp:127.0.0.1:{port} (address); asks for a connection"
    assert there[1].startswith(f"tcp:127.0.0.1:{port},peer=127.0.0.1:{end} (handshake)")
    assert there[2] == f"tcp:127.0.0.1:{port},peer=127.0.0.1:{end} (four-tuple)"


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
