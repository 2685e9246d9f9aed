"""Packets shown to a host one after another: connections come and go, and each packet has its socket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pktlab.flows import FlowKey, Rule, SocketTable
from pktlab.flows.receiving import ReceivingHost
from pktlab.wire.dissection import dissect
from pktlab.wire.ipv4 import Ip
from pktlab.wire.packet import build
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

CLIENT, SERVER = "10.0.0.9", "10.0.0.1"
SYN, SYN_ACK, ACK, RST, FIN, PUSH = 0x002, 0x012, 0x010, 0x004, 0x011, 0x018


def said(host: ReceivingHost, flags: int, *, back: bool = False, dropped: str = "") -> str:
    """Return what the host makes of a segment of the one connection, from the client, or `back` to it."""
    ends = ((SERVER, 80), (CLIENT, 4711)) if back else ((CLIENT, 4711), (SERVER, 80))
    header = Tcp(srcport=ends[0][1], dstport=ends[1][1], flags=TcpFlags(flags))
    data = build(Ip(src=ends[0][0], dst=ends[1][0], proto=6), header, b"")
    return str(host.take(dissect(data, Ip), dropped=dropped))


def listening() -> ReceivingHost:
    return ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,name=web"))


def test_a_connection_from_its_handshake_to_its_end() -> None:
    host = listening()
    assert said(host, SYN) == "web (wildcard); asks for a connection"
    assert said(host, SYN_ACK, back=True) == "sent by web"
    child = "tcp:10.0.0.1:80,peer=10.0.0.9:4711"
    assert said(host, ACK).startswith(f"{child} (handshake)")
    assert said(host, ACK) == f"{child} (four-tuple)"
    assert said(host, ACK, back=True) == f"sent by {child}"
    assert said(host, FIN) == f"{child} (four-tuple)"
    assert said(host, SYN) == f"{child} (four-tuple)"  # only one side is closed
    assert said(host, FIN, back=True) == f"sent by {child}"
    assert said(host, SYN) == "web (wildcard); asks for a connection"
    assert len(host.table) == 1


def test_a_reset_takes_the_socket_away() -> None:
    host = listening()
    for flags in (SYN, ACK):
        said(host, flags)
    assert len(host.table) == 2
    assert "gone" in said(host, RST)
    assert said(host, ACK) == "web (wildcard): RST"
    assert len(host.table) == 1


def test_what_the_host_drops_opens_nothing() -> None:
    host = listening()
    assert said(host, SYN, dropped="its tcp checksum is bad") == "dropped: its tcp checksum is bad"
    assert said(host, ACK) == "web (wildcard): RST"


def test_a_connection_from_before_the_capture_is_known_by_what_the_host_sends() -> None:
    host = listening()
    assert said(host, ACK, back=True) == "sent by web; a connection from before the capture"
    assert said(host, ACK).endswith("(four-tuple)")


def test_sockets_are_inferred_from_who_sends_first() -> None:
    host = ReceivingHost()
    assert said(host, SYN).startswith("tcp:10.0.0.1:80 (address)")
    assert "handshake" in said(host, ACK)
    datagram = build(Ip(src=CLIENT, dst=SERVER, proto=17), Udp(srcport=5, dstport=53), b"")
    answer = build(Ip(src=SERVER, dst=CLIENT, proto=17), Udp(srcport=53, dstport=5), b"")
    assert str(host.take(dissect(datagram, Ip))) == "udp:10.0.0.1:53 (address)"
    assert str(host.take(dissect(answer, Ip))) == "sent by udp:10.0.0.1:53"


def test_a_socket_that_is_not_there_after_all_is_taken_back() -> None:
    host = ReceivingHost()
    said(host, SYN)
    assert said(host, RST | ACK, back=True) == "sent by tcp:10.0.0.1:80; so nobody listens there"
    assert (len(host.table), host.closed) == (0, {"tcp:10.0.0.1:80": "RST"})
    datagram = build(Ip(src=CLIENT, dst=SERVER, proto=17), Udp(srcport=5, dstport=53), b"")
    host.take(dissect(datagram, Ip))
    refusal = build(Ip(src=SERVER, dst=CLIENT, proto=1), bytes((3, 3, 0, 0)) + bytes(4) + datagram)
    assert host.take(dissect(refusal, Ip)) is None
    assert host.closed["udp:10.0.0.1:53"] == "ICMP port unreachable"
    assert len(host.table) == 0


def test_with_addresses_a_packet_may_be_for_somebody_else() -> None:
    host = ReceivingHost(SocketTable.of("udp:0.0.0.0:53"), ["10.0.0.2"])
    datagram = build(Ip(src=CLIENT, dst=SERVER, proto=17), Udp(srcport=5, dstport=53), b"")
    assert str(host.take(dissect(datagram, Ip))) == "not for this host"
    host = ReceivingHost(SocketTable.of("udp:0.0.0.0:53"), [SERVER])
    assert str(host.take(dissect(datagram, Ip))) == "udp:0.0.0.0:53 (wildcard)"
    assert host.table.lookup(FlowKey("udp", CLIENT, 5, SERVER, 53)).socket is not None


def of_client(host: ReceivingHost, port: int, flags: int, *, back: bool = False) -> str:
    ends = ((SERVER, 80), (CLIENT, port)) if back else ((CLIENT, port), (SERVER, 80))
    header = Tcp(srcport=ends[0][1], dstport=ends[1][1], flags=TcpFlags(flags))
    return str(host.take(dissect(build(Ip(src=ends[0][0], dst=ends[1][0], proto=6), header, b"x"), Ip)))


def test_a_full_accept_queue_drops_requests_until_the_program_takes_a_connection() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,backlog=1,name=web"), [SERVER])
    for port in (1, 2):
        of_client(host, port, SYN)
        assert "handshake" in of_client(host, port, ACK)
    assert of_client(host, 3, SYN) == "accept queue full; dropped: it has to be asked again"
    of_client(host, 2, PUSH, back=True)  # the program has the second connection, so the first, too
    assert of_client(host, 3, SYN) == "web (wildcard); asks for a connection"


def test_a_full_accept_queue_drops_the_end_of_a_handshake_too() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,backlog=0,name=web"), [SERVER])
    for port in (1, 2):
        of_client(host, port, SYN)
    assert "handshake" in of_client(host, 1, ACK)
    assert of_client(host, 2, ACK) == "accept queue full; dropped: the client believes that it is connected"
    of_client(host, 1, FIN, back=True)
    assert "handshake" in of_client(host, 2, ACK)


def test_an_answer_shows_that_there_was_room() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,backlog=0,name=web"), [SERVER])
    for port in (1, 2):
        of_client(host, port, SYN)
        of_client(host, port, SYN_ACK, back=True)
        assert "handshake" in of_client(host, port, ACK)


def test_a_closed_listener_takes_what_waits_with_it() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,backlog=5,name=web"), [SERVER])
    of_client(host, 1, SYN)
    of_client(host, 1, ACK)
    host.table.remove(host.table.named("web"))
    assert len(host.table) == 0


def test_a_segment_that_nobody_saw_begin_is_of_a_connection_from_before() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,name=web"), [SERVER])
    child = "tcp:10.0.0.1:80,peer=10.0.0.9:1"
    assert of_client(host, 1, PUSH) == f"{child} (four-tuple); of a connection from before the capture, it seems"
    assert of_client(host, 1, ACK, back=True) == f"sent by {child}"
    assert of_client(host, 1, PUSH) == f"{child} (four-tuple)"
    assert "gone" in of_client(host, 1, RST)
    assert of_client(host, 1, ACK) == "web (wildcard): RST"


def test_unless_the_host_says_that_it_knows_no_such_connection() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,name=web"), [SERVER])
    of_client(host, 1, ACK)
    assert of_client(host, 1, RST, back=True).endswith("so there was no such connection")
    assert (len(host.table), host.closed) == (1, {"tcp:10.0.0.1:80,peer=10.0.0.9:1": "RST"})
    assert of_client(host, 1, ACK) == "web (wildcard): RST"


def test_and_unless_the_table_has_all_connections() -> None:
    host = ReceivingHost(SocketTable.of("tcp:0.0.0.0:80,name=web"), [SERVER], is_complete=True)
    assert of_client(host, 1, ACK) == "web (wildcard): RST"


SEGMENTS = st.tuples(
    st.sampled_from((CLIENT, SERVER, "10.0.0.8")), st.sampled_from((CLIENT, SERVER, "224.0.0.1", "255.255.255.255")),
    st.sampled_from((80, 4711)), st.sampled_from((80, 4711)), st.integers(0, 0x1F) | st.none(),
)  # fmt: skip


@given(st.lists(SEGMENTS, max_size=40), st.booleans(), st.booleans())
def test_every_connection_that_is_known_has_its_socket(
    segments: list[tuple[str, str, int, int, int | None]], infers: bool, is_named: bool
) -> None:
    table = (
        None
        if infers
        else SocketTable.of("tcp:0.0.0.0:80,reuseport,backlog=1", "tcp:0.0.0.0:80,reuseport", "udp:[::]:80")
    )
    host = ReceivingHost(table, [SERVER] if is_named else [])
    for src, dst, srcport, dstport, flags in segments:
        header = Udp(srcport=srcport, dstport=dstport)
        if flags is not None:
            header = Tcp(srcport=srcport, dstport=dstport, flags=TcpFlags(flags))  # type: ignore[assignment]
        data = build(Ip(src=src, dst=dst, proto=17 if flags is None else 6), header, b"")
        delivery = host.take(dissect(data, Ip), explain=True)
        assert delivery is not None
        if delivery.match is not None:
            assert len(delivery.match.runners_up) + len(delivery.match.sockets) >= len(host.table)
            assert all(one.reason for one in delivery.match.runners_up)
        for key in host._connections:
            assert host.table.lookup(key).rule is Rule.four_tuple
        children = [one for one in host.table.sockets if one.protocol == "tcp" and one.peer is not None]
        assert len(children) == len(host._connections)
