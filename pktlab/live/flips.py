"""What the running kernel does with a packet of which one bit is broken, and whether that was predicted.

    with Sandbox("sender", "receiver") as box, Bench(box) as bench:
        for trial in bench.every_bit(SUBJECTS["udp over ipv4"]):
            if not trial.agrees:
                print(trial)

Every bit of a frame is broken in turn; the frame goes over a cable of the sandbox into a namespace in which programs
wait, and the counters of that namespace say what became of it. `pktlab.wire.reaction` has to have said the same: the
same end, and the same counters. It is told what can be known of a host, in `Bench.host`, and nothing of the bits.

The sender's address belongs to nobody, so no other kernel joins in; what the receiver answers is not waited for.
"""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pktlab.errors import PktlabError
from pktlab.live.host import Host
from pktlab.live.sandbox import Sandbox
from pktlab.wire.checksum import checksum
from pktlab.wire.dissection import Dissection, dissect
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.flip import flipped
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.numbers import EtherType, IpProtocol
from pktlab.wire.packet import build
from pktlab.wire.reaction import react
from pktlab.wire.receiver import Outcome, Reaction, Receiver
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict, judge

__all__ = ["SUBJECTS", "Bench", "Observation", "Subject", "Trial", "with_right_sums"]

PORT = 9000
ANSWER_TIMEOUT_S = 10.0
STRANGER = {4: "192.0.2.77", 6: "2001:db8::77"}  # the sender's addresses, which no host of the sandbox has
CONNECTION = {4: 7004, 6: 7006}  # the stranger's ports of the two connections
FIRST_SEQ, SEND_SEQ = 1_000_000, 5_000_000
WATCHED = re.compile(
    r"(Ip|IpExt|Ip6|Icmp|Icmp6|Udp|Udp6|Tcp)(In(?!\w*Octets|(No)?ECT|CE|Type)\w+|NoPorts\w*|ReasmReqds)|TcpOutRsts|rx_dropped"
)
"""Counters of what came in. What goes out follows from it, and answers are limited in their rate; that a fragment
waited in vain is counted half a minute later."""


@dataclass(frozen=True)
class Subject:
    """What is to be broken: `make` gets the bench and gives the next whole frame, of the same shape each time."""

    name: str
    make: Callable[[Bench], bytes]


@dataclass(frozen=True)
class Observation:
    """What the kernel did: bytes that a program got, and the watched counters that moved, by how much."""

    taken: tuple[bytes, ...]
    moved: dict[str, int]
    is_answered: bool

    @property
    def is_delivered(self) -> bool:
        """Whether a program got data, or the kernel opened a connection for one."""
        return bool(self.taken) or self.is_answered


@dataclass(frozen=True)
class Trial:
    """One bit of one frame: what was predicted, what was seen."""

    subject: str
    bit: int
    frame: bytes
    predicted: Reaction
    seen: Observation

    @property
    def agrees(self) -> bool:
        """Whether the packet ended as predicted, and just the predicted counters moved, each by one."""
        expected = dict.fromkeys((*self.predicted.passed, *self.predicted.counters), 1)
        reaches_program = self.predicted.outcome is Outcome.delivered and self.predicted.layer in ("udp", "tcp")
        return expected == self.seen.moved and self.seen.is_delivered is reaches_program

    def __str__(self) -> str:
        return (
            f"{self.subject}, bit {self.bit}: predicted {self.predicted.text} with {self.predicted.passed} and "
            f"{self.predicted.counters}, seen {self.seen.moved}, {'' if self.seen.is_delivered else 'not '}delivered"
        )


