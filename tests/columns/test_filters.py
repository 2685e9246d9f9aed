"""Filters as text, as trees, and over packets whose answer is known; tests/agreement asks tshark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from construct import Int8ub
from hypothesis import given
from hypothesis import strategies as st

import pktlab
from pktlab.columns.filters import compile_filter
from pktlab.columns.filters.grammar import KEYWORDS, MAX_DEPTH, parse
from pktlab.columns.filters.nodes import (
    And,
    Arithmetic,
    Call,
    Compare,
    Exists,
    Field,
    Literal,
    Member,
    Negative,
    Not,
    Or,
    Part,
    Range,
    Slice,
    Test,
    Value,
    fields_of,
)
from pktlab.wire import Header, build, field
from pktlab.wire.icmp import Icmp, Unused
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

# ---- text and tree

WORDS = st.sampled_from(["ip.src", "tcp", "80", "0x1F", "10.0.0.0/8", "fe80::/10", "00:1b:c0", "GET", "1.5", "a-b"])
STRINGS = st.text(st.characters(codec="ascii", exclude_characters='"\\'), max_size=8).map(
    lambda text: Literal("string", f'"{text}"')
)
RAW = st.sampled_from([Literal("raw", r'r"a\d"'), Literal("char", r"'\x0a'")])
PARTS = st.one_of(
    st.builds(Part, st.integers(-9, 99), st.integers(1, 99)),
    st.builds(Part, st.integers(-9, 99)),
    st.tuples(st.integers(0, 99), st.integers(1, 9)).map(lambda pair: Part(pair[0], None, pair[0] + pair[1])),
)
SEVERAL = st.lists(PARTS, min_size=1, max_size=3).map(tuple)
LEAVES: st.SearchStrategy[Value] = st.one_of(
    WORDS.map(lambda word: Literal("word", word)),
    STRINGS,
    RAW,
    st.builds(Field, st.sampled_from(["ip.src", "udp"]), SEVERAL),
)


def larger(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.one_of(
        st.builds(Slice, inner, SEVERAL),
        st.builds(Call, st.sampled_from(["len", "max"]), st.lists(inner, max_size=2).map(tuple)),
        st.builds(Arithmetic, st.sampled_from(list("+-*/%&")), inner, inner),
        st.builds(Negative, inner),
    )


VALUES = st.recursive(LEAVES, larger, max_leaves=5)
QUANTIFIERS = st.sampled_from(["any", "all"])
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains", "matches"])
MEMBERS = st.lists(st.one_of(VALUES, st.builds(Range, LEAVES, LEAVES)), min_size=1, max_size=3).map(tuple)
TESTS: st.SearchStrategy[Test] = st.recursive(
    st.one_of(
        st.builds(Exists, VALUES),
        st.builds(Compare, OPERATORS, VALUES, VALUES, QUANTIFIERS),
        st.builds(Member, VALUES, MEMBERS, QUANTIFIERS),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@given(TESTS)
def test_a_tree_that_is_printed_reads_as_itself(tree: Test) -> None:
    assert parse(str(tree)) == tree


PIECES = st.sampled_from([
    *KEYWORDS, "ip.src", "tcp.port", "frame", "80", "10.0.0.0/8", "==", "!=", "&&", "!", "(", ")", "{", "}", "..", ",",
    "[0:4]", "[", "]", "#2", '"a"', 'r"("', "'a'", "len", "+", "-", "&", "$", "\0", "é", "\\", '"', "matches",
])  # fmt: skip


def mistake_in(text: str) -> pktlab.FilterError | None:
    """Return what is wrong with a filter; what is not reads again as it prints."""
    try:
        compiled = compile_filter(text)
    except pktlab.FilterError as error:
        return error
    assert compile_filter(str(compiled.tree)).tree == compiled.tree
    return None


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map(" ".join)))
def test_any_text_is_a_filter_or_an_error_in_a_line(text: str) -> None:
    error = mistake_in(text)
    if error is not None:
        assert len(str(error).splitlines()) == 1
        assert 0 <= error.at <= len(text)
        assert error.pointer[1].strip("~ ") == "^"


@pytest.mark.parametrize("text", ["-" * 5000 + "ip.ttl", "not " * 5000 + "ip", "ip.ttl" + " + 1" * 5000])
def test_what_is_nested_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(pktlab.FilterError, match=f"nested more than {MAX_DEPTH} deep"):
        compile_filter(text)


def test_parentheses_and_long_chains_have_no_such_limit() -> None:
    assert compile_filter("(" * 5000 + "ip" + ")" * 5000).tree == Exists(Field("ip"))
    assert compile_filter("{" * 5000 + "ip" + "}" * 5000).tree == Exists(Field("ip"))
    assert len(compile_filter(" or ".join(["ip"] * 5000)).fields) == 1


def test_and_binds_tighter_than_or_and_not_tightest() -> None:
    tree = parse("tcp or udp and not ip or arp")
    assert tree == parse("tcp or (udp and (not ip)) or arp")
    assert tree != parse("(tcp or udp) and not ip or arp")


def test_a_filter_says_what_it_asks_for() -> None:
    chosen = compile_filter("udp.length > len(ip) and ip.addr == 10.0.0.1 and udp.length in {ip.len}")
    assert [one.name for one in chosen.fields] == ["udp.length", "ip", "ip.addr", "ip.len"]
    assert fields_of(chosen.tree) == ("udp.length", "ip", "ip.addr", "ip.len")


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("tcp.prot == 80", 1, "did you mean tcp.port?"),
        ("udp && tcp.port = 80", 17, "did you mean ==?"),
        ("tcp AND udp", 5, "did you mean and?"),
        ("ip.src == 10.0.0.300", 11, "10.0.0.300 is no IPv4 address"),
        ("udp.port == 70000", 13, "at most 65535"),
        ("arp.opcode == requst", 15, "did you mean request?"),
        ("tcp.flags.syn == true", 18, "did you mean True?"),
        ("lenn(ip) > 3", 1, "did you mean len?"),
        ('ip.src matches "10"', 1, "string(…)"),
        ("udp.port in {53, ", 17, "a value is missing"),
        ('frame contains "abc', 16, "does not end"),
        ("udp.port == ", 12, "a value is missing"),
        ("", 1, "nothing in it"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, column: int, said: str) -> None:
    with pytest.raises(pktlab.FilterError) as caught:
        compile_filter(text)
    assert caught.value.at + 1 == column
    assert said in str(caught.value)


def test_lark_is_loaded_when_a_filter_is_read_and_not_before() -> None:
    code = "import sys, pktlab; pktlab.open('pcaps/first-light.pcapng'); assert 'lark' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- packets

INNER = build(Ip(src="198.51.100.1", dst="10.9.9.9", proto=17, ttl=7), Udp(srcport=1, dstport=2), b"quoted")
ERROR = build(Ip(src="10.0.0.1", dst="198.51.100.1", proto=1, ttl=64), Icmp(type=3, code=3, body=Unused()), INNER)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("ip.addr == 10.0.0.0/8", True),
        ("ip.addr != 10.0.0.0/8", False),
        ("ip.addr !== 10.0.0.0/8", True),
        ("all ip.dst == 198.51.100.0/24", False),
        ("ip.ttl == 7", True),
        ("ip.ttl#1 == 7", False),
        ("ip.ttl#2 == 7", True),
        ("ip.ttl#[-1] == 7", True),
        ("ip.ttl#3", False),
        ("count(ip.src) == 2", True),
        ("udp.port in {2..3}", True),
        ("all udp.port in {1, 2}", False),
        ("all udp.port in {1 .. 2}", True),
        ("udp.payload == 71:75:6f:74:65:64", True),
        ('udp contains "QUOTED"', False),
        ('udp matches "QUOTED"', True),
        ("udp.dstport == udp.srcport + 1", True),
        ("tcp.port != 80", False),
        ("not tcp.port == 80", True),
        ("icmp.type & 2 == 2", True),
        ("ip.src[1:2] == 00:00", True),
        ("ip.src_host == 10.0.0.1", True),
        ("frame[0,9] == 45:01", True),
        ("frame.time_epoch", False),
        ("ip.checksum.verdict == good", True),
    ],
)
def test_every_occurrence_counts(text: str, passes: bool) -> None:
    assert compile_filter(text).matches(pktlab.packet(ERROR, as_="ip")) is passes


def test_the_length_of_a_segment_is_what_ip_says_though_it_was_cut() -> None:
    whole = build(Ip(src="10.0.0.1", dst="10.0.0.2", proto=6), Tcp(srcport=1, dstport=2), bytes(100))
    packet = pktlab.packet(whole[:70], as_="ip")
    assert compile_filter("tcp.len == 100 and len(tcp.payload) == 30").matches(packet)


class Note(Header, layer="note"):
    """A protocol of the user's own."""

    kind: int = field(Int8ub, "Kind")


