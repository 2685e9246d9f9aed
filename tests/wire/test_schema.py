"""What a schema of one's own may say, what it may not, and what it then does."""

from __future__ import annotations

import struct
from contextlib import suppress

import construct
import pytest
from construct import (
    Bytes,
    BytesInteger,
    CString,
    Float32b,
    GreedyBytes,
    GreedyRange,
    Int8sb,
    Int8ub,
    Int16sb,
    Int16ub,
    Int16ul,
    Int24ub,
    Int24ul,
    Int32ub,
    PascalString,
    Pass,
    Prefixed,
    this,
)  # fmt: skip
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import Malformed, PktlabError, Truncated
from pktlab.testing import from_schema
from pktlab.wire import AUTO, MAC, Bounded, Flags, Header, Items, Switch, When, bits, field, flag

from .codecs import check_codec

# ---- declarations that cannot be


def test_an_unknown_name_in_an_expression_is_refused_with_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"note\.text: this\.lenght is no field before it; did you mean this\.length\?"):

        class _Note(Header, layer="note"):
            length: int = field(Int8ub)
            text: bytes = field(Bounded(this.lenght, GreedyBytes))


def test_a_field_that_comes_later_is_no_field_before_it() -> None:
    with pytest.raises(TypeError, match=r"this\.length is no field before it"):

        class _Note(Header, layer="note"):
            text: bytes = field(Bounded(this.length, GreedyBytes))
            length: int = field(Int8ub)


def test_the_class_keywords_are_checked_too() -> None:
    with pytest.raises(TypeError, match=r"this\.size is no field before it"):

        class _Note(Header, layer="note", payload_len=this.size - 2):
            length: int = field(Int8ub)


