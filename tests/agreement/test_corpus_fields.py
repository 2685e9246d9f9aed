"""Every occurrence of the fields that a header is known by, over the whole corpus, against tshark 4.0.17 run anew.

Beside `test_corpus_verdicts` this compares inner headers too, and in both directions: what tshark shows and pktlab does
not is a difference as well. Reassembly is off in both, so that a field stands on the frame that it is in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

import pktlab
from pktlab.capture import canonical_link_type
from pktlab.wire import LINK_TYPES
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.igmp import Igmp
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.verdict import STATUS

from .capfiles import Packet
from .reasons import COMMON, Disagreement, Reason, reason_for
from .tshark import PROTOCOLS, fields, needs_tshark

pytestmark = needs_tshark

PARTS = 8
MOST = 1 << 18
"""Captured bytes of a packet that tshark reads; a few fuzzed records have more."""
STATUSES = {
    **{
        f"{protocol}.checksum.status": f"{protocol}.checksum.status"
        for protocol in ("ip", "udp", "tcp", "icmp", "icmpv6", "igmp", "sctp", "gre", "dccp", "vrrp")
    },
    "pim.cksum.status": "pim.checksum.status",
}
"""tshark's names and ours."""
FIELDS = """
    eth.src eth.dst eth.type eth.len vlan.id vlan.priority vlan.dei vlan.etype vlan.len ieee8021ad.id sll.etype
    sll.pkttype sll.halen sll.src.eth null.family null.type mpls.label mpls.bottom pppoe.session_id pppoe.code
    ppp.protocol llc.dsap llc.ssap llc.control llc.type
    arp.hw.type arp.proto.type arp.opcode arp.src.hw_mac arp.src.proto_ipv4 arp.dst.hw_mac arp.dst.proto_ipv4
    ip.hdr_len ip.dsfield ip.len ip.id ip.flags.rb ip.flags.df ip.flags.mf ip.frag_offset ip.ttl ip.proto ip.checksum
    ip.src ip.dst ipv6.version ipv6.tclass ipv6.flow ipv6.plen ipv6.nxt ipv6.hlim ipv6.src ipv6.dst ipv6.fraghdr.nxt
    ipv6.fraghdr.offset ipv6.fraghdr.more ipv6.fraghdr.ident ipv6.routing.type ipv6.routing.segleft ipv6.opt.type
    icmp.type icmp.code icmp.checksum icmp.ident icmp.seq icmpv6.type icmpv6.code icmpv6.checksum
    icmpv6.echo.identifier icmpv6.echo.sequence_number icmpv6.nd.ns.target_address icmpv6.nd.na.target_address
    udp.srcport udp.dstport udp.length udp.checksum tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.hdr_len
    tcp.flags tcp.window_size_value tcp.checksum tcp.urgent_pointer tcp.option_kind
    gre.proto gre.key vxlan.vni geneve.vni geneve.proto_type gtp.teid gtp.message gtp.length igmp.type igmp.checksum
    sctp.srcport sctp.dstport sctp.verification_tag sctp.checksum sctp.chunk_type dccp.srcport dccp.dstport dccp.type
    dccp.checksum ah.spi esp.spi vrrp.version vrrp.type pim.version pim.type ospf.version ospf.msg mip6.mhtype
""".split()  # noqa: SIM905 - a table of names reads better without quotes


def cisco_link(one: Disagreement) -> bool:
    """Tell whether tshark takes a frame to 01:00:0c:00:00 for ISL, in front of the Ethernet header."""
    return one.packet.data[:5] in (b"\x01\x00\x0c\x00\x00", b"\x03\x00\x0c\x00\x00")


def short_type(one: Disagreement) -> bool:
    """Tell whether a type is under 0x0600: tshark has another name for it."""
    return one.name == "sll.etype" and not one.theirs and int(one.ours, 16) < 0x0600


def end_of_options(one: Disagreement) -> bool:
    """Tell whether tshark takes octets behind End of Option List for more of its kind."""
    return one.name == "tcp.option_kind" and set(one.theirs.removeprefix(one.ours).split(",")) <= {"", "0"}


def unread_option(one: Disagreement) -> bool:
    """Tell whether one of them ends a list of options where it finds one malformed, before its type or behind it."""
    if one.name not in ("tcp.option_kind", "ipv6.opt.type"):
        return False
    return one.ours.startswith(one.theirs) or (one.packet.stop is not None and one.theirs.startswith(one.ours))


def no_length(one: Disagreement) -> bool:
    """Tell whether tshark puts the captured length for an ``ip.len`` of 0."""
    return one.name == "ip.len" and one.ours.split(",")[0] == "0"


def jumbogram(one: Disagreement) -> bool:
    """Tell whether tshark reads nothing behind an IPv6 header of length 0 without the option: BIG TCP."""
    return not one.theirs and any(isinstance(header, Ipv6) and not getattr(header, "plen", 1) for header in one.headers)


def cisco_group(one: Disagreement) -> bool:
    """Tell whether tshark shows another page than IGMP's, or none, for a type of that number."""
    types = {getattr(header, "type", None) for header in one.headers if isinstance(header, Igmp)}
    return one.name.startswith("igmp.") and not one.theirs and not types & {0x11, 0x12, 0x16, 0x17, 0x22}