def test_a_protocol_of_one_s_own_is_known_by_its_names() -> None:
    protocols = {"udp.port=2": Note}
    data = build(Ip(src="10.0.0.1", dst="10.0.0.2", proto=17), Udp(srcport=1, dstport=2), Note(kind=5))
    packet = pktlab.packet(data, as_="ip", protocols=protocols)
    assert compile_filter("note.kind == 5 and note", protocols).matches(packet)
    with pytest.raises(pktlab.FilterError):
        compile_filter("note.kind == 5")


# ---- captures


def test_where_is_a_capture_of_what_passes(first_light: Path) -> None:
    capture = pktlab.open(first_light)
    found = capture.where("udp.length == 14").where("udp.checksum.verdict == bad")
    numbers = [packet.number for packet in found]
    assert numbers
    short = (one for one in capture if one.get("udp.length") == 14)
    assert numbers == [one.number for one in short if "bad" in one.values("udp.checksum.verdict")]
    assert found.count() == len(numbers)
    assert found[0].number == found[-len(numbers)].number == numbers[0]
    assert found.frame(numbers[0]).number == numbers[0]
    with pytest.raises(IndexError):
        found.frame(1)
    with pytest.raises(IndexError):
        found[len(numbers)]


def test_relative_times_count_from_the_first_packet_read(first_light: Path) -> None:
    capture = pktlab.open(first_light)
    start = capture[0].time_ns or 0
    late = [packet.number for packet in capture if (packet.time_ns or 0) - start > 300_000_000]
    assert late
    assert [packet.number for packet in capture.where("frame.time_relative > 0.3")] == late
