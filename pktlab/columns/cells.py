"""Which columns are wanted, and how what readers say becomes the values of a `Table`.

Two readers fill columns: the kernels, arrays of numbers; and the exact reader, a value at a time. Both end here, so
that a table does not tell who filled it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pktlab.columns.registry import FieldType, Registry, registry
from pktlab.columns.table import TableColumn, dtype_of
from pktlab.errors import SchemaError
from pktlab.wire.header import Header
from pktlab.wire.values import ipv4_text, ipv6_text, mac_text
from pktlab.wire.verdict import Verdict

__all__ = ["DEFAULTS", "Wanted", "from_array", "from_values", "wanted"]

Array = np.ndarray[Any, Any]
DEFAULTS = (
    "frame.number", "frame.time_epoch", "frame.len", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto",
    "ipv6.nxt", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len", "udp.srcport", "udp.dstport", "udp.length",
    "ip.checksum.verdict", "tcp.checksum.verdict", "udp.checksum.verdict",
)  # fmt: skip
"""The columns of a table for which none was named."""
_VERDICTS = tuple(map(str, Verdict))
_TEXT = ("ipv4", "ipv6", "mac", "flags", "str")
_SINCE = ("frame.time_relative", "frame.time_delta")
_NS_PER_S = 1e9


@dataclass(frozen=True)
class Wanted:
    """A column of a table.

    name : as it was asked for; source : the field whose values they are; kind : see `TableColumn`
    text : what makes text of a raw value, where `kind` is text
    """

    name: str
    source: FieldType
    kind: str
    text: Callable[[Any], str] | None = None


def wanted(names: Sequence[str], protocols: Iterable[type[Header]] = ()) -> list[Wanted]:
    """Return the columns that `names` are, each once; those of `DEFAULTS` if there are none.

    Raises
    ------
    SchemaError : no packet can have such a field, or it is a protocol

    >>> [(one.name, one.kind) for one in wanted(["ip.src", "udp.length", "tcp.flags.syn", "frame.time_epoch"])]
    [('ip.src', 'text'), ('udp.length', 'uint16'), ('tcp.flags.syn', 'bool'), ('frame.time_epoch', 'time')]
    """
    known = registry(protocols)
    return [_wanted(name, known) for name in dict.fromkeys(names or DEFAULTS)]


def _wanted(name: str, known: Registry) -> Wanted:
    one = known.find(name)
    if one.kind == "protocol":
        raise SchemaError(f"{name} is a protocol, not a field; pktlab schema show {name} lists its fields")
    source = known.find(one.parts[0]) if one.source == "host" else one
    row = source.row if source.row is not None else known.find(source.parts[0]).row if source.parts else None
    text: dict[str, Callable[[Any], str]] = {
        "ipv4": ipv4_text, "ipv6": ipv6_text, "mac": mac_text, "str": _decoded,
        "flags": row.text if row is not None else str,
    }  # fmt: skip
    return Wanted(name, source, _kind_of(source, known), text.get(source.kind))


def _kind_of(one: FieldType, known: Registry) -> str:
    if one.kind in _TEXT:
        return "text"
    if one.kind == "timestamp":
        return "float64" if one.name in _SINCE else "time"
    if one.kind in ("bytes", "header"):
        return "bytes"
    if one.kind in ("uint", "enum"):
        return _smallest(one, known)
    if one.kind == "int":
        return "int64" if one.width > 4 or not one.width else "int32"
    return one.kind


def _smallest(one: FieldType, known: Registry) -> str:
    """Return the type of the smallest numbers that hold all values of a field."""
    rows = [row for _, row in (known.find(one.parts[0]).rows if one.parts else one.rows)]
    if not rows:
        most = (1 << 8 * one.width) - 1
    elif not all(row.width for row in rows):
        return "uint64"
    else:
        most = max(((row.mask or (1 << 8 * row.width) - 1) >> row.shift) * row.scale for row in rows)
    return next(f"uint{bits}" for bits in (8, 16, 32, 64) if most < 1 << bits)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


# ---- from the exact reader


def from_values(one: Wanted, values: Sequence[Any]) -> TableColumn:
    """Return the column that values are, each in the form in which filters compare it, or None.

    >>> from_values(wanted(["ip.src"])[0], [bytes([10, 0, 0, 1]), None]).to_list()
    ['10.0.0.1', None]
    """
    valid = np.array([value is not None and _fits(one.kind, value) for value in values], np.bool_)
    if one.kind == "text":
        assert one.text is not None
        return _coded_list(values, valid, one.text)
    if one.kind == "bytes":
        return TableColumn("bytes", _objects(values), valid)
    numbers = [value if has else 0 for value, has in zip(values, valid.tolist(), strict=True)]
    if one.kind == "float64":
        return TableColumn("float64", np.array(numbers, np.int64) / _NS_PER_S, valid)
    return TableColumn(one.kind, np.array(numbers, dtype_of(one.kind)), valid)


def _fits(kind: str, value: Any) -> bool:
    """Tell whether 64 bits hold a time; numbers of fields fit their type."""
    return kind not in ("time", "float64", "int64") or abs(value) < 1 << 63


def _objects(values: Sequence[Any]) -> Array:
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def _coded_list(values: Sequence[Any], valid: Array, text: Callable[[Any], str]) -> TableColumn:
    places: dict[Any, int] = {}
    codes = [0 if value is None else places.setdefault(value, len(places)) for value in values]
    return TableColumn("text", np.array(codes, np.int32), valid, tuple(map(text, places)))


# ---- from arrays


def from_array(one: Wanted, store: str, values: Any, valid: Array) -> TableColumn:
    """Return the column that a batch's values are.

    Parameters
    ----------
    store, values, valid : as `pktlab.columns.batches` keeps them
    """
    if store == "object":
        return from_values(one, [value if has else None for value, has in zip(values, valid.tolist(), strict=True)])
    if one.kind == "float64":
        return TableColumn("float64", values / _NS_PER_S, valid)
    if one.kind != "text":
        return TableColumn(one.kind, values.astype(dtype_of(one.kind)), valid)
    if store == "verdict":
        return TableColumn("text", values.astype(np.int32) - 1, valid, _VERDICTS)
    return _coded(one, store, values, valid)


def _coded(one: Wanted, store: str, values: Array, valid: Array) -> TableColumn:
    """Return text: only different values are turned into it."""
    assert one.text is not None
    codes = np.zeros(len(valid), np.int32)
    inside = values[valid]
    if not len(inside):
        return TableColumn("text", codes, valid)
    firsts, order = _different(inside)
    codes[valid] = order
    width = {"ipv4": 4, "mac": 6}.get(one.source.kind)
    if store == "wide":
        words = [one.text(raw.tobytes()) for raw in inside[firsts]]
    elif width is not None:
        words = [one.text(value.to_bytes(width, "big")) for value in inside[firsts].tolist()]
    else:
        words = [one.text(value) for value in inside[firsts].tolist()]
    return TableColumn("text", codes, valid, tuple(words))


def _different(values: Array) -> tuple[Array, Array]:
    """Return where each different value is first, in that order, and which of them each value is.

    values : int64, or uint8 of shape (values, 16)
    """
    from pktlab.columns import kernels

    size = len(values)
    halves = np.ascontiguousarray(values).view(np.int64).reshape(size, -1)
    codes, firsts = np.empty(size, np.int32), np.empty(size, np.int64)
    slots = np.full(1 << (2 * size).bit_length(), -1, np.int32)
    return firsts[: kernels.tell_apart(halves[:, 0], halves[:, -1], slots, codes, firsts)], codes
