"""Craft, send, sniff, dissect: the same packet comes out at the other end; answers find their questions."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import pktlab
from pktlab.errors import ExpressionError, PktlabError
from pktlab.live import Host, Sandbox
from pktlab.live.host import Interface
from pktlab.live.inside import inside, opened_tun
from pktlab.live.links import Link, known_mac, leads_outside, link_named, links, route_to
from pktlab.live.pacing import Permit
from pktlab.live.send import Exchange, Sending
from pktlab.live.sniff import Sniffer

UNAVAILABLE = Sandbox.available()
SLACK_NS = 2_000_000
"""By how much the clock of the wall, which stamps packets, may be off from that which is waited by."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox() as made:
        for host in made:  # says that a port is closed as often as it is asked
            host.sysctl("net/ipv4", {"icmp_ratelimit": 0})
            host.sysctl("net/ipv6/icmp", {"ratelimit": 0})
        yield made


def sending(host: Host, what: Any, interface: str | None = "eth0", **options: Any) -> list[Exchange]:
    """Send packets from a host."""
    with inside(host, partial(Sending, what, interface, **options)) as made:
        return inside(host, list, made)


def seen(host: Host, bpf: str, number: int, act: Any, interface: str = "eth0") -> list[pktlab.Packet]:
    """What a host sees while something happens."""
    thread = threading.Thread(target=act)
    with inside(host, partial(Sniffer, interface, bpf=bpf, count=number, seconds=10)) as sniffer:
        sniffer.wire.on_start = thread.start
        found = list(sniffer)
    thread.join()
    return found


UNTAGGED = "udp port 4711 or tcp port 4711"
ONLY = f"{UNTAGGED} or (vlan and udp port 4711)"
PACKETS = (
    'Ether(dst="02:00:00:00:00:02")/IP(dst="203.0.113.2")/UDP(sport=4711)/b"whole"',
    'Ether(dst="02:00:00:00:00:02")/Dot1Q(vlan=100, prio=5)/IP(dst="203.0.113.2")/UDP(sport=4711)/b"tagged"',
    'Ether(dst="02:00:00:00:00:02")/IPv6(dst="2001:db8:7::2")/TCP(sport=4711)/b"six"',
    'IP(src="203.0.113.1", dst="192.0.2.2", ttl=3)/UDP(sport=4711, dport=9)/b"routed"',
    'IPv6(dst="2001:db8::2")/UDP(sport=4711, dport=9)/b"routed"',
    'IP(dst="192.0.2.2", options=[IPOption_NOP()])/TCP(sport=4711, flags="FPU")/(b"x"*1200)',
)
CHECKSUMS = (None, "good", "bad", "zero", "partial", 0x1234)


