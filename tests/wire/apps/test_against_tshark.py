"""Every field of every application message in a sample of the corpus, bytes and value, held against tshark's PDML.

A field that differs has to stand below with the reason; all others have to agree exactly, in both directions, wherever
tshark shows the field at all. Frames that were cut are left out, since tshark reassembles and guesses there.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

import pktlab
from pktlab.capture import canonical_link_type

from ...agreement.capfiles import Packet as Bytes
from ...agreement.capfiles import write_pcapng
from .conftest import Captures, Place, Tshark, ours

Reasons = dict[str, str]

ODD = "http-evader"
"""Captures that were made so that no two programs read them alike."""
MOST_PACKETS = 1500
"""Of a capture."""
PARTS = 16

IN_QUERIES = "tshark shows it in responses only"
GOES_ON = "the record or message goes on in the next segment: tshark, told not to reassemble, then shows less"
DNS_MORE: Reasons = {
    r"dns\.flags\.(authoritative|recavail|rcode|authenticated|recdesired|z)": IN_QUERIES,
    r"dns\.data": "a type that has no page here yet",
    r"dns\.svcb\.svcparam\.value": "tshark shows the parts of the parameters that it knows",
    r"dns\.resp\.name": "of an SRV record tshark shows service, protocol and name apart",
    r"dns\.opt\.data": "tshark shows the parts of the options that it knows",
    r"dns\.(ptr\.domain_name|qry\.name|cname|srv\.target|resp\.name)": "a dot inside a label is escaped here",
}
DNS_LESS: Reasons = {
    r"dns\.resp\.type": "types in the bit maps of NSEC, and those that an RRSIG covers",
    r"dns\.resp\.cache_flush": "of an OPT record the bit means nothing (RFC 6762 section 10.2)",
    r"dns\.data": "NSEC and others: parts, of which tshark calls some so",
    r"dns\.opt\.data": "parts of an option under the same name",
    r"dns\.(ptr\.domain_name|qry\.name|cname|srv\.target|resp\.name)": "a dot inside a label is escaped here",
}
HTTP_LINE = {r"http\.(request|response)\.line": "here only of lines without a name of their own, and without line end"}
PROTOCOLS: dict[str, tuple[str, int, Reasons, Reasons]] = {
    "dns": ("dns.", 20, DNS_MORE, DNS_LESS),
    "mdns": ("dns.", 6, DNS_MORE, DNS_LESS),
    "llmnr": ("dns.", 5, DNS_MORE, DNS_LESS),
    "dhcp": (
        "dhcp.", 15,
        {
            r"dhcp\.option\.type": "tshark's range is the whole option",
            r"dhcp\.server": "two captures overload it with options (RFC 2132 section 9.3), which are not read there",
        },
        {
            r"dhcp\.option\.type": "tshark's range is the whole option",
            r"dhcp\.option\.value": "tshark shows the bytes of options it dissects, too",
            r"dhcp\.hw\.(type|mac_addr)": "inside the client identifier, left as bytes here",
            r"dhcp\.option\.length": "inside overloaded fields",
        },
    ),
    "dhcpv6": ("dhcpv6.", 10, {}, {}),
    "ntp": ("ntp.", 5, {}, {}),
    "stun": (
        "stun.", 8,
        {r"stun\.att\.type": "tshark does not name the type of an attribute it thinks unassigned"},
        {
            r"stun\.att\.reserved": "reserved bytes of other attributes",
            r"stun\.att\.ipv6": "computed with the transaction ID; here the bytes as they stand",
        },
    ),
    "quic": (
        "quic.", 6,
        {
            r"quic\.long\.packet_type": "tshark has packet_type_v2 in version 2, and nothing in negotiation",
            r"quic\.fixed_bit": "tshark does not show it in version negotiation",
        },
        {r"quic\.(header_form|fixed_bit|dcid)": "of a short header, which only the connection's state can tell"},
    ),
    "http": ("http.", 12, HTTP_LINE, HTTP_LINE),
    "ssdp": ("http.", 4, HTTP_LINE, HTTP_LINE),
    "tls": (
        "tls.", 12,
        {r"tls\.(record|handshake|app_data|alert_message).*": GOES_ON},
        {r"tls\.record\.content_type": "tshark says 1.3's opaque type twice"},
    ),
}  # fmt: skip


def plain(places: list[Place]) -> list[Place]:
    """Return the fields with bytes written without colons."""
    return [(name, at, size, value.replace(":", "")) for name, at, size, value in places]


def explained(name: str, reasons: Reasons) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in reasons)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_fields_and_bytes(protocol: str, captures_with: Captures, tshark: Tshark, tmp_path: Path) -> None:
    prefix, count, more, less = PROTOCOLS[protocol]
    paths = [path for path in captures_with(protocol, count) if ODD not in str(path)]
    packets = [(path.name, packet) for path in paths for packet in islice(pktlab.open(path), MOST_PACKETS)]
    together = tmp_path / "together.pcapng"  # one run of tshark for all
    write_pcapng(together, [Bytes(canonical_link_type(one.link_type), one.data, one.length) for _, one in packets])
    same, unexplained = 0, []
    for number, fields in tshark(together, protocol):
        name, packet = packets[number - 1]
        if packet.cap_len < packet.length:
            continue
        mine = Counter(plain(ours(packet, prefix)))
        names = {field for field, *_ in mine}
        theirs = Counter(one for one in plain(fields) if one[0] in names)
        same += (mine & theirs).total()
        wrong = [one for one in mine - theirs if not explained(one[0], more)]
        wrong += [one for one in theirs - mine if not explained(one[0], less)]
        unexplained += [(name, packet.number, one) for one in wrong]
    assert unexplained == []
    assert same > 100


APPS = {
    "dns", "mdns", "llmnr", "dhcp", "dhcpv6", "ntp", "stun", "quic", "tls", "http", "ssdp", "rtp", "rtcp",
    "bittorrent", "bt-utp", "bt-dht", "bt-lsd", "bt-tracker", "bencode",
}  # fmt: skip


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, PARTS))])
def test_no_port_makes_a_packet_of_the_corpus_malformed(part: int, captures_with: Captures) -> None:
    found: Counter[str] = Counter()
    for path in captures_with("udp", 10**6)[part::PARTS] + captures_with("tcp", 10**6)[part::PARTS]:
        for packet in pktlab.open(path):
            found.update(layer.protocol for layer in packet.layers)
            whole = packet.cap_len == packet.length and all(layer.overrun is None for layer in packet.layers)
            if whole and packet.stop is not None:
                assert re.split(r"[. ]", packet.stop.layer)[0] not in {*APPS, "text"}, (path, packet.number)
    assert found.keys() >= {"dns", "tls", "http"}
