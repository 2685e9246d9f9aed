"""One helper for every header: what a codec promises, checked against an account that does not use the parser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import construct
import pytest

from pktlab.errors import Truncated, WireError
from pktlab.testing.plan import is_header, nodes_in
from pktlab.wire import PROTOCOLS, Bounded, Found, Header, Items, Switch, When
from pktlab.wire.cursor import Cursor
from pktlab.wire.ipv4 import PseudoIpv4
from pktlab.wire.ipv6 import PseudoIpv6

__all__ = ["DRAWN", "HEADERS", "build", "check_codec", "nested"]


def nested(header: type[Header]) -> Iterator[type[Header]]:
    """Yield `header` and all headers inside it."""
    yield header
    for declared in header.schema.fields:
        for node in nodes_in(declared.subcon):
            if is_header(node):
                yield from nested(node.header)


DRAWN = tuple(header for header in PROTOCOLS if not header.__module__.startswith("pktlab.wire.apps."))
"""Protocols down to the transport: their nodes are the closed list. What applications say is in tests/wire/apps."""
HEADERS = tuple(dict.fromkeys(one for header in (*DRAWN, PseudoIpv4, PseudoIpv6) for one in nested(header)))
"""Every header of their pages."""


def build(header: Header) -> bytes:
    """Return the bytes of `header` alone, with nothing for a pseudo-header."""
    return header.build(b"", lambda length: b"")


class Read(NamedTuple):
    """Bytes that the parser asks for at once: what for, where they start, how many."""

    name: str
    start: int
    size: int
    ends_well: bool = False  # it is the start of a list's item: with nothing there, the list is over


def reads(header: Header, start: int) -> Iterator[Read]:
    """Yield, in order, what reading the bytes of `header` asks for, told from its declarations and its value."""
    layout = header.schema
    yield Read(header.schema.layer, start, header.HEADER_LEN)
    at = start + header.HEADER_LEN
    scope = {name: one.number(header._raw[one.index]) for name, one in layout.declared.items()}
    for declared in layout.tail:
        value = header._raw[declared.index]
        layer = header.schema.layer  # what names start with
        name = f"{layer}.{declared.wire_name}" if declared.wire_name else layer
        size = 0 if value is None else len(declared.subcon.build(value, **scope))
        yield from tail_reads(declared.subcon, name, value, scope, at, size)
        at += size


def tail_reads(node: Any, name: str, value: Any, scope: dict[str, Any], at: int, size: int) -> Iterator[Read]:
    """Yield what reading a field of the tail asks for: a bounded part is asked for as a whole."""
    if isinstance(node, Bounded):
        yield Read(name, at, size)
    elif isinstance(node, When) and value is not None:
        yield from tail_reads(node.subcon, name, value, scope, at, size)
    elif isinstance(node, Switch):
        yield from tail_reads(node.case(scope), name, value, scope, at, size)
    elif isinstance(node, Items):
        for item in value:
            first, *others = reads(item, at)
            yield first._replace(ends_well=True)
            yield from others
            at += len(build(item))
    elif is_header(node):
        yield from reads(value, at)
    elif isinstance(node, construct.FormatField | construct.BytesInteger | construct.Bytes):
        yield Read(name, at, size)


def takes_all(header: type[Header]) -> bool:
    """Tell whether `header` reads on to the end of what there is, so that bytes behind it would be its own."""
    open_ended = (construct.GreedyBytes,)
    for declared in header.schema.tail:
        stack = [declared.subcon]
        while stack:
            node = stack.pop()
            if node in open_ended or isinstance(node, Items) or (is_header(node) and takes_all(node.header)):
                return True
            if isinstance(node, Switch):
                stack += [*node.cases.values(), node.default]
            elif isinstance(node, When):
                stack.append(node.subcon)
    return False


def check_codec(value: Header) -> None:
    """Check all that a codec promises, with one value."""
    header = type(value)
    before = repr(value), hash(value)
    data = build(value)
    assert (repr(value), hash(value)) == before
    assert build(header.parse(data)) == data
    check_shorter(header, data)
    check_offset(header, data)
    if not takes_all(header):
        check_tail(header, data)
    check_as_construct(header, data)


def check_shorter(header: type[Header], data: bytes) -> None:
    """Each shorter length gives exactly the right Truncated, under a buffer and under a named limit."""
    value = header.parse(data)
    asked = list(reads(value, 0))
    for size in range(len(data)):
        short = next((read for read in asked if read.start + read.size > size), None)
        if short is None or (short.ends_well and short.start == size):
            header.parse(data[:size])  # an open end: the rest is simply shorter
            continue
        wanted = (short.name, short.start, short.size, size - short.start)
        with pytest.raises(Truncated) as caught:
            header.parse(data[:size])
        assert (*wanted, "buffer") == caught.value.args
        with pytest.raises(Truncated) as caught:
            header.parse(data, end=size, limit="outer.len")
        assert (*wanted, "outer.len") == caught.value.args


def placed(found: Found, by: int = 0) -> tuple[str, int, int, Any]:
    return found.name, found.start + by, found.stop + by, found.raw


def check_offset(header: type[Header], data: bytes) -> None:
    """Bytes in front of the header shift every range and every error, and change nothing else."""
    value, shifted = header.parse(data), header.parse(b"\xa5" * 7 + data, 7)
    assert shifted == value
    spans = value.spans()
    assert [placed(found, 7) for found in spans] == [placed(found) for found in shifted.spans()]
    assert all(0 <= found.start <= found.stop <= len(data) for found in spans)
    for size in range(len(data)):
        assert shifted_error(header, data[:size], 0) == shifted_error(header, b"\xa5" * 7 + data[:size], 7)


def shifted_error(header: type[Header], data: bytes, offset: int) -> tuple[object, ...] | None:
    try:
        header.parse(data, offset)
    except WireError as error:
        return type(error), error.layer, error.offset - offset, error.args[2:]
    return None


def check_tail(header: type[Header], data: bytes) -> None:
    """Bytes behind the header are left alone."""
    value = header.parse(data + b"\x5a" * 9)
    assert value == header.parse(data)
    cursor = Cursor(data + b"\x5a" * 9)
    header.schema.parse_stream(cursor)
    assert cursor.pos == len(data)


def check_as_construct(header: type[Header], data: bytes) -> None:
    """The schema is a Construct object: alone, and inside stock ones."""
    schema = header.schema
    value = header.parse(data)
    assert schema.parse(data) == value
    assert schema.build(value) == data
    prefixed = construct.Struct("before" / construct.Byte, "inside" / construct.Prefixed(construct.Int16ub, schema))
    whole = b"\x07" + len(data).to_bytes(2, "big") + data
    assert prefixed.parse(whole).inside == value
    assert prefixed.build({"before": 7, "inside": value}) == whole
    many = construct.Array(2, construct.Prefixed(construct.Int16ub, schema))
    assert list(many.parse(whole[1:] * 2)) == [value, value]
    if not takes_all(header):
        flat = construct.Struct("before" / construct.Byte, "inside" / schema, "after" / construct.Byte)
        parsed = flat.parse(b"\x07" + data + b"\x08")
        assert (parsed.inside, parsed.after) == (value, 8)
    if schema.tail:
        with pytest.raises(construct.SizeofError):
            schema.sizeof()
    else:
        assert schema.sizeof() == len(data) == header.HEADER_LEN


def error_of(header: type[Header], data: bytes) -> WireError | None:
    """Return what strict parsing raises."""
    try:
        header.parse(data)
    except WireError as error:
        return error
    return None


def check_any_bytes(header: type[Header], data: bytes) -> None:
    """Any bytes give a value or a WireError; lax reading keeps what is before the error, inside the bytes."""
    error = error_of(header, data)
    lax, kept = header.schema.read_lax(Cursor(data))
    if error is None:
        assert (lax, kept) == (header.parse(data), None)
    else:
        assert (type(kept), kept and kept.args) == (type(error), error.args)
        assert 0 <= error.offset <= len(data)
    spans = lax.spans()
    assert all(0 <= found.start <= found.stop <= len(data) for found in spans)
    for found in spans:
        if found.name and isinstance(found.raw, bytes):
            assert data[found.start : found.stop] == found.raw


def stock(header: type[Header]) -> construct.Struct:
    """Return a stock Struct of the fixed fields of `header`."""
    fixed = header.schema.fields[: len(header.schema.fields) - len(header.schema.tail)]
    return construct.Struct(*(declared.attr / declared.subcon for declared in fixed))


def fixed_values(header: type[Header], data: bytes) -> dict[str, Any]:
    """Return the raw values of the fixed fields that the header's own reading gives, checks or no checks."""
    lax, _ = header.schema.read_lax(Cursor(data))
    read = lax._raw
    return {declared.attr: read[declared.index] for declared in header.schema.fields[: len(read)]}


def assert_fused_equals_stock(header: type[Header], data: bytes) -> None:
    """Fused reading gives what a stock Struct of the same fields gives."""
    theirs = stock(header).parse_stream(io.BytesIO(data))
    ours = fixed_values(header, data)
    assert {name: ours[name] for name in theirs if not name.startswith("_io")} == {
        name: value for name, value in theirs.items() if not name.startswith("_io")
    }
