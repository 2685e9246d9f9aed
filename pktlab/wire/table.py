"""The field table of a schema: from declarations to rows, and what a reader may ask of the nodes in it.

A row says of one field where it lies, how wide it is and how it is shown; columns, diagrams and ranges are made from
rows. Nothing here reads a packet.
"""

from __future__ import annotations

from typing import Any

import construct

from pktlab.wire import expressions
from pktlab.wire.fields import BitsDecl, FieldDecl
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.rows import Row, hex_digits
from pktlab.wire.values import Flags

__all__ = ["expressions_of", "fixed_code", "is_known", "is_layout", "nodes_of", "rows_for", "static_size"]


def is_layout(node: Any) -> bool:
    """Tell whether `node` is the schema of a nested header."""
    return hasattr(node, "fixed_size")


def fixed_code(subcon: Any) -> tuple[str, str, int] | None:
    """Return (byte order or "", struct code, bytes) of a node of fixed size that `struct` can read."""
    if isinstance(subcon, construct.FormatField):
        order = subcon.fmtstr[0] if subcon.length > 1 else ""
        return ("<" if order == "<" else order and ">"), subcon.fmtstr[1:], subcon.length
    if isinstance(subcon, construct.Bytes) and isinstance(subcon.length, int):
        return "", f"{subcon.length}s", subcon.length
    return None


def _is_little(subcon: Any) -> bool:
    if isinstance(subcon, construct.FormatField):
        return bool(subcon.fmtstr[0] == "<" and subcon.length > 1)
    return isinstance(subcon, construct.BytesInteger) and bool(subcon.swapped)


def nodes_of(node: Any) -> list[Any]:
    """Return `node` and every Construct object inside it, but not what is inside a nested header."""
    if isinstance(node, Switch):
        inner = [*node.cases.values(), node.default]
    elif isinstance(node, construct.Subconstruct):
        inner = [node.subcon]
    else:
        inner = []
    inner += [one.schema for one in getattr(node, "inside", ()) if hasattr(one, "schema")]
    return [node, *(found for child in inner for found in nodes_of(child))]


def expressions_of(node: Any) -> list[Any]:
    """Return the expressions over the header's own fields in `node`."""
    found = []
    for inner in nodes_of(node):
        for name in ("length", "condition", "key", "count", "keyfunc", "condfunc"):
            expression = vars(inner).get(name)
            if expression is not None and expressions.names_in(expression):
                found.append(expression)
    return found


_KNOWN_NODES = (Bounded, When, Switch, Items, construct.FormatField, construct.BytesInteger, construct.Bytes)
"""Not what is made from them by inheritance: that reads in a way of its own."""


def is_known(node: Any) -> bool:
    """Tell whether `node` is on the closed list that every reader of schemas handles."""
    return all(
        type(inner) in _KNOWN_NODES or is_layout(inner) or inner in (construct.GreedyBytes, construct.Pass)
        for inner in nodes_of(node)
    )


def static_size(node: Any) -> int | None:
    """Return how many bytes `node` always has; None if that varies."""
    if is_layout(node):
        return None if node.tail else int(node.fixed_size)
    if isinstance(node, construct.FormatField | construct.BytesInteger):
        return int(node.length)
    if isinstance(node, construct.Bytes | Bounded) and isinstance(node.length, int):
        return int(node.length)
    return None


def rows_for(layer: str, declared: FieldDecl, offset: int | None) -> list[Row]:
    """Return the rows of a field and of its bits, and give each declaration its own."""
    width = static_size(declared.inner) or 0
    little = _is_little(declared.inner)
    declared.row = _row(layer, declared, offset, width, None, 0, 1, little)
    rows = [declared.row] if declared.wire_name else []
    for part in declared.bits:
        part.row = _row(layer, part, offset, width, part.mask, part.shift, part.scale, little)
        rows.append(part.row)
        if isinstance(part.as_, type) and issubclass(part.as_, Flags):
            rows += _flag_rows(part.row, part.as_, part.shift)
    if isinstance(declared.as_, type) and issubclass(declared.as_, Flags):
        rows += _flag_rows(declared.row, declared.as_, 0)
    return rows


def _row(
    layer: str,
    one: FieldDecl | BitsDecl, offset: int | None, width: int, mask: int | None, shift: int, scale: int,
    little: bool,
) -> Row:  # fmt: skip
    bit_count = 8 * width if mask is None else mask.bit_length() - shift
    return Row(
        name=f"{layer}.{one.wire_name}" if one.wire_name else "",
        attr=one.attr,
        label=one.label,
        offset=offset,
        width=width,
        mask=mask,
        shift=shift,
        scale=scale,
        little=little,
        kind=one.kind,
        base=one.base,
        digits=one.digits or hex_digits(bit_count),
        names=one.names,
        view=None if one.as_ is bool else one.as_,
    )


def _flag_rows(parent: Row, flags: type[Flags], shift: int) -> list[Row]:
    return [
        parent._replace(
            name=f"{parent.name}.{member.name}",
            attr=f"{parent.attr}.{member.name}",
            label=member.label,
            mask=member.mask << shift,
            shift=(member.mask & -member.mask).bit_length() - 1 + shift,
            kind="bool",
            view=None,
        )
        for member in flags.members
    ]
