"""A whole packet read: the headers in it one after another, and what is behind them.

`dissect` is lax: it keeps every header that it could read, says in `stop` what ended the reading and where, and
accounts for every byte: in a layer, or in the trailer behind the outermost network packet. What follows what is the
table in `packet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.wire import expressions
from pktlab.wire.bindings import Binding
from pktlab.wire.cursor import BUFFER, Cursor
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.header import Header
from pktlab.wire.ipv6 import HopByHop, Ipv6
from pktlab.wire.packet import FOLLOWS, INSTEAD, LINK_LAYERS, LINK_TYPES, Follows
from pktlab.wire.rows import Found, Traced
from pktlab.wire.udp import Udp

__all__ = ["Dissection", "Layer", "dissect", "first_header"]

_UNLESS = {
    kind: expressions.evaluator(rule.unless, over_header=True)
    for kind, rule in FOLLOWS.items()
    if rule.unless is not None
}
_INSTEAD = {
    kind: [(expressions.evaluator(condition, over_header=True), other) for condition, other in rules]
    for kind, rules in INSTEAD.items()
}
_HINTS = {
    kind: [kind.schema.declared[name].index for name in ((rule.by,) if isinstance(rule.by, str) else rule.by)]
    for kind, rule in FOLLOWS.items()
    if rule.first is not None
}
"""Where the fields that rules guess by stand in a header's raw values: this is on the path of every packet."""


@dataclass(slots=True)
class Layer:
    """One header of a packet, or bytes that no header claims.

    Offsets are bytes from the start of the packet. `end` is where the lengths that the header and those below it
    give say that it ends, payload and all, but never past the bytes that are there; `limit` names the length that
    set it.
    """

    protocol: str  # the header's layer name, "udp"; "data" where there is no header
    header: Header | None
    start: int
    stop: int  # behind the header's last byte that could be read
    end: int
    limit: str
    error: WireError | None = None  # what ended the reading of this header
    overrun: Truncated | None = None  # its payload should be longer than what is there
    quoted: bool = False  # it is part of a packet quoted in an ICMP error
    notes: list[str] = field(default_factory=list)
    trace: list[Traced] | None = None  # its fields, if they were recorded while reading
    _spans: list[Found] | None = None  # the same, once somebody has asked

    def spans(self) -> list[Found]:
        """Return every field of the header with its bytes and bits, in wire order; none for plain bytes."""
        if self._spans is None:
            if self.trace is not None:
                self._spans = [Found(*entry) for entry in self.trace]
            else:
                self._spans = [] if self.header is None else self.header.spans()
        return self._spans


@dataclass(slots=True)
class Dissection:
    """What could be read of one packet."""

    data: bytes
    layers: list[Layer]
    stop: WireError | None  # what ended the reading early, and where
    trailer: tuple[int, int]  # bytes behind the outermost network packet: padding, frame check sequence

    def layer(self, protocol: str) -> Layer | None:
        """Return the first, outermost layer of that name."""
        return next((layer for layer in self.layers if layer.protocol == protocol), None)

    @property
    def headers(self) -> list[Header]:
        """The headers in order, without plain bytes."""
        return [layer.header for layer in self.layers if layer.header is not None]

    def found(self, name: str) -> list[Found]:
        """Return every occurrence of the field `name`, the outermost first."""
        return [
            one
            for layer in self.layers
            if layer.header is not None and name.startswith(layer.header.schema.layer.partition(".")[0])
            for one in layer.spans()
            if one.row.name == name
        ]


def dissect(
    data: bytes,
    first: type[Header] | int = Ethernet,
    bindings: Sequence[Binding] = (),
    *,
    fcs_len: int = 0,
    whole: bool = False,
    ranges: bool = False,
) -> Dissection:
    """Return what can be read of `data`; never raises for what the bytes hold.

    Parameters
    ----------
    data : one packet
    first : the outermost header, or a link type of tcpdump.org; an unknown link type gives plain bytes
    bindings : the user's own protocols; they go before the built-in ones
    fcs_len : bytes of frame check sequence at the end
    whole : `data` are a reassembled datagram: fragment fields and the IP length are not looked at
    ranges : record the range of every field in the same pass, for a caller who will ask for all of them

    >>> from pktlab.wire.ipv4 import Ip
    >>> packet = dissect(bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b"), Ip)
    >>> [layer.protocol for layer in packet.layers], packet.layers[1].header
    (['ip', 'udp'], Udp(srcport=53, dstport=69, length=8, checksum=65051))
    """
    walk = _Walk(data, bindings, whole, ranges)
    walk.shrink(len(data) - min(fcs_len, len(data)), "frame check sequence", 0)
    walk.run(first_header(data, first) if isinstance(first, int) else first)
    return walk.finish()