def second_vxlan(one: Disagreement) -> bool:
    """Tell whether tshark gives port 8472, where Linux has VXLAN, to another protocol."""
    return 8472 in (one.packet.get("udp.dstport"), one.packet.get("udp.srcport")) and one.ours.startswith(one.theirs)


def inside_a_fragment(one: Disagreement) -> bool:
    """Tell whether it is a sum in a tunnel that came in fragments: pktlab judges the whole alone."""
    return one.packet.is_fragment and one.is_status and "2" in one.ours.split(",")


def draft_mobility(one: Disagreement) -> bool:
    """Tell whether tshark reads mobility behind 62 too, which drafts had for it and IANA gave to CFTP."""
    numbers = [getattr(header, "nxt", None) for header in one.headers if isinstance(header, Ipv6)]
    return one.name == "mip6.mhtype" and 62 in numbers


def redirect_quotes(one: Disagreement) -> bool:
    """Tell whether tshark shows the fields of a packet that pktlab keeps as the bytes of a redirect's option."""
    types = [getattr(header, "type", None) for header in one.headers if isinstance(header, Icmpv6)]
    return 137 in types and one.theirs.startswith(one.ours)


def quoted_sums(one: Disagreement) -> bool:
    """Tell whether tshark judges a quoted packet too, of which pktlab says nothing."""
    return one.is_status and one.theirs.startswith(one.ours) and any(layer.quoted for layer in one.packet.layers)


def refuted_guess(one: Disagreement) -> bool:
    """Tell whether a tunnel was only guessed from a port, and its length does not fit what was captured."""
    return one.packet.is_cut and not one.ours and one.name.startswith("gtp.")


def teredo_indication(one: Disagreement) -> bool:
    """Tell whether tshark reads Teredo behind an indication; pktlab reads the bare form."""
    return "teredo" in one.protocols.split(":") and not one.ours


REASONS: tuple[Reason, ...] = (
    end_of_options, unread_option, no_length, jumbogram, cisco_link, short_type, cisco_group, second_vxlan,
    inside_a_fragment, draft_mobility, redirect_quotes, quoted_sums, refuted_guess,
    teredo_indication, *COMMON,
)  # fmt: skip


def packets_of(corpus: Path, part: int, parts: int, most: int) -> Iterator[tuple[str, pktlab.Packet]]:
    """Yield up to `most` packets of each file, or of every so many, with its path; those of known link types."""
    index = (corpus / "INDEX.tsv").read_text(encoding="utf-8").splitlines()
    at = index[0].split("\t").index("path")
    for line in index[1 + part :: parts]:
        path = line.split("\t")[at]
        try:
            capture = pktlab.open(corpus / path)
        except pktlab.CaptureError:
            continue  # tests/capture says which files cannot be read, and why
        for packet in islice(capture, most):
            if canonical_link_type(packet.link_type) in LINK_TYPES and 0 < packet.cap_len <= MOST:
                yield path, packet


def said(packet: pktlab.Packet) -> dict[str, list[str]]:
    """Return what pktlab says of every field, up to a layer that is switched off in tshark."""
    values: dict[str, list[str]] = defaultdict(list)
    for layer in packet.layers:
        if layer.protocol not in PROTOCOLS:
            break
        for found in layer.spans():
            values[found.row.name].append(found.text)
    for judgement in packet.judgements:
        values[f"{judgement.protocol}.checksum.status"].append(str(STATUS[judgement.verdict]))
    return values


EVERY = 1 << 40
STARTS = pytest.param(0, 1, 4, 150, id="starts")  # where what is odd stands closest together
WHOLE = (pytest.param(part, PARTS, EVERY, 500, marks=pytest.mark.thorough, id=str(part)) for part in range(PARTS))


@pytest.mark.parametrize(("part", "parts", "most", "for_one"), [STARTS, *WHOLE])
@pytest.mark.timeout(900)
def test_corpus(part: int, parts: int, most: int, for_one: int, corpus: Path, tmp_path: Path) -> None:
    packets = list(packets_of(corpus, part, parts, most))
    captured = [Packet(canonical_link_type(one.link_type), one.data, one.length) for _, one in packets]
    reasons: Counter[str] = Counter()
    unexplained: list[object] = []
    same = 0
    rows = fields(captured, ["frame.protocols", *STATUSES, *FIELDS], tmp_path)
    for (path, packet), (protocols, *row) in zip(packets, rows, strict=True):
        ours = said(packet)
        for name, theirs in zip([*STATUSES.values(), *FIELDS], row, strict=True):
            here = ",".join(ours.get(name, ()))
            same += bool(here) and here == theirs
            if here == theirs:
                continue
            reason = reason_for(Disagreement(packet, protocols, name, theirs, here), REASONS)
            reasons[reason] += 1
            if not reason:
                unexplained.append((path, packet.number, protocols, name, theirs, here))
    print(f"{same} values agree, {sum(reasons.values())} differ: {dict(reasons)}")
    assert unexplained == []
    assert same > for_one * sum(reasons.values())
