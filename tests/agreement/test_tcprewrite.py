"""`checksum fix` beside `tcprewrite -C`: what each makes of good and of damaged packets; the table stands in the docs.

Each packet goes through both alone, in Ethernet. What came out is judged by the exact reader, whose verdicts on such
packets other tests prove against tshark and the kernel.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pktlab.capture import Record, open_capture, open_writer
from pktlab.repair import Repairs
from pktlab.wire import build, dissect
from pktlab.wire.checksum import checksum
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.gre import Gre
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip, IpFlags, IpOption, IpOptions, RouteEntry, SourceRoute
from pktlab.wire.ipv6 import (
    DestinationOptions,
    Fragment,
    HomeAddress,
    HopByHop,
    Ipv6,
    Ipv6Option,
    JumboPayload,
    PadN,
    Routing,
    Type0,
    Type0Address,
    Type2,
)
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict, judge

DOCS = Path(__file__).parents[2] / "docs" / "checksums.md"
V4 = {"src": "192.0.2.1", "dst": "192.0.2.2"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}
FINE = {Verdict.good, Verdict.absent, Verdict.unverified}


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def frame(data: bytes, trailer: bytes = b"") -> bytes:
    kind = 0x0800 if data[0] >> 4 == 4 else 0x86DD
    return build(Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=kind), data, trailer)


def udp(source: str = V4["src"], destination: str = V4["dst"], payload: bytes = b"hello") -> bytes:
    """Return a datagram that is right between two addresses, without the IP header."""
    header = Ipv6(nxt=17, src=source, dst=destination) if ":" in source else Ip(proto=17, src=source, dst=destination)
    return build(header, Udp(srcport=4711, dstport=53), payload)[header.HEADER_LEN :]


def sum_of_zero() -> bytes:
    """Return a datagram whose sum comes out as 0 and is sent as 0xFFFF."""
    right = udp(payload=b"\0\0")[6:8]
    return build(Ip(proto=17, **V4), udp(payload=right))


def source_routed() -> bytes:
    hops = (RouteEntry(src_rt="198.51.100.1"), RouteEntry(src_rt="198.51.100.2"))
    options = IpOptions(items=(IpOption(type=131, body=SourceRoute(ptr=4, route=hops)),))
    return build(Ip(proto=17, options=options, **V4), udp(destination="198.51.100.2"))


def routed(kind: int, body: Header) -> bytes:
    routing = Routing(nxt=17, type=kind, segleft=1, body=body)
    return build(Ipv6(nxt=43, **V6), routing, udp(V6["src"], "2001:db8::9"))


def from_home() -> bytes:
    home = Ipv6Option(type=0xC9, body=HomeAddress(mipv6_home_address="2001:db8::77"))
    options = DestinationOptions(nxt=17, options=(Ipv6Option(type=1, body=PadN(padn=bytes(2))), home))
    return build(Ipv6(nxt=60, **V6), options, udp("2001:db8::77", V6["dst"]))


def jumbogram() -> bytes:
    payload = bytes(range(256)) * 274
    jumbo = (Ipv6Option(type=0xC2, body=JumboPayload(jumbo=16 + len(payload))),)
    datagram = bytes.fromhex("1267003500000000") + payload
    pseudo = bytes.fromhex("20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02")
    pseudo += len(datagram).to_bytes(4, "big") + bytes(3) + b"\x11"
    right = checksum(pseudo + datagram).to_bytes(2, "big")
    return build(Ipv6(nxt=0, plen=0, **V6), HopByHop(nxt=17, options=jumbo), put(datagram, 6, right))


def tcp() -> bytes:
    return build(Ip(proto=6, **V4), Tcp(srcport=4711, dstport=80), b"hello")


UDP4 = build(Ip(proto=17, **V4), udp())
UDP6 = build(Ipv6(nxt=17, **V6), udp(V6["src"], V6["dst"]))
FIRST_FRAGMENT = build(Ip(proto=17, flags=IpFlags(1), **V4), udp(payload=bytes(range(60)))[:24])
TYPE_0 = Type0(addresses=(Type0Address(addr="2001:db8::8"), Type0Address(addr="2001:db8::9")))

GOOD = {
    "UDP": frame(UDP4),
    "UDP, sum 0xFFFF": frame(sum_of_zero()),
    "UDP without a sum": frame(put(UDP4, 26, b"\0\0")),
    "Ethernet trailer": frame(UDP4, b"\xde\xad" * 9),
    "UDP options (surplus area)": frame(build(Ip(proto=17, **V4), udp(), b"options!")),
    "loose source route": frame(source_routed()),
    "first fragment": frame(FIRST_FRAGMENT),
    "TCP": frame(tcp()),
    "UDP in GRE": frame(build(Ip(proto=47, **V4), Gre(proto=0x0800), UDP4)),
    "UDP over IPv6": frame(UDP6),
    "routing header type 0": frame(routed(0, TYPE_0)),
    "routing header type 2": frame(routed(2, Type2(home_address="2001:db8::9"))),
    "Home Address": frame(from_home()),
    "atomic fragment": frame(build(Ipv6(nxt=44, **V6), Fragment(nxt=17, ident=1), udp(V6["src"], V6["dst"]))),
    "jumbogram": frame(jumbogram()),
}
BAD = {
    "bad UDP": frame(put(UDP4, 26, b"\x12\x34")),
    "bad IPv4 header": frame(put(UDP4, 10, b"\x12\x34")),
    "bad TCP": frame(put(tcp(), 36, b"\x12\x34")),
    "UDP over IPv6 without a sum": frame(put(UDP6, 46, b"\0\0")),
    "bad UDP, Ethernet trailer": frame(put(UDP4, 26, b"\x12\x34"), b"\xde\xad" * 9),
    "bad UDP with UDP options": frame(build(Ip(proto=17, **V4), put(udp(), 6, b"\x12\x34"), b"options!")),
    "bad UDP, loose source route": frame(put(source_routed(), 38, b"\x12\x34")),
    "bad UDP in GRE": frame(build(Ip(proto=47, **V4), Gre(proto=0x0800), put(UDP4, 26, b"\x12\x34"))),
    "bad UDP, Home Address": frame(put(from_home(), 70, b"\x12\x34")),
}
PACKETS = {**GOOD, **BAD}


def save(path: Path, data: bytes) -> Path:
    with open_writer(path) as writer:
        writer.write(Record(1, 1_700_000_000_000_000_000, data, len(data), 1))
    return path


def by_pktlab(path: Path) -> bytes:
    with Repairs(path) as repairs:
        return next(iter(repairs)).data


def by_tcprewrite(path: Path) -> bytes | None:
    """Return what tcprewrite writes; None if it refuses the packet."""
    out = path.with_name("out.pcap")
    out.unlink(missing_ok=True)
    command = ["tcprewrite", "-C", f"--infile={path}", f"--outfile={out}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if done.returncode or not out.exists():
        return None
    with open_capture(out) as reader:
        record = next(iter(reader), None)
    return record.data if record else None


def verdicts(data: bytes) -> list[Verdict]:
    return [judgement.verdict for judgement in judge(dissect(data))]


def words(before: bytes, after: bytes | None) -> str:
    """Say what became of a packet, in the words of the table."""
    if after is None:
        return "refused"
    was_right, is_right = set(verdicts(before)) <= FINE, set(verdicts(after)) <= FINE
    if before == after:
        return "untouched" if was_right else "left bad"
    places = [at for at in range(min(len(before), len(after))) if before[at] != after[at]]
    changed = _names(before, places)
    if was_right:
        return f"{'changed' if verdicts(before) == verdicts(after) else 'damaged'}: {changed}"
    return f"{'repaired' if is_right else 'still bad'}: {changed}"


def _names(data: bytes, places: list[int]) -> str:
    """Name the fields in which these places lie."""
    spans = [found for layer in dissect(data).layers for found in layer.spans()]
    hit = [found.name for found in spans if found.name and any(found.start <= at < found.stop for at in places)]
    return ", ".join(dict.fromkeys(hit))


def table() -> dict[str, tuple[str, str]]:
    """Return the table of the docs: packet -> what pktlab makes of it, what tcprewrite does."""
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.count("|") == 4]
    return {row[0]: (row[1], row[2]) for row in rows if row[0] in PACKETS}


def test_the_table_is_of_these_packets() -> None:
    assert list(table()) == list(PACKETS)
    assert [name for name, data in GOOD.items() if not set(verdicts(data)) <= FINE] == []
    assert [name for name, data in BAD.items() if set(verdicts(data)) <= FINE] == []


@pytest.mark.parametrize("name", PACKETS)
def test_fix_does_no_harm_and_repairs_the_sum_alone(name: str, tmp_path: Path) -> None:
    done = words(PACKETS[name], by_pktlab(save(tmp_path / "a.pcap", PACKETS[name])))
    assert done == table()[name][0]
    assert name in BAD or done == "untouched"
    assert name in GOOD or done in {f"repaired: {protocol}.checksum" for protocol in ("ip", "udp", "tcp")}


@pytest.mark.parametrize("name", PACKETS)
def test_what_tcprewrite_does(name: str, tmp_path: Path) -> None:
    if not shutil.which("tcprewrite"):
        pytest.skip("tcprewrite is not installed")
    assert words(PACKETS[name], by_tcprewrite(save(tmp_path / "a.pcap", PACKETS[name]))) == table()[name][1]