class TestTheSamePacketComesOut:
    @pytest.mark.parametrize("checksum", CHECKSUMS, ids=str)
    @pytest.mark.parametrize("number", range(len(PACKETS)))
    def test_over_a_cable(self, number: int, checksum: str | int | None, box: Sandbox) -> None:
        client, server = box
        sent: list[Exchange] = []
        found = seen(server, ONLY, 1, lambda: sent.extend(sending(client, PACKETS[number], checksum=checksum)))
        assert [packet.data for packet in found] == [one.sent.data for one in sent]
        assert [list(map(str, packet.judgements)) for packet in found] == [
            list(map(str, one.sent.judgements)) for one in sent
        ]
        if isinstance(checksum, str):
            wanted = {"zero": {"absent", "illegal-zero", "bad"}}.get(checksum, {checksum})
            assert str(found[0].judgements[-1].verdict) in wanted

    @pytest.mark.parametrize("checksum", CHECKSUMS, ids=str)
    @pytest.mark.parametrize("number", [3, 4, 5])
    def test_over_a_tun_interface(self, number: int, checksum: str | int | None, box: Sandbox) -> None:
        client, _ = box
        tun = Interface.numbered("tun3", 1, ipv4="198.51.100.0/24", ipv6="2001:db8:51::/64")
        text = PACKETS[number].replace("192.0.2.2", "198.51.100.9").replace("2001:db8::2", "2001:db8:51::9")
        with opened_tun(client, tun) as made:
            made.read_all()
            crafted = pktlab.craft(text)
            sent: list[Exchange] = []
            found = seen(
                client, UNTAGGED, 1, lambda: sent.extend(sending(client, text, "tun3", checksum=checksum)), "tun3"
            )
            assert isinstance(crafted, pktlab.Packet)
            assert [packet.data for packet in found] == [one.sent.data for one in sent]
            assert found[0].data in made.read_all()
            assert found[0].link_type == 101

    def test_what_is_given_is_what_craft_makes(self, box: Sandbox) -> None:
        client, server = box
        text = (
            'Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")/IP(src="203.0.113.1", dst="203.0.113.2")'
            "/UDP(sport=4711, dport=RandShort())/RandString(7)"
        )
        crafted = pktlab.craft(text.replace("/RandString(7)", '/b"x"'), seed=9)
        found = seen(server, ONLY, 1, lambda: sending(client, text.replace("/RandString(7)", '/b"x"'), seed=9))
        assert isinstance(crafted, pktlab.Packet)
        assert found[0].data == crafted.data

    def test_what_is_not_given_is_found_out(self, box: Sandbox) -> None:
        client, _ = box
        for text in ('IP(dst="192.0.2.2")/ICMP()', 'IPv6(dst="2001:db8::2")/ICMPv6EchoRequest()'):
            [(sent, _)] = sending(client, text, None)  # by route
            assert (sent["eth.src"], sent["eth.dst"]) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
        [(sent, _)] = sending(client, 'Ether()/ARP(pdst="192.0.2.2")')
        assert (sent["arp.src.proto_ipv4"], sent["arp.src.hw_mac"]) == ("192.0.2.1", "02:00:00:00:00:01")
        [(sent, _)] = sending(client, 'IP(dst="224.0.0.251")/UDP()')
        assert sent["eth.dst"] == "01:00:5e:00:00:fb"
        [(sent, _)] = sending(client, 'IP(dst="192.0.2.255")/UDP()')
        assert sent["eth.dst"] == "ff:ff:ff:ff:ff:ff"

    def test_the_neighbour_is_asked_for_if_the_kernel_does_not_know_it(self, box: Sandbox) -> None:
        client, server = box
        for version, address in ((4, server.ipv4), (6, server.ipv6)):
            client.run(["ip", f"-{version}", "neighbour", "flush", "dev", "eth0"])
            text = f'IP(dst="{address}")/UDP()' if version == 4 else f'IPv6(dst="{address}")/UDP()'
            [(sent, _)] = sending(client, text)
            assert sent["eth.dst"] == server.mac
        with pytest.raises(PktlabError, match=r"nobody on eth0 answers for 192.0.2.99 \(ARP\): give the MAC"):
            sending(client, 'IP(dst="192.0.2.99")/UDP()')


