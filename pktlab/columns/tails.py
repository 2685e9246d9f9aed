"""Lists of options as a table of steps, so that kernels can tell that a list reads to its end.

A line does not speak of options, but it does say where reading stopped, so they have to be read. An option that starts
with a kind and a length, and in which nothing else decides whether it reads, is known by those two bytes; the exact
reader is asked once for each pair, of kinds that have a name. Whatever is not so has no step, and its packets stay with
the exact reader.
"""

from __future__ import annotations

from typing import Any

import construct
import numpy as np

from pktlab.columns.terms import Array
from pktlab.errors import WireError
from pktlab.wire import expressions
from pktlab.wire.cursor import Cursor
from pktlab.wire.header import Header
from pktlab.wire.layout import Layout
from pktlab.wire.nodes import Bounded, Items
from pktlab.wire.table import expressions_of, is_known, is_layout, nodes_of

__all__ = ["ALONE", "ENDS", "steps_of"]

ALONE = 256
"""Column of a kind that has no length: its step."""
ENDS = 255
"""Step of what ends a list."""
_MAX_STEP = 40
"""Options are looked for up to this length, in bytes: lists of TCP and IPv4 have no longer ones."""


def steps_of(kind: type[Header]) -> Array | None:
    """Return how far each option reaches in the list that is the tail of a header; None if it has no such tail.

    The result is uint8, shape (256, 257): by the first byte and the second, bytes, 0 where none is known.

    >>> from pktlab.wire.tcp import Tcp
    >>> steps = steps_of(Tcp)
    >>> [int(steps[pair]) for pair in ((8, 10), (8, 9), (1, ALONE), (0, ALONE), (2, ALONE))]
    [10, 0, 1, 255, 0]
    """
    item = _item_of(kind)
    if item is None or not _is_known_by_head(item.subcon):
        return None
    steps = np.zeros((256, 257), np.uint8)
    names = item.subcon.fields[0].row.names
    for first in range(256) if names is None else map(int, names):
        steps[first, ALONE] = _step(item, bytes([first]))
        if not steps[first, ALONE]:
            for second in range(2, _MAX_STEP + 1):
                steps[first, second] = _step(item, bytes([first, second]) + bytes(second - 2))
    return steps


def _item_of(kind: type[Header]) -> Items | None:
    """Return the list of a header whose tail is a list, and padding that may be anything."""
    tail = kind.schema.tail
    if len(tail) != 1 or type(tail[0].subcon) is not Bounded or not is_layout(tail[0].subcon.subcon):
        return None
    items, *rest = (declared.subcon for declared in tail[0].subcon.subcon.fields)
    is_list = type(items) is Items and is_layout(items.subcon)
    return items if is_list and all(one is construct.GreedyBytes for one in rest) else None


def _is_known_by_head(layout: Layout) -> bool:
    """Tell whether only the first two bytes of an item decide whether it reads, and how long it is."""
    head = {name for name, one in layout.declared.items() if one.row.offset in (0, 1) and one.row.width <= 1}
    for declared in layout.fields:
        named = {name for each in expressions_of(declared.subcon) for name in expressions.names_in(each)}
        if not named <= head or not is_known(declared.subcon):
            return False
        if not all(_reads_any(node) for node in nodes_of(declared.subcon) if is_layout(node)):
            return False
    return all(one.attr in head for one in layout.declared.values() if (one.min, one.equals) != (None, None))


def _reads_any(layout: Layout) -> bool:
    """Tell whether what is in the bytes of a header never matters, only how many they are."""
    if any((one.min, one.equals) != (None, None) for one in layout.declared.values()):
        return False
    for declared in layout.fields:
        nodes = nodes_of(declared.subcon)
        if not is_known(declared.subcon) or expressions_of(declared.subcon) or any(_stops(node) for node in nodes):
            return False
        if not all(_reads_any(node) for node in nodes if is_layout(node)):
            return False
    return True


def _stops(node: Any) -> bool:
    return isinstance(node, Items) and node.stop is not None


def _step(item: Items, data: bytes) -> int:
    """Return how many bytes an option of exactly these takes; 0 if it does not read, or not to their end."""
    cursor = Cursor(data, 0, len(data))
    try:
        found = item.subcon.read_from(cursor)
    except WireError:
        return 0
    if cursor.pos != len(data):
        return 0
    return ENDS if item.stops_at is not None and item.stops_at(found) else len(data)
