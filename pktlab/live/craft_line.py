"""The line that crafts a given packet: `pktlab.craft` turned round.

Scapy reads the packet and says its fields; every field that comes out the same without being said is left out. Each
step is checked by crafting: what a line says is the packet, bit for bit. From the layer on that Scapy would not build
so again (compressed names in DNS, say), the rest is bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, takewhile
from typing import Any

from pktlab.errors import CraftError, PktlabError
from pktlab.live.craft import craft
from pktlab.packets import Packet

__all__ = ["craft_line"]

_RAW_IP = (12, 14, 101, 228, 229)
_MOST_FIELDS = 150
"""Fields that are tried without: each costs a crafting."""


def craft_line(packet: Packet) -> str:
    """Return the expression from which `pktlab.craft` makes the bytes of `packet` again.

    Where Scapy has no class for the link type, it is one of bytes alone, which has none.

    >>> import pktlab
    >>> data = bytes.fromhex("4500001c0001000040117cce7f0000017f000001003500450008fe1b")
    >>> print(craft_line(pktlab.packet(data, as_="ip")))
    IP()/UDP(dport=69, chksum=65051)
    >>> print(craft_line(craft('IP(dst="192.0.2.1", ttl=3)/TCP(flags="SA")/b"hi"')))
    IP(ttl=3, dst='192.0.2.1')/TCP(flags=18)/b'hi'
    """
    for read in _readings(packet):
        if _makes(_line(read), packet):
            return _shortened(read, packet)
    return repr(packet.data)


def _readings(packet: Packet) -> Iterator[Any]:
    """Yield the packet as Scapy reads it: to its end, then with ever more of the inner layers as bytes."""
    from pktlab.live.scapy_layers import Translated, quiet

    kind = _outermost(packet)
    if kind is None or not packet.data:
        return
    with suppress(CraftError), quiet(), Translated(lambda error: CraftError(str(error))):
        whole = kind(packet.data)
        usual = list(takewhile(_is_usual, whole.iterpayloads()))
        if usual and not usual[-1].payload:
            yield whole
        for kept in range(len(usual), 0, -1):
            yield from _cut(whole, kept, packet.data)


def _cut(whole: Any, kept: int, data: bytes) -> Iterator[Any]:
    """Yield the packet with bytes behind its first `kept` layers, if there are any."""
    from pktlab.live.scapy_layers import scapy_module

    read = whole.copy()
    layer = next(islice(read.iterpayloads(), kept - 1, None))
    rest = bytes(layer.payload)
    layer.remove_payload()
    if rest:
        layer.add_payload(scapy_module("packet").Raw(load=data[len(data) - len(rest) :]))
        yield read


def _is_usual(layer: Any) -> bool:
    """Tell whether Scapy always knows the layer: a line must not depend on what was loaded before."""
    from pktlab.live.scapy_layers import USUAL

    return type(layer).__module__.removeprefix("scapy.") in USUAL


def _outermost(packet: Packet) -> Any:
    from pktlab.live.scapy_layers import Layers, scapy_module

    if packet.link_type in _RAW_IP:
        return Layers().find({4: "IP", 6: "IPv6"}.get(packet.data[0] >> 4, "Raw")) if packet.data else None
    Layers()  # loads what registers link types
    return scapy_module("config").conf.l2types.num2layer.get(packet.link_type)


def _line(read: Any) -> str:
    """Return Scapy's own notation of a packet, plain bytes in it written as such; nothing if Scapy fails at it."""
    from pktlab.live.scapy_layers import Translated

    parts = []
    with suppress(CraftError), Translated(lambda error: CraftError(str(error))):
        for layer in read.iterpayloads():
            is_bytes = layer.__class__.__name__ in ("Raw", "Padding") and set(layer.fields) <= {"load"}
            alone = layer.copy()
            alone.remove_payload()
            parts.append(repr(layer.fields.get("load", b"")) if is_bytes else alone.command())
        return "/".join(parts)
    return ""


def _makes(line: str, packet: Packet) -> bool:
    try:
        made = craft(line)
    except PktlabError:
        return False
    return isinstance(made, Packet) and made.data == packet.data and made.link_type in (packet.link_type, 101)


def _shortened(read: Any, packet: Packet) -> str:
    """Return the line without the fields that need not be said."""
    line, tries = _line(read), 0
    for layer in read.iterpayloads():
        if layer.__class__.__name__ in ("Raw", "Padding"):
            continue
        for name in list(layer.fields):
            said = layer.fields
            layer.fields = {other: value for other, value in said.items() if other != name}
            tries += 1
            shorter = _line(read)
            if tries <= _MOST_FIELDS and _makes(shorter, packet):
                line = shorter
            else:
                layer.fields = said
    return line
