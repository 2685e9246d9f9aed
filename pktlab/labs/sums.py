"""An experiment with checksums: what the sum cannot see reaches the program."""

from __future__ import annotations

import socket

from pktlab.labs.lab import Lab, is_empty
from pktlab.live.inside import inside
from pktlab.wire.checksum import ones_sum
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.numbers import EtherType, IpProtocol
from pktlab.wire.packet import build
from pktlab.wire.udp import Udp

PORT = 12_000
COUNTED = "UdpInCsumErrors"


def equal_sums(lab: Lab) -> None:
    """Show that an equal sum does not mean equal data: swapped words pass, one flipped bit does not."""
    server = lab.serve(f"udp:0.0.0.0:{PORT}")
    wire = lab.stack.enter_context(inside(lab.client, socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0))
    wire.bind((lab.client.eth0.name, 0))
    sent = _frame(lab, b"pay 10 to 25!!")
    start = sent.index(b"pay")
    pseudo = sent[26:34] + bytes((0, IpProtocol.UDP)) + sent[38:40]  # addresses, protocol, length (RFC 768)
    lab.check("the sum over pseudo-header, header and data folds to 0xffff", ones_sum(pseudo + sent[34:]) == 0xFFFF)
    swapped = (
        sent[: start + 4] + sent[start + 10 : start + 12] + sent[start + 6 : start + 10] + sent[start + 4 : start + 6]
    )
    swapped += sent[start + 12 :]
    flipped = bytearray(sent)
    flipped[start] ^= 0x01
    before = lab.server.counters()[COUNTED]
    for frame in (sent, bytes(flipped), swapped):
        wire.send(frame)
    got = [server.recv(100) for _ in range(2)]
    lab.check("the datagram arrives", got[0] == b"pay 10 to 25!!")
    lab.check("with two words swapped it arrives too: other data, the same sum", got[1] == b"pay 25 to 10!!")
    lab.check(
        "with one bit flipped it does not, and the kernel counts it", lab.server.counters()[COUNTED] == before + 1
    )
    lab.check("nothing else came", is_empty(server))


def _frame(lab: Lab, data: bytes) -> bytes:
    network = Ip(proto=IpProtocol.UDP, src=str(lab.client.ipv4), dst=str(lab.server.ipv4))
    link = Ethernet(dst=lab.server.mac, src=lab.client.mac, type=EtherType.IPv4)
    return build(link, network, Udp(srcport=5000, dstport=PORT), data)
