"""Link types: the number in a capture that says what its packets start with.

Spec: draft-ietf-opsawg-pcaplinktype section 2.2.1 and https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

__all__ = ["LINK_TYPE_NAMES", "MIN_LONGEST", "canonical_link_type", "link_type_name", "max_packet_len"]

LINK_TYPE_NAMES: dict[int, str] = {
    0: "BSD loopback",
    1: "Ethernet",
    3: "AX.25",
    6: "Token Ring",
    7: "ARCNET (BSD)",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    50: "PPP in HDLC framing",
    51: "PPPoE session",
    100: "ATM RFC 1483",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    106: "classical IP over ATM",
    107: "Frame Relay",
    108: "OpenBSD loopback",
    109: "OpenBSD IPsec",
    112: "NetBSD HDLC",
    113: "Linux cooked v1",
    114: "LocalTalk",
    117: "PF log",
    119: "IEEE 802.11 with Prism header",
    122: "IP over Fibre Channel",
    123: "SunATM",
    127: "IEEE 802.11 with radiotap header",
    129: "ARCNET (Linux)",
    137: "Juniper ATM1",
    138: "IP over IEEE 1394",
    139: "MTP2 with pseudo-header",
    140: "MTP2",
    141: "MTP3",
    142: "SCCP",
    143: "DOCSIS",
    144: "Linux IrDA",
    163: "IEEE 802.11 with AVS header",
    165: "BACnet MS/TP",
    166: "PPP with direction (pppd)",
    169: "GPRS LLC",
    177: "Linux vISDN LAPD",
    178: "Juniper Ethernet",
    182: "multi-link Frame Relay",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    190: "CAN 2.0B",
    192: "per-packet information",
    195: "IEEE 802.15.4 with FCS",
    197: "Endace ERF",
    201: "Bluetooth HCI with direction",
    203: "LAPD",
    204: "PPP with direction",
    209: "I2C",
    212: "LIN",
    220: "USB (Linux, mapped)",
    224: "Fibre Channel FC-2",
    226: "Solaris IPNET",
    227: "SocketCAN",
    228: "raw IPv4",
    229: "raw IPv6",
    230: "IEEE 802.15.4 without FCS",
    231: "D-Bus",
    239: "Linux NFLOG",
    240: "netANALYZER",
    242: "IP over InfiniBand",
    243: "MPEG-2 transport stream",
    245: "NFC LLCP",
    246: "pfsync",
    247: "InfiniBand",
    248: "SCTP",
    249: "USB (USBPcap)",
    251: "Bluetooth LE",
    252: "Wireshark upper PDU",
    253: "Linux netlink",
    254: "Bluetooth Linux monitor",
    255: "Bluetooth BR/EDR baseband",
    256: "Bluetooth LE with pseudo-header",
    257: "PROFIBUS",
    258: "Apple PKTAP",
    259: "EPON",
    264: "ISO 14443",
    266: "USB (Darwin)",
    268: "SDLC",
    270: "LoRaTap",
    271: "vsock",
    272: "Nordic BLE sniffer",
    274: "Ethernet mPacket",
    276: "Linux cooked v2",
    278: "OpenVizsla USB",
    279: "EBHSCR",
    281: "Broadcom switch tag",
}

# Numbers that some systems wrote into files although they mean DLT_ values of their own. What they most
# likely are is what Wireshark (wiretap) takes them for: 12 is raw IP everywhere but on OpenBSD and BSD/OS, 14
# is raw IP there.
_FOREIGN: dict[int, int] = {11: 100, 12: 101, 14: 101, 18: 106, 19: 106}

MIN_LONGEST = 262_144  # bytes that a captured packet of any link type may have
_LONGER: dict[int, int] = {231: 128 << 20, 249: 128 << 20, 279: 8 << 20}


def link_type_name(link_type: int) -> str:
    """Return the name of a link type, or its number in words.

    >>> link_type_name(1), link_type_name(14), link_type_name(65000)
    ('Ethernet', 'raw IP', 'link type 65000')
    """
    return LINK_TYPE_NAMES.get(canonical_link_type(link_type), f"link type {link_type}")


def canonical_link_type(link_type: int) -> int:
    """Return the LINKTYPE_ number for one that a BSD or old Linux system wrote, every other number unchanged.

    >>> canonical_link_type(12), canonical_link_type(1)
    (101, 1)
    """
    return _FOREIGN.get(link_type, link_type)


def max_packet_len(link_type: int) -> int:
    """Return the most bytes that a packet of this link type may be captured with; a longer claim is damage.

    262,144 is libpcap's MAXIMUM_SNAPLEN and Wireshark's WTAP_MAX_PACKET_SIZE_STANDARD; D-Bus and USBPcap (128 MiB)
    and EBHSCR (8 MiB) have longer packets, in both.

    >>> max_packet_len(1), max_packet_len(231)
    (262144, 134217728)
    """
    return _LONGER.get(link_type, MIN_LONGEST)
