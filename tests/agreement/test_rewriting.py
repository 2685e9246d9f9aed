"""`pktlab replay --rewrite` beside `tcprewrite --pnat`: the same bytes, but where a listed reason says otherwise.

Each reason was looked at in the bytes: what tcprewrite leaves behind is told by its own check. The table stands
in docs/live.md.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import pktlab
from pktlab.alone import packet
from pktlab.capture import Record, open_capture, open_writer
from pktlab.rewriting import Rewriter

needs_tcprewrite = pytest.mark.skipif(shutil.which("tcprewrite") is None, reason="tcprewrite is not installed")
REWRITE = {"10.0.0.0/24": "203.0.113.0/24", "2001:db8::/64": "2001:db8:ffff::/64"}
PNAT = "--pnat=10.0.0.0/24:203.0.113.0/24,[2001:db8::/64]:[2001:db8:ffff::/64]"
FOUR, SIX = 'IP(src="10.0.0.1", dst="10.0.0.2")', 'IPv6(src="2001:db8::1", dst="2001:db8::2")'
MACS = bytes.fromhex("020000000002020000000001")
Bytes = Callable[[bytes], object]


def rest(data: bytes) -> bytes:
    """A frame but for its MAC addresses."""
    return data[12:]


def old_addresses(data: bytes) -> bool:
    """Whether an old address is left anywhere in a frame."""
    return bytes.fromhex("0a000002") in data or bytes.fromhex("20010db80000") in data


def verdicts(data: bytes) -> set[str]:
    return {str(one.verdict) for one in packet(data).judgements}


ALIKE = {
    "udp": f"{FOUR}/UDP()/b'abc'",
    "tcp": f"{FOUR}/TCP()/b'abc'",
    "icmp": f"{FOUR}/ICMP()/b'abc'",
    "no checksum": f"{FOUR}/UDP(chksum=0)/b'abc'",
    "first fragment": 'IP(src="10.0.0.1", dst="10.0.0.2", flags=1, id=5)/UDP(len=100, chksum=0x4444)/(b"x"*16)',
    "later fragment": 'IP(src="10.0.0.1", dst="10.0.0.2", frag=3, id=5, proto=17)/(b"x"*16)',
    "arp": 'ARP(hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2")',
    "vlan": f"Dot1Q(vlan=3)/{FOUR}/UDP()/b'abc'",
    "sctp": f"{FOUR}/SCTP()/SCTPChunkCookieAck()",
}
MAC = "the MAC addresses of IPv6 frames begin with 33:33 afterwards"
OUTER = "only the outer addresses are exchanged"
REPAIRED = "a bad checksum is good afterwards"
DIFFERENT: dict[str, tuple[str, str, Bytes, Bytes]] = {
    # packet, what tcprewrite does, what is so of its frame, and what of ours
    "udp over ipv6": (f"{SIX}/UDP()/b'abc'", MAC, lambda data: data[:2] == b"33", lambda data: data[:12] == MACS),
    "tcp over ipv6": (f"{SIX}/TCP()/b'abc'", MAC, lambda data: data[:2] == b"33", lambda data: data[:12] == MACS),
    "bad sum": (f"{FOUR}/UDP(chksum=0x1234)/b'abc'", REPAIRED, lambda data: verdicts(data) == {"good"},
                lambda data: verdicts(data) == {"good", "bad"}),
    "bad header": ('IP(src="10.0.0.1", dst="10.0.0.2", chksum=5)/UDP()/b"abc"', REPAIRED,
                   lambda data: verdicts(data) == {"good"}, lambda data: verdicts(data) == {"good", "bad"}),
    "source route": ('IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_LSRR(routers=["10.0.0.7"])])/UDP()/b"x"',
                     "the sum is bad afterwards", lambda data: "bad" in verdicts(data),
                     lambda data: verdicts(data) == {"good"}),
    "routing header": (f"{SIX}/IPv6ExtHdrRouting(type=0, addresses=['2001:db8::3'], segleft=1)/UDP()/b'ab'", OUTER,
                       old_addresses, lambda data: not old_addresses(data)),
    "ip in ip": (f"{FOUR}/{FOUR}/UDP()/b'x'", OUTER, old_addresses, lambda data: not old_addresses(data)),
    "gre": (f"{FOUR}/GRE()/{FOUR}/TCP()/b'x'", OUTER, old_addresses, lambda data: not old_addresses(data)),
    "quoted": (f"{FOUR}/ICMP(type=3, code=3)/{FOUR}/UDP()/b'quoted'", OUTER, old_addresses,
               lambda data: not old_addresses(data)),
    "neighbour": (f"{SIX}/ICMPv6ND_NS(tgt='2001:db8::9')", OUTER, old_addresses, lambda data: not old_addresses(data)),
    "trailer": (f"{FOUR}/UDP(len=11)/b'abc'/Padding(b'yyyy')", "the trailer becomes part of the IP packet",
                lambda data: packet(data)["ip.len"] == 35, lambda data: packet(data)["ip.len"] == 31),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes]]:
    """What tcprewrite and pktlab make of each packet."""
    folder = tmp_path_factory.mktemp("rewriting")
    texts = ALIKE | {name: row[0] for name, row in DIFFERENT.items()}
    packets = [
        pktlab.craft(f'Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")/{text}') for text in texts.values()
    ]
    ours: list[bytes] = []
    with open_writer(folder / "in.pcap", link_type=1) as writer:
        for number, one in enumerate(packets, 1):
            assert isinstance(one, pktlab.Packet)
            writer.write(Record(number, number * 1000, one.data, len(one.data), 1))
            ours.append(Rewriter(REWRITE)(one).data)
    command = ["tcprewrite", PNAT, f"--infile={folder}/in.pcap", f"--outfile={folder}/out.pcap"]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    with open_capture(folder / "out.pcap") as reader:
        theirs = [record.data for record in reader]
    return dict(zip(texts, zip(theirs, ours, strict=True), strict=True))


@needs_tcprewrite
@pytest.mark.parametrize("name", ALIKE)
def test_the_same_bytes(name: str, outcomes: dict[str, tuple[bytes, bytes]]) -> None:
    theirs, ours = outcomes[name]
    assert ours == theirs


@needs_tcprewrite
@pytest.mark.parametrize("name", DIFFERENT)
def test_other_bytes_for_a_reason(name: str, outcomes: dict[str, tuple[bytes, bytes]]) -> None:
    theirs, ours = outcomes[name]
    _, why, is_theirs, is_ours = DIFFERENT[name]
    assert is_theirs(theirs)
    assert is_ours(ours)
    assert (rest(theirs) == rest(ours)) == (why == MAC)


def test_the_table_in_the_docs_is_this_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
    for why in {row[1] for row in DIFFERENT.values()}:
        assert why in page
