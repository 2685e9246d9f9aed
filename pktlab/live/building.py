"""Scapy packets out of the plain data of an expression, and their bytes.

What is not given is Scapy's own default wherever that is a constant. Where Scapy would ask the machine or the network
it is one of these instead, so that an expression gives the same bytes everywhere:

- the source address of IP, IPv6 and ARP is 0.0.0.0 or ::, "this host", and 127.0.0.1 or ::1 to a loopback destination;
- the destination MAC address is that of the multicast group, else ff:ff:ff:ff:ff:ff; the source 00:00:00:00:00:00;
- a time that would be now is 0;
- a name where an address belongs is refused.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from math import prod
from typing import Any

from pktlab.errors import PktlabError
from pktlab.live.scapy_layers import Layers, Translated, quiet, scapy_module
from pktlab.wire.notation import MAX_BYTES, MAX_PACKETS, Expression, Given, Layer, Random, Stack

__all__ = ["Address", "Builder", "Constants", "group_mac"]

_fields, _packets = scapy_module("fields"), scapy_module("packet")
_l2, _inet6, _ntp = scapy_module("layers.l2"), scapy_module("layers.inet6"), scapy_module("layers.ntp")
_generators, _volatile = scapy_module("base_classes"), scapy_module("volatile")

MAX_TOTAL = 1 << 26
"""Bytes that the packets of an expression may have together, 64 MiB: they are all made before one is given."""
_MAC = re.compile(r"[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}")
_UNSIGNED = {"B": 8, "H": 16, "I": 32, "Q": 64}
_WIRESHARK = {
    "srcport": "sport", "dstport": "dport", "checksum": "chksum", "hdr_len": "ihl", "frag_offset": "frag",
    "dsfield": "tos", "nxt": "nh", "tclass": "tc", "flow": "fl", "window_size_value": "window", "seq_raw": "seq",
    "ack_raw": "ack", "opcode": "op", "ident": "id", "length": "len", "urgent_pointer": "urgptr",
}  # fmt: skip
"""Scapy's names for fields that somebody may know by Wireshark's."""
_DESTINATION = {"src": "dst", "psrc": "pdst"}
_BROADCAST, _NO_MAC = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"


_is_crafting: ContextVar[bool] = ContextVar("_is_crafting", default=False)
_look_up = _generators.Net.name2addr.__func__


def _name2addr(cls: Any, name: str) -> Any:
    """Stand in the one place where Scapy looks up names: while crafting, only what is an address already passes."""
    if _is_crafting.get() and _wrong_text(name, 4) and _wrong_text(name, 6):
        raise ValueError(f"{name!r} is no address; names are not looked up")
    return _look_up(cls, name)


_generators.Net.name2addr = classmethod(_name2addr)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Constants:
    """What stands for what Scapy would ask the machine or the network; who asks them overrides this.

    `goal` is where a packet goes, None if it does not say.
    """

    def source(self, version: int, goal: Address | None) -> str:
        """Return the IP address that a packet comes from."""
        if version == 6:
            return "::1" if goal is not None and goal.is_loopback else "::"
        return "127.0.0.1" if goal is not None and goal.is_loopback else "0.0.0.0"

    def source_mac(self) -> str:
        """Return the MAC address that a packet comes from."""
        return _NO_MAC

    def destination_mac(self, goal: Address | None) -> str:
        """Return the group's address for multicast, else broadcast."""
        return group_mac(goal) if goal is not None and goal.is_multicast else _BROADCAST

    def named(self, name: str, version: int) -> str | None:
        """Return the address that a name stands for; None if names are not looked up, or it stands for none."""
        return None


def group_mac(group: Address) -> str:
    """Return the MAC address of a multicast group (RFC 1112 section 6.4, RFC 2464 section 7).

    >>> group_mac(ipaddress.ip_address("224.0.0.251"))
    '01:00:5e:00:00:fb'
    """
    raw = group.packed
    if group.version == 4:
        return bytes([1, 0, 0x5E, raw[1] & 0x7F, raw[2], raw[3]]).hex(":")
    return (b"\x33\x33" + raw[-4:]).hex(":")


