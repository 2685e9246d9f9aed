"""Which of Scapy's classes a name in an expression means, found without asking the machine anything.

The layers that most packets are made of are loaded at first, all others when a name is not among them. Importing this
module imports Scapy, which takes most of a second: whoever may not need it imports it late.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import Any

from pktlab.errors import PktlabError, WireError
from pktlab.wire.apps.dns import Dns
from pktlab.wire.apps.rtp import Rtp
from pktlab.wire.arp import Arp
from pktlab.wire.header import Header
from pktlab.wire.icmp import Icmp
from pktlab.wire.packet import PROTOCOLS
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

__all__ = ["COUNTERPARTS", "LACKING", "Layers", "Translated", "first_of", "link_type_of", "quiet", "scapy_module"]

USUAL = (
    "packet", "layers.l2", "layers.inet", "layers.inet6", "layers.dns", "layers.dhcp", "layers.dhcp6", "layers.ntp",
    "layers.sctp", "layers.vxlan", "layers.rtp", "layers.vrrp", "layers.ppp", "layers.l2tp", "layers.llmnr",
    "layers.igmp",
)  # fmt: skip
"""Modules of Scapy that are loaded at first; the earlier one has the name if two have it."""
CONTRIB = {
    "MPLS": "mpls", "GENEVE": "geneve", "EtherIP": "etherip", "ERSPAN": "erspan", "ERSPAN_II": "erspan",
    "ERSPAN_III": "erspan", "GTPHeader": "gtp", "GTP_U_Header": "gtp", "OSPF_Hdr": "ospf", "OSPF_Hello": "ospf",
    "OSPFv3_Hdr": "ospf", "OSPFv3_Hello": "ospf", "PIMv2Hdr": "pim", "PIMv2Hello": "pim", "STUN": "stun",
    "RTCP": "rtcp", "CHDLC": "chdlc", "SLARP": "chdlc", "LLDPDU": "lldp", "BGPHeader": "bgp", "BFD": "bfd",
    "CDPv2_HDR": "cdp", "LACP": "lacp", "SlowProtocol": "slowprot", "CoAP": "coap", "MQTT": "mqtt",
    "ModbusADURequest": "modbus", "ModbusADUResponse": "modbus", "TZSP": "tzsp", "NSH": "nsh", "Wireguard": "wireguard",
    "PTP": "ptp_v2", "RIPng": "ripng", "EIGRP": "eigrp",
}  # fmt: skip
"""Layers that Scapy loads on request only, and where it has them."""
OTHERS = ("layers.all", "layers.http", "layers.quic", "layers.tls.all", "layers.pflog", "layers.usb")

COUNTERPARTS: dict[str, str] = {
    "Ethernet": "Ether", "Ieee8023": "Dot3", "Vlan": "Dot1Q", "VlanLength": "Dot1Q", "Ieee8021ad": "Dot1AD",
    "Ieee8021ah": "Dot1AH", "Sll": "CookedLinux", "Sll2": "CookedLinuxV2", "Null": "Loopback", "Llc": "LLC",
    "LlcNumbered": "LLC", "Stp": "STP", "Mpls": "MPLS", "PppoeDiscovery": "PPPoED", "PppoeSession": "PPPoE",
    "Ppp": "PPP", "PppHdlc": "HDLC", "PppControl": "PPP_ECP", "Chdlc": "CHDLC", "Arp": "ARP", "Ip": "IP",
    "Icmp": "ICMP", "Ipv6": "IPv6", "HopByHop": "IPv6ExtHdrHopByHop", "Routing": "IPv6ExtHdrRouting",
    "Fragment": "IPv6ExtHdrFragment", "DestinationOptions": "IPv6ExtHdrDestOpt", "Ah": "AH", "Esp": "ESP",
    "Icmpv6": "ICMPv6Unknown", "Udp": "UDP", "Tcp": "TCP", "Sctp": "SCTP", "Mobility": "MIP6MH_Generic",
    "Igmp": "IGMP", "Igmp3Report": "IGMPv3_MR", "Ospf": "OSPF_Hdr", "Ospf3": "OSPFv3_Hdr", "Vrrp": "VRRP",
    "Vrrp3": "VRRPv3", "Pim": "PIMv2Hdr", "Gre": "GRE", "Pptp": "GRE_PPTP", "Erspan": "ERSPAN_II",
    "Erspan3": "ERSPAN_III", "Vxlan": "VXLAN", "Geneve": "GENEVE", "EtherIp": "EtherIP", "Gtpu": "GTP_U_Header",
    "Dns": "DNS", "DnsTcp": "DNS", "Mdns": "DNS", "Llmnr": "LLMNRQuery", "Http": "HTTPRequest", "Tls": "TLS",
    "Dhcp": "BOOTP", "Dhcpv6": "DHCP6", "Ntp": "NTP", "Stun": "STUN", "Quic": "QUIC", "Rtp": "RTP", "Rtcp": "RTCP",
}  # fmt: skip
"""Scapy's class for each header that has one; the others get theirs from `as_layer`."""
LACKING = {header.__name__: header for header in PROTOCOLS if header.__name__ not in COUNTERPARTS}
"""Headers that Scapy has no class for, by name."""
FIRST: dict[str, type[Header]] = {"UDP": Udp, "TCP": Tcp, "ICMP": Icmp, "ARP": Arp, "DNS": Dns, "RTP": Rtp}
"""How a packet reads that starts with a layer which no link type stands for."""
ERRORS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
    TypeError, ValueError, struct.error,
)  # fmt: skip
"""What Scapy raises over values that do not fit, beside its own; an ImportError where a cipher is missing."""


