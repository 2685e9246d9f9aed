"""The kernel that prints: rows of values as text, at the speed of memory.

What stands around and between values (a separator, a name, quotes) comes as bytes, so that one kernel prints tables and
JSON alike. Text is what `Row.text` gives for the same value; tests hold the two together.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import inlined, intrinsic, ir, kernel, types

__all__ = ["DECIMAL", "HEX", "IPV4", "IPV6", "MAC", "TIME", "WIDTHS", "WORD", "format_rows"]

DECIMAL, HEX, IPV4, MAC, IPV6, TIME, WORD = range(7)
WIDTHS = (20, 18, 15, 17, 45, 32, 0)
"""Most bytes that a value of each kind takes; a word is as long as it is."""


@intrinsic
def _address(context, data):
    """Return where an array lies in memory: plain numbers are not counted references."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(array.data, ir.IntType(64))

    return types.int64(data), generate


@intrinsic
def _put(context, address, value):
    """Store a byte, and return the address behind it; the caller has seen to it that there is room."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        builder.store(builder.trunc(arguments[1], ir.IntType(8)), place)
        return builder.add(arguments[0], ir.Constant(ir.IntType(64), 1))

    return types.int64(types.int64, types.int64), generate


@inlined
def _put_digits(at, value, count):
    """Put `count` decimal digits of a number."""
    power = np.int64(1)
    for _ in range(count - 1):
        power *= 10
    for _ in range(count):
        digit = value // power
        at = _put(at, 48 + digit)
        value -= digit * power
        power //= 10
    return at


@inlined
def _put_decimal(at, value):
    """Put a number."""
    if value < 0:
        at = _put(at, 45)
        value = -value
    count, bound = 1, np.int64(10)
    while count < 18 and value >= bound:
        count += 1
        bound *= 10
    if count == 18 and value >= bound:
        count = 19
    return _put_digits(at, value, count)


@inlined
def _put_hex(at, value, digits):
    """Put hex digits, lower case, leading zeros too."""
    for place in range(digits - 1, -1, -1):
        digit = value >> (4 * place) & 15
        at = _put(at, 48 + digit if digit < 10 else 87 + digit)
    return at


@inlined
def _put_ipv4(at, value):
    """Put an address of 4 bytes."""
    for place in range(3, -1, -1):
        at = _put_decimal(at, value >> (8 * place) & 255)
        if place:
            at = _put(at, 46)
    return at


@inlined
def _put_ipv6(at, high, low):
    """Put an address of 16 bytes, given as two halves (RFC 5952)."""
    best, best_len, run, run_len = -1, 0, -1, 0
    for place in range(8):
        half = high if place < 4 else low
        if half >> (16 * (3 - (place & 3))) & 0xFFFF:
            run_len = 0
            continue
        if run_len == 0:
            run = place
        run_len += 1
        if run_len > best_len:
            best, best_len = run, run_len
    if best == 0 and (best_len == 6 or (best_len == 5 and low >> 32 & 0xFFFF == 0xFFFF)):
        at = _put(_put(at, 58), 58)
        if best_len == 5:
            for _ in range(4):
                at = _put(at, 102)
            at = _put(at, 58)
        return _put_ipv4(at, low & 0xFFFFFFFF)
    place = 0
    while place < 8:
        if place == best and best_len > 1:
            at = _put(_put(at, 58), 58)
            place += best_len
            continue
        if place and place != best + best_len:
            at = _put(at, 58)
        elif place and best_len < 2:
            at = _put(at, 58)
        half = high if place < 4 else low
        word = half >> (16 * (3 - (place & 3))) & 0xFFFF
        digits = 1
        while digits < 4 and word >> (4 * digits):
            digits += 1
        at = _put_hex(at, word, digits)
        place += 1
    return at


@kernel
def format_rows(values, lows, has, skipped, count, kinds, digits, texts, text_at, words_at, out, ends):
    """Print rows, and return how many bytes were written.

    Parameters
    ----------
    values : int64, shape (columns, packets); lows : the same, second half of addresses of 16 bytes
    has : bool, the same shape; skipped : bool, shape (packets,), rows that are left empty
    kinds, digits : int32 a column: one of `DECIMAL` ... `WORD`; digits of hex
    texts : uint8, what is printed besides, from ``text_at[3 * column]`` on: in front of a value, behind it, and instead
        of all three where there is none; the last one ends a row; then the words
    words_at : int32 a column: place in `text_at` of the word for 0
    out : uint8, long enough; ends : int64, out: where each row ends in it
    """
    base, at = _address(out), _address(out)
    columns = len(kinds)
    for row in range(count):
        if not skipped[row]:
            for column in range(columns):
                piece = 3 * column
                if not has[column, row]:
                    piece += 2
                for byte in range(text_at[piece], text_at[piece + 1]):
                    at = _put(at, np.int64(texts[byte]))
                if not has[column, row]:
                    continue
                value, kind = values[column, row], kinds[column]
                if kind == DECIMAL:
                    at = _put_decimal(at, value)
                elif kind == HEX:
                    at = _put_hex(_put(_put(at, 48), 120), value, digits[column])
                elif kind == IPV4:
                    at = _put_ipv4(at, value)
                elif kind == MAC:
                    for place in range(5, -1, -1):
                        at = _put_hex(at, value >> (8 * place), 2)
                        if place:
                            at = _put(at, 58)
                elif kind == IPV6:
                    at = _put_ipv6(at, value, lows[column, row])
                elif kind == TIME:
                    if value < 0:
                        at = _put(at, 45)
                        value = -value
                    at = _put_decimal(at, value // 1_000_000_000)
                    at = _put_digits(_put(at, 46), value % 1_000_000_000, 9)
                else:
                    word = words_at[column] + value
                    for byte in range(text_at[word], text_at[word + 1]):
                        at = _put(at, np.int64(texts[byte]))
                for byte in range(text_at[piece + 1], text_at[piece + 2]):
                    at = _put(at, np.int64(texts[byte]))
            for byte in range(text_at[3 * columns], text_at[3 * columns + 1]):
                at = _put(at, np.int64(texts[byte]))
        ends[row] = at - base
    return at - base