class Bench:
    """Two hosts of a sandbox with a program at each end; the second receives. A context manager.

    Raises
    ------
    PktlabError : on entering, when a program does not start; later, when no answer comes within 10 s
    """

    def __init__(self, box: Sandbox) -> None:
        self.sender, self.receiver = list(box)[:2]
        self.next_port = 20_000
        self.next_id = 0
        self.received = {4: 0, 6: 0}
        self._near: subprocess.Popen[str] | None = None
        self._far: subprocess.Popen[str] | None = None
        self.host = Receiver()

    def __enter__(self) -> Self:
        for version, address in STRANGER.items():
            neighbour = ["neighbour", "replace", address, "lladdr", self.sender.mac, "dev", self.receiver.eth0.name]
            self.receiver.run(["ip", f"-{version}", *neighbour, "nud", "permanent"])
        self.receiver.sysctl("net/ipv4", {"tcp_synack_retries": 0})
        self.sender.sysctl(f"net/ipv6/conf/{self.sender.eth0.name}", {"disable_ipv6": 1})  # it says nothing of its own
        connections = [
            {"local": str(self.address(version)), "peer": STRANGER[version], "peer_port": CONNECTION[version],
             "receive_seq": FIRST_SEQ, "send_seq": SEND_SEQ}
            for version in (4, 6)
        ]  # fmt: skip
        plan = {"port": PORT, "versions": [4, 6], "connections": connections}
        self._far = self._start(self.receiver, "receive", self.receiver.eth0.name, json.dumps(plan))
        self._near = self._start(self.sender, "send", self.sender.eth0.name)
        self.host = self._facts()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host, process in ((self.sender, self._near), (self.receiver, self._far)):
            if process is not None:
                host.stop(process)
        self._near = self._far = None

    def _start(self, host: Host, *arguments: str) -> subprocess.Popen[str]:
        # -I: neither the folder of the program nor the user's settings may change what it imports.
        program = Path(__file__).with_name("probe.py")
        process = host.popen([sys.executable, "-I", program, *arguments], stdin=subprocess.PIPE)
        said = _line_of(process)
        if said != "ready\n":
            host.stop(process)
            raise PktlabError(f"{host.name}: the probe did not start: {said.strip()}")
        return process

    def _facts(self) -> Receiver:
        """Return what can be known of the receiver without sending it anything."""
        readers = self.receiver.run(["cat", "/proc/net/ptype"]).stdout.splitlines()[1:]
        own = [self.address(version) for version in (4, 6)]
        networks = (self.receiver.eth0.ipv4, self.receiver.eth0.ipv6)
        return Receiver(
            macs=frozenset({self.receiver.mac}),
            addresses=frozenset(own),
            networks=tuple(str(one.network) for one in networks if one is not None),
            udp_ports=frozenset({PORT}),
            tcp_ports=frozenset({PORT}),
            ether_types=frozenset(int(line.split()[0], 16) for line in readers if not line.startswith("ALL")),
        )

    def address(self, version: int) -> str:
        """Return the receiver's address of an IP version."""
        return str(self.receiver.ipv4 if version == 4 else self.receiver.ipv6)

    def port(self) -> int:
        """Return a port that no frame came from yet, so that no request is one that was seen before."""
        self.next_port += 1
        return self.next_port

    def observe(self, frame: bytes) -> Observation:
        """Send a frame and return what the receiver's kernel did with it."""
        assert self._near is not None
        assert self._near.stdin is not None
        assert self._far is not None
        self._near.stdin.write(f"{frame.hex()}\n")
        self._near.stdin.flush()
        said = _line_of(self._far)
        if not said.startswith("{"):
            raise PktlabError(f"{self.receiver.name}: the probe ended: {said.strip()}")
        answer = json.loads(said)
        moved = {name: count for name, count in answer["moved"].items() if WATCHED.fullmatch(name)}
        is_answered = answer["moved"].get("TcpOutSegs", 0) > answer["moved"].get("TcpOutRsts", 0)
        taken = tuple(bytes.fromhex(data) for data in answer["taken"])
        return Observation(taken, moved, is_answered)

    def try_out(self, name: str, frame: bytes, bit: int = -1) -> Trial:
        """Send a frame, with `bit` broken if that is not -1, and compare with what was predicted."""
        broken = frame if bit < 0 else flipped(frame, bit)
        packet: Dissection = dissect(broken)
        trial = Trial(name, bit, broken, react(packet, self.host), self.observe(broken))
        version = 6 if packet.layer("ipv6") is not None else 4
        if packet.layer("tcp") is not None:
            self.received[version] += sum(map(len, trial.seen.taken))
        return trial

    def every_bit(self, subject: Subject, *, sums_made_right: bool = False) -> Iterator[Trial]:
        """Yield the trial of the whole frame, then that of every bit of it.

        With `sums_made_right` no sum notices: what is behind the sums is then seen at work, lengths, addresses, ports.
        """
        yield self.try_out(subject.name, subject.make(self))
        for bit in range(8 * len(subject.make(self))):
            if sums_made_right:
                yield self.try_out(f"{subject.name} made right", with_right_sums(flipped(subject.make(self), bit)))
            else:
                yield self.try_out(subject.name, subject.make(self), bit)

    # ---- what is sent

    def frame(self, version: int, transport: Header, data: bytes = b"") -> bytes:
        """Return a transport header and data as a frame from the stranger to the receiver."""
        proto = IpProtocol.UDP if isinstance(transport, Udp) else IpProtocol.TCP
        src, dst = STRANGER[version], self.address(version)
        self.next_id = (self.next_id + 1) & 0xFFFF  # no two fragments are of one datagram
        network: Header
        if version == 4:
            network = Ip(proto=proto, src=src, dst=dst, id=self.next_id)
        else:
            network = Ipv6(nxt=proto, src=src, dst=dst)
        kind = EtherType.IPv4 if version == 4 else EtherType.IPv6
        link = Ethernet(dst=self.receiver.mac, src=self.sender.mac, type=kind)
        return build(link, network, transport, data)


