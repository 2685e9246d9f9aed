"""`damaged`: bytes of a header with faults, aimed at the fields that steer its parse.

Damage spread evenly over the bytes seldom meets the few that matter: it mostly makes another valid header. The schema
knows which fields an expression names and which have a `min` or `equals`; three faults in five go there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

from pktlab.testing.plan import is_header, nodes_in, plan_of
from pktlab.testing.strategies import from_schema
from pktlab.wire import Found, Header

__all__ = ["Damaged", "damaged", "steering_names"]

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Damaged(NamedTuple):
    """Bytes with faults in them."""

    data: bytes
    faults: tuple[str, ...]  # what was changed, in the order in which it was


def steering_names(header: type[Header]) -> frozenset[str]:
    """Return the full names of the fields that steer the parse of `header` and of the headers nested in it.

    >>> from pktlab.wire.udp import Udp
    >>> sorted(steering_names(Udp))
    ['udp.length']
    """
    names = {header.schema.declared[attr].row.name for attr in plan_of(header).steering}
    for declared in header.schema.fields:
        for node in nodes_in(declared.subcon):
            if is_header(node):
                names |= steering_names(node.header)
    return frozenset(names - {""})


def damaged(header: type[Header]) -> st.SearchStrategy[Damaged]:
    """Return a strategy of the bytes of valid values of `header` with one to three faults in them.

    A fault sets a field to 0, 1, its maximum, one more, one less or anything; or it cuts the bytes short. Three in five
    are in a field that steers the parse. `Damaged.faults` says what was changed.

    Raises
    ------
    TypeError : as for `from_schema`

    >>> from hypothesis import find
    >>> from pktlab.wire.udp import Udp
    >>> find(damaged(Udp), lambda case: len(case.data) == 8).faults
    ('udp.length at byte 4: 8 to 0',)
    """
    return _damaged(from_schema(header), steering_names(header))


@st.composite
def _damaged(draw: Draw, values: st.SearchStrategy[Any], steering: frozenset[str]) -> Damaged:
    header = draw(values)
    data = header.build(b"", lambda length: b"")
    numbers = [found for found in header.parse(data).spans() if found.name and isinstance(found.raw, int)]
    aimed = [found for found in numbers if found.name in steering] or numbers
    faults = []
    for kind in draw(st.lists(st.sampled_from(["steer", "steer", "steer", "any", "cut"]), min_size=1, max_size=3)):
        fields = [found for found in (aimed if kind == "steer" else numbers) if found.stop <= len(data)]
        if kind == "cut" or not fields:
            size = draw(st.integers(0, max(len(data) - 1, 0)))
            data = data[:size]
            faults.append(f"cut to {size} bytes")
        else:
            data, fault = _set(draw, data, draw(st.sampled_from(fields)))
            faults.append(fault)
    return Damaged(data, tuple(faults))


def _set(draw: Draw, data: bytes, found: Found) -> tuple[bytes, str]:
    """Return `data` with another number in the bits of `found`, and what was changed."""
    row = found.row
    order: Literal["little", "big"] = "little" if row.little else "big"
    mask = row.mask or (1 << 8 * (found.stop - found.start)) - 1
    word = int.from_bytes(data[found.start : found.stop], order)
    old, top = (word & mask) >> row.shift, mask >> row.shift
    near = [value for value in (0, 1, top, old + 1, old - 1) if 0 <= value <= top and value != old]
    new = draw(st.sampled_from(near) | st.integers(0, top))
    changed = (word & ~mask | new << row.shift).to_bytes(found.stop - found.start, order)
    fault = f"{found.name} at byte {found.start}: {old * row.scale} to {new * row.scale}"
    return data[: found.start] + changed + data[found.stop :], fault
