"""Bencode: what strict reading takes, what lax reading makes of the rest, and what no bytes may cost."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import Malformed, Truncated
from pktlab.wire.bencode import DEPTH, Value, decode, encode, read, read_lax

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.integers(-(1 << 70), 1 << 70) | st.binary(max_size=30),
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(st.binary(max_size=8), inside, max_size=5),
    max_leaves=25,
)
GIVEN = {
    b"i3e": 3,
    b"i-3e": -3,
    b"i0e": 0,
    b"4:spam": b"spam",
    b"0:": b"",
    b"l4:spam4:eggse": [b"spam", b"eggs"],
    b"d3:cow3:moo4:spam4:eggse": {b"cow": b"moo", b"spam": b"eggs"},
    b"d4:spaml1:a1:bee": {b"spam": [b"a", b"b"]},
    b"le": [],
    b"de": {},
}
"""Those of BEP 3, and the empty ones."""
REFUSED = {
    b"i03e": ("bencode.integer", 0, "has a leading zero"),
    b"i-03e": ("bencode.integer", 0, "has a leading zero"),
    b"i-0e": ("bencode.integer", 0, "has a sign"),
    b"ie": ("bencode", 0, "is no value"),
    b"i-e": ("bencode", 0, "is no value"),
    b"i+5e": ("bencode", 0, "is no value"),
    b"i 5e": ("bencode", 0, "is no value"),
    b"i5x": ("bencode", 0, "is no value"),
    b"03:abc": ("bencode.length", 0, "has a leading zero"),
    b"1 :a": ("bencode", 0, "is no length and colon"),
    b"-1:a": ("bencode", 0, "is no value"),
    b":": ("bencode", 0, "is no value"),
    b"e": ("bencode", 0, "is no value"),
    b"di5e1:ae": ("bencode.key", 1, "is no string"),
    b"dlee": ("bencode.key", 1, "is no string"),
    b"d1:ae": ("bencode.key", 1, "has no value"),
    b"d1:bi1e1:ai2ee": ("bencode.key", 7, "is not behind the key before it"),
    b"d1:ai1e1:ai2ee": ("bencode.key", 7, "is there twice"),
    b"i5ex": ("bencode", 3, "is left over"),
    b"99999999999999999999:": ("bencode", 0, "is no length and colon"),
    b"i" + b"9" * 1001 + b"e": ("bencode", 0, "is no value"),
}
SHORT = {
    b"": (0, 1, 0), b"l": (1, 1, 0), b"i5": (0, 3, 2), b"i-": (0, 3, 2), b"5": (0, 2, 1), b"5:ab": (0, 7, 4),
    b"d1:a": (4, 1, 0), b"4294967296:a": (0, 4294967307, 12),
}  # fmt: skip


@pytest.mark.parametrize("text", GIVEN)
def test_values(text: bytes) -> None:
    assert decode(text) == GIVEN[text]
    assert encode(GIVEN[text]) == text
    for size in range(len(text)):
        with pytest.raises(Truncated) as caught:
            read(text[:size])
        assert caught.value.limit == "buffer"


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        decode(text)
    assert (caught.value.field, caught.value.offset, caught.value.why) == REFUSED[text]


@pytest.mark.parametrize("text", SHORT)
def test_cut(text: bytes) -> None:
    with pytest.raises(Truncated) as caught:
        read(b"xx" + text, 2, limit="outer.len")
    offset, needed, available = SHORT[text]
    assert caught.value.args == ("bencode", offset + 2, needed, available, "outer.len")


@given(PLAIN)
def test_both_ways(value: Any) -> None:
    text = encode(value)
    assert decode(text) == value
    assert read(b"??" + text + b"!!", 2).raw == text
    assert encode(read(text)) == text


@given(PLAIN)
def test_every_value_knows_its_bytes(value: Any) -> None:
    text = encode(value)
    for one, path in read(text).walk():
        inside = value
        for step in path:
            inside = inside[step]
        assert (one.plain(), one.raw) == (inside, encode(inside))
        assert text[one.start : one.stop] == one.raw


@given(PLAIN, st.data())
def test_cut_anywhere_lax_reading_keeps_what_is_there(value: Any, data: st.DataObject) -> None:
    text = encode(value)
    size = data.draw(st.integers(0, len(text) - 1))
    found = read_lax(text[:size])
    assert isinstance(found.stop, Truncated)
    assert found.faults == ()
    if found.value is not None:
        whole = {one.start: one.raw for one, _ in read(text).walk()}
        assert all(whole[one.start].startswith(one.raw) for one, _ in found.value.walk())


@given(st.binary(max_size=60) | st.text("ild0123e-:a", max_size=40).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    lax = read_lax(data)
    wrong = lax.faults[0] if lax.faults else lax.stop
    if wrong is not None:
        with pytest.raises(type(wrong)) as caught:
            read(data)
        assert caught.value.args == wrong.args
    else:
        value = read(data)
        assert encode(value.plain()) == data[: value.stop]
    if lax.value is not None:
        assert all(0 <= one.start < one.stop <= len(data) for one, _ in lax.value.walk())


def test_lax_reading_of_what_clients_take() -> None:
    found = read_lax(b"d1:bi-0e01:ai07e1:ai8ee")
    assert found.value is not None
    assert found.value.plain() == {b"b": 0, b"a": 7}
    assert [one.why for one in found.faults] == [
        "has a sign", "has a leading zero", "is not behind the key before it", "has a leading zero", "is there twice",
    ]  # fmt: skip
    assert found.stop is None


def test_a_dictionary_is_asked_by_key() -> None:
    value = read(b"d1:ai7e1:b2:hi1:clee")
    assert (value.integer(b"a"), value.string(b"b"), value.integer(b"b"), value.get(b"x")) == (7, b"hi", None, None)
    assert [one.kind for one in value] == ["integer", "string", "list"]
    assert (len(value), len(value.get(b"b") or b""), value.octets[:3]) == (3, 2, b"1:a")


@pytest.mark.parametrize(
    "value", [None, 1.5, True, {1: 2}, [{}, {"a": object()}]], ids=lambda value: type(value).__name__
)
def test_what_bencode_has_not(value: Any) -> None:
    if isinstance(value, list):
        value = [{}, {"a": {1}}]
    with pytest.raises(TypeError):
        encode(value)
    with pytest.raises(ValueError, match="same octets"):
        encode({"a": 1, b"a": 2})


def nested(depth: int) -> bytes:
    return b"l" * depth + b"e" * depth


BOMBS = {
    "lists": b"l" * 1_000_000,
    "dictionaries": b"d1:a" * 500_000,
    "many values": b"l" + b"i1e" * 1_000_000 + b"e",
    "empty lists": b"l" + b"le" * 1_000_000 + b"e",
    "a long number": b"i" + b"9" * 1_000_000 + b"e",
    "a long length": b"9" * 1_000_000 + b":",
    "many keys": b"d" + b"".join(b"7:%07d0:" % i for i in range(300_000)) + b"e",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    with pytest.raises(Malformed):
        read(BOMBS[name])
    tracemalloc.start()
    found = read_lax(BOMBS[name], count=5_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found.stop, Malformed)
    assert most < 5_000 * 500


def test_depth_is_bounded() -> None:
    assert read(nested(DEPTH)).stop == 2 * DEPTH
    with pytest.raises(Malformed, match="nested over 100 deep"):
        read(nested(DEPTH + 1))
    deep: Value = read(nested(5000), depth=5000)
    text: Any = []
    for _ in range(4999):
        text = [text]
    assert encode(text) == deep.raw
    assert encode(deep.plain()) == deep.raw


def mutated(dice: random.Random, text: bytes) -> bytes:
    """Return `text` with one to four faults, most of them octets that mean something."""
    data = bytearray(text)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        kind = dice.random()
        if kind < 0.5 and at < len(data):
            data[at] = dice.choice(b"ilde0123456789:-\xff")
        elif kind < 0.8:
            data[at:at] = dice.choice([b"l", b"d", b"e", b"i", b"1:", b"4294967296:", b"i0e", b"-", b"0"])
        else:
            del data[at : at + dice.randint(1, 5)]
    return bytes(data)


SEEDS = (
    b"d8:completei1e10:incompletei7e8:intervali10e5:peers12:\x7f\0\0\1\x1a\xe1\x7f\0\0\2\x1a\xe1e",
    b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
    b"d1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235ee",
    b"d4:infod9:file treed8:data.bind0:d6:lengthi4e11:pieces root4:roooeee12:meta versioni2eee",
)


def check_mutated(count: int, seed: int) -> None:
    lt = pytest.importorskip("libtorrent")
    dice = random.Random(seed)
    read_both = 0
    for _ in range(count):
        text = mutated(dice, dice.choice(SEEDS))
        found = read_lax(text)
        try:
            theirs = lt.bdecode(text)
        except RuntimeError:
            assert found.stop is not None
            continue
        assert found.value is not None, text
        assert found.stop is None, text
        twice = any(one.why == "is there twice" for one in found.faults)  # its binding for Python keeps the last
        wide = any(isinstance(one.content, int) and abs(one.content) >= 1 << 63 for one, _ in found.value.walk())
        if not twice and not wide:  # it gives 0 for a number over 64 bits
            assert found.value.plain() == theirs, text
            read_both += 1
    assert read_both > count // 50


def test_lax_reading_takes_what_libtorrent_takes() -> None:
    check_mutated(2_000, 1)


@pytest.mark.thorough
def test_lax_reading_takes_what_libtorrent_takes_of_a_hundred_thousand() -> None:
    check_mutated(100_000, 2)
