"""A link between two real stacks: what its truth says is what both captures show."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pktlab.flows.link import Link
from pktlab.live import Sandbox
from pktlab.live.inside import inside
from pktlab.live.relay import relayed

UNAVAILABLE = Sandbox.available()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox() as made:
        yield made


def test_the_truth_accounts_for_what_was_sent_and_received(box: Sandbox, tmp_path: Path) -> None:
    client, server = box
    link = Link(delay=2_000_000, loss=0.2, duplicate=0.1, corrupt=0.1, reorder=0.1, held=5_000_000, seed=5)
    with relayed(client, server, link) as relay:
        sender = inside(client, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        receiver = inside(server, socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        receiver.settimeout(5)
        sent = [f"datagram {number}".encode() for number in range(200)]
        for data in sent:
            sender.sendto(data, ("198.51.100.2", 9))
        sender.sendto(b"the end", ("198.51.100.2", 9))
        got = []
        while sum(len(one.out_ns) for one in relay.there if not header_is_broken(one.corrupted_bit)) > len(got) or (
            len(relay.there) < 201
        ):
            got.append(receiver.recv(2048)[28:])
        sender.close()
        receiver.close()
    fates = relay.there
    assert len(fates) == 201
    whole = [data for data, one in zip([*sent, b"the end"], fates, strict=True) if one.corrupted_bit is None
             for _ in one.out_ns]  # fmt: skip
    assert sorted(data for data in got if data in whole) == sorted(whole)
    relay.write_truth(tmp_path / "truth.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert sum(line["direction"] == "there" for line in lines) == 201
    assert min(late for late in relay.late_ns) >= 0


def header_is_broken(bit: int | None) -> bool:
    """Whether a flipped bit lies in the IP header, which the kernel drops before it looks for a reader."""
    return bit is not None and bit < 160


def test_tcp_makes_good_what_the_link_loses(box: Sandbox) -> None:
    client, server = box
    with relayed(client, server, Link(delay=1_000_000, loss=0.05, seed=2)) as relay:
        listener = inside(server, socket.socket)
        listener.bind(("198.51.100.2", 12_000))
        listener.listen()
        listener.settimeout(8)
        stream = inside(client, socket.socket)
        stream.settimeout(8)
        stream.connect(("198.51.100.2", 12_000))
        connection, _ = listener.accept()
        connection.settimeout(8)
        data = bytes(range(256)) * 400
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        for one in (stream, connection, listener):
            one.close()
    assert received == data
    assert any(one.dropped for one in relay.there)
