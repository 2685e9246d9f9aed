"""The verdict held against the running kernel: mutated packets injected raw, and the counters that say what it thought.

Every packet goes alone, over a cable of the sandbox into a namespace with open ports, and what moved there is compared
twice: with the verdict (delivered for good and absent; InCsumErrors for bad, partial and illegal-zero; InErrors for
malformed; InHdrErrors for a damaged IP header), and with what `react` foretold, counter by counter.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from pktlab.api import Packet
from pktlab.api import packet as packet_of
from pktlab.demuxing import Demuxed
from pktlab.flows import SocketTable
from pktlab.flows.receiving import ReceivingHost
from pktlab.live import Sandbox
from pktlab.live.flips import CONNECTION, FIRST_SEQ, PORT, SEND_SEQ, STRANGER, Bench, Trial, with_right_sums
from pktlab.spoil import near_misses, with_checksum
from pktlab.wire.header import Header
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict, judge

UNAVAILABLE = Sandbox.available()
ETHERNET_LEN = 14
MAX_DATA = 1400


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox("sender", "receiver") as box, Bench(box) as made:
        quiet(made)
        yield made


def quiet(bench: Bench) -> None:
    """Let the receiver ask for no neighbour: that one does not answer would be counted, seconds later."""
    bench.receiver.run(["ip", "link", "set", "dev", bench.receiver.eth0.name, "arp", "off"])


# ---- packets that are right


def payload(rng: random.Random) -> bytes:
    """Return data of any length; some are all zeros or ones, where +0 and -0 are near."""
    length = rng.choice((0, 1, 2, 3, rng.randrange(64), rng.randrange(64), rng.randrange(MAX_DATA)))
    return rng.choice((rng.randbytes(length), rng.randbytes(length), bytes(length), b"\xff" * length))


def transport(bench: Bench, version: int, rng: random.Random) -> Header:
    """Return a datagram's header, a connection request's, or that of the connection's next segment."""
    kind = rng.choice(("udp", "udp", "request", "segment"))
    if kind == "udp":
        return Udp(srcport=rng.randrange(1, 0x10000), dstport=PORT)
    if kind == "request":
        return Tcp(srcport=bench.port(), dstport=PORT, seq_raw=rng.randrange(1 << 32), flags=TcpFlags(0x002))
    return Tcp(
        srcport=CONNECTION[version], dstport=PORT, seq_raw=FIRST_SEQ + bench.received[version], ack_raw=SEND_SEQ,
        flags=TcpFlags(0x018), window_size_value=8192,
    )  # fmt: skip


def right(bench: Bench, rng: random.Random) -> bytes:
    version = rng.choice((4, 6))
    header = transport(bench, version, rng)
    return bench.frame(
        version, header, payload(rng) or (b"x" if isinstance(header, Tcp) and header.flags.push else b"")
    )


# ---- and what is done to them


def unharmed(frame: bytes, rng: random.Random) -> bytes:
    return frame


def near_miss(frame: bytes, rng: random.Random) -> bytes:
    """One of `craft --mutate`: a chosen checksum, a field that steers one off, with right sums behind it."""
    return rng.choice(list(near_misses(packet_of(frame)))).data


