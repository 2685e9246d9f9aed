"""Scapy layers out of schemas: they stack with Scapy's own, build what the schema builds, and read it back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from construct import GreedyBytes, Int8ub, Int16ub, this
from hypothesis import given
from hypothesis import strategies as st

import pktlab
from pktlab.errors import SchemaError
from pktlab.testing import from_schema
from pktlab.wire import AUTO, PROTOCOLS, Bounded, Header, bits, build, field
from pktlab.wire.dccp import Dccp
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp
from pktlab.wire.udplite import UdpLite

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Scapy looks for ciphers that newer libraries have moved
    scapy = pytest.importorskip("scapy.all", reason="Scapy is not installed")

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Note(Header, layer="note", payload_len=this.size - 4):
    """A protocol of somebody's own, with bits between which nothing is declared."""

    _word = field(Int8ub)
    version: int = bits(_word, 0xC0, default=1)
    urgent: bool = bits(_word, 0x01, as_=bool, default=False)
    length: int = field(Int8ub, default=AUTO)
    size: int = field(Int16ub, default=AUTO)
    text: bytes = field(Bounded(this.length, GreedyBytes), default=b"")


def test_fields_are_the_schemas() -> None:
    layer = pktlab.as_layer(Note)
    assert [one.name for one in layer.fields_desc] == ["version", "urgent", "_word", "length", "size", "text"]
    assert pktlab.as_layer(Note.schema) is layer
    made = layer(text=b"hello", urgent=True)
    assert bytes(made / b"rest") == Note(text=b"hello", urgent=True).build(b"rest")
    assert "text      = b'hello'" in made.show(dump=True)


def test_what_is_read_builds_the_same_again_bits_without_a_name_too() -> None:
    layer = pktlab.as_layer(Note)
    data = bytes.fromhex("7f 02 0007 6869") + b"restpadding"
    read = layer(data)
    assert (read.version, read.urgent, read.text) == (1, True, b"hi")
    assert bytes(read) == data
    read.version = 2
    assert bytes(read)[0] == 0xBF


def test_the_payload_ends_where_the_header_says() -> None:
    read = pktlab.as_layer(Note)(Note(text=b"hi").build(b"rest") + b"pad")
    assert bytes(read.payload) == b"restpad"
    assert [one.__class__.__name__ for one in read.iterpayloads()] == ["Note", "Raw", "Padding"]


def test_it_stacks_on_scapys_layers_with_its_number_and_its_sum() -> None:
    made = scapy.IP(src=HERE, dst=THERE, id=0) / pktlab.as_layer(UdpLite)(srcport=1, dstport=2) / b"hi"
    assert bytes(made) == build(Ip(src=HERE, dst=THERE, proto=136), UdpLite(srcport=1, dstport=2), b"hi")
    made = scapy.IP(src=HERE, dst=THERE, id=0) / pktlab.as_layer(Dccp)(type=0, data_offset=5)
    assert pktlab.packet(bytes(made), as_="ip").layers[1].protocol == "dccp"


def test_headers_inside_a_header_are_layers_or_bytes() -> None:
    below = scapy.IP(src=HERE, dst=THERE)
    by_bytes = below / pktlab.as_layer(Tcp)(srcport=1, dstport=2, options=b"\2\4\5\xb4")
    assert bytes(by_bytes)[20:] == bytes(below / scapy.TCP(sport=1, dport=2, flags=0, options=[("MSS", 1460)]))[20:]
    options = pktlab.as_layer(Tcp)(bytes(by_bytes)[20:]).options
    again = below / pktlab.as_layer(Tcp)(srcport=1, dstport=2, options=options)
    assert bytes(again) == bytes(by_bytes)


def test_sets_and_dice_work_as_with_scapys_own() -> None:
    layer = pktlab.as_layer(UdpLite)
    assert [one.dstport for one in layer(dstport=[1, 2])] == [1, 2]
    assert len(bytes(scapy.IP(src=HERE, dst=THERE) / scapy.fuzz(layer()))) == 28


def test_a_schema_is_wanted() -> None:
    with pytest.raises(SchemaError, match="is no schema"):
        pktlab.as_layer(42)


def test_every_header_becomes_a_layer() -> None:
    for header in PROTOCOLS:
        assert pktlab.as_layer(header).__name__ == header.__name__


@given(st.data())
def test_any_value_of_a_schema_comes_back(data: st.DataObject) -> None:
    header: Any = data.draw(st.sampled_from([Note, UdpLite, Tcp, Ip, Dccp]))
    value = data.draw(from_schema(header))
    raw = value.build(b"", lambda length: b"")
    read = pktlab.as_layer(header)(raw)
    assert bytes(read)[: len(raw)] == raw


def test_headers_of_captures_come_back(first_light: Path) -> None:
    seen = set()
    for packet in pktlab.open(first_light):
        for layer in packet.layers:
            if layer.header is not None and layer.error is None:
                data = packet.data[layer.start : layer.stop]
                assert bytes(pktlab.as_layer(type(layer.header))(data)) == data
                seen.add(layer.protocol)
    assert {"eth", "ip", "tcp", "dns", "icmpv6", "arp"} <= seen
