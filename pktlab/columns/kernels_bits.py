"""What kernels have in common: bytes in memory as numbers, and one's-complement sums.

Loads and stores are little-endian on any machine. Sums are taken over little-endian words and swapped at the end
(RFC 1071 section 2(B)).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pktlab.columns.compiled import inlined, intrinsic, ir, types

__all__ = [
    "address_of", "first_header", "folded", "load32", "load64", "number_at", "prefetch", "put", "reversed_bytes",
    "store64", "sum_at", "swapped",
]  # fmt: skip


def _little(builder: Any, number: Any) -> Any:
    """Return a number as it is, or as it will be, in memory, with its bytes in little-endian order."""
    return number if sys.byteorder == "little" else builder.bswap(number)


@intrinsic
def address_of(context: Any, data: Any) -> Any:
    """Return where an array lies in memory: plain numbers are not counted references."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(array.data, ir.IntType(64))

    return types.int64(data), generate


@intrinsic
def load64(context: Any, address: Any) -> Any:
    """Return the 8 bytes at an address as a number; the caller has checked that they are there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        load = builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
        load.align = 1
        return _little(builder, load)

    return types.uint64(types.int64), generate


@intrinsic
def load32(context: Any, address: Any) -> Any:
    """Return the 4 bytes at an address as a number; the caller has checked that they are there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        load = builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))
        load.align = 1
        return builder.zext(_little(builder, load), ir.IntType(64))

    return types.uint64(types.int64), generate


@intrinsic
def reversed_bytes(context: Any, number: Any) -> Any:
    """Return a number of 8 bytes with its bytes in the other order."""
    return types.uint64(types.uint64), lambda context, builder, signature, arguments: builder.bswap(arguments[0])


@intrinsic
def store64(context: Any, address: Any, value: Any) -> Any:
    """Store 8 bytes; the caller has seen to it that there is room."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store(_little(builder, arguments[1]), place).align = 1
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), generate


@intrinsic
def put(context: Any, address: Any, value: Any) -> Any:
    """Store a byte, and return the address behind it; the caller has seen to it that there is room."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        builder.store(builder.trunc(arguments[1], ir.IntType(8)), place)
        return builder.add(arguments[0], ir.Constant(ir.IntType(64), 1))

    return types.int64(types.int64, types.int64), generate


@intrinsic
def prefetch(context: Any, address: Any) -> Any:
    """Have the processor fetch what is at an address, of any memory, while it goes on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(fetch, [builder.inttoptr(arguments[0], byte), *(ir.Constant(number, one) for one in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@inlined
def number_at(address, width, little):
    """Return the number in `width` bytes, 1 to 8; the `PAD` behind a packet lets 8 be read anywhere in it."""
    word = load64(address)
    if not little:
        word = reversed_bytes(word)
        return np.int64(word >> np.uint64(64 - 8 * width))
    return np.int64(word << np.uint64(64 - 8 * width) >> np.uint64(64 - 8 * width))


@inlined
def first_header(packet, data, starts, captured, links, fcs, firsts, tables):
    """Return where a packet starts, where it ends without its check sequence, and the kind of its first header."""
    pos = starts[packet]
    end = pos + captured[packet]
    if fcs[packet] > 0:
        end = max(pos, end - fcs[packet])
    kind = np.int64(firsts[links[packet]])
    if kind < 0:
        kind = np.int64(tables[-kind + (data[pos] >> 4)]) if pos < end else np.int64(0)
    return pos, end, kind


@inlined
def sum_at(address, size):
    """Return the sum of `size` bytes as little-endian 16-bit words, not folded; an odd last byte starts a word."""
    total = np.uint64(0)
    for place in range(size >> 2):
        total += load32(address + 4 * place)
    address, left = address + (size & ~3), size & 3
    if left:
        total += load64(address) << np.uint64(64 - 8 * left) >> np.uint64(64 - 8 * left)
    return total


@inlined
def folded(total):
    """Return a sum of little-endian words as 16 bits in network byte order; 0 only for 0."""
    while total >> np.uint64(16):
        total = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    return np.int64((total & np.uint64(0xFF)) << np.uint64(8) | total >> np.uint64(8))


@inlined
def swapped(value):
    """Return a number that is added to sums of little-endian words, folded and with its two bytes exchanged."""
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return np.uint64((value & 0xFF) << 8 | value >> 8)