@contextmanager
def quiet() -> Iterator[None]:
    """Have Scapy say nothing on standard error: of a machine without routes or ciphers, of a sum that it leaves out."""
    logger = logging.getLogger("scapy")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def scapy_module(name: str) -> Any:
    """Return a module of Scapy, loaded without a word on standard error."""
    with quiet():
        return importlib.import_module(f"scapy.{name}")


class Translated:
    """What Scapy raises inside a ``with`` block becomes the error that `told` makes of it.

    Scapy's errors have no root, and some of its modules raise a bare `Exception`: that is told by its class here, so
    that nothing else is caught.
    """

    def __init__(self, told: Callable[[BaseException], PktlabError]) -> None:
        self.told = told

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Raise the error that stands for `error`, if that is Scapy's or of one of our schemas."""
        if error is not None and (kind is Exception or isinstance(error, (*ERRORS, WireError, _scapy_error()))):
            raise self.told(error) from None


def _scapy_error() -> type[Exception]:
    error: type[Exception] = scapy_module("error").Scapy_Exception
    return error


def _load(known: dict[str, Any], modules: Iterable[str]) -> None:
    """Add the layers of some modules of Scapy to those that are known."""
    packet = scapy_module("packet").Packet
    for name in modules:
        for key, value in vars(scapy_module(name)).items():
            if isinstance(value, type) and issubclass(value, packet) and key == value.__name__:
                known.setdefault(key, value)


@cache
def _shared() -> tuple[dict[str, Any], list[str]]:
    """Return the layers that are known by name, and the modules that were not loaded yet; both change with use."""
    known: dict[str, Any] = {}
    _load(known, USUAL)
    return known, list(OTHERS)


class Layers:
    """Scapy's classes by name, `own` ones before them.

    `find` loads further modules of Scapy when it has to.
    """

    def __init__(self, own: Mapping[str, Any] | None = None) -> None:
        self._own = dict(own or {})
        self._known, self._waiting = _shared()

    def find(self, name: str) -> Any:
        """Return the class called `name`; None if there is none."""
        if name in self._own:
            return self._own[name]
        if name not in self._known and name in LACKING:
            from pktlab.live.as_layer import as_layer

            self._known[name] = as_layer(LACKING[name])
        if name not in self._known and name in CONTRIB:
            _load(self._known, [f"contrib.{CONTRIB[name]}"])
        if name not in self._known and self._waiting and not self._is_slip(name):
            self._load_others()
        return self._known.get(name)

    def _is_slip(self, name: str) -> bool:
        """Tell whether only the case of a usual name is wrong: no further module would have it."""
        return name.lower() in {known.lower() for known in (*self._known, *self._own)}

    def _load_others(self) -> None:
        for module in scapy_module("config").conf.load_layers:
            self._waiting.append(f"layers.{module}")
        while self._waiting:
            try:
                _load(self._known, [self._waiting.pop(0)])
            except ERRORS:
                continue  # it needs a package that is not installed, which some modules notice late

    def nearest(self, name: str) -> str | None:
        """Return the name of a layer that is most like `name`."""
        names = [*self._own, *self._known, *LACKING, *CONTRIB]
        lowered = {known.lower(): known for known in reversed(names)}
        if name.lower() in lowered:
            return lowered[name.lower()]
        if name in COUNTERPARTS:
            return COUNTERPARTS[name]
        near = difflib.get_close_matches(name.lower(), lowered, 1, 0.6)
        return lowered[near[0]] if near else None


def link_type_of(layer: type[Any]) -> int | None:
    """Return the link type, of the tcpdump.org registry, of packets that start with `layer`; None if none has it."""
    if layer.__name__ in ("IP", "IPv6"):
        return 101  # raw IP, told by its version; Scapy has DLT numbers here, which differ from system to system
    config = scapy_module("config")
    number = config.conf.l2types.layer2num.get(layer)
    return None if number is None else int(number)


def first_of(layer: type[Any]) -> type[Header] | int:
    """Return how a packet reads that starts with `layer`, which no link type stands for; -1 for plain bytes."""
    header = getattr(layer, "header", None)  # of those that `as_layer` makes
    if isinstance(header, type) and issubclass(header, Header):
        return header
    return FIRST.get(layer.__name__, -1)