class TestAnswers:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ('IP(dst="192.0.2.2")/ICMP(id=5, seq=(1, 3))/b"ping"', "Echo reply"),
            ('IPv6(dst="2001:db8::2")/ICMPv6EchoRequest(id=5, seq=[1, 2])', "Echo reply"),
            ('Ether()/ARP(pdst="192.0.2.2")', "is at 02:00:00:00:00:02"),
            ('IP(dst="192.0.2.2")/UDP(dport=(9, 11))', "port unreachable"),
            ('IPv6(dst="2001:db8::2")/UDP(dport=9)/b"x"', "port unreachable"),
            ('IP(dst="192.0.2.2")/TCP(sport=(4000, 4002), dport=9)', "[RST ACK]"),
        ],
    )
    def test_come_to_their_questions(self, text: str, says: str, box: Sandbox) -> None:
        client, _ = box
        pairs = sending(client, text, wait_s=5)
        made = pktlab.craft(text)
        assert len(pairs) == (len(made) if isinstance(made, list) else 1)
        for sent, answer in pairs:
            assert answer is not None
            assert says in answer.line()
            assert (answer.time_ns or 0) >= (sent.time_ns or 0)

    def test_a_program_that_answers(self, box: Sandbox) -> None:
        client, server = box
        with inside(server, socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as program:
            program.bind(("192.0.2.2", 12_000))
            program.settimeout(5)

            def answer() -> None:
                for _ in range(2):
                    data, peer = program.recvfrom(100)
                    program.sendto(data.upper() or b"EMPTY", peer)

            thread = threading.Thread(target=answer)
            thread.start()
            pairs = sending(client, 'IP(dst="192.0.2.2")/UDP(sport=[4000, 4001], dport=12000)/b"hello"', wait_s=5)
            thread.join()
        assert [(answer and answer.data[42:47]) for _, answer in pairs] == [b"HELLO"] * 2
        assert [answer and answer["udp.dstport"] for _, answer in pairs] == [4000, 4001]

    def test_of_equal_questions_each_gets_one(self, box: Sandbox) -> None:
        client, _ = box
        for text in ('IP(dst="192.0.2.2")/ICMP(id=5)/b"x"', 'IP(dst="192.0.2.2")/UDP(dport=9)'):
            pairs = sending(client, text, count=3, pps=100, wait_s=5)
            assert len({id(sent) for sent, answer in pairs if answer is not None}) == 3

    def test_what_nobody_answers_stands_alone(self, box: Sandbox) -> None:
        client, _ = box
        [(sent, answer)] = sending(client, 'IP(dst="192.0.2.2")/UDP(dport=9)/b"x"', checksum="bad", wait_s=0.05)
        assert sent["udp.checksum.verdict"] == "bad"
        assert answer is None

    def test_loopback_answers_too(self) -> None:
        if UNAVAILABLE is not None:
            pytest.skip(UNAVAILABLE)
        for text in ('IP(dst="127.0.0.1")/ICMP(id=77)', 'IPv6(dst="::1")/ICMPv6EchoRequest(id=77)'):
            [(_, answer)] = pktlab.send(text, wait_s=5)
            assert answer is not None
        [(sent, answer)] = pktlab.send('IP(dst="127.0.0.1", chksum=1)/ICMP(id=77)', wait_s=0.05)
        assert sent["ip.checksum.verdict"] == "bad"  # as a frame: a raw socket would have put it right
        assert answer is None


class TestHowOften:
    def test_count_and_rate(self, box: Sandbox) -> None:
        client, server = box
        text = PACKETS[0].replace("4711)", "4711, dport=[1, 2])")
        began_ns = time.time_ns()
        found = seen(server, ONLY, 6, lambda: sending(client, text, count=3, pps=200))
        assert [packet["udp.dstport"] for packet in found] == [1, 2, 1, 2, 1, 2]
        times = [packet.time_ns or 0 for packet in found]
        assert all(at >= began_ns + number * 5_000_000 - SLACK_NS for number, at in enumerate(times))

    def test_random_values_are_drawn_anew(self, box: Sandbox) -> None:
        client, server = box
        text = PACKETS[0].replace("4711)", "4711, dport=RandShort())")
        found = seen(server, ONLY, 5, lambda: sending(client, text, count=5, seed=1))
        assert len({packet["udp.dstport"] for packet in found}) > 1


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("what", "interface", "said"),
        [
            ("ARP()", "eth0", "put Ether\\(\\) in front"),
            ('Ether()/ARP(pdst="192.0.2.2")', None, "name the interface with -i"),
            ('IP(dst="192.0.2.2")', "eth7", "there is no interface eth7"),
            ('IP(dst="nobody.invalid")', "eth0", "names are not looked up|no IPv4 address"),
            ("Ether()/UDP()/(b'x'*3000)", "eth0", "a packet has 30.. bytes, and eth0 takes 1514"),
            ([], "eth0", "there is no packet to send"),
        ],
    )
    def test_in_a_line(self, what: Any, interface: str | None, said: str, box: Sandbox) -> None:
        with pytest.raises((PktlabError, ExpressionError), match=said):
            sending(box["client"], what, interface)

    def test_no_way(self, box: Sandbox) -> None:
        with pytest.raises(PktlabError, match=r"there is no route to 203\.0\.113\.9"):
            sending(box["client"], 'IP(dst="203.0.113.9")', None)

    def test_ethernet_on_a_tun_interface(self, box: Sandbox) -> None:
        tun = Interface.numbered("tun4", 1, ipv4="198.51.100.0/24", ipv6=None)
        with opened_tun(box["client"], tun), pytest.raises(PktlabError, match=r"leave Ether\(\) away"):
            sending(box["client"], "Ether()/IP()/UDP()", "tun4")