def first_header(data: bytes, link_type: int) -> type[Header] | None:
    """Return the outermost header of a packet of that link type; None if it is unknown."""
    first = LINK_TYPES.get(link_type)
    if isinstance(first, Mapping):
        return first.get(data[0] >> 4) if data else None
    return first


class _Walk:
    """One pass over a packet: where it stands, what bounds it, and what it has left behind."""

    def __init__(self, data: bytes, bindings: Sequence[Binding], whole: bool, ranges: bool) -> None:
        self.data = data
        self.bindings = bindings
        self.whole = whole
        self.ranges = ranges
        self.pos = 0
        self.end = len(data)
        self.limit = BUFFER
        self.layers: list[Layer] = []
        self.left_over: list[tuple[int, int, int, str]] = []  # start, stop, index of the layer that left it, limit
        self.stop: WireError | None = None
        self.quoted = False
        self.guessed = False

    def run(self, first: type[Header] | None) -> None:
        """Read headers until one fails or says that none follows."""
        kind = first
        while kind is not None and (self.pos < self.end or not kind.HEADER_LEN):
            layer = self.read(kind)
            if self.guessed and self.refutes(layer.error):
                self.pos = layer.start
                return
            self.layers.append(layer)
            if layer.error is None:
                self.bound(layer)
            if layer.error is not None:
                self.stop = layer.error
                return
            kind = self.next(layer) if layer.stop > layer.start else None

    @staticmethod
    def refutes(error: WireError | None) -> bool:
        """Tell whether bytes that failed so are not of the protocol that was guessed; a cut packet refutes nothing."""
        return error is not None and not (isinstance(error, Truncated) and error.limit == BUFFER)

    def read(self, kind: type[Header]) -> Layer:
        """Read one header, or the one that stands for it."""
        cursor = Cursor(self.data, self.pos, self.end, self.limit, [] if self.ranges else None)
        header, error = kind.schema.read_lax(cursor)
        if error is None and kind in _INSTEAD:
            other = next((other for holds, other in _INSTEAD[kind] if holds(header)), None)
            if other is not None:
                return self.read(other)
        layer = Layer(header.layer, header, self.pos, cursor.pos, self.end, self.limit, error, quoted=self.quoted)
        layer.trace = cursor.trace
        self.pos = cursor.pos
        return layer

    def bound(self, layer: Layer) -> None:
        """Narrow what follows to what the header's length gives it."""
        header = layer.header
        assert header is not None
        if isinstance(header, HopByHop):
            self.take_jumbo_length(layer)
        if header.payload_len is None or (self.whole and len(self.layers) == 1):
            return
        if self.is_open(header):
            name = f"{layer.protocol}.{header._length_name}"
            layer.notes.append(f"{name} is 0: read to the end of what was captured")
            return
        length = header._payload_len_of(header)
        if length < 0:
            layer.error = self.too_small(layer, header, length)
            return
        available = self.end - self.pos
        if length > available:
            layer.overrun = Truncated(layer.protocol, self.pos, length, available, self.limit)
            layer.notes.append(f"says {length} bytes follow, {available} do")
            return
        limit = layer.protocol if header._length_name is None else f"{layer.protocol}.{header._length_name}"
        self.shrink(self.pos + length, limit, len(self.layers) - 1)
        layer.end, layer.limit = self.end, self.limit

    def is_open(self, header: Header) -> bool:
        """Tell whether the header leaves its length open: segmentation offload, or a jumbogram."""
        if header.open_if is not None:
            return bool(header._open_if_of(header))
        return isinstance(header, Udp) and header.length == 0 and any(self.is_open_below())

    def is_open_below(self) -> Iterator[bool]:
        """Tell of each header that may leave its length open whether it does."""
        for layer in self.layers:
            if layer.header is not None and layer.header.open_if is not None:
                yield bool(layer.header._open_if_of(layer.header))

    def too_small(self, layer: Layer, header: Header, length: int) -> Malformed:
        """Return the error of a length that does not even hold its own header."""
        name = header._length_name or ""
        declared = header.schema.declared[name]
        at = layer.start + (declared.row.offset or 0)
        value = getattr(header, name)
        return Malformed(layer.protocol, at, declared.row.name, value, f"is under {value - length}")

    def take_jumbo_length(self, layer: Layer) -> None:
        """Bound a jumbogram by the option that holds its length (RFC 2675)."""
        below = self.layers[-2] if len(self.layers) > 1 else None
        if below is None or not isinstance(below.header, Ipv6) or below.header.plen:
            return
        for found in layer.spans():
            if found.name != "ipv6.opt.jumbo":
                continue
            end = below.stop + found.value
            if end < layer.stop:
                least = layer.stop - below.stop
                layer.error = Malformed(layer.protocol, found.start, found.name, found.value, f"is under {least}")
            elif end <= self.end:
                self.shrink(end, found.name, len(self.layers) - 2)
                below.end, below.limit = self.end, self.limit

    def shrink(self, end: int, limit: str, owner: int) -> None:
        """Bring the limit down to `end`; what lies between belongs to nobody inside the layer `owner`."""
        if end < self.end:
            self.left_over.append((end, self.end, owner, limit))
        if limit != "frame check sequence":
            self.limit = limit
        self.end = end

    def next(self, layer: Layer) -> type[Header] | None:
        """Return the header that follows `layer`, the user's own first."""
        header = layer.header
        assert header is not None
        rule = FOLLOWS.get(type(header))
        if rule is not None and not self.whole and type(header) in _UNLESS and _UNLESS[type(header)](header):
            return None
        self.guessed = False
        for binding in self.bindings:
            if binding.matches(header):
                return binding.protocol
        if rule is None:
            return None
        self.guessed = rule.guess
        if rule.first is not None:
            return self.guess(rule, header, rule.first) if self.pos < self.end else None
        following = self.suggested(rule, header)
        self.quoted = self.quoted or (rule.quotes and following is not None)
        return following

    def suggested(self, rule: Follows, header: Header) -> type[Header] | None:
        """Return what the table has for the header's fields, for the first bits behind it, or else in any case."""
        for name in (rule.by,) if isinstance(rule.by, str) else rule.by:
            following = rule.table.get(getattr(header, name))
            if following is not None:
                return following
        if rule.version is not None and self.pos < self.end:
            return rule.version.get(self.data[self.pos] >> 4, rule.otherwise)
        return rule.otherwise

    def guess(self, rule: Follows, header: Header, first: Mapping[int, Sequence[type[Header]]]) -> type[Header] | None:
        """Return the first protocol that a field, or the first byte behind, suggests and that the bytes look like."""
        data, pos, end = self.data, self.pos, self.end
        raw = header._raw
        for index in _HINTS[type(header)]:
            following = rule.table.get(raw[index])
            if following is not None and following.looks_like(data, pos, end):
                return following
        for following in first.get(data[pos], ()):
            if following.looks_like(data, pos, end):
                return following
        return None

    def finish(self) -> Dissection:
        """Account for the bytes that no header claimed."""
        if self.pos < self.end:
            self.add_data(self.pos, self.end, self.limit, [])
        network = next(
            (i for i, layer in enumerate(self.layers) if not isinstance(layer.header, LINK_LAYERS)), len(self.layers)
        )
        trailer = (len(self.data), len(self.data))
        for start, stop, owner, limit in reversed(self.left_over):
            if owner <= network:
                trailer = (min(start, trailer[0]), len(self.data))
            else:
                self.add_data(start, stop, limit, [f"behind the end that {limit} gives"])
        return Dissection(self.data, self.layers, self.stop, trailer)

    def add_data(self, start: int, stop: int, limit: str, notes: list[str]) -> None:
        """Append bytes as a layer of their own."""
        self.layers.append(Layer("data", None, start, stop, stop, limit, quoted=self.quoted, notes=notes))
