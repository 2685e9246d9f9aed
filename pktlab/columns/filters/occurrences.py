"""The values that a packet has for a name: all of them, in wire order, in the form in which filters compare them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pktlab.capture import Record
from pktlab.columns.registry import FieldType, Registry
from pktlab.flows import Seen
from pktlab.wire.dissection import Dissection
from pktlab.wire.packet import LINK_LAYERS
from pktlab.wire.rows import Found
from pktlab.wire.values import ipv4_text, ipv6_text
from pktlab.wire.verdict import STATUS, Judgement

if TYPE_CHECKING:
    from pktlab.columns.filters.nodes import Part

__all__ = ["Moments", "Occurrences", "PacketLike", "plain_text"]


def plain_text(text: str) -> bytes:
    r"""Return `text` in the form in which text is compared: UTF-8.

    >>> plain_text("é")
    b'\xc3\xa9'
    """
    return text.encode("utf-8", "surrogatepass")


class PacketLike(Protocol):
    """What is asked of a packet; `pktlab.Packet` is one."""

    record: Record
    dissection: Dissection
    flows: tuple[Seen, ...]

    @property
    def judgements(self) -> Sequence[Judgement]:
        """The verdicts on its checksums."""

    @property
    def whole_judgements(self) -> Sequence[Judgement]:
        """The verdicts on the datagram that it completes."""


class Moments(NamedTuple):
    """What times are counted from, ns since the epoch; None where a packet has no time."""

    first_ns: int | None
    previous_ns: int | None


_WITH_PAYLOAD = frozenset({
    "data", "tcp", "icmp", "icmpv6", "igmp", "sctp", "dccp", "gre", "esp", "llc", "ppp", "ospf", "pim", "vrrp", "gtp",
    "geneve", "erspan",
})  # fmt: skip
"""Protocols whose octets are all that is theirs, as in Wireshark; those of others are their header."""
_Occurrence = tuple[int, Any]  # the layer, counted from 1 among those of its protocol; the value


class Occurrences:
    """The values of one packet, looked up once for each name."""

    def __init__(self, packet: PacketLike, names: Registry, moments: Moments | None = None) -> None:
        self.packet = packet
        self.names = names
        self.moments = moments
        self._known: dict[str, list[_Occurrence]] = {}
        self._numbers: list[int] | None = None

    def values(self, name: str) -> list[Any]:
        """Return every value of `name`, the outermost first."""
        return [value for _, value in self.found(name)]

    def within(self, name: str, layers: Iterable[Part]) -> list[Any]:
        """Return the values of `name` in some layers of its protocol, counted from 1, or from the end below 0."""
        return _in_layers(self.found(name), layers)

    def reaching(self, name: str, layers: Sequence[Part]) -> list[bytes]:
        """Return, for each header of a protocol, its octets and all behind it: what a search looks through."""
        data = self.packet.dissection.data
        inside = zip(self.numbers, self.packet.dissection.layers, strict=True)
        found = [
            (number, data[layer.start : len(data) if isinstance(layer.header, LINK_LAYERS) else layer.end])
            for number, layer in inside
            if layer.protocol == name
        ]
        if name == "frame":
            found.append((1, data))
        return _in_layers(found, layers) if layers else [octets for _, octets in found]

    def found(self, name: str) -> list[_Occurrence]:
        """Return every value of `name` with the number of its layer."""
        known = self._known.get(name)
        if known is None:
            field = self.names.find(name)
            known = self._known[name] = list(_SOURCES[field.source](self, field))
        return known

    @property
    def numbers(self) -> list[int]:
        """The number of each layer among those of its protocol, from 1."""
        if self._numbers is None:
            seen: Counter[str] = Counter()
            self._numbers = []
            for layer in self.packet.dissection.layers:
                seen[layer.protocol] += 1
                self._numbers.append(seen[layer.protocol])
        return self._numbers

    # ---- where values come from

    def of_rows(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield what lies in its headers."""
        lead = {header.schema.layer.partition(".")[0] for header, _ in field.rows} | {field.name.partition(".")[0]}
        for number, layer in zip(self.numbers, self.packet.dissection.layers, strict=True):
            if layer.header is None or layer.header.schema.layer.partition(".")[0] not in lead:
                continue
            for one in layer.spans():
                if one.row.name == field.name and (value := self.plain(one)) is not None:
                    yield number, value

    def plain(self, found: Found) -> Any:
        """Return a value in the form in which it is compared; None for a group without octets."""
        kind = found.row.kind
        if kind in ("ipv4", "ipv6", "mac") and isinstance(found.raw, bytes):
            return found.raw
        if kind == "header":
            return self.packet.dissection.data[found.start : found.stop] or None
        value = found.value
        return plain_text(str(value)) if kind == "str" else value

    def of_either(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield the values of the names that it stands for."""
        for part in field.parts:
            yield from self.found(part)

    def of_host(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield addresses as text."""
        for part in field.parts:
            for number, raw in self.found(part):
                yield number, plain_text(ipv4_text(raw) if len(raw) == 4 else ipv6_text(raw))

    def of_protocol(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield the octets of each such header."""
        data = self.packet.dissection.data
        if field.name == "frame":
            yield 1, data
        for number, layer in zip(self.numbers, self.packet.dissection.layers, strict=True):
            if layer.protocol == field.name:
                yield number, data[layer.start : layer.end if field.name in _WITH_PAYLOAD else layer.stop]

    def of_payload(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield what lies behind each such header, or how much it is."""
        data, layers = self.packet.dissection.data, self.packet.dissection.layers
        protocol, _, what = field.name.partition(".")
        missing = 0  # bytes that IP says there are, behind the end of what was captured
        for number, layer in zip(self.numbers, layers, strict=True):
            if layer.protocol in ("ip", "ipv6"):
                missing = 0 if layer.overrun is None else layer.overrun.needed - layer.overrun.available
            if layer.protocol != protocol:
                continue
            octets = data[layer.start : layer.end] if protocol == "data" else data[layer.stop : layer.end]
            if what == "len":
                yield number, len(octets) + (missing if protocol == "tcp" else 0)
            elif octets:
                yield number, octets

    def of_checksum(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield what is said of checksums."""
        protocol, _, what = field.name.partition(".checksum.")
        numbers = self.numbers
        inside = [(numbers[one.layer], one) for one in self.packet.judgements]
        for number, one in [*inside, *((1, one) for one in self.packet.whole_judgements)]:
            if one.protocol != protocol or (what == "cause" and not one.cause):
                continue
            if what == "status":
                yield number, STATUS[one.verdict]
            else:
                yield number, plain_text(one.cause if what == "cause" else str(one.verdict))

    def of_flow(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield what the flow table says."""
        for one in self.packet.flows:
            value = one.value(field.name)
            if value is not None:
                yield self.numbers[one.layer], value

    def of_frame(self, field: FieldType) -> Iterable[_Occurrence]:
        """Yield what the capture says."""
        value = self.frame_value(field.name.partition(".")[2])
        if isinstance(value, tuple):
            return [(1, one) for one in value]
        return [] if value is None else [(1, value)]

    def frame_value(self, what: str) -> Any:
        """Return what the capture says; None if nothing, several as a tuple."""
        record, moments = self.packet.record, self.moments
        match what:
            case "number":
                return record.number
            case "len":
                return record.length
            case "cap_len":
                return len(record.data)
            case "interface_id":
                return record.interface_id
            case "time_epoch" | "time_epoch_ns":
                return record.time_ns
            case "protocols":
                return plain_text(":".join(layer.protocol for layer in self.packet.dissection.layers))
            case "comment":
                return tuple(plain_text(one) for one in record.comments)
        since = None if moments is None else moments.first_ns if what == "time_relative" else moments.previous_ns
        return None if since is None or record.time_ns is None else record.time_ns - since


def _in_layers(found: Sequence[_Occurrence], layers: Iterable[Part]) -> list[Any]:
    """Return the values of `found` that lie in one of `layers`."""
    last = max((number for number, _ in found), default=0)
    wanted = [_bounds(part, last) for part in layers]
    return [value for number, value in found if any(low <= number <= high for low, high in wanted)]


def _bounds(part: Part, last: int) -> tuple[int, int]:
    """Return the first and the last layer that `part` means, of `last`."""
    start = part.start if part.start >= 0 else last + 1 + part.start
    if part.length is not None:
        return start, start + part.length - 1
    if part.last is not None:
        return start, part.last if part.last >= 0 else last + 1 + part.last
    return start, last


_SOURCES = {
    "row": Occurrences.of_rows, "either": Occurrences.of_either, "host": Occurrences.of_host,
    "protocol": Occurrences.of_protocol, "payload": Occurrences.of_payload, "checksum": Occurrences.of_checksum,
    "flow": Occurrences.of_flow, "frame": Occurrences.of_frame,
}  # fmt: skip