def with_right_sums(frame: bytes) -> bytes:
    """Return a frame with the sums that its own bytes ask for, innermost first; what is absent stays so."""
    right = bytearray(frame)
    for one in reversed(judge(dissect(frame))):
        if one.verdict is Verdict.bad and one.expected is not None:
            right[one.offset : one.offset + 2] = one.expected.to_bytes(2, "big")
    return bytes(right)


def _line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line that a program prints; PktlabError if there is none in time."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], ANSWER_TIMEOUT_S)[0]:
        raise PktlabError(f"a probe gave no answer in {ANSWER_TIMEOUT_S:g} s")
    return process.stdout.readline()


def _udp(version: int, data: bytes, **fields: int) -> Callable[[Bench], bytes]:
    return lambda bench: bench.frame(version, Udp(srcport=4000, dstport=PORT, **fields), data)


def _udp_with_one_bit_in_its_sum(bench: Bench) -> bytes:
    """Return a datagram whose checksum is a power of two: without that bit it says that there is none."""
    plain = Udp(srcport=4000, dstport=PORT)
    stored = dissect(bench.frame(4, plain, b"one bi\0\0")).found("udp.checksum")[0].value
    # RFC 1624: the last word of the data makes up for the difference between that sum and 0x0400.
    word = checksum((~stored & 0xFFFF).to_bytes(2, "big") + (0x0400).to_bytes(2, "big"))
    return bench.frame(4, plain, b"one bi" + word.to_bytes(2, "big"))


def _syn(version: int) -> Callable[[Bench], bytes]:
    return lambda bench: bench.frame(version, Tcp(srcport=bench.port(), dstport=PORT, seq_raw=1, flags=TcpFlags(0x002)))


def _segment(version: int) -> Callable[[Bench], bytes]:
    """Return a maker of the next segment of data of the connection, whatever it has received so far."""

    def make(bench: Bench) -> bytes:
        header = Tcp(
            srcport=CONNECTION[version], dstport=PORT, seq_raw=FIRST_SEQ + bench.received[version], ack_raw=SEND_SEQ,
            flags=TcpFlags(0x018), window_size_value=8192,
        )  # fmt: skip
        return bench.frame(version, header, b"data that has to arrive as it was sent")

    return make


SUBJECTS = {
    name: Subject(name, make)
    for name, make in (
        ("udp over ipv4", _udp(4, b"hello!")),
        ("long udp over ipv4", _udp(4, bytes(range(90)))),
        ("udp over ipv4 without a sum", _udp(4, b"hello!", checksum=0)),
        ("udp over ipv4 with one bit in its sum", _udp_with_one_bit_in_its_sum),
        ("udp over ipv6", _udp(6, b"hello!")),
        ("udp over ipv6 of 8 bytes", _udp(6, b"")),
        ("tcp request over ipv4", _syn(4)),
        ("tcp data over ipv4", _segment(4)),
        ("tcp request over ipv6", _syn(6)),
        ("tcp data over ipv6", _segment(6)),
    )
}
"""What the experiment is made with. Long datagrams are summed later than short ones; one of 8 bytes has a length of one
bit, without which an IPv6 host takes it for a jumbogram's."""
