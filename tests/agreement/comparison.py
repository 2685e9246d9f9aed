"""Our reading of a packet against tshark's: each field's bytes and value, one by one.

Of masked bits Wireshark has the whole bytes that hold them, so that hull is what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pktlab.wire import Dissection, Found, Header, Layer

from .tshark import Answers, Said

__all__ = ["Outcome", "agreement", "compare", "hull", "nested_headers", "shown"]


class Outcome(NamedTuple):
    """One field of ours, and how tshark's reading differs: ``""`` if it does not.

    ``"word"``: same value, but the range of a whole word around it; ``"empty"``: same range, no value; ``"value"``:
    same range, another value; ``"absent"``: no such field there.
    """

    number: int
    packet: Dissection
    layer: Layer
    found: Found
    what: str
    said: list[Said]


def hull(found: Found) -> tuple[int, int]:
    """Return the position and the number of the bytes in which the bits of `found` lie."""
    start, lead, count = found.bit_range
    first, last = start + lead // 8, start + (lead + count + 7) // 8
    return first, last - first


def shown(found: Found, data: bytes) -> str:
    """Return the value as PDML shows it: text, or for bytes their hex."""
    if found.row.kind in {"bytes", "header"}:
        return data[found.start : found.stop].hex()
    return found.text


def agreement(found: Found, data: bytes, said: list[Said]) -> str:
    """Return how tshark's occurrences of a field differ from `found`; see `Outcome`."""
    text = shown(found, data)
    as_bytes = found.row.kind in {"bytes", "header"}
    here = {(one.pos, one.size): (one.value.lower() if as_bytes else one.show) for one in said}
    many = [one for one in said if one[:2] == hull(found)]
    if any(text == (one.value.lower() if as_bytes else one.show) for one in many):
        return ""
    if any(value == text and _covers(place, found) for place, value in here.items()):
        return "word"
    if not many:
        return "absent"
    return "empty" if not any(one.show for one in many) else "value"


def _covers(place: tuple[int, int], found: Found) -> bool:
    pos, size = place
    return pos <= found.start and found.stop <= pos + size <= pos + 4


def compare(number: int, packet: Dissection, answers: Answers) -> Iterator[Outcome]:
    """Yield an outcome for every field of `packet` that has a name."""
    for layer in packet.layers:
        for found in layer.spans():
            if found.name:
                said = answers.get(found.name, [])
                yield Outcome(number, packet, layer, found, agreement(found, packet.data, said), said)


def nested_headers(header: type[Header]) -> Iterator[type[Header]]:
    """Yield `header` and every header inside it."""
    from pktlab.testing.plan import is_header, nodes_in

    yield header
    for declared in header.schema.fields:
        for node in nodes_in(declared.subcon):
            if is_header(node):
                yield from nested_headers(node.header)