@pytest.mark.parametrize("expression", [8 // this.a, 100 % this.a, this.b * 2 // this.a])
def test_a_length_may_not_be_divided_by_a_field(expression: object) -> None:
    with pytest.raises(TypeError, match="may not be divided by a field"):

        class _Note(Header, layer="note"):
            a: int = field(Int8ub)
            b: int = field(Int8ub)
            text: bytes = field(Bounded(expression, GreedyBytes))


def test_an_empty_mask_is_refused() -> None:
    word = field(Int8ub)
    with pytest.raises(TypeError, match="mask is empty"):
        bits(word, 0, "Nothing")


@pytest.mark.parametrize("word", ["build", "parse", "schema", "spans", "replace", "layer"])
def test_the_words_of_a_header_are_no_field_names(word: str) -> None:
    with pytest.raises(TypeError, match=f"{word} is a word of Header itself; use {word}_"):
        type("_Note", (Header,), {word: field(Int8ub)}, layer="note")


def test_a_trailing_underscore_keeps_wiresharks_name() -> None:
    class Note(Header, layer="note"):
        build_: int = field(Int8ub)

    assert Note.parse(b"\x07").build_ == 7
    assert [found.name for found in Note.parse(b"\x07").spans()] == ["note.build"]


# ---- values


class Parts(Header, layer="parts"):
    _word = field(Int16ub)
    version: int = bits(_word, 0xF000, default=1)
    size: int = bits(_word, 0x0F00, scale=4)
    rest: int = bits(_word, 0x00FF, default=0)
    plain: int = field(Int8ub)
    signed: int = field(Int8sb, default=0)
    tag: bytes = field(Bytes(2), default=b"ab")
    mac: str = field(Bytes(6), as_=MAC, default=bytes(6))


def test_what_is_missing_or_unknown_is_named_with_the_nearest() -> None:
    with pytest.raises(TypeError, match="Parts needs size="):
        Parts(plain=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Parts needs plain="):
        Parts(size=4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Parts has no versoin; did you mean version\?"):
        Parts(size=4, plain=1, versoin=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Parts has no sizes; did you mean size\?"):
        Parts(size=4, plain=1).replace(sizes=2)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"plain": 256}, "plain = 256 does not fit: 0 to 255"),
        ({"plain": -1}, "plain = -1 does not fit: 0 to 255"),
        ({"signed": 128}, "signed = 128 does not fit: -128 to 127"),
        ({"size": 6}, "size = 6 does not fit: 0 to 60 in steps of 4"),
        ({"size": 64}, "size = 64 does not fit: 0 to 60 in steps of 4"),
        ({"version": 16}, "version = 16 does not fit: 0 to 15"),
        ({"tag": b"abc"}, "tag takes 2 bytes, not b'abc'"),
        ({"tag": "ab"}, "tag takes 2 bytes, not 'ab'"),
        ({"mac": "2:0:0:0:0:1"}, "is no MAC address"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(values: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Parts(**{"size": 4, "plain": 0, **values})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=why):
        Parts(size=4, plain=0).replace(**values)


def test_parts_of_a_word_are_read_and_built() -> None:
    parts = Parts(version=2, size=20, rest=7, plain=9)
    assert parts.build() == bytes.fromhex("2507 09 00 6162 000000000000")
    again = Parts.parse(parts.build())
    assert (again.version, again.size, again.rest, again.plain) == (2, 20, 7, 9)
    places = {found.name: found.bit_range for found in again.spans()}
    assert places["parts.version"] == (0, 0, 4)
    assert places["parts.size"] == (0, 4, 4)
    assert places["parts.rest"] == (1, 0, 8)


def test_headers_are_values() -> None:
    one = Parts(size=20, plain=9)
    same = Parts.parse(one.build())
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same, one.replace(plain=10)}) == 2
    assert one.replace(plain=10).replace(plain=9) == one
    assert one.replace(plain=10) != one
    assert one.plain == 9
    assert repr(one) == "Parts(version=1, size=20, rest=0, plain=9, signed=0, tag=b'ab', mac='00:00:00:00:00:00')"
    assert one != 9
    with pytest.raises(ValueError, match="was not parsed from bytes"):
        one.spans()


# ---- lengths that are solved


class Padded(Header, layer="padded", payload_len=this.rest * 2):
    length: int = field(Int8ub, default=AUTO)
    rest: int = field(Int8ub, default=AUTO)
    text: bytes = field(Bounded(this.length * 8 + 6, GreedyBytes), default=bytes(6))


def test_a_length_is_solved_from_the_expression_that_parsing_evaluates() -> None:
    header = Padded(text=bytes(22))
    assert "length=AUTO" in repr(header)
    assert header.build(b"four") == b"\x02\x02" + bytes(22) + b"four"
    assert header.filled(b"four").length == 2
    assert header.length == 0
    assert header.replace(length=1).build() == b"\x01\x00" + bytes(22), "a wrong length can be built on purpose"
    assert header.replace(length=1).replace(length=AUTO) == header


def test_a_length_that_does_not_come_out_even_is_not_built() -> None:
    with pytest.raises(ValueError, match=r"length \* 8 \+ 6 cannot be 7: the size must be a multiple of 8, plus 6"):
        Padded(text=bytes(7)).build()
    with pytest.raises(ValueError, match=r"rest \* 2 cannot be 3"):
        Padded().build(b"odd")
    with pytest.raises(ValueError, match="cannot be 0"):
        Padded(text=b"").build()
    with pytest.raises(ValueError, match="length = 256 does not fit"):
        Padded(text=bytes(256 * 8 + 6)).build()


@given(st.integers(0, 200))
def test_sums_differences_products_and_other_fields_are_inverted(size: int) -> None:
    class Sum(Header, layer="sum"):
        before: int = field(Int8ub)
        length: int = field(Int16ub, default=AUTO)
        text: bytes = field(Bounded(this.length - this.before - 3, GreedyBytes))

    built = Sum(before=5, text=bytes(size)).build()
    assert built == struct.pack(">BH", 5, size + 8) + bytes(size)
    assert Sum.parse(built).text == bytes(size)


# ---- bounded parts, lists, cases


class Inner(Header, layer="note.inner"):
    kind: int = field(Int8ub)
    number: int = field(Int16ub)


class Note(Header, layer="note"):
    length: int = field(Int8ub, default=AUTO)
    inner: Inner = field(Bounded(this.length - 2, Inner))


def test_a_bounded_part_that_runs_short_names_its_limit() -> None:
    with pytest.raises(Truncated) as caught:
        Note.parse(b"\x04\x01\x00")
    assert caught.value.args == ("note.inner", 1, 3, 2, "note.length")


def test_left_over_bytes_of_a_bounded_part_are_an_error() -> None:
    with pytest.raises(Malformed, match="leaves 2 unused") as caught:
        Note.parse(b"\xff\x07\x01\x00\x02\x09\x09", offset=1)
    assert (caught.value.layer, caught.value.field, caught.value.offset) == ("note.inner", "note.length", 5)


def test_a_negative_length_is_an_error() -> None:
    with pytest.raises(Malformed, match="a length cannot be negative") as caught:
        Note.parse(b"\x01")
    assert (caught.value.layer, caught.value.field, caught.value.value) == ("note.inner", "note.length", -1)


def test_a_list_whose_items_need_no_bytes_would_never_end() -> None:
    class Nothing(Header, layer="nothing"):
        pass

    class Many(Header, layer="many"):
        items: tuple[Nothing, ...] = field(Items(Nothing), default=())

    with pytest.raises(Malformed, match="would never end"):
        Many.parse(b"\x00")
    assert Many.parse(b"").items == ()


def test_a_list_stops_behind_its_last_item() -> None:
    class Names(Header, layer="names"):
        names: tuple[Inner, ...] = field(Items(Inner, stop=construct.obj_.kind == 0), name="", default=())
        rest: bytes = field(GreedyBytes, default=b"")

    names = Names.parse(b"\x01\x00\x02" + b"\x00\x00\x03" + b"tail")
    assert [one.number for one in names.names] == [2, 3]
    assert names.rest == b"tail"


def test_a_switch_needs_a_default_and_takes_it() -> None:
    with pytest.raises(TypeError, match="default"):
        Switch(this.kind, {1: Int8ub})  # type: ignore[call-arg]

    class Choice(Header, layer="choice"):
        kind: int = field(Int8ub)
        body: int | None = field(Switch(this.kind, {1: Int8ub, 2: Int16ub}, default=Pass), default=None)

    assert Choice.parse(b"\x01\x05\x06").body == 5
    assert Choice.parse(b"\x02\x05\x06").body == 0x0506
    assert Choice.parse(b"\x03\x05\x06").body is None
    assert Choice(kind=3).build() == b"\x03"


# ---- words of every sort


class Words(Header, layer="words"):
    little: int = field(Int16ul)
    _packed = field(Int16ul)
    low: int = bits(_packed, 0x00FF)
    high: int = bits(_packed, 0xFF00)
    three: int = field(Int24ub)
    three_little: int = field(Int24ul)
    five: int = field(BytesInteger(5))
    below: int = field(BytesInteger(3, signed=True))
    short: int = field(Int16sb)
    real: float = field(Float32b)


def test_words_of_every_sort() -> None:
    data = bytes.fromhex("0102 0304 010203 010203 0000000007 fffffe fffd 3f800000")
    words = Words.parse(data)
    assert (words.little, words.low, words.high) == (0x0201, 0x03, 0x04)
    assert (words.three, words.three_little, words.five) == (0x010203, 0x030201, 7)
    assert (words.below, words.short, words.real) == (-2, -3, 1.0)
    assert words.build() == data
    places = {found.name: found.bit_range for found in words.spans()}
    assert places["words.low"] == (2, 0, 8)
    assert places["words.high"] == (3, 0, 8)


@given(from_schema(Words))
def test_words_of_every_sort_are_a_codec(words: Words) -> None:
    check_codec(words)


class Lamp(Flags):
    red = flag(0x80)
    level = flag(0x07)


def test_flags_read_as_bits_and_as_a_number() -> None:
    class Lights(Header, layer="lights"):
        lamp: Lamp = field(Int8ub, as_=Lamp, base="hex")

    lights = Lights.parse(b"\x82")
    assert lights.lamp == 0x82
    assert lights.lamp.red
    assert {found.name: found.text for found in lights.spans()} == {
        "lights.lamp": "0x82", "lights.lamp.red": "1", "lights.lamp.level": "1",
    }  # fmt: skip


# ---- stock Construct in a user's tail


def user_tails() -> list[object]:
    return [
        CString("utf8"), PascalString(Int8ub, "utf8"), GreedyRange(Int16ub), Prefixed(Int8ub, Int32ub), Int24ub,
        construct.PrefixedArray(Int8ub, Int16ub), construct.Const(b"\x01"), construct.Enum(Int8ub, on=1),
        construct.Struct("n" / Int8ub, "data" / construct.Bytes(this.n)), construct.Bytes(this.size),
        construct.Array(this.size, Int16ub), construct.If(this.size > 3, Int32ub), construct.Computed(1 // this.size),
        construct.Padded(4, construct.Optional(Int32ub)), construct.Select(Int32ub, Int8ub), construct.VarInt,
        construct.RepeatUntil(construct.obj_ == 0, Int8ub), construct.Pointer(this.size, Int8ub),
        construct.Seek(this.size) >> Int8ub, construct.Terminated,
    ]  # fmt: skip


@pytest.mark.parametrize("tail", user_tails(), ids=lambda tail: type(tail).__name__)
def test_no_foreign_exception_leaves_a_users_tail(tail: object) -> None:
    class Own(Header, layer="own"):
        size: int = field(Int8ub)
        tail_: object = field(tail, default=None)

    @given(st.binary(max_size=12))
    def check(data: bytes) -> None:
        with suppress(PktlabError):
            Own.parse(data)

    check()


def test_a_users_tail_reads_and_builds() -> None:
    class Own(Header, layer="own"):
        size: int = field(Int8ub)
        text: str = field(CString("utf8"))
        more: str = field(PascalString(Int8ub, "utf8"))

    data = b"\x07ab\x00\x02hi"
    own = Own.parse(data + b"rest")
    assert (own.size, own.text, own.more) == (7, "ab", "hi")
    assert own.build() == data
    assert [(found.name, found.start, found.stop) for found in own.spans()] == [
        ("own.size", 0, 1), ("own.text", 1, 4), ("own.more", 4, 7),
    ]  # fmt: skip


def test_when_a_field_is_absent_it_is_none() -> None:
    class Maybe(Header, layer="maybe"):
        there: int = field(Int8ub)
        value: int | None = field(When(this.there > 0, Int16ub), default=None)

    assert Maybe.parse(b"\x00\x01\x02").value is None
    assert Maybe.parse(b"\x01\x01\x02").value == 0x0102
    assert Maybe(there=0).build() == b"\x00"
    assert Maybe(there=1, value=2).build() == b"\x01\x00\x02"
