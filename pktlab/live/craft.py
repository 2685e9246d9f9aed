"""Packets out of a line of text: Scapy's notation, read by `pktlab.wire.notation`, built with Scapy's classes.

Nothing is evaluated, nothing is sent, and neither the machine nor the network is asked anything: the constants that
stand instead are listed in `pktlab.live.building`. An expression that does not read is answered before Scapy is loaded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pktlab.alone import NO_LINK_TYPE
from pktlab.capture import Record
from pktlab.packets import Packet
from pktlab.wire.bindings import Binding, bind
from pktlab.wire.header import Header
from pktlab.wire.notation import Expression, read_expression

if TYPE_CHECKING:
    from pktlab.live.building import Constants

__all__ = ["craft", "crafted"]


def craft(
    expression: str, *, seed: int | None = None, protocols: Mapping[str, type[Header]] | None = None
) -> Packet | list[Packet]:
    """Return the packet that `expression` says, in Scapy's notation; a list if it stands for several.

    Parameters
    ----------
    expression : layers, fields and literals, see `pktlab.wire.notation`
    seed : of random values; drawn anew each time if None
    protocols : a user's own, as for `pktlab.open`; in the expression each goes by the name of its class

    Raises
    ------
    ExpressionError : it does not read, a name is unknown, or a value does not fit; with the place

    >>> packet = craft('IP(dst="127.0.0.1")/UDP(dport=53)/b"hi"')
    >>> packet.data.hex()
    '4500001e0001000040117ccc7f0000017f00000100350035000a99046869'
    >>> [one["ip.ttl"] for one in craft("IP(ttl=(1, 3))/ICMP()")]
    [1, 2, 3]
    """
    read = read_expression(expression)
    packets = list(crafted(read, seed=seed, protocols=protocols))
    return packets if read.is_list or len(packets) != 1 else packets[0]


def crafted(
    expression: Expression, *, seed: int | None = None, protocols: Mapping[str, type[Header]] | None = None,
    answers: Constants | None = None,
) -> Iterator[Packet]:  # fmt: skip
    """Yield the packets of an expression that was read; parameters and errors as for `craft`.

    answers : what stands where nothing is given, for whoever asks the machine
    """
    from pktlab.live.building import Builder
    from pktlab.live.scapy_layers import Layers

    own = protocols or {}
    bindings = tuple(bind(condition, header) for condition, header in own.items())
    builder = Builder(expression, Layers(_classes(bindings)), answers)
    number = 0
    with _seeded(seed):
        for stack, template in zip(expression.stacks, builder.templates(), strict=True):
            for kind, data in builder.packets(stack, template):
                number += 1
                yield _packet(number, kind, data, bindings)


def _classes(bindings: tuple[Binding, ...]) -> dict[str, type]:
    if not bindings:
        return {}
    from pktlab.live.as_layer import as_layer

    headers = {binding.protocol for binding in bindings}
    return {
        header.__name__: as_layer(header, [one for one in bindings if one.protocol is header]) for header in headers
    }


def _packet(number: int, kind: type, data: bytes, bindings: tuple[Binding, ...]) -> Packet:
    from pktlab.live.scapy_layers import first_of, link_type_of

    link_type = link_type_of(kind)
    first = first_of(kind) if link_type is None else link_type
    record = Record(number, None, data, len(data), NO_LINK_TYPE if link_type is None else link_type)
    return Packet(record, first, bindings)


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Have Scapy's dice, which are Python's, start from `seed`, and leave them as they were."""
    if seed is None:
        yield
        return
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
