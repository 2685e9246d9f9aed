"""What a receiver does with a frame: does it reach the program it is for, who drops it, and which counter says so.

`react` follows a frame up through a host as Linux does it, from the address on the link to the port, and stops at
the first check that fails. The order of the checks matters: a datagram whose length is impossible never gets as far
as its sum, so that another counter moves. It knows the host by the facts in `Receiver` alone. Tunnels are not
followed inside: what arrives at the tunnel's end is delivered; connections neither: a segment whose sum is right is
handed to TCP, whatever that makes of it.

Where the rules come from: RFC 1122 sections 3.2.1 and 4.1.3, RFC 8200 sections 3 and 8.1, RFC 9293 section 3.1. The
counters are Linux's (RFC 4293 and 4022 define most), in the order in which Linux 6.18 was seen to check.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from pktlab.wire.admission import has_readable_options, has_source_route, is_option_wrong, martian, martian6
from pktlab.wire.checksum import ones_sum
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.ethernet import Ethernet, Ieee8023, Vlan, VlanLength
from pktlab.wire.header import Header
from pktlab.wire.icmp import Icmp
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import DestinationOptions, Fragment, HopByHop, Ipv6, Routing
from pktlab.wire.numbers import IpProtocol
from pktlab.wire.pseudo import ends_of, pseudo_header
from pktlab.wire.receiver import LLC, Outcome, Reaction, Receiver
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Judgement, Verdict, judge

__all__ = ["react"]

GROUP_BIT = 0x01  # of the first byte of a MAC address (IEEE 802.3 clause 3.2.3)
SUMMED_AT_ONCE = 76  # bytes: a longer segment is summed when its socket is found (CHECKSUM_BREAK of skbuff.h)


def react(packet: Dissection, host: Receiver | None = None, *, cut: bool = False) -> Reaction:
    """Return what `host` does with a frame; without `host`, the one that `packet` itself is for.

    Parameters
    ----------
    packet : a dissected frame
    host : facts about who receives it
    cut : fewer bytes were captured than were on the wire, so lengths that seem too long may be right

    >>> from pktlab.wire.dissection import dissect
    >>> data = bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1c")
    >>> react(dissect(data, Ip)).text, react(dissect(data, Ip)).counters
    ('dropped by the UDP checksum', ('UdpInCsumErrors', 'UdpInErrors'))
    """
    return _Way(packet, host or Receiver.of(packet), cut).up()


class _Way:
    """The way of one frame up through a host."""

    def __init__(self, packet: Dissection, host: Receiver, cut: bool) -> None:
        self.packet = packet
        self.host = host
        self.cut = cut
        self.passed: list[str] = []
        self.is_group = False  # the packet is addressed to several hosts
        self.is_group_frame = False  # the frame to several stations
        self.judged: dict[int, Judgement] = {one.layer: one for one in judge(packet, cut=cut)}

    def up(self) -> Reaction:
        """Ask each layer in turn, until one ends the way."""
        for index, layer in enumerate(self.packet.layers):
            for kind, step in _STEPS.items():
                if isinstance(layer.header, kind):
                    end = step(self, index, layer, layer.header)
                    if end is not None:
                        return end
                    break
            else:
                return self.deliver(layer)
        last = self.packet.layers[-1] if self.packet.layers else None
        return self.deliver(last)

    # ---- ends of the way

    def deliver(self, layer: Layer | None, *counters: str, to: str = "") -> Reaction:
        name = layer.protocol if layer is not None else "data"
        return Reaction(Outcome.delivered, name, "", f"handed to {to or name}", (), (*self.passed, *counters))

    def drop(self, layer: Layer, check: str, text: str, *counters: str) -> Reaction:
        return Reaction(Outcome.dropped, layer.protocol, check, text, counters, tuple(self.passed))

    def unknown(self, layer: Layer) -> Reaction:
        why = "cannot be told: the bytes that decide were not captured"
        return Reaction(Outcome.unknown, layer.protocol, "", why, (), tuple(self.passed))

    def hold(self, layer: Layer, *counters: str) -> Reaction:
        text = "kept until the other fragments are there; the sum of the whole is checked then"
        return Reaction(Outcome.held, layer.protocol, "fragment", text, (), (*self.passed, *counters))

    # ---- the link

    def ethernet(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Look at the address and the type: a frame for another station is dropped where IP begins, uncounted."""
        dst, macs = getattr(header, "dst", None), self.host.macs
        if dst is None:
            return self.drop(layer, "length", "dropped by the link: no whole Ethernet header is there")
        self.is_group_frame = bool(int(dst[:2], 16) & GROUP_BIT)
        kind = LLC if isinstance(header, Ieee8023) else getattr(header, "type", None)
        return self.ether_type(layer, kind, is_ours=self.is_group_frame or not macs or dst in macs, whose=dst)

    def ether_type(self, layer: Layer, kind: int | None, *, is_ours: bool = True, whose: str = "") -> Reaction | None:
        """Look for a reader of the type; the interface counts if there is none. Only IP itself asks for the address."""
        if kind == LLC and LLC not in self.host.ether_types:
            return self.drop(layer, "type", "dropped by the link: it has a length, no type, and nobody reads LLC",
                             "rx_dropped")  # fmt: skip
        if kind not in self.host.ether_types:
            return self.drop(
                layer, "type", f"dropped by the link: nobody reads the type {kind or 0:#06x}", "rx_dropped"
            )
        if not is_ours:
            return self.drop(layer, "address", f"goes elsewhere: the frame is for {whose}, another station")
        if kind == LLC:
            return self.drop(layer, "type", "dropped by LLC, which knows no such service")
        return None

    def vlan(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Look for an interface with the tag's id; 0 is no VLAN at all. Without one the frame is another station's."""
        vlan_id = getattr(header, "id", None)
        if vlan_id and vlan_id not in self.host.vlans:
            return self.drop(layer, "address", f"goes elsewhere: VLAN {vlan_id} is not one of the receiver's")
        return self.ether_type(layer, LLC if isinstance(header, VlanLength) else getattr(header, "etype", None))

    # ---- IP

    def ip(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Version and header length, the sum, the total length, the destination, fragments, the protocol."""
        self.passed.append("IpInReceives")
        version, hdr_len = getattr(header, "version", None), getattr(header, "hdr_len", 0)
        end = layer.start + hdr_len
        if version != 4 or hdr_len < Ip.HEADER_LEN or end > len(self.packet.data):
            if self.cut and version == 4 and hdr_len >= Ip.HEADER_LEN:
                return self.unknown(layer)
            why = f"the version is {version}" if version != 4 else f"{hdr_len} bytes cannot be the header's length"
            return self.drop(layer, "header", f"dropped by IP: {why}", "IpInHdrErrors")
        if ones_sum(self.packet.data[layer.start : end]) != 0xFFFF:
            return self.drop(layer, "checksum", "dropped by the IP header checksum", "IpExtInCsumErrors",
                             "IpInHdrErrors")  # fmt: skip
        assert isinstance(header, Ip)
        if layer.overrun is not None:
            return self.too_long(layer, "IpExtInTruncatedPkts")
        if layer.error is not None or header.len < hdr_len:
            return self.drop(layer, "header", f"dropped by IP: {layer.error or 'a total length of 0'}", "IpInHdrErrors")
        return self.ip_address(layer, header) or self.ip_options(layer, end) or self.ip_payload(layer, header)

    def too_long(self, layer: Layer, counter: str) -> Reaction:
        if self.cut:
            return self.unknown(layer)
        return self.drop(layer, "length", f"dropped by IP: it {layer.notes[0] if layer.notes else 'is cut'}", counter)

    def ip_address(self, layer: Layer, header: Ip) -> Reaction | None:
        """Compare the destination; an address not its own is counted alike, whether there is a route to it or not."""
        if wrong := martian(header.src, header.dst, self.host):
            return self.drop(layer, "address", f"dropped by IP: {wrong}")
        if header.dst in self.host.addresses:
            return None
        if self.host.is_broadcast(header.dst) or self.host.is_member(header.dst):
            self.is_group = True
            return None
        if ipaddress.IPv4Address(header.dst).is_multicast:
            return self.drop(layer, "address", f"dropped by IP: the receiver is not in the group {header.dst}")
        text = f"goes elsewhere: {header.dst} is not the receiver's address, and only a router would send it on"
        return self.drop(layer, "address", text, "IpInAddrErrors")

    def ip_options(self, layer: Layer, end: int) -> Reaction | None:
        """Look through the options; only then is a packet for several hosts counted as such."""
        options = self.packet.data[layer.start + Ip.HEADER_LEN : end]
        if is_option_wrong(options):
            return self.drop(layer, "header", "dropped by IP: an option of it is damaged", "IpInHdrErrors")
        if has_source_route(options) and not self.host.source_routes:
            return self.drop(layer, "options", "dropped by IP: the sender chose its way (source route)")
        return None

    def ip_payload(self, layer: Layer, header: Ip) -> Reaction | None:
        if self.is_group:
            self.passed.append(f"IpExtIn{'Mcast' if ipaddress.IPv4Address(header.dst).is_multicast else 'Bcast'}Pkts")
        if header.flags.mf or header.frag_offset:
            return self.hold(layer, "IpReasmReqds")
        if header.proto not in self.host.ip_protocols:
            return self.drop(layer, "protocol", f"dropped by IP: nobody reads protocol {int(header.proto)}",
                             "IpInUnknownProtos")  # fmt: skip
        self.passed.append("IpInDelivers")
        return self.nothing_inside(layer, header.proto)

    def ipv6(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Check version, payload length, destination, next header; there is no sum over all this."""
        self.passed.append("Ip6InReceives")
        version = getattr(header, "version", None)
        if version != 6:
            return self.drop(layer, "header", f"dropped by IPv6: the version is {version}", "Ip6InHdrErrors")
        if not isinstance(header, Ipv6) or layer.error is not None:
            return self.unknown(layer) if self.cut else self.drop(
                layer, "header", "dropped by IPv6: no whole header is there", "Ip6InHdrErrors")  # fmt: skip
        if wrong := martian6(header.src, header.dst, self.host):
            return self.drop(layer, "address", f"dropped by IPv6: {wrong}", "Ip6InHdrErrors")
        if layer.overrun is not None:
            return self.too_long(layer, "Ip6InTruncatedPkts")
        return self.ipv6_address(layer, header) or self.ipv6_next(layer, header)

    def ipv6_address(self, layer: Layer, header: Ipv6) -> Reaction | None:
        """Without a route to it an address is counted as such; with one, it is not the receiver's to forward."""
        if ipaddress.IPv6Address(header.dst).is_multicast:
            self.is_group = True
            self.passed.append("Ip6InMcastPkts")
            if not self.host.is_member(header.dst):
                return self.drop(layer, "address", f"dropped by IPv6: the receiver is not in the group {header.dst}")
            return None
        if header.dst in self.host.addresses:
            return None
        text = f"goes elsewhere: {header.dst} is not the receiver's address, and only a router would send it on"
        counter = "Ip6InAddrErrors" if self.host.has_route(header.dst) else "Ip6InNoRoutes"
        return self.drop(layer, "address", text, counter)

    def ipv6_next(self, layer: Layer, header: Header) -> Reaction | None:
        """Ask whether anybody reads what the header says comes next; the last one that does counts as delivery."""
        nxt = getattr(header, "nxt", None)
        if nxt is None or layer.error is not None:
            return self.drop(layer, "header", f"dropped by IPv6: {layer.error}", "Ip6InHdrErrors")
        if nxt not in self.host.ipv6_protocols:
            return self.drop(layer, "protocol", f"dropped by IPv6: nobody reads next header {int(nxt)}",
                             "Ip6InUnknownProtos")  # fmt: skip
        if nxt in _EXTENSION_NUMBERS:
            return None
        self.passed.append("Ip6InDelivers")
        if isinstance(header, Ipv6) and header.plen == 0:  # only its own kernel sends itself packets of open length
            return self.empty(layer, nxt)
        return self.nothing_inside(layer, nxt)

    def extension(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Keep a fragment; go on to the next behind any other extension header."""
        if isinstance(header, Fragment) and (getattr(header, "more", False) or getattr(header, "offset", 0)):
            return self.hold(layer, "Ip6ReasmReqds")
        return self.ipv6_next(layer, header)

    def nothing_inside(self, layer: Layer, protocol: int) -> Reaction | None:
        """Return the end of a packet that says what it carries and carries nothing."""
        if self.packet.layers[-1] is not layer:
            return None
        return self.unknown(layer) if self.cut else self.empty(layer, protocol)

    def empty(self, layer: Layer, protocol: int) -> Reaction | None:
        """Return what a transport protocol does with nothing at all."""
        if protocol == IpProtocol.UDP:
            counter = "UdpInErrors" if isinstance(layer.header, Ip) else "Udp6InErrors"
            return self.drop(layer, "length", "dropped by UDP: its header is not there", counter)
        if protocol == IpProtocol.TCP:
            self.passed.append("TcpInSegs")
            return self.drop(layer, "length", "dropped by TCP: its header is not there")
        return None

    # ---- transport

    def version_of(self, index: int) -> str:
        """Return what stands in front of the names of IPv6's own UDP and ICMP counters."""
        below = [type(layer.header) for layer in self.packet.layers[:index]]
        return "6" if next((kind for kind in reversed(below) if kind in (Ip, Ipv6)), Ip) is Ipv6 else ""

    def udp(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Check the length first, then the sum, then the port."""
        six = self.version_of(index)
        names = f"Udp{six}InCsumErrors", f"Udp{six}InErrors"
        is_whole = layer.end - layer.start >= Udp.HEADER_LEN
        length = getattr(header, "length", None) if is_whole else None
        if self.cut and (length is None or layer.overrun is not None):
            return self.unknown(layer)
        if six and length == 0:
            if self.sum_holds(index, layer):
                return self.deliver(layer, "Udp6InDatagrams", to=f"port {getattr(header, 'dstport', 0)}")
            return self.drop(layer, "checksum", "dropped by the UDP checksum", *names)
        if length is None or length < Udp.HEADER_LEN or layer.overrun is not None:
            what = "its header is not all there" if length is None else f"a length of {length} cannot be"
            return self.drop(layer, "length", f"dropped by UDP: {what}", names[1])
        assert isinstance(header, Udp)
        verdict = self.judged[index].verdict
        if verdict is Verdict.unverified:
            return self.unknown(layer)
        if verdict is not Verdict.good and not (
            verdict is Verdict.absent and (not six or header.dstport in self.host.tunnel_ports)
        ):
            return self.drop(layer, "checksum", "dropped by the UDP checksum", *names)
        if header.dstport not in self.host.udp_ports:
            text = f"goes elsewhere: nobody reads port {header.dstport}, and ICMP tells the sender"
            return self.drop(layer, "port", text, f"Udp{six}NoPorts")
        return self.deliver(layer, f"Udp{six}InDatagrams", to=f"whoever reads UDP port {header.dstport}")

    def sum_holds(self, index: int, layer: Layer) -> bool:
        """Sum a datagram of length 0 as IPv6 does, to the end of the packet, as if it were a jumbogram."""
        ends = ends_of([one.header for one in self.packet.layers[:index] if one.header is not None])
        end = self.packet.layers[index - 1].end
        if ends is None or ends.unknown:
            return False
        pseudo = pseudo_header(ends, end - layer.start).build()
        return ones_sum(self.packet.data[layer.start : end], ones_sum(pseudo)) == 0xFFFF

    def tcp(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Check the data offset first, then the sum, then the port. A header that is cut short is dropped uncounted."""
        if self.is_group_frame:
            return self.drop(layer, "address", "dropped by TCP: the frame was for several stations")
        self.passed.append("TcpInSegs")
        available = layer.end - layer.start
        hdr_len = getattr(header, "hdr_len", None)
        if hdr_len is None or available < Tcp.HEADER_LEN:
            return self.unknown(layer) if self.cut else self.drop(
                layer, "length", "dropped by TCP: its header is not all there")  # fmt: skip
        if hdr_len < Tcp.HEADER_LEN:
            return self.drop(layer, "header", f"dropped by TCP: {hdr_len} bytes cannot be the header's length",
                             "TcpInErrs")  # fmt: skip
        if hdr_len > available:
            return self.unknown(layer) if self.cut else self.drop(
                layer, "length", f"dropped by TCP: {hdr_len} bytes of header do not fit in {available}")  # fmt: skip
        return self.tcp_sum(index, layer, header)

    def tcp_sum(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Check the sum of a short segment, then its options if somebody has the port, then the sum of a long one."""
        verdict = self.judged[index].verdict
        if verdict is Verdict.unverified:
            return self.unknown(layer)
        is_open = getattr(header, "dstport", 0) in self.host.tcp_ports
        if is_open and (verdict is Verdict.good or layer.end - layer.start > SUMMED_AT_ONCE):
            options = self.packet.data[layer.start + Tcp.HEADER_LEN : layer.start + getattr(header, "hdr_len", 0)]
            if not has_readable_options(options):
                return self.drop(layer, "options", "dropped by TCP: it finds no way through the options")
        if verdict is not Verdict.good:
            return self.drop(layer, "checksum", "dropped by the TCP checksum", "TcpInCsumErrors", "TcpInErrs")
        return self.tcp_port(index, layer, header, is_open=is_open)

    def tcp_port(self, index: int, layer: Layer, header: Header, *, is_open: bool) -> Reaction:
        """Look at the port, and at whether a request can be answered at all."""
        port, flags = getattr(header, "dstport", 0), getattr(header, "flags", TcpFlags(0))
        if self.is_group:
            return self.drop(layer, "address", "dropped by TCP: the packet was for several hosts")
        if not is_open:
            return self.drop(layer, "port", f"goes elsewhere: port {port} is closed, and a reset tells the sender",
                             "TcpOutRsts")  # fmt: skip
        src = next(one.src for one in self.packet.headers[index::-1] if isinstance(one, Ip | Ipv6))
        if flags.syn and not flags.ack and ipaddress.ip_address(src) in _MAPPED:
            return self.drop(layer, "address", f"dropped by TCP: {src} cannot ask for a connection", "Ip6InHdrErrors")
        if flags.syn and not flags.ack and (src == "::" or not self.host.has_route(src)):
            return self.drop(layer, "address", f"dropped by TCP: no answer finds its way to {src}")
        return self.deliver(layer, to=f"whoever has TCP port {port}")

    def icmp(self, index: int, layer: Layer, header: Header) -> Reaction | None:
        """Check the sum before all else."""
        name = "Icmp6" if isinstance(header, Icmpv6) else "Icmp"
        self.passed.append(f"{name}InMsgs")
        verdict = self.judged[index].verdict if index in self.judged else Verdict.unverified
        if verdict is Verdict.unverified and self.cut:
            return self.unknown(layer)
        if verdict is not Verdict.good:
            label = "ICMPv6" if isinstance(header, Icmpv6) else "ICMP"
            return self.drop(layer, "checksum", f"dropped by the {label} checksum", f"{name}InCsumErrors",
                             f"{name}InErrors")  # fmt: skip
        return self.deliver(layer)


_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_EXTENSION_NUMBERS = {IpProtocol.HOPOPT, IpProtocol.IPv6_ROUTE, IpProtocol.IPv6_FRAG, IpProtocol.IPv6_OPTS}
Step = Callable[[_Way, int, Layer, Header], Reaction | None]
_STEPS: dict[type[Header], Step] = {
    Ethernet: _Way.ethernet, Ieee8023: _Way.ethernet, Vlan: _Way.vlan, VlanLength: _Way.vlan,
    Ip: _Way.ip, Ipv6: _Way.ipv6, HopByHop: _Way.extension, DestinationOptions: _Way.extension,
    Routing: _Way.extension, Fragment: _Way.extension,
    Udp: _Way.udp, Tcp: _Way.tcp, Icmp: _Way.icmp, Icmpv6: _Way.icmp,
}  # fmt: skip
