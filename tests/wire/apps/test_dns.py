"""DNS messages: names and record data as dnspython reads them, building, and bytes that are none."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.wire
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pktlab
from pktlab.errors import Malformed, Truncated, WireError
from pktlab.wire import build, dissect
from pktlab.wire.apps.dns import Dns, DnsTcp, Question, Record
from pktlab.wire.apps.mdns import Mdns
from pktlab.wire.apps.names import DomainName, Name
from pktlab.wire.apps.rdata import RDATA, A, Cname, Mx, Raw, Txt, TxtString
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

from .conftest import Captures

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}
QUERY = Dns(id=1, recdesired=True, questions=(Question(qname="www.example.com"),))
ANSWER = Dns(
    id=1, response=True,
    questions=(Question(qname="www.example.com"),),
    answers=(
        Record(rname="www.example.com", rtype=5, ttl=60, rdata=Cname(cname="example.com")),
        Record(rname="example.com", rtype=1, ttl=60, rdata=A(a="192.0.2.80")),
    ),
)  # fmt: skip


def udp(payload: bytes, port: int = 53) -> bytes:
    return build(Ip(proto=17, **ENDS), Udp(srcport=40000, dstport=port), payload)


def test_a_message_in_a_line() -> None:
    assert dissect(udp(QUERY.build()), Ip).headers[-1].summary() == "DNS query A www.example.com"
    said = "DNS answer www.example.com CNAME example.com, example.com A 192.0.2.80"
    assert dissect(udp(ANSWER.build()), Ip).headers[-1].summary() == said
    assert ANSWER.replace(rcode=3, answers=()).summary() == "DNS answer A www.example.com: no such name"


def test_dnspython_reads_what_is_built() -> None:
    theirs = dns.message.from_wire(ANSWER.build())
    assert [str(one) for one in theirs.answer] == [
        "www.example.com. 60 IN CNAME example.com.", "example.com. 60 IN A 192.0.2.80",
    ]  # fmt: skip
    mail = ANSWER.replace(
        answers=(
            Record(rname="a", rtype=15, rdata=Mx(preference=5, mail_exchange="b.c")),
            Record(rname="a", rtype=16, rdata=Txt(strings=(TxtString(txt="hi"), TxtString(txt="")))),
        )
    )
    counted = mail.replace(count_answers=2)
    assert [str(one) for one in dns.message.from_wire(counted.build()).answer] == [
        "a. 0 IN MX 5 b.c.",
        'a. 0 IN TXT "hi" ""',
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\xc0\x00", Malformed),  # to itself
        (b"\x01a\xc0\x02\x00", Malformed),  # to itself, one label on
        (b"\xc0\x04\x00\x00\x00", Malformed),  # forwards
        (b"\x40", Malformed),  # a label type that was never used
        (b"\x3fabc", Truncated),
        (b"\x01a", Truncated),
        (b"", Truncated),
        (b"\x01a" * 128 + b"\0", Malformed),  # 257 octets
    ],
)
def test_names_that_cannot_be(data: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        Name().parse(data)


def test_a_name_of_255_octets_is_the_longest() -> None:
    data = b"\x01a" * 127 + b"\0"
    assert Name().parse(data).wire == data


LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=5).filter(lambda one: sum(len(x) + 1 for x in one) < 255)


@given(LABELS)
def test_the_text_of_a_name_gives_its_labels_back(labels: list[bytes]) -> None:
    name = DomainName.of_labels(labels)
    assert name.isprintable()
    assert DomainName.of_text(str(name)).labels == tuple(labels)
    assert dns.name.from_wire(name.wire, 0)[0].labels == (*labels, b"")


@given(st.binary(max_size=300), st.sampled_from([Dns, Mdns]))
def test_any_bytes_give_a_message_that_builds_them_or_an_error(data: bytes, kind: type[Dns]) -> None:
    try:
        message = kind.parse(data)
    except WireError:
        return
    built = message.build()
    assert built == data[: len(built)]


@given(st.data())
def test_a_damaged_message_too(data: st.DataObject) -> None:
    whole = bytearray(ANSWER.build())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    test_any_bytes_give_a_message_that_builds_them_or_an_error.hypothesis.inner_test(bytes(whole), Dns)
    packet = dissect(udp(bytes(whole)), Ip, ranges=True)
    assert packet.stop is None
    assert packet.layers[2].protocol in ("dns", "data")


@given(st.binary(min_size=1, max_size=100), st.sampled_from([53, 5353, 5355]))
def test_noise_on_a_port_is_data(noise: bytes, port: int) -> None:
    packet = dissect(udp(noise, port), Ip)
    assert packet.stop is None
    if not any(noise[4:8]) or len(noise) < 17:
        return
    assert [layer.protocol for layer in packet.layers][2:] != []


def test_text_and_random_bytes_are_no_dns() -> None:
    for noise in (b"GET / HTTP/1.1\r\n\r\n", bytes(12), bytes(40), bytes(range(100, 160)), b"\xff" * 60):
        assert dissect(udp(noise), Ip).layers[2].protocol == "data"


def test_over_tcp() -> None:
    flags = TcpFlags.of("ack")
    data = DnsTcp(message=ANSWER).build()
    whole = build(Ip(proto=6, **ENDS), Tcp(srcport=53, dstport=40000, flags=flags), data)
    layer = dissect(whole, Ip).layers[2]
    assert layer.header is not None
    assert layer.header.summary().startswith("DNS answer www.example.com")
    first = build(Ip(proto=6, **ENDS), Tcp(srcport=53, dstport=40000, flags=flags), data[:-1])
    assert [one.protocol for one in dissect(first, Ip).layers] == ["ip", "tcp", "data"]


def test_a_cut_message_says_where_it_ends() -> None:
    packet = dissect(udp(QUERY.build())[:-6], Ip)
    assert packet.layers[2].protocol == "dns"
    assert isinstance(packet.stop, Truncated)
    assert packet.stop.limit == "buffer"
    assert [found.value for found in packet.found("dns.count.queries")] == [1]


def theirs_of(parser: dns.wire.Parser) -> list[object]:
    """Return the labels and data that dnspython reads of one record."""
    name = dns.name.from_wire_parser(parser)
    rtype, rclass, _, length = parser.get_struct("!HHIH")
    with parser.restrict_to(length):
        data: str | None
        try:
            data = dns.rdata.from_wire_parser(rclass, rtype, parser).to_text()
        except (dns.exception.DNSException, ValueError):
            data, parser.current = None, parser.end
    return [name.labels, rtype, data]


def plain(text: str) -> str:
    """Return record text without the dots that end names, and root as dnspython writes it."""
    return " ".join("." if one == "<Root>" else one.removesuffix(".") or "." for one in text.split())


@pytest.mark.parametrize("protocol", ["dns", "mdns", "llmnr"])
def test_names_and_records_are_those_that_dnspython_reads(protocol: str, captures_with: Captures) -> None:
    messages = records = same = 0
    for path in captures_with(protocol, 60):
        for packet in pktlab.open(path):
            layer = packet.dissection.layer(protocol)
            if layer is None or layer.error is not None or isinstance(layer.header, DnsTcp) or layer.quoted:
                continue
            messages += 1
            message = layer.header
            parser = dns.wire.Parser(packet.data[layer.start : layer.stop], 12)
            for question in message.questions:
                assert (*question.qname.labels, b"") == dns.name.from_wire_parser(parser).labels
                parser.get_struct("!HH")
            for record in (*message.answers, *message.authority, *message.additional):
                labels, rtype, data = theirs_of(parser)
                assert ((*record.rname.labels, b""), record.rtype) == (labels, rtype)
                records += 1
                if data is not None and rtype in RDATA and rtype not in (16, 41, 64, 65):
                    assert not isinstance(record.rdata, Raw)
                    if record.rclass == 1 and "\\" not in data:
                        assert plain(record.rdata.summary()).lower() == plain(str(data)).lower()
                        same += 1
    assert messages > 100
    assert same > (records // 10 if protocol != "llmnr" else 0)