def bits(frame: bytes, rng: random.Random) -> bytes:
    """One to four bits anywhere above the link."""
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        at = rng.randrange(8 * ETHERNET_LEN, 8 * len(data))
        data[at // 8] ^= 0x80 >> at % 8
    return bytes(data)


def word(frame: bytes, rng: random.Random) -> bytes:
    """A word anywhere above the link set to something else."""
    at = rng.randrange(ETHERNET_LEN, len(frame) - 1)
    made = rng.choice((b"\0\0", b"\xff\xff", rng.randbytes(2)))
    return frame[:at] + made + frame[at + 2 :]


def checksum(frame: bytes, rng: random.Random) -> bytes:
    """A checksum, of the transport or of the IP header, set to something else; +0 and -0 among it."""
    one = rng.choice(judge(packet_of(frame).dissection))
    made = rng.choice((b"\0\0", b"\xff\xff", rng.randbytes(2)))
    return frame[: one.offset] + made + frame[one.offset + 2 :]


def minus_zero(frame: bytes, rng: random.Random) -> bytes:
    """Data whose sum is 0xFFFF, so that the checksum is 0: UDP has to write that as 0xFFFF, TCP may not."""
    packet = packet_of(frame)
    (one,) = (one for one in judge(packet.dissection) if one.protocol != "ip")
    if (
        len(frame) - one.offset < 10
        or packet.layers[-1].protocol != "data"
        or packet.layers[-1].stop - packet.layers[-1].start < 2
    ):
        return frame
    at = packet.layers[-1].start
    data = bytearray(frame)
    data[at : at + 2], data[one.offset : one.offset + 2] = b"\0\0", b"\0\1"
    rest = bytes(data[:at]) + with_checksum(packet_of(bytes(data)), "good").data[one.offset : one.offset + 2]
    data[: at + 2] = rest
    data[one.offset : one.offset + 2] = rng.choice((b"\0\0", b"\xff\xff"))
    return bytes(data)


def address(frame: bytes, rng: random.Random) -> bytes:
    """The sender's address rewritten, and the IP header's sum with it, as a NAT does that forgets the transport."""
    packet = packet_of(frame)
    found = next(one for name in ("ip.src", "ipv6.src") for one in packet.dissection.found(name))
    data = bytearray(frame)
    data[found.stop - 1] ^= rng.randrange(1, 0x40)
    if packet.get("ip.src"):
        (ip, *_) = judge(packet_of(bytes(data)).dissection)
        if ip.expected is not None:
            data[ip.offset : ip.offset + 2] = ip.expected.to_bytes(2, "big")
    return bytes(data)


def length(frame: bytes, rng: random.Random) -> bytes:
    """UDP's length or TCP's data offset set to anything, the sums then made right or not."""
    packet = packet_of(frame)
    data = bytearray(frame)
    at = next(one.start for one in packet.layers if one.protocol in ("udp", "tcp"))
    if packet.get("udp.length") is not None:
        real = packet["udp.length"]
        made = rng.choice((0, 7, 8, real - 1, real + 1, real // 2, 0xFFFF, rng.randrange(0x10000))) & 0xFFFF
        data[at + 4 : at + 6] = made.to_bytes(2, "big")
    else:
        data[at + 12] = rng.randrange(16) << 4
    return with_right_sums(bytes(data)) if rng.random() < 0.5 else bytes(data)


def total_length(frame: bytes, rng: random.Random) -> bytes:
    """The IP header's own length changed, with a right sum over it or not."""
    packet = packet_of(frame)
    found = next(one for name in ("ip.len", "ipv6.plen") for one in packet.dissection.found(name))
    step = rng.choice((-30, -9, -8, -2, -1, 1, 2, 100))
    data = bytearray(frame)
    data[found.start : found.stop] = (max(found.value + step, 0) & 0xFFFF).to_bytes(2, "big")
    return with_right_sums(bytes(data)) if rng.random() < 0.5 else bytes(data)


def trailer(frame: bytes, rng: random.Random) -> bytes:
    """Bytes behind the packet, which no sum covers."""
    return frame + rng.randbytes(rng.randrange(1, 40))


def cut(frame: bytes, rng: random.Random) -> bytes:
    return frame[: rng.randrange(ETHERNET_LEN + 1, len(frame))]


def swapped(frame: bytes, rng: random.Random) -> bytes:
    """Two words of the data in each other's place: wrong, and no sum sees it."""
    layer = packet_of(frame).layers[-1]
    words = (layer.stop - layer.start - layer.start % 2) // 2
    if layer.protocol != "data" or words < 2:
        return frame
    one, other = (layer.start + layer.start % 2 + 2 * at for at in sorted(rng.sample(range(words), 2)))
    return frame[:one] + frame[other : other + 2] + frame[one + 2 : other] + frame[one : one + 2] + frame[other + 2 :]


def options(frame: bytes, rng: random.Random) -> bytes:
    """Options put into the IPv4 header or TCP's, real ones and nonsense, with right sums."""
    packet = packet_of(frame)
    layers = [one for one in packet.layers if one.protocol in ("ip", "tcp")]
    if not layers:
        return frame
    layer = rng.choice(layers)
    added = b"".join(rng.choice(OPTIONS) for _ in range(rng.randrange(1, 5)))[:40]
    added += bytes(-len(added) % 4)
    data = bytearray(frame[: layer.stop] + added + frame[layer.stop :])
    place = layer.start + (0 if layer.protocol == "ip" else 12)
    data[place] += len(added) // 4 << (0 if layer.protocol == "ip" else 4)
    found = next(one for name in ("ip.len", "ipv6.plen") for one in packet.dissection.found(name))
    data[found.start : found.stop] = (found.value + len(added)).to_bytes(2, "big")
    return with_right_sums(bytes(data))


OPTIONS = [
    b"\1", b"\0", b"\1\1\1\1", bytes((7, 7, 4, 0, 0, 0, 0)), bytes((7, 3, 4)), bytes((68, 8, 5, 0, 0, 0, 0, 0)),
    bytes((148, 4, 0, 0)), bytes((130, 11, *bytes(9))), bytes((2, 4, 5, 180)), bytes((8, 10, *range(8))),
    bytes((19, 18, *range(16))), bytes((3, 3, 7)), bytes((30, 12, *range(10))), bytes((99, 1)), bytes((99, 60, 1)),
    bytes((131, 7, 4, 192, 0, 2, 9)), bytes((137, 7, 8, 192, 0, 2, 9)),
]  # fmt: skip

MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    unharmed, near_miss, near_miss, bits, bits, word, checksum, checksum, minus_zero, address, length, total_length,
    trailer, cut, swapped, options,
)  # fmt: skip


# ---- what the verdict promises


PROMISED = {
    Verdict.good: "delivered",
    Verdict.absent: "delivered",
    Verdict.bad: "InCsumErrors",
    Verdict.partial: "InCsumErrors",  # injected raw, no hardware will complete it
    Verdict.illegal_zero: "InCsumErrors",
    Verdict.malformed: "InErrors",
}


def ended(trial: Trial) -> str:
    """Return how the kernel ended a packet, in the words of the table."""
    moved = trial.seen.moved
    for name in ("IpInHdrErrors", "Ip6InHdrErrors"):
        if name in moved:
            return "InHdrErrors"
    for name in ("UdpInCsumErrors", "Udp6InCsumErrors", "TcpInCsumErrors"):
        if name in moved:
            return "InCsumErrors"
    if moved.keys() & {"UdpInErrors", "Udp6InErrors", "TcpInErrs"}:
        return "InErrors"
    return "delivered" if trial.seen.is_delivered else "elsewhere"


LISTED = {
    "IP drops it before its transport is asked": lambda packet, trial: trial.predicted.layer in ("ip", "ipv6"),
    "Linux takes an IPv6 datagram of length 0 to the packet's end, jumbogram or not": lambda packet, trial: (
        packet.get("udp.length") == 0 and packet.get("ipv6.src") is not None
    ),
    "TCP drops a header that is not all there, and counts it nowhere": lambda packet, trial: (
        trial.predicted.layer == "tcp" and trial.predicted.check == "length"
    ),
    "the port is closed": lambda packet, trial: trial.predicted.check == "port",
    "TCP has reasons of its own": lambda packet, trial: (
        trial.predicted.layer == "tcp" and trial.predicted.check in ("options", "address")
    ),
    "a segment without data, or of no connection, brings no program anything": lambda packet, trial: (
        trial.predicted.layer == "tcp" and trial.predicted.check == "" and not is_for_program(packet)
    ),
}
"""Where the table does not hold: Linux's reasons. What it does instead was foretold by `react` all the same."""


def promised(packet: Packet) -> str:
    """Return how it has to end, by its verdicts alone; empty where they promise nothing."""
    verdicts = {one.protocol: one.verdict for one in reversed(packet.judgements)}  # the outermost of each
    if verdicts.get("ip") in (Verdict.bad, Verdict.malformed):
        return "InHdrErrors"
    verdict = verdicts.get("udp") or verdicts.get("tcp")
    return PROMISED.get(verdict, "") if verdict is not None else ""


def is_for_program(packet: Packet) -> bool:
    """Tell whether a TCP segment asks for a connection, or has data for the one that there is."""
    tcp = packet.dissection.layer("tcp")
    is_known = (packet.get("ip.src") or packet.get("ipv6.src")) in STRANGER.values()
    if tcp is None:
        return False
    return bool(packet["tcp.flags.syn"] or (is_known and tcp.end > tcp.start + packet["tcp.hdr_len"]))


def is_foretold(packet: Packet, trial: Trial) -> bool:
    """Tell whether just the counters moved that `react` named, and a program got data where it has to."""
    if trial.predicted.layer != "tcp" or trial.predicted.check or is_for_program(packet):
        return trial.agrees
    expected = dict.fromkeys(trial.predicted.passed, 1)
    moved = {name: count for name, count in trial.seen.moved.items() if name != "TcpOutRsts"}  # for a stranger
    return expected == moved and not trial.seen.is_delivered


def is_demuxed_alike(demuxed: Demuxed, packet: Packet, trial: Trial) -> bool:
    """Tell whether `demux` gives a datagram to a socket just where the kernel did.

    Not compared is what `demux` knows nothing of: what IP drops, the length 0 over IPv6, and datagrams with a partial
    sum, which in a capture are as they left a program, and were completed behind it.
    """
    verdicts = {one.verdict for one in packet.judgements}
    if trial.predicted.layer != "udp" or packet.get("udp.length") in (0, None) or Verdict.partial in verdicts:
        return True
    ((_, delivery),) = demuxed.read([packet])
    is_delivered = delivery is not None and delivery.match is not None and delivery.match.socket is not None
    return is_delivered is trial.seen.is_delivered


def run(bench: Bench, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Inject packets; return how many ended how, and every one that did not end as was promised and foretold."""
    rng = random.Random(seed)
    demuxed = Demuxed(ReceivingHost(SocketTable.of(f"udp:0.0.0.0:{PORT}", f"udp:[::]:{PORT},v6only")))
    ends: Counter[str] = Counter()
    differences = []
    for number in range(count):
        change = rng.choice(MUTATIONS)
        frame = change(right(bench, rng), rng)
        trial = bench.try_out(f"packet {number}, {change.__name__}", frame)
        packet = packet_of(frame)
        wanted, seen = promised(packet), ended(trial)
        judged = {one.protocol: str(one.verdict) for one in packet.judgements}
        reasons = [reason for reason, applies in LISTED.items() if applies(packet, trial)]
        agrees = is_foretold(packet, trial) and is_demuxed_alike(demuxed, packet, trial)
        if not agrees or (wanted not in ("", seen) and not reasons):
            differences.append(f"{trial}: {judged} promises {wanted!r}, seen {seen!r}; {frame.hex()}")
        elif wanted in ("", seen):
            ends[f"{judged.get('udp') or judged.get('tcp') or 'no transport'} -> {seen}"] += 1
        else:
            ends[reasons[0]] += 1
    return ends, differences


def test_the_kernel_ends_packets_as_the_verdict_promises(bench: Bench) -> None:
    ends, differences = run(bench, 600, 1)
    assert differences == []
    assert {how.partition(" -> ")[2] for how in ends} >= {"delivered", "InCsumErrors", "InErrors", "InHdrErrors"}


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_so_it_does_with_ten_thousand(bench: Bench) -> None:
    ends, differences = run(bench, 10_000, 2)
    print(*(f"{count:6,}  {how}" for how, count in ends.most_common()), sep="\n")
    assert differences == []
