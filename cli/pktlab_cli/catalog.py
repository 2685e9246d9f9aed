"""The headers that pktlab knows, by name; what lies in a header; and the names of all fields."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pktlab.errors import SchemaError
from pktlab.wire import PROTOCOLS
from pktlab.wire.layout import Layout
from pktlab.wire.table import nodes_of

if TYPE_CHECKING:
    from pktlab.wire import Header

__all__ = ["check_fields", "find", "inside", "title"]

_OWN_FIELDS = (
    "frame.number", "frame.time_epoch", "frame.time_epoch_ns", "frame.len", "frame.cap_len", "frame.interface_id",
    "frame.protocols", "frame.comment", "ip.addr", "ipv6.addr", "eth.addr", "tcp.port", "udp.port",
)  # fmt: skip


def inside(header: type[Header]) -> list[type[Header]]:
    """Return the headers that lie in fields of `header`, in the order of the schema, each once.

    >>> from pktlab.wire.ipv4 import Ip
    >>> [one.__name__ for one in inside(Ip)][:2]
    ['IpOptions', 'IpOption']
    """
    found: dict[type[Header], None] = {}
    for declared in header.schema.fields:
        for node in nodes_of(declared.subcon):
            if isinstance(node, Layout) and node.header not in found:
                found[node.header] = None
                found.update(dict.fromkeys(inside(node.header)))
    return list(found)


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
        yield from inside(header)


def check_fields(names: Iterable[str], own: Iterable[Any] = ()) -> None:
    """Raise SchemaError for the first of `names` that no packet can have, with the nearest that one can.

    `own` are the user's protocols.

    >>> check_fields(["udp.srcport", "frame.number", "udp.checksum.verdict"])
    """
    known = set(_OWN_FIELDS)
    for header in _everything(own):
        known |= {row.name for row in header.schema.rows if row.name}
        if f"{header.layer}.checksum" in known:
            known |= {f"{header.layer}.checksum.{what}" for what in ("verdict", "status", "cause")}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.7)
            raise SchemaError(f"no field is called {name!r}" + (f", did you mean {near[0]}?" if near else ""))
