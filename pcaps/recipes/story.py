"""What every frame of the recipes' captures has to be, and what one learns from it.

The recipe checks its capture against this table, writes `teaches` into the file as packet comments, and the
manifest takes `what` from here. All the rest of the manifest is tshark's view, so that a mistake here shows.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIRST_LIGHT", "Frame"]


@dataclass(frozen=True)
class Frame:
    """One frame of a capture.

    Parameters
    ----------
    holds : display filter of tshark that must match it
    what : what it is, in a few words
    teaches : what one learns from it: its packet comment
    verdict : of its transport checksum: good, bad, partial or unverified
    interface : where it is captured
    """

    holds: str
    what: str
    teaches: str
    verdict: str = "good"
    interface: str = "eth0"

    @property
    def filter(self) -> str:
        """The display filter with the interface.

        >>> Frame("udp", "a datagram", "It has borders.").filter
        'frame.interface_name == "eth0" && udp'
        """
        return f'frame.interface_name == "{self.interface}" && {self.holds}'


FIRST_LIGHT = (
    Frame(
        "!vlan && arp.opcode == 1 && eth.dst == ff:ff:ff:ff:ff:ff && arp.dst.proto_ipv4 == 192.0.2.2",
        "ARP: who has 192.0.2.2?",
        "The client knows the server's IP address but not its MAC address, so it asks everyone on the "
        "wire: the frame goes to ff:ff:ff:ff:ff:ff (RFC 826).",
    ),
    Frame(
        "!vlan && arp.opcode == 2 && eth.dst == 02:00:00:00:00:01 && arp.src.hw_mac == 02:00:00:00:00:02",
        "ARP: 192.0.2.2 is at 02:00:00:00:00:02",
        "The owner of the address answers, and only to the one who asked. It need not ask back: the "
        "question held the client's addresses.",
    ),
    Frame(
        "icmp.type == 8 && ip.src == 192.0.2.1",
        "ping: echo request",
        "Two checksums: the IP header has its own, and ICMP's covers the ICMP message alone, without a "
        "pseudo-header (RFC 792).",
    ),
    Frame(
        "icmp.type == 0 && ip.src == 192.0.2.2",
        "ping: echo reply",
        "The same identifier, sequence number and data; only the type went from 8 to 0. So the checksum "
        "grew by 0x0800, in one's complement arithmetic.",
    ),
    Frame(
        'dns.flags.response == 0 && dns.qry.type == 1 && dns.qry.name == "server.example"',
        "DNS: what is the IPv4 address of server.example?",
        "A question to UDP port 53. The identifier in its first two bytes ties the answer to it (RFC 1035 4.1.1).",
    ),
    Frame(
        "dns.flags.response == 1 && dns.flags.rcode == 0 && dns.a == 192.0.2.2",
        "DNS: server.example is 192.0.2.2",
        "The question comes back with the answer behind it. There the name takes two bytes, c0 0c: a "
        "pointer to byte 12, where the name in the question starts (RFC 1035 4.1.4).",
    ),
    Frame(
        'ip && !vlan && udp.dstport == 12000 && udp.payload == "hello, udp"',
        "uppercase over UDP: the client's line in lower case",
        "No handshake: the first packet carries the data. The UDP header is 8 bytes: two ports, the "
        "length, the checksum (RFC 768).",
    ),
    Frame(
        'ip && !vlan && udp.srcport == 12000 && udp.payload == "HELLO, UDP"',
        "uppercase over UDP: the server's answer in upper case",
        "The ports have changed places: the server answers to where the datagram came from.",
    ),
    Frame(
        "tcp.dstport == 12000 && tcp.flags == 0x002 && tcp.options.mss_val == 1460",
        "uppercase over TCP: SYN",
        "The client opens a connection. SYN counts as one byte of the sequence. The options offer an MSS "
        "of 1460 (MTU 1500 less 20 for IP and 20 for TCP), selective ACKs, timestamps and a window scale.",
    ),
    Frame(
        "tcp.srcport == 12000 && tcp.flags == 0x012 && tcp.ack == 1",
        "uppercase over TCP: SYN, ACK",
        "The server agrees: it acknowledges the client's SYN and sends its own, with a first sequence "
        "number of its own choice.",
    ),
    Frame(
        "tcp.dstport == 12000 && tcp.flags == 0x010 && tcp.len == 0 && tcp.seq == 1 && tcp.ack == 1",
        "uppercase over TCP: ACK, the handshake is complete",
        "Both sides know each other's first sequence number now, and data may follow.",
    ),
    Frame(
        'tcp.dstport == 12000 && tcp.flags.push == 1 && tcp.payload == "hello, tcp\\n"',
        "uppercase over TCP: the client's line",
        "11 bytes, with the newline: a byte stream has no borders, so the program must mark the end of a line.",
    ),
    Frame(
        "tcp.srcport == 12000 && tcp.flags == 0x010 && tcp.len == 0 && tcp.ack == 12",
        "uppercase over TCP: the server's ACK",
        "The acknowledgement number is the next byte expected: 1 + 11 = 12, relative to the first. The "
        "kernel sends it before the program has seen the line.",
    ),
    Frame(
        'tcp.srcport == 12000 && tcp.flags.push == 1 && tcp.payload == "HELLO, TCP\\n"',
        "uppercase over TCP: the server's answer",
        "The sequence number is 1: each direction counts its own bytes.",
    ),
    Frame(
        "tcp.dstport == 12000 && tcp.flags == 0x010 && tcp.len == 0 && tcp.ack == 12 && tcp.seq == 12",
        "uppercase over TCP: the client's ACK",
        "Data were acknowledged, so the server can forget its copy. An ACK without data is not acknowledged.",
    ),
    Frame(
        "tcp.dstport == 12000 && tcp.flags == 0x011 && tcp.seq == 12",
        "uppercase over TCP: the client's FIN",
        "The client has nothing more to send. FIN counts as one byte, like SYN.",
    ),
    Frame(
        "tcp.srcport == 12000 && tcp.flags == 0x010 && tcp.ack == 13",
        "uppercase over TCP: the server's ACK of the FIN",
        "One direction is closed; the server may still send.",
    ),
    Frame(
        "tcp.srcport == 12000 && tcp.flags == 0x011 && tcp.seq == 12",
        "uppercase over TCP: the server's FIN",
        "The other direction ends for itself. Its FIN is acknowledged like the first.",
    ),
    Frame(
        "tcp.dstport == 12000 && tcp.flags == 0x010 && tcp.ack == 13",
        "uppercase over TCP: the client's last ACK",
        "Eleven segments for what took UDP two datagrams. The client now waits in TIME_WAIT, in case this "
        "ACK gets lost (RFC 9293 3.6).",
    ),
    Frame(
        "!icmp && udp.dstport == 12001",
        "UDP to port 12001, where no program listens",
        "Nothing in the datagram is wrong. Whether a program listens is known at the other end only.",
    ),
    Frame(
        "icmp.type == 3 && icmp.code == 3 && udp.dstport == 12001",
        "ICMP: port unreachable",
        "The server's kernel answers. The error quotes the packet that caused it, so that the client's "
        "kernel finds the socket by its ports and the program sees 'Connection refused'. The quote is "
        "judged by nobody.",
    ),
    Frame(
        "ip.src == 192.0.2.1 && ip.proto == 17 && ip.flags.mf == 1 && ip.frag_offset == 0 && ip.len == 1500",
        "a line of 3000 bytes over UDP: fragment 1 of 3",
        "3008 bytes of UDP do not fit into an MTU of 1500, so IP cuts. More Fragments is set. The UDP "
        "header is here and nowhere else; its checksum covers bytes that this frame does not hold.",
        verdict="unverified",
    ),
    Frame(
        "ip.src == 192.0.2.1 && ip.flags.mf == 1 && ip.frag_offset == 185 && ip.len == 1500",
        "a line of 3000 bytes over UDP: fragment 2 of 3",
        "Offset 1480: the field holds 185, in units of 8 bytes. No ports here: a firewall that looks at "
        "one packet at a time can't tell whose this is.",
    ),
    Frame(
        "ip.src == 192.0.2.1 && ip.flags.mf == 0 && ip.frag_offset == 370 && ip.len == 68",
        "a line of 3000 bytes over UDP: fragment 3 of 3",
        "More Fragments is 0: this is the end, and the whole has 2960 + 48 = 3008 bytes. Only now can the "
        "UDP checksum be judged.",
    ),
    Frame(
        "ip.src == 192.0.2.2 && ip.proto == 17 && ip.flags.mf == 1 && ip.frag_offset == 0 && ip.len == 1500",
        "its answer: fragment 1 of 3",
        "Addresses, protocol and identification say which fragments belong together; the identification is "
        "not that of frames 22 to 24 (RFC 791 3.2).",
        verdict="unverified",
    ),
    Frame(
        "ip.src == 192.0.2.2 && ip.flags.mf == 1 && ip.frag_offset == 185 && ip.len == 1500",
        "its answer: fragment 2 of 3",
        "If one fragment gets lost, the whole datagram is lost: Linux waits 30 seconds for it, then drops the others.",
    ),
    Frame(
        "ip.src == 192.0.2.2 && ip.flags.mf == 0 && ip.frag_offset == 370 && ip.len == 68",
        "its answer: fragment 3 of 3",
        "Fragments may come in any order. The length of the whole is known once this one is there.",
    ),
    Frame(
        'udp.srcport == 40000 && udp.dstport == 12000 && udp.payload == "pktlaB" && ip.checksum.status == 1',
        "a damaged datagram: pktlab became pktlaB",
        "One bit of the last byte was flipped after the checksum had been computed. The IP header is "
        "right. No answer follows: the server's kernel drops the datagram and counts it in UdpInCsumErrors.",
        verdict="bad",
    ),
    Frame(
        "icmpv6.type == 135 && icmpv6.nd.ns.target_address == 2001:db8::2 && ipv6.dst == ff02::1:ff00:2",
        "neighbour discovery: who has 2001:db8::2?",
        "IPv6 has no ARP: ICMPv6 does its work. The question goes to a multicast group made of the last 24 "
        "bits of the address, so that few machines are disturbed (RFC 4861 7.2.2). Hop limit 255: no "
        "router was passed.",
    ),
    Frame(
        "icmpv6.type == 136 && icmpv6.nd.na.target_address == 2001:db8::2",
        "neighbour discovery: 2001:db8::2 is at 02:00:00:00:00:02",
        "The MAC address stands in an option of the message. The flags say that the message was asked for, "
        "and that it may replace what was known.",
    ),
    Frame(
        'ipv6 && udp.dstport == 12000 && udp.payload == "hello, ipv6"',
        "uppercase over UDP and IPv6: the client's line",
        "The IPv6 header has no checksum. So UDP's, which may be left out over IPv4, is compulsory here, "
        "and a 0 in the field is an error (RFC 8200 8.1).",
    ),
    Frame(
        'ipv6 && udp.srcport == 12000 && udp.payload == "HELLO, IPV6"',
        "uppercase over UDP and IPv6: the server's answer",
        "The same program as in frame 8 answers: a socket on :: takes IPv4 and IPv6.",
    ),
    Frame(
        "icmpv6.type == 128",
        "ping over IPv6: echo request",
        "Unlike ICMP, ICMPv6 sums a pseudo-header too: the addresses, the length and the next header 58 "
        "(RFC 4443 2.3).",
    ),
    Frame(
        "icmpv6.type == 129",
        "ping over IPv6: echo reply",
        "Types 128 and 129 instead of 8 and 0; otherwise ping is the same.",
    ),
    Frame(
        "vlan.id == 100 && arp.opcode == 1 && arp.dst.proto_ipv4 == 198.51.100.2",
        "VLAN 100, ARP: who has 198.51.100.2?",
        "Four bytes are new behind the MAC addresses, 81 00 00 64: an 802.1Q tag for VLAN 100. It is the "
        "same wire, but another network with other addresses, so ARP starts again.",
    ),
    Frame(
        "vlan.id == 100 && arp.opcode == 2 && arp.src.hw_mac == 02:00:00:00:00:02",
        "VLAN 100, ARP: 198.51.100.2 is at 02:00:00:00:00:02",
        "The MAC address is that of frame 2: one card in two networks.",
    ),
    Frame(
        'vlan.id == 100 && vlan.etype == 0x0800 && udp.dstport == 12000 && udp.payload == "hello, vlan"',
        "VLAN 100, uppercase over UDP: the client's line",
        "The checksum does not cover the tag: a switch adds and removes tags without touching IP or UDP.",
    ),
    Frame(
        'vlan.id == 100 && udp.srcport == 12000 && udp.payload == "HELLO, VLAN"',
        "VLAN 100, uppercase over UDP: the server's answer",
        "The programs know nothing of the tag: it is on the wire only.",
    ),
    Frame(
        'ip.dst == 127.0.0.1 && udp.dstport == 12000 && udp.payload == "hello, loopback"',
        "uppercase on loopback: the client's line, its checksum partial",
        "Not damaged: the kernel wrote the sum of the pseudo-header alone, not complemented, and left the "
        "rest to the network card. Loopback has none, and the receiver knows that there is nothing to "
        "check.",
        verdict="partial",
        interface="lo",
    ),
    Frame(
        'ip.dst == 127.0.0.1 && udp.srcport == 12000 && udp.payload == "HELLO, LOOPBACK"',
        "uppercase on loopback: the server's answer, its checksum partial",
        "The same checksum field as in frame 39, though the data differ: addresses and length are the same, "
        "and nothing else is in this sum.",
        verdict="partial",
        interface="lo",
    ),
)
