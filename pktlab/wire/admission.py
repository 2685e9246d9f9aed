"""What a Linux host turns away whatever its sum: addresses that no wire carries, options of IP and TCP.

Every rule was seen on Linux 6.18, packet by packet (``tests/live/test_verdict_kernel.py``), with its factory settings:
no ``route_localnet``, no ``rp_filter``, no ``accept_source_route``.

Spec: RFC 1122 section 3.2.1.3 and RFC 791 section 3.1 (IPv4); RFC 4291 sections 2.5.3 and 2.7 (IPv6); RFC 2385 (TCP
signatures).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pktlab.wire.receiver import Receiver

__all__ = ["has_readable_options", "has_source_route", "is_option_wrong", "martian", "martian6"]

LIMITED_BROADCAST = "255.255.255.255"  # RFC 919 section 7
THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
INTERFACE_LOCAL = 1  # scope of a multicast address (RFC 4291 section 2.7)
END_OF_OPTIONS, NO_OPERATION = 0, 1
RECORD_ROUTE, TIMESTAMP, LOOSE_ROUTE, CIPSO, STRICT_ROUTE, ROUTER_ALERT = 7, 68, 131, 134, 137, 148  # RFC 791 and 2113
ONCE = {RECORD_ROUTE: "route", TIMESTAMP: "time", LOOSE_ROUTE: "source", STRICT_ROUTE: "source", CIPSO: "label"}
FIRST_POINTER = {RECORD_ROUTE: 4, LOOSE_ROUTE: 4, STRICT_ROUTE: 4, TIMESTAMP: 5}
SHORTEST = {RECORD_ROUTE: 3, LOOSE_ROUTE: 3, STRICT_ROUTE: 3, TIMESTAMP: 4, ROUTER_ALERT: 4}
MD5_OPTION, MD5_OPTION_LEN = 19, 18  # RFC 2385 section 3.0


def martian(src: str, dst: str, host: Receiver) -> str:
    """Return why a host takes no IPv4 packet with these addresses off a wire; empty if it does.

    >>> martian("127.0.0.1", "192.0.2.2", Receiver()), martian("192.0.2.1", "192.0.2.2", Receiver())
    ('127.0.0.1 is never on a wire', '')
    """
    sender, target = ipaddress.IPv4Address(src), ipaddress.IPv4Address(dst)
    if sender.is_multicast or src == LIMITED_BROADCAST:
        return f"{src} cannot be a source address"
    if dst == LIMITED_BROADCAST or src == dst == "0.0.0.0":  # who has no address yet asks everybody
        return "" if sender in THIS_NETWORK else _no_sender(sender, host)
    if sender in THIS_NETWORK:
        return f"{src} cannot be a source address"
    if host.loopback:
        return ""
    if target in THIS_NETWORK:
        return f"{dst} is nobody's address"
    if target.is_loopback:
        return f"{dst} is never on a wire"
    return _no_sender(sender, host)


def _no_sender(src: ipaddress.IPv4Address, host: Receiver) -> str:
    if src.is_loopback:
        return f"{src} is never on a wire"
    return f"{src} is the receiver's own address" if str(src) in host.addresses else ""


def martian6(src: str, dst: str, host: Receiver) -> str:
    """Return why a host takes no IPv6 packet with these addresses off a wire; empty if it does.

    >>> martian6("2001:db8::1", "ff01::1", Receiver())
    'the group ff01::1 is never on a wire'
    """
    sender, target = ipaddress.IPv6Address(src), ipaddress.IPv6Address(dst)
    if host.loopback:
        return ""
    if sender.is_loopback or target.is_loopback:
        return "::1 is never on a wire"
    if target.is_multicast and target.packed[1] & 0x0F <= INTERFACE_LOCAL:
        return f"the group {dst} is never on a wire"
    return f"{src} cannot be a source address" if sender.is_multicast else ""


def _options(data: bytes) -> Iterator[bytes]:
    """Yield each option of an IP header whose length can be; the rest as it is, if that of one cannot."""
    at = 0
    while at < len(data) and data[at] != END_OF_OPTIONS:
        if data[at] == NO_OPERATION:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if not 2 <= length <= len(data) - at:
            yield data[at : at + 1]
            return
        yield data[at : at + length]
        at += length


def has_source_route(options: bytes) -> bool:
    r"""Tell whether the sender chose the way of an IPv4 packet, which hosts do not let it do.

    >>> has_source_route(b"\1\x83\7\4\xc0\0\2\1")
    True
    """
    return any(one[0] in (LOOSE_ROUTE, STRICT_ROUTE) for one in _options(options))


def is_option_wrong(options: bytes) -> bool:
    r"""Tell whether a host takes one of the options of an IPv4 header for damaged, or there are two of a kind.

    Spec: RFC 791 section 3.1; ip_options_compile of Linux 6.18.

    >>> is_option_wrong(b"\7\7\4\0\0\0\0\0"), is_option_wrong(b"\7\7\3\0\0\0\0\0")
    (False, True)
    """
    seen: set[str] = set()
    for one in _options(options):
        kind = ONCE.get(one[0], "")
        if len(one) < max(2, SHORTEST.get(one[0], 2)) or kind in seen - {""}:
            return True
        seen.add(kind)
        if one[0] in FIRST_POINTER and _is_pointer_wrong(one):
            return True
    return False


def _is_pointer_wrong(one: bytes) -> bool:
    """Look at where the next entry goes: there has to be room for it, or none at all."""
    kind, pointer = one[0], one[2]
    if pointer < FIRST_POINTER[kind]:
        return True
    if kind != TIMESTAMP:
        return kind == RECORD_ROUTE and pointer <= len(one) < pointer + 3
    flag, overflow = one[3] & 0x0F, one[3] >> 4
    if pointer > len(one):
        return overflow == 15
    return len(one) < pointer + (7 if flag in (1, 3) else 3)


def has_readable_options(options: bytes) -> bool:
    r"""Tell whether TCP finds its way through options in search of a signature, and finds none that it cannot check.

    The search ends where no signature fits any more, so a mistake in the last 17 bytes is not seen; where TCP-AO is
    built into the kernel it goes on until 4 bytes are left.

    Spec: RFC 2385 section 3.0; tcp_do_parse_auth_options and tcp_inbound_hash of Linux 6.18.

    >>> has_readable_options(b"\2\4\5\xb4"), has_readable_options(b"\2\x63" + bytes(18))
    (True, False)
    """
    at = 0
    while len(options) - at >= MD5_OPTION_LEN:
        kind, length = options[at : at + 2]
        if kind == END_OF_OPTIONS:
            return True
        if kind == NO_OPERATION:
            at += 1
            continue
        if not 2 <= length <= len(options) - at or kind == MD5_OPTION:  # a signature for which nobody has a key
            return False
        at += length
    return True
