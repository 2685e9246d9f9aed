"""Where we and tshark 4.0.17 differ, and why: every difference that stays is a line here.

`DIFFERENCES` are of single fields in single packets; `OWN_NAMES` are names that Wireshark's field table lacks;
`TABLE_DIFFERENCES` are fields whose type, base or mask in that table is another than ours.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

from pktlab.wire.ipv4 import OPTION_NAMES
from pktlab.wire.loopback import NullType

from .comparison import Outcome
from .tshark import Answers

__all__ = ["DIFFERENCES", "OWN_NAMES", "TABLE_DIFFERENCES", "Difference", "explanation"]

ERROR = "8388608"
"""PI_ERROR, the severity of what tshark shows in red."""

OWN_NAMES = {
    "icmpv6.opt.data": "inside of an option without a page; tshark has a page for each, or plain data",
    "ieee8021ad.etype": "Wireshark calls it ieee8021ah.etype, after another protocol",
    "ip.opt.data": "inside of an option without a page; tshark shows text without a name",
    "ip.options": "the options as a whole; tshark shows text without a name",
    "ip.options.padding": "octets behind End of Options List; tshark does not show them",
    "ipv6.routing.srh.tlv": "TLVs of a segment routing header; tshark does not show them",
    "null.control": "the octets in front of the type; tshark does not show them",
    "sll.reserved": "must be zero; tshark does not show it",
    "tcp.options.mptcp.data": "what depends on the subtype; tshark has a page for each",
    "tcp.options.padding": "octets behind End of Option List; to tshark each is another End of Option List",
}

WITHOUT_MASK = "Wireshark takes these bits apart by hand, its table has no mask"
TABLE_DIFFERENCES = {
    "icmpv6.opt.redirected_packet": "a field without a value in Wireshark; the bytes are ours",
    "icmpv6.opt.reserved": "a field without a value in Wireshark; the bytes are ours",
    "ip.hdr_len": WITHOUT_MASK,
    "ip.version": WITHOUT_MASK,
    "ipv6.version": WITHOUT_MASK,
    "tcp.hdr_len": WITHOUT_MASK,
}


class Difference(NamedTuple):
    """One way in which fields may differ: `what` as in `Outcome`, `when` it may."""

    fields: str  # a name, or a pattern of names
    what: str
    reason: str
    when: Callable[[Outcome, Answers], bool] = lambda outcome, answers: True


def _gave_up(outcome: Outcome, answers: Answers) -> bool:
    """Tell whether tshark (or we) saw an error, and it shows nothing of the protocol from this field on."""
    severities = {said.show for said in answers.get("_ws.expert.severity", [])}
    if outcome.layer.error is None and "_ws.malformed" not in answers and ERROR not in severities:
        return False
    prefix = outcome.found.name.partition(".")[0]
    return not any(
        outcome.found.start < said.pos < max(outcome.layer.end, outcome.layer.stop) and said.size
        for name, all_said in answers.items()
        if name.partition(".")[0] == prefix
        for said in all_said
    )


def _is_in(answers: Answers, name: str, outcome: Outcome) -> bool:
    """Tell whether tshark shows field `name` where this one starts."""
    return any(said.pos == outcome.found.start for said in answers.get(name, []))


def _last_before(outcome: Outcome, name: str) -> int:
    """Return the value of the nearest field `name` at or before this one in the layer; -1 if there is none."""
    values = [
        found.value for found in outcome.layer.spans() if found.name == name and found.start <= outcome.found.start
    ]
    return int(values[-1]) if values else -1


PAGES = {
    0x04, 0x07, 0x08, 0x0F, 0x1E, 0x26, 0x30, 0x31, 0x3E, 0x41, 0x5E, 0x63, 0x6D, 0x7E, 0x8A, 0x8B, 0x8C, 0x9E, 0xBE,
    0xDE, 0xEE, 0xFE,
}  # fmt: skip
"""IPv6 options whose inside tshark reads and we do not."""


TCP_PAGES = {9, 10, *range(14, 28), 76, 78, 172, 174}
"""TCP options whose inside tshark reads and we do not."""


def _behind_a_page(outcome: Outcome, answers: Answers) -> bool:
    """Tell whether tshark has a page for this option or one before it, whose length it may have found wrong."""
    options = [found for found in outcome.layer.spans() if found.name == "ipv6.opt.type"]
    return any(found.value in PAGES for found in options if found.start <= outcome.found.start)


def _is_isl(outcome: Outcome, answers: Answers) -> bool:
    return outcome.packet.data[:5] in (b"\x01\x00\x0c\x00\x00", b"\x03\x00\x0c\x00\x00")


def _is_unfilled(outcome: Outcome, answers: Answers) -> bool:
    starts = [found.start for found in outcome.layer.spans() if found.name == "ip.opt.ptr"]
    option = max(start for start in starts if start < outcome.found.start) - 2
    return outcome.found.start >= option + _last_before(outcome, "ip.opt.ptr") - 1


def _is_no_family(outcome: Outcome, answers: Answers) -> bool:
    return outcome.found.row.value_name(outcome.found.value) is None


def _is_a_family(outcome: Outcome, answers: Answers) -> bool:
    return isinstance(outcome.packet.layers[0].header, NullType) and "null.family" in answers


def _is_broken(outcome: Outcome, answers: Answers) -> bool:
    return outcome.layer.error is not None


WORD = "tshark gives the range of the whole word that the bits are in; same value"
IN_ERROR = "tshark stops at an error, we show what is left of the fixed part"
TEXT = "tshark shows an IPv4 option that it does not know as text without names"
PAD1 = "tshark does not take the type of Pad1 apart"
OTHER_PAGE = "tshark has a page for this option, or for one before it whose length it calls wrong"
RFC4884 = "tshark shows a length of the original datagram (RFC 4884) inside if it is not 0"
DRARP = "tshark shows an error status in this message of dynamic RARP"
EUI64 = "of an option of 16 octets tshark takes 8 for the address, which is an EUI-64, and the rest for padding"
LENGTH = "under 0x0600 it is a length or a frame type to tshark, with a name of its own"
ACE = "after a handshake with accurate ECN tshark shows the three bits as one number"
ISL = "tshark takes frames to 01:00:0c:00:00 for ISL, in front of the Ethernet header"


def _is_short_number(outcome: Outcome, answers: Answers) -> bool:
    return _last_before(outcome, "dccp.type") not in (2, 3, 4) and _last_before(outcome, "dccp.srcport") >= 0


def _is_otv(outcome: Outcome, answers: Answers) -> bool:
    ports = {said.show for name in ("udp.srcport", "udp.dstport") for said in answers.get(name, [])}
    return "8472" in ports and "vxlan.vni" not in answers


OTV = "tshark gives port 8472, where Linux has VXLAN, to another protocol"
AUTHENTICATION = "the messages of PAP have names of their own in Wireshark"
FLAGGED = "tshark shows it only where its flag says that it means something"
OWN_PAGE = "tshark has a page or a name for this one"
OPTION_TEXT = "tshark shows it as text without a name"
SHORT_FLAGS = "tshark shows two of the flags of a configuration message"
WHOLE_SECONDS = "tshark shows fractions of a second; the field has the whole ones"

LINKS_AND_TUNNELS = (
    *(
        Difference(name, "word", WORD)
        for name in (
            "dccp.option_type",
            "erspan.*",
            "etherip.ver",
            "gre.flags.*",
            "mip6.bu.?_flag",
            "mpls.*",
            "stp.forward",
            "stp.hello",
            "stp.max_age",
            "stp.msg_age",
            "vxlan.flag_?",
        )
    ),
    Difference("*", "absent", OTV, _is_otv),
    Difference("llc.*", "absent", ISL, _is_isl),
    Difference("llc.pid", "absent", OWN_PAGE),
    Difference("ieee8021ah.etype", "absent", "tshark gives a place in front of the addresses"),
    Difference("ppp.data", "absent", OPTION_TEXT),
    Difference(
        "ppp.protocol", "absent", "tshark reads PPP behind 0x880b in GRE alone", lambda o, a: "gre.proto" not in a
    ),
    Difference("ppp.*", "absent", AUTHENTICATION, lambda o, a: "pap.code" in a),
    Difference("pppoed.tag*", "absent", OPTION_TEXT),
    Difference("stp.flags.*", "absent", SHORT_FLAGS, lambda o, a: _last_before(o, "stp.type") == 0),
    *(
        Difference(f"stp.{name}", "absent", WHOLE_SECONDS, lambda o, a: o.found.raw % 256 > 0)
        for name in ("forward", "hello", "max_age", "msg_age")
    ),
    Difference("gtp.next", "absent", FLAGGED),
    Difference("gtp.npdu_number", "absent", FLAGGED),
    Difference("icmpv6.opt.redirected_packet", "empty", "a field without a value in Wireshark"),
    Difference("igmp.data", "absent", OWN_PAGE),
    Difference("igmp.max_resp", "absent", "reserved in version 1", lambda o, a: o.found.value == 0),
    Difference(
        "icmpv6.mld.maximum_response_delay",
        "absent",
        "of a query of version 2 tshark calls it a code",
        lambda o, a: _is_in(a, "icmpv6.mld.maximum_response_code", o),
    ),
    Difference("icmpv6.mld.qqi", "value", "from 128 on tshark shows the time", lambda o, a: o.found.value > 127),
    Difference("igmp.max_resp", "value", "from 128 on tshark shows the time that it is the code of"),
    Difference(
        "dccp.ack_raw", "absent", "tshark has the right number at the wrong octets", lambda o, a: "dccp.ack_raw" in a
    ),
    Difference(
        "igmp.checksum",
        "absent",
        "tshark has another page for this type, or none",
        lambda o, a: _last_before(o, "igmp.type") not in {0x11, 0x12, 0x16, 0x17, 0x22},
    ),
    Difference("dccp.seq_raw", "absent", "a short number in a type that has to have a long one", _is_short_number),
    Difference("dccp.option_type", "absent", "tshark shows no option behind one that it finds malformed"),
    Difference("mip6.cot.token", "absent", "Wireshark has no such name"),
    Difference("mip6.mobility_opt", "absent", OPTION_TEXT),
    Difference("mip6.unknown_type_data", "absent", OWN_PAGE),
    Difference("sctp.chunk_value", "absent", OWN_PAGE),
    Difference(
        "ospf.auth.type", "absent", "of another version than 2", lambda o, a: _last_before(o, "ospf.version") != 2
    ),
    Difference("vrrp.a*", "absent", "of another version than 2", lambda o, a: _last_before(o, "vrrp.version") != 2),
)
"""Of the protocols in `YET`, over real packets."""

DIFFERENCES = (
    *LINKS_AND_TUNNELS,
    *(
        Difference(name, "word", WORD)
        for name in (
            "icmpv6.nd.na.flag.[rso]", "ipv6.fraghdr.more", "ipv6.fraghdr.reserved_bits", "ipv6.tclass*",
            "tcp.options.user_to_granularity", "vlan.dei", "vlan.priority",
        )
    ),
    Difference("null.type", "word", "tshark gives all four octets as its range"),
    Difference("*", "absent", "tshark takes the first four octets for a family, and reads no more", _is_a_family),
    Difference("*", "absent", IN_ERROR, _gave_up),
    Difference("eth.*", "absent", ISL, _is_isl),
    Difference("eth.len", "absent", "tshark takes a length of 0 for a type", lambda o, a: o.found.value == 0),
    Difference("eth.len", "absent", "1501 to 1535 is a type to tshark", lambda o, a: o.found.value > 1500),
    Difference("vlan.etype", "absent", LENGTH, lambda o, a: _is_in(a, "vlan.len", o)),
    Difference("sll.etype", "absent", LENGTH, lambda o, a: _is_in(a, "sll.ltype", o)),
    Difference("null.family", "absent", "tshark knows PPP headers by sight", lambda o, a: _is_in(a, "null.type", o)),
    Difference("null.family", "value", "tshark swaps what is no family", _is_no_family),
    Difference("ip.len", "value", "offload: tshark puts the captured length for 0", lambda o, a: o.found.value == 0),
    Difference("ip.dst", "absent", "on a source route it is ip.cur_rt", lambda o, a: _is_in(a, "ip.cur_rt", o)),
    Difference("ip.src_rt", "absent", "to tshark the last hop is ip.dst", lambda o, a: _is_in(a, "ip.dst", o)),
    Difference("ip.rec_rt", "absent", "tshark shows no slot from the pointer on", _is_unfilled),
    Difference(
        "ip.*_rt", "absent", "tshark reads no route with a pointer between addresses",
        lambda o, a: _last_before(o, "ip.opt.ptr") % 4 > 0,
    ),
    Difference("ip.opt.*", "absent", TEXT, lambda o, a: _last_before(o, "ip.opt.type") not in OPTION_NAMES),
    Difference("ipv6.opt.type.*", "absent", PAD1, lambda o, a: _last_before(o, "ipv6.opt.type") == 0),
    Difference("ipv6.opt.*", "absent", OTHER_PAGE, _behind_a_page),
    Difference(
        "ipv6.routing.unknown_data", "absent", "tshark has a page for this type (RPL, compact routing headers)",
        lambda o, a: _last_before(o, "ipv6.routing.type") in {3, 5, 6},
    ),
    Difference("ip.src_rt", "absent", "a hop behind it is ip.rec_rt", lambda o, a: _is_in(a, "ip.rec_rt", o)),
    Difference("icmp.unused", "absent", "not shown of a source quench", lambda o, a: _last_before(o, "icmp.type") == 4),
    Difference("icmpv6.opt.linkaddr", "absent", EUI64, lambda o, a: _is_in(a, "icmpv6.opt.linkaddr_eui64", o)),
    Difference("icmp.unused", "absent", RFC4884, lambda o, a: "icmp.length" in a),
    Difference("icmpv6.reserved", "absent", RFC4884, lambda o, a: "icmpv6.length" in a),
    Difference("icmpv6.opt.reserved", "empty", "a field without a value in Wireshark"),
    Difference("arp.dst.proto*", "absent", DRARP, lambda o, a: _last_before(o, "arp.opcode") == 7),
    Difference("tcp.ack_raw", "absent", "tshark checks the header length first", _is_broken),
    Difference("tcp.option_*", "absent", "tshark shows an option too long as text", _is_broken),
    Difference("tcp.options.*", "absent", "tshark reads no option of the wrong length", _is_broken),
    Difference(
        "tcp.options.unknown.payload", "absent", "tshark has a page for this option",
        lambda o, a: _last_before(o, "tcp.option_kind") in TCP_PAGES,
    ),
    Difference("tcp.options.experimental.data", "absent", "an experiment that tshark has a page for"),
    Difference("tcp.flags.*", "absent", ACE, lambda o, a: "tcp.flags.ace" in a),
    Difference("tcp.seq_raw", "absent", "tshark shows tcp.seq alone of a quoted segment", lambda o, a: o.layer.quoted),
)  # fmt: skip


def explanation(outcome: Outcome, answers: Answers) -> str | None:
    """Return why a field differs, or None if nothing here says so."""
    if outcome.what == "absent" and outcome.found.name in OWN_NAMES:
        return OWN_NAMES[outcome.found.name]
    for difference in DIFFERENCES:
        if outcome.what != difference.what or not fnmatchcase(outcome.found.name, difference.fields):
            continue
        if difference.when(outcome, answers):
            return difference.reason
    return None
