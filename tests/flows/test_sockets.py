"""Sockets as people write them down, and what a table makes of them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import PktlabError
from pktlab.flows import FlowKey, Rule, SocketTable, parse_socket
from pktlab.wire.tcp import TcpFlags


@pytest.mark.parametrize(
    "text",
    [
        "udp:0.0.0.0:53",
        "tcp:10.0.0.1:80,peer=10.0.0.9:4711",
        "udp:[::]:53,v6only",
        "udp:[2001:db8::1]:53,peer=[2001:db8::9]:4711,dev=eth0,reuseaddr,reuseport",
        "udp:0.0.0.0:5353,reuseaddr,member=224.0.0.251,member=239.1.1.1%eth0,multicast_all=0",
        "udp:[::ffff:10.0.0.1]:53",
        "tcp:0.0.0.0:80,reuseaddr,backlog=5",
    ],
)
def test_the_notation_reads_what_it_writes(text: str) -> None:
    assert str(parse_socket(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "starts with udp: or tcp:"),
        ("sctp:1.2.3.4:5", "starts with udp: or tcp:"),
        ("udp:1.2.3.4", "is not ADDRESS:PORT"),
        ("udp:::53", "in brackets"),
        ("udp:1.2.3.4:70000", "over 65535"),
        ("udp:1.2.3.256:7", "no IPv4 address"),
        ("udp:[1.2.3.4]:7", "no IPv6 address"),
        ("udp:1.2.3.4:7,reuseport=1", "takes no value"),
        ("udp:1.2.3.4:7,peer", "takes a value"),
        ("udp:1.2.3.4:7,per=1.2.3.4:5", "did you mean peer?"),
        ("udp:1.2.3.4:7,v6only", "for IPv6 sockets"),
        ("udp:1.2.3.4:7,peer=[::1]:5", "different IP versions"),
        ("udp:1.2.3.4:7,backlog=5", "for TCP sockets that listen"),
        ("tcp:1.2.3.4:7,backlog=-1", "not a number from 0"),
        ("udp:1.2.3.4:7,member=10.0.0.1", "no multicast group"),
        ("udp:0.0.0.0:7,peer=1.2.3.4:5", "no wildcard"),
    ],
)
def test_a_slip_is_named(text: str, said: str) -> None:
    with pytest.raises(PktlabError, match=said.replace("?", r"\?")) as caught:
        SocketTable.of(text)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="udptc:.,=[]*0123456789abf%-é\n", max_size=40))
def test_any_text_is_a_socket_or_an_error(text: str) -> None:
    for start in ("", "udp:1.2.3.4:5,", "tcp:[::"):
        with suppress(PktlabError):
            assert parse_socket(start + text).local.port <= 0xFFFF


def test_sockets_that_are_written_alike_have_names_of_their_own() -> None:
    table = SocketTable.of(*["udp:10.0.0.1:53,reuseport"] * 3)
    assert len({one.name for one in table.sockets}) == 3


def test_what_is_closed_is_gone_and_the_one_before_takes_over() -> None:
    table = SocketTable.of("udp:10.0.0.1:53,reuseaddr,name=old", "udp:10.0.0.1:53,reuseaddr,name=new")
    key = FlowKey("udp", "10.0.0.9", 4711, "10.0.0.1", 53)
    assert table.lookup(key).socket == table.named("new")
    table.remove(table.named("new"))
    assert table.lookup(key).socket == table.named("old")
    table.remove(table.named("old"))
    match = table.lookup(key)
    assert (match.socket, match.rule, match.answer) == (None, Rule.nobody, "ICMP port unreachable")


def test_a_segment_that_is_no_syn_is_answered_by_the_listener_itself() -> None:
    table = SocketTable.of("tcp:0.0.0.0:80")
    key = FlowKey("tcp", "10.0.0.9", 4711, "10.0.0.1", 80)
    assert table.lookup(key).answer == ""
    assert table.lookup(key, flags=TcpFlags(0x010)).answer == "RST"
    assert table.lookup(key._replace(dstport=81), flags=TcpFlags(0x004)).answer == ""


def test_bind_is_refused_as_the_table_of_the_handbook_says() -> None:
    for first, second, works in (
        ("", "", False), ("reuseaddr", "", False), ("reuseport", "reuseaddr", False),
        ("reuseaddr", "reuseaddr", True), ("reuseport", "reuseport", True),
    ):  # fmt: skip
        table = SocketTable.of(",".join(filter(None, ("udp:10.0.0.1:53", first))))
        wanted = parse_socket(",".join(filter(None, ("udp:10.0.0.1:53", second))))
        assert (table.conflict(wanted) is None) is works, (first, second)
    assert SocketTable.of("udp:0.0.0.0:53").conflict(parse_socket("udp:10.0.0.1:53")) is not None
    assert SocketTable.of("udp:10.0.0.2:53").conflict(parse_socket("udp:10.0.0.1:53")) is None
    assert SocketTable.of("udp:[::]:53").conflict(parse_socket("udp:0.0.0.0:53")) is not None
    assert SocketTable.of("udp:[::]:53,v6only").conflict(parse_socket("udp:0.0.0.0:53")) is None
    listening = SocketTable.of("tcp:0.0.0.0:80,reuseaddr")
    assert listening.conflict(parse_socket("tcp:0.0.0.0:80,reuseaddr")) is not None
