"""Scapy's notation is read into plain data; what is not allowed in it is refused, with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import ExpressionError
from pktlab.wire.notation import MAX_PACKETS, Expression, Layer, Random, Stack, read_expression

HOSTILE = {
    "attribute": ("IP().__class__", 0),
    "attribute chain": ("().__class__.__bases__[0].__subclasses__()", 0),
    "attribute in a field": ("IP(ttl=x.y)", 7),
    "call of a function": ("open('/etc/passwd')", 0),
    "import": ("__import__('os').system('id')", 0),
    "call in a field": ("IP(ttl=eval('1'))", 7),
    "call of a call": ("IP()()", 0),
    "comprehension": ("[IP() for x in range(9)]", 0),
    "generator": ("IP(ttl=(x for x in 'a'))", 7),
    "dict comprehension": ("{x: x for x in 'a'}", 0),
    "function": ("(lambda: 1)()", 1),
    "assignment": ("IP(ttl=(x := 1))", 8),
    "statement": ("import os", 0),
    "two lines": ("IP()\nimport os", 5),
    "f-string": ('IP(dst=f"{1}")', 7),
    "subscript": ("IP()[0]", 0),
    "condition": ("IP() if 1 else UDP()", 0),
    "comparison": ("IP() < UDP()", 0),
    "or": ("IP() or UDP()", 0),
    "not": ("not IP()", 0),
    "other operator": ("IP() + UDP()", 0),
    "power": ('b"x" * 10**9', 7),
    "format": ("'%s' % IP()", 0),
    "star": ("IP(*b'x')", 3),
    "stars": ("IP(**{})", 3),
    "dictionary": ("IP(options={})", 11),
    "set": ("IP(options={1})", 11),
    "bare name": ("IP", 0),
    "dunder": ("_private()", 0),
    "await": ("await IP()", 0),
    "complex": ("IP(ttl=1j)", 7),
    "ellipsis": ("IP(ttl=...)", 7),
    "huge repetition": ('IP()/(b"x" * 1000000000)', 13),
    "huge text": ('IP()/("x" * 262145)', 12),
    "many repetitions": ("IP(options=[" + 'b"x" * 262144, ' * 5 + "])", 79),
    "too many packets": ("IP() * 65537", 7),
    "no packets": ("IP() * 0", 7),
    "negative": ("IP() * -1", 7),
    "huge range": ("IP(ttl=range(100000000000000000000000))", 7),
    "endless range": ("IP(ttl=range(1, 9, 0))", 7),
    "huge number": ("IP(ttl=" + "9" * 5000 + ")", 7),
    "huge hex number": ("IP(ttl=0x" + "f" * 5000 + ")", 7),
    "huge random text": ("IP(options=RandString(1000000000))", 11),
    "random upside down": ("IP(ttl=RandNum(9, 1))", 7),
    "deep braces": ("(" * 100_000, None),
    "deep lists": ("IP(options=" + "[" * 90 + "]" * 90 + ")", None),
    "deep layers": ("IP(options=" * 60 + "1" + ")" * 60, None),
    "deep attributes": ("x" + ".y" * 50_000, None),
    "deep calls": ("x" + "()" * 50_000, None),
    "deep signs": ("-" * 100_000 + "1", None),
    "deep nots": ("not " * 50_000 + "1", None),
    "many layers": ("/".join(["IP()"] * 600), None),
    "very many layers": ("/".join(["IP()"] * 50_000), None),
    "very long": ("IP()" + " " * 600_000, 600_000),
    "null": ("IP(\0)", 3),
    "lone surrogate": ("IP(\ud800)", 3),
    "bad escape": ('"\\N{nothing}"', None),
    "unclosed": ("IP(", None),
    "given twice": ("IP(ttl=1, ttl=2)", 10),
    "two positions": ("IP(b'x', b'y')", 0),
    "empty": ("", 0),
    "blank": (" \n\t ", 0),
    "no packet": ("7", 0),
    "list of no packet": ("[7]", 1),
    "empty list": ("[]", 0),
    "repeated below": ('IP()/UDP()*2/b"x"', 0),
    "repeated inside": ("IP(options=IPOption()*2)", 11),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_allowed_is_refused_with_its_place(name: str) -> None:
    text, at = HOSTILE[name]
    with pytest.raises(ExpressionError) as caught:
        read_expression(text)
    assert at is None or caught.value.at == at, caught.value
    shown, mark = caught.value.pointer
    assert len(shown) <= 160
    assert len(mark) <= len(shown) + 1
    assert "\n" not in str(caught.value)


def test_every_part_of_the_notation() -> None:
    text = '[Ether()/IP(dst=Net("10.0.0.0/30"), ttl=(1, 4), id=range(3))/b"x"/"é", Raw(b"\\x00" * 3)]'
    read = read_expression(text)
    assert read.is_list
    first, second = read.stacks
    ether, ip, data, word = first.parts
    assert isinstance(ether, Layer)
    assert isinstance(ip, Layer)
    assert (ether.name, data, word) == ("Ether", b"x", "é".encode())
    assert {one.name: one.value for one in ip.fields} == {"dst": "10.0.0.0/30", "ttl": (1, 4), "id": range(3)}
    assert [text[one.name_at :][: len(one.name)] for one in ip.fields] == ["dst", "ttl", "id"]
    assert [text[one.at] for one in ip.fields] == ["N", "(", "r"]
    assert second.parts == (Layer("Raw", b"\0\0\0", (), text.index("Raw")),)


def test_operators_are_pythons() -> None:
    assert len(read_expression('IP()/b"x"*3').stacks) == 3
    assert read_expression('IP()/(b"x"*3)').stacks[0].parts[1] == b"xxx"
    assert len(read_expression(f"{MAX_PACKETS}*IP()").stacks) == MAX_PACKETS
    assert [len(one.parts) for one in read_expression("IP()/(UDP()/b'x')").stacks] == [3]


def test_layers_and_dice_inside_fields() -> None:
    [layer] = (
        read_expression('DNS(qd=[DNSQR(qname="a")/b"", 2], id=RandShort(), z=RandNum(max=3, min=-1))').stacks[0].parts
    )
    assert isinstance(layer, Layer)
    questions, number, bounded = (one.value for one in layer.fields)
    assert isinstance(questions[0], Stack)
    assert questions[1] == 2
    assert isinstance(number, Random)
    assert (bounded.name, bounded.args) == ("RandNum", (-1, 3))


def test_places_count_characters_not_bytes_and_over_lines() -> None:
    text = '  IP(\n  dst="é€𝄞", ttl=x)'
    with pytest.raises(ExpressionError) as caught:
        read_expression(text)
    assert text[caught.value.at :] == "x)"


literals = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 100), 1 << 100) | st.text(max_size=9) | st.binary(max_size=9)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)  # fmt: skip
names = st.text("abcdefgh", min_size=1, max_size=6).filter(lambda name: name not in ("abs", "hash"))


@given(st.dictionaries(names, literals, max_size=4), st.binary(max_size=20))
def test_literals_come_back_as_they_were_written(fields: dict[str, Any], data: bytes) -> None:
    said = ", ".join(f"{name}={value!r}" for name, value in fields.items() if name not in ("and", "for", "if"))
    given_fields = {name: value for name, value in fields.items() if name not in ("and", "for", "if")}
    layer, rest = read_expression(f"Xyz({said})/{data!r}").stacks[0].parts
    assert isinstance(layer, Layer)
    assert {one.name: one.value for one in layer.fields} == given_fields
    assert rest == data


fragments = st.sampled_from(
    ["IP", "UDP", "(", ")", "/", "*", '"x"', "b'y'", "[", "]", ",", "1", "range", "=", ".", "lambda", ":", "ttl", "\n",
     "RandShort", "Net", "é", "-", "{", "}", "for", " in ", "f'{", "}'", "**", "\0"]
)  # fmt: skip


@given(st.lists(fragments, max_size=30).map("".join) | st.text(max_size=60))
def test_any_text_is_an_expression_or_an_error_with_a_place(text: str) -> None:
    found = read_or_error(text)
    if isinstance(found, Expression):
        assert found.stacks
    else:
        assert 0 <= found.at <= len(text)
        assert found.pointer


def read_or_error(text: str) -> Expression | ExpressionError:
    try:
        return read_expression(text)
    except ExpressionError as error:
        return error
