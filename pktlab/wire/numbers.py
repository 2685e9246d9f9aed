"""Registered numbers that more than one protocol uses, and their names.

Sources: IANA "Protocol Numbers", "IEEE 802 Numbers", "ICMP Parameters"; the tcpdump.org link-type pages.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["AddressFamily", "EtherType", "IpProtocol"]


class EtherType(IntEnum):
    """What an Ethernet frame carries."""

    IPv4 = 0x0800
    ARP = 0x0806
    TEB = 0x6558  # transparent Ethernet bridging, in GRE and Geneve
    RARP = 0x8035
    VLAN = 0x8100
    IPv6 = 0x86DD
    SLOW = 0x8809
    PPP = 0x880B
    MPLS = 0x8847
    MPLS_MULTICAST = 0x8848
    PPPOE_DISCOVERY = 0x8863
    PPPOE_SESSION = 0x8864
    EAPOL = 0x888E
    QINQ = 0x88A8
    LLDP = 0x88CC
    PTP = 0x88F7
    LOOPBACK = 0x9000
    QINQ_OLD = 0x9100


class IpProtocol(IntEnum):
    """What an IP packet carries: `ip.proto`, `ipv6.nxt`."""

    HOPOPT = 0
    ICMP = 1
    IGMP = 2
    IPIP = 4
    TCP = 6
    EGP = 8
    UDP = 17
    DCCP = 33
    IPv6 = 41
    IPv6_ROUTE = 43
    IPv6_FRAG = 44
    GRE = 47
    ESP = 50
    AH = 51
    ICMPv6 = 58
    IPv6_NONXT = 59
    IPv6_OPTS = 60
    EIGRP = 88
    OSPF = 89
    PIM = 103
    VRRP = 112
    L2TP = 115
    SCTP = 132
    MOBILITY = 135
    UDPLITE = 136
    MPLS_IN_IP = 137


class AddressFamily(IntEnum):
    """Protocol families in the 4-byte header of BSD loopback captures; IPv6 has a number on each system."""

    IPv4 = 2
    IPv6_LINUX = 10
    IPv6_NETBSD = 24
    IPv6_FREEBSD = 28
    IPv6_DARWIN = 30