class TestWhatLeadsOutside:
    def test_a_sandbox_does_not(self, box: Sandbox) -> None:
        for host in box:
            for link in inside(host, links):
                assert not inside(host, leads_outside, link)

    def test_a_veth_with_a_route_through_it_does(self, box: Sandbox) -> None:
        client, _ = box
        for version, gateway in ((4, "192.0.2.2"), (6, "2001:db8::2")):
            client.run(["ip", f"-{version}", "route", "add", "default", "via", gateway, "dev", "eth0"])
            try:
                with pytest.raises(PktlabError) as told:
                    sending(client, 'IP(dst="192.0.2.2")/UDP(dport=(1, 3))')
                assert str(told.value) == (
                    "eth0 may lead to other people's machines: to send 3 packets to 192.0.2.2 over eth0, "
                    "at most 100 a second, say --yes"
                )
                began_ns = time.time_ns()
                pairs = sending(client, 'IP(dst="192.0.2.2")/UDP(dport=(1, 3))', yes=True)
                times = [sent.time_ns or 0 for sent, _ in pairs]
                assert all(at >= began_ns + number * 10_000_000 - SLACK_NS for number, at in enumerate(times))
            finally:
                client.run(["ip", f"-{version}", "route", "del", "default"])

    @pytest.mark.parametrize("route", [["0.0.0.0/1"], ["128.0.0.0/1"]], ids=str)
    def test_a_tunnel_that_takes_all_does(self, route: list[str], box: Sandbox) -> None:
        client, _ = box
        with opened_tun(client, Interface.numbered("tun5", 1, ipv4="198.51.100.0/24", ipv6=None)):
            assert not inside(client, lambda: leads_outside(link_named("tun5")))
            client.run(["ip", "route", "add", *route, "dev", "tun5"])
            assert inside(client, lambda: leads_outside(link_named("tun5")))

    def test_hardware_does(self) -> None:
        uplink = Link(9, "eth9", 1, 1, 1500, "02:00:00:00:00:09", "")
        assert leads_outside(uplink)
        assert Permit(uplink, 1, "x", agreed=True).pps == 100
        assert Permit(uplink, 1, "x", agreed=True, pps=5000).pps == 5000


def test_what_the_kernel_knows(box: Sandbox) -> None:
    client, server = box
    link = inside(client, link_named, "eth0")
    assert (link.mac, link.mtu, link.kind, link.link_type, link.is_up) == (client.mac, 1500, "veth", 1, True)
    route = inside(client, route_to, str(server.ipv4))
    assert (route.link_index, route.source, route.gateway) == (link.index, str(client.ipv4), "")
    neighbour = ["192.0.2.88", "lladdr", "02:00:00:00:00:88", "dev", "eth0", "nud", "permanent"]
    client.run(["ip", "neighbour", "replace", *neighbour])
    assert inside(client, known_mac, link.index, "192.0.2.88") == "02:00:00:00:00:88"
    assert inside(client, known_mac, link.index, "192.0.2.89") == ""
    with pytest.raises(PktlabError, match="there is no interface nothing-like-it"):
        inside(client, link_named, "nothing-like-it")