class Builder:
    """Builds the packets of one expression; each error has its place there.

    Parameters
    ----------
    expression : what to build
    layers : the classes that its names stand for
    answers : what stands where nothing is given
    """

    def __init__(self, expression: Expression, layers: Layers, answers: Constants | None = None) -> None:
        self.expression = expression
        self.layers = layers
        self.answers = answers or Constants()
        self.made = 0

    def templates(self) -> list[Any]:
        """Return for each stack the Scapy packet that may stand for a set.

        Raises
        ------
        ExpressionError : a name is unknown, a value does not fit, or there are too few or too many packets
        """
        made, total = [], 0
        for stack in self.expression.stacks:
            with self._crafting(stack):
                made.append(self.stack(stack))
                count = _count(made[-1])
            total += count
            if not count:
                raise self.expression.error(stack.at, "no packet: a list of values is empty")
            if total > MAX_PACKETS:
                raise self.expression.error(stack.at, f"more than {MAX_PACKETS:,} packets")
        return made

    def packets(self, stack: Stack, template: Any) -> list[tuple[type[Any], bytes]]:
        """Return the outermost class and the bytes of each packet that `stack` stands for.

        Raises
        ------
        ExpressionError : a value does not fit, or there are too many bytes
        """
        with self._crafting(stack):
            return [(type(packet), self.bytes_of(packet, stack)) for packet in islice(template, MAX_PACKETS)]

    @contextmanager
    def _crafting(self, stack: Stack) -> Iterator[None]:
        """Have Scapy ask nobody, and say what it cannot build."""

        def told(error: BaseException) -> PktlabError:
            return self.expression.error(_culprit(stack, error), f"Scapy cannot build it: {_said(error)}")

        token = _is_crafting.set(True)
        try:
            with quiet(), Translated(told):
                yield
        finally:
            _is_crafting.reset(token)

    def told(self, at: int, what: str) -> Translated:
        """Return what makes an error of the expression of what Scapy raises."""
        return Translated(lambda error: self.expression.error(at, f"{what}: {_said(error)}"))

    def bytes_of(self, packet: Any, stack: Stack) -> bytes:
        """Return the bytes of one packet, with constants where Scapy would ask."""
        _settle(packet, self.answers)
        data = bytes(packet)
        self.made += len(data)
        if len(data) > MAX_BYTES or self.made > MAX_TOTAL:
            most = f"a packet has at most {MAX_BYTES:,} bytes, all of them {MAX_TOTAL:,}"
            raise self.expression.error(stack.at, f"too many bytes: {most}")
        return data

    def stack(self, stack: Stack) -> Any:
        """Return the Scapy packet that may still stand for a set."""
        parts = [_packets.Raw(one) if isinstance(one, bytes) else self.layer(one) for one in stack.parts]
        packet = parts[-1]
        for below in reversed(parts[:-1]):  # from the top down: Scapy copies what it stacks
            packet = below / packet
        return packet

    def layer(self, layer: Layer) -> Any:
        """Return one layer with its fields set."""
        kind = self.layers.find(layer.name)
        if kind is None:
            near = self.layers.nearest(layer.name)
            hint = f", did you mean {near}?" if near else ""
            raise self.expression.error(layer.at, f"no layer is called {layer.name}{hint}")
        with self.told(layer.at, f"the bytes do not read as {layer.name}"):
            packet = kind(layer.data) if layer.data else kind()
        names = {field.name: field for field in packet.fields_desc}  # of the class that Scapy chose
        for given in layer.fields:
            if given.name not in names and given.name not in packet.deprecated_fields:
                raise self.expression.error(given.name_at, _unknown_field(layer.name, given.name, names))
        order = list(names)
        for given in sorted(layer.fields, key=lambda one: order.index(one.name) if one.name in names else -1):
            self.set(packet, given)
        return packet

    def set(self, packet: Any, given: Given) -> None:
        """Give a field its value; what an address field takes is looked at first, since Scapy would look it up."""
        value = self.value(given.value)
        with self.told(given.at, f"{given.name} does not take this"):
            is_old = given.name in packet.deprecated_fields
            field = _bare(packet.get_field(packet._resolve_alias(given.name) if is_old else given.name), packet, value)
            value = self.looked_up(field, value)
            wrong = _wrong_address(field, value) or _wrong_number(field, value)
            if wrong is not None:
                raise self.expression.error(given.at, wrong)
            packet.setfieldval(given.name, value)

    def looked_up(self, field: Any, value: Any) -> Any:
        """Return the address that a name in an address field stands for; any other value as it is."""
        version = 4 if isinstance(field, _fields.IPField) else 6 if isinstance(field, _fields.IP6Field) else 0
        if not version or not isinstance(value, str) or _wrong_text(value, version) is None:
            return value
        return self.answers.named(value, version) or value

    def value(self, value: Any) -> Any:
        """Return a value as Scapy takes it: layers and random values are made, all else is as it is."""
        if isinstance(value, Stack):
            return self.stack(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, tuple):
            return tuple(self.value(one) for one in value)
        return self.random(value) if isinstance(value, Random) else value

    def random(self, random: Random) -> Any:
        """Return Scapy's random value; its template has to be an address."""
        wrong = _wrong_text(random.args[0], 6 if random.name == "RandIP6" else 4) if random.args else None
        if random.name in ("RandIP", "RandIP6") and wrong is not None:
            raise self.expression.error(random.at, wrong)
        with self.told(random.at, f"{random.name}() does not take this"):
            return getattr(_volatile, random.name)(*random.args)


