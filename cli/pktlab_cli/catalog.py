"""The headers that pktlab knows, by name; and the names of all fields."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pktlab.columns.registry import headers_in, registry
from pktlab.errors import SchemaError
from pktlab.wire import PROTOCOLS

if TYPE_CHECKING:
    from pktlab.wire import Header

__all__ = ["check_fields", "find", "title"]

_RELATIVE = ("frame.time_relative", "frame.time_delta")
"""What no packet can say alone."""


def title(header: type[Header]) -> str:
    """Return how `schema show` is asked for `header`: its layer, or its class where several share the layer.

    >>> from pktlab.wire import udp, sll
    >>> title(udp.Udp), title(sll.Sll2)
    ('udp', 'Sll2')
    """
    first = next((one for one in PROTOCOLS if one.layer == header.layer), None)
    return header.layer if first is header else header.__name__


def find(name: str) -> type[Header]:
    """Return the header called `name`: its layer as in field names, or its class; SchemaError if there is none.

    >>> find("udp").__name__, find("TcpOption").layer
    ('Udp', 'tcp')
    """
    everything = list(_everything())
    for header in everything:
        if header.layer == name:
            return header
    for header in everything:
        if header.__name__.lower() == name.lower():
            return header
    names = [known for one in everything for known in (one.layer, one.__name__)]
    near = difflib.get_close_matches(name, names, 1, 0.7)
    hint = f", did you mean {near[0]}?" if near else "; pktlab schema list shows all, and FILE.py:NAME is your own"
    raise SchemaError(f"no protocol is called {name!r}{hint}")


def _everything(own: Iterable[type[Header]] = ()) -> Iterator[type[Header]]:
    outer = [*PROTOCOLS, *own]
    yield from outer
    for header in outer:
        yield from headers_in(header)


def check_fields(names: Iterable[str], own: Iterable[type[Header]] = ()) -> None:
    """Raise SchemaError for the first of `names` that no packet can have, with the nearest that one can.

    `own` are the user's protocols.

    >>> check_fields(["udp.srcport", "frame.number", "udp.checksum.verdict"])
    """
    known = registry(own)
    for name in names:
        if known.find(name).source in ("protocol", "payload", "host") or name in _RELATIVE:
            raise SchemaError(f"{name} can be asked for in a filter only")
