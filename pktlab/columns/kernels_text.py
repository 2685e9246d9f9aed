"""The kernels that print: rows of values, and lines of what headers say, as text at the speed of memory.

What stands around and between values (a separator, a name, quotes) comes as bytes, so that one kernel prints tables and
JSON alike, and the other all protocols. Text is what `Row.text` and `Header.summary` give for the same packet; tests
hold the two together.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import called, inlined, kernel
from pktlab.columns.kernels_bits import address_of, load64, put, reversed_bytes, store64

__all__ = [
    "DECIMAL", "HEX", "IPV4", "IPV6", "MAC", "SKIP", "TEXT", "TIME", "WIDTHS", "WORD", "format_lines", "format_rows",
    "mark_odd",
]  # fmt: skip

DECIMAL, HEX, IPV4, MAC, IPV6, TIME, WORD = range(7)
WIDTHS = (20, 18, 15, 17, 45, 32, 0)
"""Most bytes that a value of each kind takes; a word is as long as it is."""
TEXT, SKIP = 7, 8
GOOD, BAD = 1, 2  # places in `scan.VERDICTS`


@inlined
def _put_text(at, source, length):
    """Put bytes that lie at an address, 8 at a time: behind them and behind what is printed is room for 7 more."""
    for place in range(0, length, 8):
        store64(at + place, load64(source + place))
    return at + length


@inlined
def _put_pair(at, number):
    """Put two digits, of a number under 100."""
    tens = number * 103 >> 10
    return put(put(at, 48 + tens), 48 + number - 10 * tens)


@called
def _put_digits(at, value, count):
    """Put `count` decimal digits of a number that is not negative."""
    left, place = np.uint64(value), at + count
    while place - at >= 2:
        rest = left // np.uint64(100)
        place -= 2
        _put_pair(place, np.int64(left - rest * np.uint64(100)))
        left = rest
    if place > at:
        put(at, 48 + np.int64(left))
    return at + count


@called
def _count_digits(value):
    """Return how many decimal digits a number has that is not negative."""
    count, bound = 1, np.uint64(10)
    while count < 19 and np.uint64(value) >= bound:
        count += 1
        bound *= np.uint64(10)
    return count


@called
def _put_decimal(at, value):
    """Put a number."""
    if value < 0:
        at = put(at, 45)
        value = -value
    return _put_digits(at, value, _count_digits(value))


@inlined
def _put_hex(at, value, digits):
    """Put hex digits, lower case, leading zeros too."""
    for place in range(digits - 1, -1, -1):
        digit = value >> (4 * place) & 15
        at = put(at, 48 + digit if digit < 10 else 87 + digit)
    return at


@called
def _put_ipv4(at, value):
    """Put an address of 4 bytes."""
    for place in range(3, -1, -1):
        octet = value >> (8 * place) & 255
        if octet >= 100:
            hundreds = octet * 41 >> 12
            at = _put_pair(put(at, 48 + hundreds), octet - 100 * hundreds)
        elif octet >= 10:
            at = _put_pair(at, octet)
        else:
            at = put(at, 48 + octet)
        if place:
            at = put(at, 46)
    return at


@called
def _put_mac(at, value):
    """Put an address of 6 bytes."""
    for place in range(5, -1, -1):
        at = _put_hex(at, value >> (8 * place), 2)
        if place:
            at = put(at, 58)
    return at


@called
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
        at = put(put(at, 58), 58)
        if best_len == 5:
            for _ in range(4):
                at = put(at, 102)
            at = put(at, 58)
        return _put_ipv4(at, low & 0xFFFFFFFF)
    place = 0
    while place < 8:
        if place == best and best_len > 1:
            at = put(put(at, 58), 58)
            place += best_len
            continue
        if place and place != best + best_len:
            at = put(at, 58)
        elif place and best_len < 2:
            at = put(at, 58)
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
    base, at = address_of(out), address_of(out)
    columns = len(kinds)
    for row in range(count):
        if not skipped[row]:
            for column in range(columns):
                piece = 3 * column
                if not has[column, row]:
                    piece += 2
                for byte in range(text_at[piece], text_at[piece + 1]):
                    at = put(at, np.int64(texts[byte]))
                if not has[column, row]:
                    continue
                value, kind = values[column, row], kinds[column]
                if kind == DECIMAL:
                    at = _put_decimal(at, value)
                elif kind == HEX:
                    at = _put_hex(put(put(at, 48), 120), value, digits[column])
                elif kind == IPV4:
                    at = _put_ipv4(at, value)
                elif kind == MAC:
                    at = _put_mac(at, value)
                elif kind == IPV6:
                    at = _put_ipv6(at, value, lows[column, row])
                elif kind == TIME:
                    if value < 0:
                        at = put(at, 45)
                        value = -value
                    at = _put_decimal(at, value // 1_000_000_000)
                    at = _put_digits(put(at, 46), value % 1_000_000_000, 9)
                else:
                    word = words_at[column] + value
                    for byte in range(text_at[word], text_at[word + 1]):
                        at = put(at, np.int64(texts[byte]))
                for byte in range(text_at[piece + 1], text_at[piece + 2]):
                    at = put(at, np.int64(texts[byte]))
            for byte in range(text_at[3 * columns], text_at[3 * columns + 1]):
                at = put(at, np.int64(texts[byte]))
        ends[row] = at - base
    return at - base


@inlined
def _number(base, op):
    """Return the number that an op takes of the bytes at `base`."""
    word = load64(base + op.offset)
    if not op.little:
        word = reversed_bytes(word)
    return (np.int64(word >> np.uint64(op.shift)) & op.mask) * op.factor + op.constant


@called
def _may_stand(start, end, group, groups, glances, ranges):
    """Tell whether bytes may stand the glances of a group, or of the other ones behind it; none is always stood."""
    while group > 0:
        stands = True
        for place in range(groups[group].first, groups[group].last):
            if start + glances[place].offset + glances[place].width > end:
                stands = False
                break
            word = reversed_bytes(load64(start + glances[place].offset))
            number = np.int64(word >> np.uint64(64 - 8 * glances[place].width))
            found = False
            for each in range(glances[place].first, glances[place].last):
                found |= ranges[each, 0] <= number and number <= ranges[each, 1]
            if not found:
                stands = False
                break
        if stands:
            return True
        group = np.int64(groups[group].other)
    return False


@inlined
def _look(
    packet, base, starts, captured, places, payloads, verdicts, found, expected,
    phrases, hints, suggestions, groups, glances, ranges, steps, order,
):  # fmt: skip
    """Put the headers of a packet in `order`; return how many, or 0 if the exact reader has to say what it is."""
    rows = len(phrases) - 1
    told, is_plain = 0, places[rows, packet] < 0
    for row in range(rows):
        place = places[row, packet]
        if place >= 0:
            into = told
            while into > 0 and places[order[into - 1], packet] > place:
                order[into] = order[into - 1]
                into -= 1
            order[into] = row
            told += 1
            if phrases[row].steps >= 0:
                start = base + starts[packet] + place
                option = start + phrases[row].size
                end = option + _number(start, hints[phrases[row].tail])
                while option < end:
                    pair = np.int64(load64(option) & np.uint64(0xFFFF))
                    step = np.int64(steps[phrases[row].steps, pair & 255, 256])
                    if step == 0 and option + 1 < end:
                        step = np.int64(steps[phrases[row].steps, pair & 255, pair >> 8])
                    if step == 255:
                        break
                    option += step
                    if step == 0 or option > end:
                        is_plain = False
                        break
            judged = phrases[row].judged
            if judged >= 0:
                verdict = verdicts[judged, packet]
                is_plain &= verdict > 0 and verdict != BAD
                is_plain &= verdict != GOOD or found[judged, packet] != 0xFFFF or expected[judged, packet] != 0
    if told == 0 or not is_plain:
        return 0
    # ---- what may be behind the last one
    row = order[told - 1]
    start = base + starts[packet] + places[row, packet]
    if phrases[row].guesses:
        behind = start + phrases[row].size
        if phrases[row].tail >= 0:
            behind += _number(start, hints[phrases[row].tail])
        end = behind + payloads[row, packet]
        if payloads[row, packet] < 0:
            end = base + starts[packet] + captured[packet]
        if behind < end:
            is_suggested = False
            for hint in range(phrases[row].hint_first, phrases[row].hint_last):
                number = _number(start, hints[hint])
                if 0 <= number < hints[hint].last:
                    group = np.int64(suggestions[hints[hint].first + number])
                    is_suggested |= group > 0 and _may_stand(behind, end, group, groups, glances, ranges)
            byte = np.int64(load64(behind) & np.uint64(255))
            group = np.int64(suggestions[phrases[row].by_byte + byte])
            if is_suggested or (group > 0 and _may_stand(behind, end, group, groups, glances, ranges)):
                return 0
    return told


@kernel
def mark_odd(
    data, starts, captured, places, payloads, verdicts, found, expected, count,
    phrases, hints, suggestions, groups, glances, ranges, steps, order, asked,
):  # fmt: skip
    """Mark, in `asked`, the packets of which the exact reader has to say what they are; as `format_lines`."""
    base = address_of(data)
    for packet in range(count):
        if not asked[packet]:
            asked[packet] = _look(
                packet, base, starts, captured, places, payloads, verdicts, found, expected,
                phrases, hints, suggestions, groups, glances, ranges, steps, order,
            ) == 0  # fmt: skip


@kernel
def format_lines(
    data, starts, captured, places, payloads, verdicts, found, expected, count,
    first, micros, negative, timed, number_width, time_width,
    phrases, ops, words, texts, marks, hints, suggestions, groups, glances, ranges, steps, most, order,
    asked, out, ends,
):  # fmt: skip
    """Print a line for each packet that is not asked about elsewhere; return how many bytes were written.

    Parameters
    ----------
    data, starts, captured : of the window; places, payloads, verdicts, found, expected : of the walk over it
    first : number of the first packet; micros : int64, its time, not negative; negative, timed : bool
    number_width, time_width : of the columns in front
    phrases : what a header says, by row of `places`; a header of the last row says more than can be printed here
    ops : pieces of phrases; words : int32, shape (words, 2), place and length in `texts`
    marks : the same by row of `verdicts` and verdict, what is added to the line
    hints : ops whose numbers suggest, by `suggestions`, what is behind a header
    groups, glances, ranges : what the bytes have to be that are suggested
    steps : uint8, shape (tables, 256, 257), how far options reach by their first two bytes, see `tails`
    most : bytes that no line is longer than
    order : int64, room for as many as there are phrases
    asked : bool, in and out: the line is made elsewhere, since kernels cannot say it
    out : uint8; ends : int64, out: where each line ends in it
    """
    base, begin, text = address_of(data), address_of(out), address_of(texts)
    at, limit = begin, begin + out.size - most
    for packet in range(count):
        ends[packet] = at - begin
        if asked[packet]:
            continue
        told = 0
        if at <= limit:
            told = _look(
                packet, base, starts, captured, places, payloads, verdicts, found, expected,
                phrases, hints, suggestions, groups, glances, ranges, steps, order,
            )  # fmt: skip
        if told == 0:
            asked[packet] = True
            continue
        # ---- number and time
        for _ in range(_count_digits(first + packet), number_width):
            at = put(at, 32)
        at = put(_put_decimal(at, first + packet), 32)
        if timed[packet]:
            whole = micros[packet] // 1_000_000
            for _ in range(_count_digits(whole) + 7 + negative[packet], time_width):
                at = put(at, 32)
            if negative[packet]:
                at = put(at, 45)
            at = _put_digits(put(_put_decimal(at, whole), 46), micros[packet] - whole * 1_000_000, 6)
        else:
            for _ in range(1, time_width):
                at = put(at, 32)
            at = put(at, 45)
        at = put(at, 32)
        # ---- what each header says
        for place in range(told):
            at = put(at, 32)
            row = order[place]
            start = base + starts[packet] + places[row, packet]
            op, last = phrases[row].op_first, phrases[row].op_last
            while op < last:
                kind = ops[op].kind
                if kind == TEXT:
                    at = _put_text(at, text + ops[op].first, np.int64(ops[op].last))
                elif kind == IPV4:
                    at = _put_ipv4(at, np.int64(reversed_bytes(load64(start + ops[op].offset)) >> np.uint64(32)))
                elif kind == IPV6:
                    high, low = load64(start + ops[op].offset), load64(start + ops[op].offset + 8)
                    at = _put_ipv6(at, np.int64(reversed_bytes(high)), np.int64(reversed_bytes(low)))
                elif kind == MAC:
                    at = _put_mac(at, np.int64(reversed_bytes(load64(start + ops[op].offset)) >> np.uint64(16)))
                else:
                    number = _number(start, ops[op])
                    if kind == DECIMAL:
                        at = _put_decimal(at, number)
                    elif kind == HEX:
                        at = _put_hex(put(put(at, 48), 120), number, ops[op].last)
                    elif kind == WORD:
                        word = ops[op].first + number
                        at = _put_text(at, text + words[word, 0], np.int64(words[word, 1]))
                    elif number == 0:
                        op += ops[op].last
                op += 1
        # ---- the verdicts that are not plainly good
        for place in range(told):
            judged = phrases[order[place]].judged
            if judged >= 0 and verdicts[judged, packet] != GOOD:
                verdict = verdicts[judged, packet]
                at = _put_text(at, text + marks[judged, verdict, 0], np.int64(marks[judged, verdict, 1]))
        at = put(at, 10)
        ends[packet] = at - begin
    return at - begin