def _unknown_field(layer: str, name: str, names: Any) -> str:
    near = [_WIRESHARK[name]] if _WIRESHARK.get(name) in names else []
    near = near or difflib.get_close_matches(name.lower(), names, 1, 0.5)
    hint = f", did you mean {near[0]}?" if near else f"; it has {', '.join(names) or 'none'}"
    return f"{layer} has no field {name}{hint}"


def _said(error: BaseException) -> str:
    """Return what Scapy said, in a line."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("To inject")]
    return re.sub(r"While building field '\w+': ", "", " ".join(lines[:2])) or type(error).__name__


def _culprit(stack: Stack, error: BaseException) -> int:
    """Return the place of the field that Scapy stumbled over, if it names one, else of the packet."""
    named = re.search(r"While building field '(\w+)'", str(error))
    given = [one for part in stack.parts if isinstance(part, Layer) for one in part.fields]
    return next((one.at for one in given if named and one.name == named[1]), stack.at)


def _bare(field: Any, packet: Any, value: Any) -> Any:
    """Return the field itself, out of what Scapy wraps around it; of several types that which takes `value`."""
    while hasattr(field, "fld"):
        if isinstance(field, _fields.MultipleTypeField):
            chosen = field._find_fld_pkt_val(packet, value)[0]
            is_text = isinstance(value, str) and isinstance(chosen, _fields.StrFixedLenField)
            field = field.flds[0][0] if is_text else chosen  # ARP would take a name for the bytes of an address
        else:
            field = field.fld
    return field


# ---- values that Scapy would look up


def _wrong_address(field: Any, value: Any) -> str | None:
    """Return what is wrong with a value for an address field; None if nothing is, or the field is another."""
    if isinstance(field, _fields.FieldListField):
        field = field.field
    if isinstance(value, list | tuple) and not isinstance(field, _fields.MACField):
        return next((wrong for one in value if (wrong := _wrong_address(field, one))), None)
    if isinstance(field, _fields.MACField):
        values = value if isinstance(value, list) else [value]
        return next((wrong for one in values if (wrong := _wrong_mac(one))), None)
    if isinstance(field, _fields.IPField):
        return _wrong_text(value, 4)
    if isinstance(field, _inet6.IP6ListField) and isinstance(value, str | bytes) and "/" in str(value):
        return f"{value!r} is a network, and one address is wanted"
    return _wrong_text(value, 6) if isinstance(field, _fields.IP6Field | _inet6.IP6ListField) else None


def _wrong_text(value: Any, version: int) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        return None
    address, slash, bits = value.partition("/")
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    try:
        kind(address)
        fits = "%" not in address and (not slash or (bits.isascii() and bits.isdigit() and len(bits) < 4))
    except ValueError:
        fits = False
    if fits and (not slash or int(bits) <= (32 if version == 4 else 128)):
        return None
    return f"{value!r} is no IPv{version} address or network; names are not looked up"


def _wrong_mac(value: Any) -> str | None:
    if isinstance(value, str) and not _MAC.fullmatch(value):
        return f"{value!r} is no MAC address; write 02:00:00:00:00:01"
    return f"{len(value)} bytes are no MAC address" if isinstance(value, bytes) and len(value) != 6 else None


def _wrong_number(field: Any, value: Any) -> str | None:
    """Return what is wrong with a number that does not fit; Scapy would cut some without a word."""
    bits = field.size if isinstance(field, _fields.BitField) else _UNSIGNED.get(getattr(field, "fmt", "")[-1:])
    if isinstance(value, list | tuple):
        return next((wrong for one in value if (wrong := _wrong_number(field, one))), None)
    if bits is None or type(value) is not int or 0 <= value < 1 << abs(bits) or field.islist:
        return None
    return f"{value} does not fit {field.name}: 0 to {(1 << abs(bits)) - 1}"


# ---- how many packets, and what Scapy would ask the machine


def _count(packet: Any) -> int:
    """Return how many packets `packet` stands for, without making them."""
    if isinstance(packet, _packets.NoPayload):
        return 1
    sizes = [_size(packet.get_field(name), value) for name, value in packet.fields.items()]
    return prod(sizes) * _count(packet.payload)


def _size(field: Any, value: Any) -> int:
    if field.islist:
        return 1
    values = value if isinstance(value, list) else [value]
    return sum(_one_size(_generators._get_values(one)) for one in values)


def _one_size(value: Any) -> int:
    if isinstance(value, range | _generators.Net):
        return len(value) if isinstance(value, range) else int(value.count)
    return _count(value) if isinstance(value, _packets.Packet) else 1


def _settle(packet: Any, answers: Constants) -> None:
    """Write what stands for them into fields that would be asked for, in every layer and in layers inside fields."""
    layer = packet
    while not isinstance(layer, _packets.NoPayload):
        for field in layer.fields_desc:
            value = layer.getfieldval(field.name)
            if value is None:
                constant = _constant(_bare(field, layer, value), layer, answers)
                if constant is not None:
                    layer.fields[field.name] = constant
                    layer.raw_packet_cache = None
                continue
            for inner in value if isinstance(value, list | tuple) else [value]:
                if isinstance(inner, _packets.Packet):
                    _settle(inner, answers)
        layer = layer.payload


def _constant(field: Any, layer: Any, answers: Constants) -> Any:
    """Return what stands for what Scapy would ask the machine for; None if it would not."""
    if isinstance(field, _fields.SourceIPField | _fields.SourceIP6Field):
        version = 6 if isinstance(field, _fields.SourceIP6Field) else 4
        return answers.source(version, _destination(layer, _DESTINATION.get(field.name, "dst")))
    if isinstance(field, _l2.DestMACField):
        return answers.destination_mac(_destination(layer.payload, "dst"))
    if isinstance(field, _l2.SourceMACField):
        return answers.source_mac()
    return 0 if isinstance(field, _ntp.TimeStampField) else None


def _destination(layer: Any, name: str) -> Address | None:
    """Return where a layer goes, as far as it says so."""
    if name not in {field.name for field in layer.fields_desc}:
        return None
    field = layer.get_field(name)
    value = layer.getfieldval(name)
    try:
        return ipaddress.ip_address(str(field.i2h(layer, value)))
    except ValueError:
        return None
