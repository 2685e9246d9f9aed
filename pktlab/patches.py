"""A field of a packet given another value: which bytes that makes of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pktlab.errors import CraftError
from pktlab.wire.rows import Found
from pktlab.wire.values import View

__all__ = ["Patch", "apply_patches", "patch_of"]

_NUMBERS = ("uint", "int", "enum", "bool", "flags")


@dataclass(frozen=True)
class Patch:
    """Bytes `start` to `stop` of a packet become `data`; of a word with a `mask` only these bits do."""

    start: int
    stop: int
    data: bytes
    mask: bytes | None = None

    @property
    def keeps_size(self) -> bool:
        """Whether nothing behind it moves."""
        return len(self.data) == self.stop - self.start


def patch_of(found: Found, value: Any) -> Patch:
    r"""Return what gives the field its new value.

    Parameters
    ----------
    found : the field where it stands
    value : as JSON has it: numbers, booleans, text; bytes as hex

    Raises
    ------
    ValueError, TypeError : the value does not fit

    >>> from pktlab.wire.udp import Udp
    >>> header = Udp.parse(bytes.fromhex("0035004500080000"))
    >>> patch_of(header.spans()[1], 5353)
    Patch(start=2, stop=4, data=b'\x14\xe9', mask=None)
    """
    row = found.row
    size = found.stop - found.start
    if row.kind in _NUMBERS and (row.mask is not None or row.width == size):
        return _number_patch(found, _number(value), size)
    raw = _raw(found, value)
    if row.width and len(raw) != size:
        raise ValueError(f"it has {size} bytes, not {len(raw)}")
    return Patch(found.start, found.stop, raw)


def _number(value: Any) -> int:
    if isinstance(value, str):
        return int(value, 0)
    if not isinstance(value, int):
        raise TypeError("a number is wanted")
    return int(value)


def _number_patch(found: Found, number: int, size: int) -> Patch:
    row = found.row
    order: Any = "little" if row.little else "big"
    if row.mask is not None:
        stored, left_over = divmod(number, row.scale)
        top = row.mask >> row.shift
        if left_over or not 0 <= stored <= top:
            step = f" in steps of {row.scale}" if row.scale > 1 else ""
            raise ValueError(f"it takes 0 to {top * row.scale}{step}")
        mask = row.mask.to_bytes(row.width, order)
        return Patch(found.stop - row.width, found.stop, (stored << row.shift).to_bytes(row.width, order), mask)
    if isinstance(row.view, View):
        number = row.view.encode(number)
        if type(number) is not int:
            raise ValueError("it is written in a way that cannot be changed here; change the bytes of the layer")
    low, high = (-(1 << 8 * size - 1), 1 << 8 * size - 1) if row.kind == "int" else (0, 1 << 8 * size)
    if not low <= number < high:
        raise ValueError(f"it takes {low} to {high - 1}")
    return Patch(found.start, found.stop, number.to_bytes(size, order, signed=row.kind == "int"))


def _raw(found: Found, value: Any) -> bytes:
    """Return the bytes of a value that is no number."""
    if not isinstance(value, str):
        raise TypeError("text is wanted")
    view = found.row.view
    if not isinstance(view, View):
        if found.row.kind not in ("bytes", "header"):
            raise ValueError("it cannot be changed here; change the bytes of the layer")
        return bytes.fromhex(value)
    raw = view.encode(value)
    if not isinstance(raw, bytes):
        raise ValueError("it is written in a way that cannot be changed here; change the bytes of the layer")
    return raw


def apply_patches(data: bytes, patches: Sequence[Patch], start: int, where: str) -> bytes:
    """Return `data`, which begin at byte `start` of the packet, with all patches in them.

    Raises
    ------
    CraftError : two of them are about the same bytes, of which one changes the length
    """
    made = bytearray(data)
    moving = sorted((one for one in patches if not one.keeps_size), key=lambda one: one.start, reverse=True)
    for one in patches:
        if any(one is not other and one.start < other.stop and other.start < one.stop for other in moving):
            raise CraftError(f"{where}: a field that gets longer or shorter, and one inside it, are both changed")
        if one.keeps_size:
            _write(made, one, one.start - start)
    for one in moving:
        made[one.start - start : one.stop - start] = one.data
    return bytes(made)


def _write(made: bytearray, patch: Patch, at: int) -> None:
    for index, byte in enumerate(patch.data):
        mask = 0xFF if patch.mask is None else patch.mask[index]
        made[at + index] = made[at + index] & ~mask | byte & mask
