"""Experiments over a link that takes time and loses: what UDP saves, and what it leaves to the program."""

from __future__ import annotations

import itertools

from pktlab.flows.link import Link
from pktlab.labs.lab import Lab
from pktlab.live.relay import Relay, relayed

SERVER = ("198.51.100.2", 12_000)
MS = 1_000_000


def round_trips(lab: Lab) -> None:
    """Show that a question and its answer take UDP one round trip, and TCP two: the handshake comes first."""
    delay = 20 * MS
    with relayed(lab.client, lab.server, Link(delay=delay), Link(delay=delay)) as relay:
        datagrams = lab.serve(f"udp:0.0.0.0:{SERVER[1]}")
        listener = lab.serve(f"tcp:0.0.0.0:{SERVER[1]}")
        client = lab.visit("udp")
        client.sendto(b"question", SERVER)
        data, sender = datagrams.recvfrom(100)
        datagrams.sendto(data.upper(), sender)
        client.recv(100)
        by_udp = _crossings(relay, 0)
        so_far = len(relay.there) + len(relay.back)
        stream = lab.visit("tcp")
        stream.connect(SERVER)
        stream.sendall(b"question")
        child, _ = lab.accept(listener)
        child.sendall(child.recv(100).upper())
        lab.check("both got the answer", stream.recv(100) == b"QUESTION")
        by_tcp = _crossings(relay, so_far)
    lab.check("UDP: the link was crossed twice until the answer was there", by_udp == 2)
    lab.check("TCP: four times, with SYN and SYN, ACK in front", by_tcp == 4)


def _crossings(relay: Relay, skipped: int) -> int:
    """Return how often the link was crossed one after the other, by the packets behind the first `skipped`."""
    ways = [entry["direction"] for entry in relay.truth()][skipped:]
    while ways and ways[-1] == "there":  # what acknowledges the answer
        ways.pop()
    turns = sum(one != later for one, later in itertools.pairwise(ways))
    return turns + 1 if ways else 0


def loss_and_order(lab: Lab) -> None:
    """Show that over a link that loses and reorders, UDP delivers what comes as it comes, TCP everything in order."""
    link = Link(delay=2 * MS, loss=0.1, reorder=0.1, held=5 * MS, seed=4)
    numbers = list(range(200))
    with relayed(lab.client, lab.server, link, Link(delay=2 * MS)) as relay:
        datagrams = lab.serve(f"udp:0.0.0.0:{SERVER[1]}")
        listener = lab.serve(f"tcp:0.0.0.0:{SERVER[1]}")
        client = lab.visit("udp")
        for number in numbers:
            client.sendto(number.to_bytes(2, "big"), SERVER)
        lab.wait_until(lambda: len(relay.there) >= len(numbers))
        arriving = sum(bool(one.out_ns) for one in relay.there)
        got = [int.from_bytes(datagrams.recv(10), "big") for _ in range(arriving)]
        stream = lab.visit("tcp")
        stream.connect(SERVER)
        child, _ = lab.accept(listener)
        sent = b"".join(number.to_bytes(2, "big") * 50 for number in numbers)
        stream.sendall(sent)
        received = b""
        while len(received) < len(sent):
            received += child.recv(1 << 16)
        lost = sum(one.dropped == "loss" for one in relay.there[len(numbers) :])
    lab.check(f"UDP lost {len(numbers) - len(got)} of 200 datagrams, as the link says", 0 < len(got) < 200)
    lab.check("what came did not come in order", got != sorted(got))
    lab.check(f"TCP lost {lost} segments on the way, and delivered every byte in order", received == sent)
