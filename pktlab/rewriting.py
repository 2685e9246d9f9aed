"""Addresses of a packet exchanged for others, and its checksums with them.

Where an address stands the schemas say: in Ethernet, ARP, IP with its options, IPv6 with its extension headers,
neighbour discovery, in tunnels, and in the packets that ICMP errors quote. What applications write is left alone.

A checksum follows its addresses and says afterwards what it said before: one that was good is good, one that was absent
is absent, a partial one has the new pseudo-header's sum, and a bad one is off by as much as it was. In a fragment, and
where bytes were cut off, the sum is updated by the difference, without the rest of the data.

Spec: RFC 1624 (update), RFC 3022 section 4.1 (what translators do), RFC 5508 section 4.1 (in quoted packets too).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pktlab.packets import Packet
from pktlab.wire.checksum import fold, ones_sum, update
from pktlab.wire.coverage import Coverage, Rule, checksum_field, coverage
from pktlab.wire.fills import InternetChecksum
from pktlab.wire.pseudo import Ends, ends_of, pseudo_header
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict, expected_checksum

__all__ = ["Rewriter", "parse_rewrites"]

LAYERS = frozenset({"eth", "vlan", "arp", "ip", "ipv6", "icmpv6", "sll", "mipv6"})
"""Protocols whose addresses are exchanged."""
KINDS = frozenset({"ipv4", "ipv6", "mac"})
LINK_ADDRESS = "icmpv6.opt.linkaddr"  # bytes, since it need not be a MAC address
_MAC = re.compile(r"[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}", re.IGNORECASE)


@dataclass(frozen=True)
class _Network:
    """Addresses of `size` bytes that begin as `old` does in the bits of `mask`; `new` in their place."""

    size: int
    mask: int
    old: int
    new: int


def parse_rewrites(texts: Iterable[str]) -> dict[str, str]:
    """Return what a user wrote, ``OLD=NEW`` each, as a mapping.

    Raises
    ------
    ValueError : one is not of that form

    >>> parse_rewrites(["10.0.0.1=10.9.0.1", "02:00:00:00:00:01=02:00:00:00:00:09"])
    {'10.0.0.1': '10.9.0.1', '02:00:00:00:00:01': '02:00:00:00:00:09'}
    """
    found = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} does not say what becomes of it: write OLD=NEW, such as 10.0.0.1=10.9.0.1")
        found[old.strip()] = new.strip()
    return found


class Rewriter:
    """Exchanges addresses.

    Parameters
    ----------
    rewrites : IP and MAC addresses, or networks of one prefix length, and what to put in their place; where several
        fit, the longest prefix does

    Raises
    ------
    ValueError : one is no address, or the two are not of one kind

    >>> import pktlab
    >>> packet = pktlab.open("pcaps/first-light.pcapng")[5]
    >>> other = Rewriter({"192.0.2.0/24": "203.0.113.0/24", "02:00:00:00:00:01": "02:00:00:00:00:77"})(packet)
    >>> other["ip.src"], other["eth.dst"], other["udp.checksum.verdict"]
    ('203.0.113.2', '02:00:00:00:00:77', 'good')
    >>> Rewriter({"10.0.0.1": "::1"})
    Traceback (most recent call last):
    ...
    ValueError: 10.0.0.1 and ::1 are not of one kind
    """

    def __init__(self, rewrites: Mapping[str, str]) -> None:
        networks = [_network(old, new) for old, new in rewrites.items()]
        self._networks = sorted(networks, key=lambda one: one.mask.bit_count(), reverse=True)
        self._known: dict[bytes, bytes] = {}

    def __call__(self, packet: Packet) -> Packet:
        """Return the packet with other addresses; itself if it has none of those."""
        old = packet.data
        new = bytearray(old)
        for start, stop in self._places(packet):
            new[start:stop] = self._new(bytes(old[start:stop]))
        if new == old:
            return packet
        for index in reversed(range(len(packet.layers))):  # from the inside out: an outer sum may cover an inner one
            self._follow(packet, index, new)
        return packet.with_data(bytes(new))

    def _places(self, packet: Packet) -> Iterator[tuple[int, int]]:
        """Yield where addresses are."""
        for layer in packet.layers:
            if layer.header is None or layer.protocol.partition(".")[0] not in LAYERS:
                continue
            for found in layer.spans():
                is_address = found.row.kind in KINDS or found.row.name == LINK_ADDRESS
                if is_address and found.stop <= len(packet.data):
                    yield found.start, found.stop

    def _new(self, address: bytes) -> bytes:
        """Return what stands in the place of an address; itself, if nothing does."""
        if address not in self._known:
            number, size = int.from_bytes(address, "big"), len(address)
            fits = (one for one in self._networks if one.size == size and number & one.mask == one.old)
            one = next(fits, None)
            made = address if one is None else (number & ~one.mask | one.new).to_bytes(size, "big")
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            self._known[address] = made
        return self._known[address]

    def _follow(self, packet: Packet, index: int, new: bytearray) -> None:
        """Put the checksum of a layer right, if what it covers has changed."""
        field = _stored_field(packet, index)
        if field is None:
            return
        at, rule = field
        layer, width = packet.layers[index], rule.width
        covered = coverage(packet.dissection, index, cut=packet.is_cut)
        start, end = (covered.start, covered.end) if isinstance(covered, Coverage) else (layer.start, layer.end)
        if isinstance(rule, InternetChecksum) and rule.covers == "header":
            end = layer.stop
        below = [one.header for one in packet.layers[:index] if one.header is not None]
        before = ends_of(below) if isinstance(rule, InternetChecksum) and rule.pseudo else None
        after = None if before is None else self._moved(before)
        old_sum, new_sum = (_without(data, start, end, at, width) for data in (packet.data, new))
        if before == after and old_sum == new_sum:
            return
        verdict = next((one.verdict for one in packet.judgements if one.layer == index), None)
        if isinstance(covered, Coverage) and (verdict is Verdict.good or not isinstance(rule, InternetChecksum)):
            pseudo = None if after is None else pseudo_header(after, covered.length)
            right = expected_checksum(bytes(new), replace(covered, ends=after, pseudo=pseudo))
        elif isinstance(rule, InternetChecksum):
            stored = int.from_bytes(packet.data[at : at + width], "big")
            old_pseudo, new_pseudo = _pseudo(before), _pseudo(after)
            if verdict is Verdict.partial:
                right = fold(stored + (ones_sum(old_pseudo) ^ 0xFFFF) + ones_sum(new_pseudo))
            else:
                right = update(stored, old_pseudo + old_sum, new_pseudo + new_sum) or rule.zero_as
        else:
            return
        new[at : at + width] = right.to_bytes(width, "big")

    def _moved(self, ends: Ends) -> Ends:
        """Return the ends of a pseudo-header with other addresses."""
        return replace(ends, src=self._text(ends.src), dst=self._text(ends.dst))

    def _text(self, address: str) -> str:
        return str(ipaddress.ip_address(self._new(ipaddress.ip_address(address).packed)))


MOST_KNOWN = 65_536
"""Addresses that are kept in mind."""


def _stored_field(packet: Packet, index: int) -> tuple[int, Rule] | None:
    """Return where the checksum of a layer stands, and its rule; None if it has none, or says that it has none."""
    header = packet.layers[index].header
    field = None if header is None else checksum_field(header)
    if header is None or field is None:
        return None
    declared, rule = field
    at = packet.layers[index].start + (declared.row.offset or 0)
    stored = packet.data[at : at + rule.width]
    if declared.index >= len(header._raw) or header._raw[declared.index] is None or len(stored) < rule.width:
        return None
    return None if isinstance(header, Udp) and not any(stored) else (at, rule)


def _pseudo(ends: Ends | None) -> bytes:
    """Return a pseudo-header with its addresses; the rest of it does not change, so its length is not asked."""
    return b"" if ends is None or ends.unknown else pseudo_header(ends, 0).build()


def _without(data: bytes | bytearray, start: int, end: int, at: int, width: int) -> bytes:
    """Return the bytes that are summed, the field itself taken as zero."""
    return bytes(data[start:at]) + bytes(width) + bytes(data[at + width : end])


def _network(old: str, new: str) -> _Network:
    """Return what one entry of a mapping says."""
    if _MAC.fullmatch(old) and _MAC.fullmatch(new):
        first, second = (int.from_bytes(bytes(int(part, 16) for part in re.split("[:-]", one))) for one in (old, new))
        return _Network(6, (1 << 48) - 1, first, second)
    networks = []
    for text in (old, new):
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise ValueError(f"{text!r} is no IP address, network or MAC address") from None
    before, after = networks
    if before.version != after.version or before.prefixlen != after.prefixlen:
        raise ValueError(f"{old} and {new} are not of one kind")
    size = before.max_prefixlen // 8
    return _Network(size, int(before.netmask), int(before.network_address), int(after.network_address))
