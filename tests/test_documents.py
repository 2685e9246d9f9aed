"""What `dissect -T json` prints is the packet: unedited bit for bit, edited with the edit in its bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pktlab
from pktlab.documents import packets_from_json, record_from
from pktlab.errors import CraftError, PktlabError
from pktlab.jsontext import json_values
from pktlab.packets import Packet
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Mss, Tcp, TcpOption, TcpOptions
from pktlab.wire.udp import Udp

ETHER = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800)


def document_of(packet: Packet) -> dict[str, Any]:
    """Return the document as another program would have it."""
    document: dict[str, Any] = json.loads(json.dumps(packet.document()))
    return document


def said(packet: Any) -> tuple[Any, ...]:
    return packet.data, packet.length, packet.time_ns, packet.link_type


@pytest.fixture
def udp() -> dict[str, Any]:
    data = build(ETHER, Ip(src="192.0.2.1", dst="192.0.2.2", proto=17), Udp(srcport=1, dstport=2), b"hello") + b"pad"
    return document_of(pktlab.packet(data))


@pytest.fixture
def tcp() -> dict[str, Any]:
    options = TcpOptions(items=(TcpOption(kind=2, body=Mss(mss_val=1460)),))
    low = Ip(src="192.0.2.1", dst="192.0.2.2", proto=6)
    return document_of(pktlab.packet(build(ETHER, low, Tcp(srcport=1, dstport=2, options=options), b"data")))


def made(document: dict[str, Any], **options: Any) -> Packet:
    [packet] = packets_from_json(io.StringIO(json.dumps(document)), **options)
    return packet


# ---- identity


def test_of_the_projects_capture(first_light: Path) -> None:
    packets = list(pktlab.open(first_light))
    text = json.dumps([packet.document(ranges=True) for packet in packets])
    again = list(packets_from_json(io.StringIO(text)))
    assert [said(packet) for packet in again] == [said(packet) for packet in packets]
    assert [packet.comments for packet in again] == [packet.comments for packet in packets]


def samples(corpus: Path, *, step: int, most: int) -> Iterator[Packet]:
    for path in sorted(one for one in corpus.rglob("*") if one.is_file())[::step]:
        try:
            for number, packet in enumerate(pktlab.open(path)):
                if number == most:
                    break
                yield packet
        except PktlabError:
            continue  # no capture, or damaged from there on


def differences(packets: Iterator[Packet]) -> tuple[int, list[tuple[Any, ...]]]:
    count, different = 0, []
    for packet in packets:
        count += 1
        record = record_from(document_of(packet))
        if said(record) != said(packet):
            different.append((packet, record))
    return count, different


def test_of_samples_of_the_corpus(corpus: Path) -> None:
    count, different = differences(samples(corpus, step=9, most=12))
    assert different == []
    assert count > 1000


@pytest.mark.thorough
def test_of_the_corpus(corpus: Path) -> None:
    count, different = differences(samples(corpus, step=1, most=150))
    assert different == []
    assert count > 50_000


@given(st.binary(max_size=90), st.sampled_from(sorted(pktlab.api.AS)))
def test_of_any_bytes(data: bytes, kind: str) -> None:
    packet = pktlab.packet(data, as_=kind)
    document = document_of(packet)
    if packet.link_type == 147 and packet.layers and packet.layers[0].header is not None:
        document["layers"] = [one | {"fields": {}} for one in document["layers"]]  # nothing says what it starts with
    assert record_from(document).data == data


# ---- edits


def test_a_field_is_written_into_its_bytes(udp: dict[str, Any]) -> None:
    before = bytes.fromhex("".join(one["bytes"] for one in udp["layers"]) + udp["trailer"])
    udp["layers"][2]["fields"]["udp.dstport"] = 0x1234
    after = made(udp).data
    assert [index for index in range(len(after)) if after[index] != before[index]] == [36, 37]
    assert after[36:38] == b"\x12\x34"


@pytest.mark.parametrize(
    ("layer", "name", "value", "start", "data"),
    [
        (0, "eth.src", "02:00:00:00:00:09", 6, "020000000009"), (0, "eth.type", 0x86DD, 12, "86dd"),
        (1, "ip.src", "10.0.0.9", 26, "0a000009"), (1, "ip.ttl", 3, 22, "03"), (1, "ip.hdr_len", 24, 14, "46"),
        (1, "ip.version", 6, 14, "65"), (1, "ip.flags.df", True, 20, "4000"), (1, "ip.frag_offset", 16, 20, "0010"),
        (1, "ip.flags", "0x01", 20, "2000"), (1, "ip.dsfield.dscp", 46, 15, "b8"), (1, "ip.id", "0x00ff", 18, "00ff"),
    ],
)  # fmt: skip
def test_every_kind_of_field(layer: int, name: str, value: Any, start: int, data: str, udp: dict[str, Any]) -> None:
    udp["layers"][layer]["fields"][name] = value
    packet = made(udp)
    raw = bytes.fromhex(data)
    assert packet.data[start : start + len(raw)] == raw


def test_one_of_several_values(first_light: Path) -> None:
    packet = next(one for one in pktlab.open(first_light) if len(one.values("tcp.option_kind")) > 1)
    document = document_of(packet)
    fields = next(one for one in document["layers"] if one["protocol"] == "tcp")["fields"]
    fields["tcp.option_kind"][1] = 77
    assert made(document).values("tcp.option_kind")[1] == 77
    fields["tcp.option_kind"] = [1]
    with pytest.raises(CraftError, match="occurs"):
        made(document)


def test_fix_puts_sums_right_and_leaves_others_alone(udp: dict[str, Any]) -> None:
    udp["layers"][1]["fields"]["ip.ttl"] = 9
    assert [str(one.verdict) for one in made(udp).judgements] == ["bad", "good"]
    assert [str(one.verdict) for one in made(udp, fix=True).judgements] == ["good", "good"]


def test_fix_fits_the_lengths_to_a_longer_payload(udp: dict[str, Any]) -> None:
    udp["layers"][3]["bytes"] += b" world".hex()
    packet = made(udp)
    assert (packet["udp.length"], packet["ip.len"], packet.length) == (13, 33, 56)
    fixed = made(udp, fix=True)
    assert (fixed["udp.length"], fixed["ip.len"], fixed.length, fixed.data[-3:]) == (19, 39, 56, b"pad")
    assert [str(one.verdict) for one in fixed.judgements] == ["good", "good"]


def test_fix_fits_the_header_length_to_other_options(tcp: dict[str, Any]) -> None:
    layer = tcp["layers"][2]
    layer["bytes"] += "0101080a0000000100000002"
    layer["fields"] = {}
    fixed = made(tcp, fix=True)
    assert (fixed["tcp.hdr_len"], fixed["ip.len"], fixed["tcp.options.timestamp.tsval"]) == (36, 60, 1)
    assert [str(one.verdict) for one in fixed.judgements] == ["good", "good"]


def test_fix_repairs_a_length_that_was_edited(udp: dict[str, Any]) -> None:
    udp["layers"][2]["fields"]["udp.length"] = 9999
    assert made(udp)["udp.length"] == 9999
    assert made(udp, fix=True)["udp.length"] == 13


def test_fix_keeps_what_was_cut_in_mind() -> None:
    whole = build(ETHER, Ip(src="192.0.2.1", dst="192.0.2.2", proto=17), Udp(srcport=1, dstport=2), bytes(100))
    document = document_of(pktlab.packet(whole[:60]))
    document["frame"] |= {"frame.len": len(whole)}
    fixed = made(document, fix=True)
    assert (fixed.data, fixed.length) == (whole[:60], len(whole))


def test_what_is_there_for_reading_changes_nothing(udp: dict[str, Any]) -> None:
    before = made(udp).data
    udp["layers"][2]["fields"] |= {"udp.checksum.verdict": "bad", "udp.checksum.status": 0}
    udp["layers"][1]["fields"]["ip.proto_str"] = "TCP"
    udp["layers"][1]["notes"] = ["anything"]
    udp["stop"] = {"layer": "ip"}
    assert made(udp).data == before


def test_time_lengths_and_link_type(udp: dict[str, Any]) -> None:
    udp["frame"] = {"frame.time_epoch": "-1.5", "frame.len": 2000, "frame.cap_len": 50, "link_type": 113}
    packet = made(udp)
    assert (packet.time_ns, packet.length, packet.link_type) == (-1_500_000_000, 2000, 113)


def test_a_protocol_of_ones_own(udp: dict[str, Any]) -> None:
    from construct import Int8ub

    from pktlab.wire import Header, field

    class Note(Header, layer="note"):
        kind: int = field(Int8ub)

    data = bytes.fromhex("".join(one["bytes"] for one in udp["layers"]))
    document = document_of(pktlab.packet(data, protocols={"udp.port=2": Note}))
    with pytest.raises(CraftError, match="no protocol is called 'note'; give --schema"):
        made(document)
    document["layers"][3]["fields"]["note.kind"] = 7
    assert made(document, protocols={"udp.port=2": Note}).data[42] == 7


# ---- what does not read


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers": 3}, "layers is 3, not an array"),
        ({"layers": [3]}, r"layers\[0\]: an object is wanted"),
        ({"layers": [{"bytes": "0"}]}, r"layers\[0\]: bytes is '0', not pairs of hex digits"),
        ({"layers": [{"bytes": 7}]}, "bytes is 7, not text"),
        ({"layers": [{"protocol": "udp", "fields": {"udp.srcport": 1}}]}, "no bytes that they stand in"),
        ({"layers": [{"protocol": "udq", "bytes": "00", "fields": {"a": 1}}]}, "no protocol is called 'udq'"),
        ({"trailer": "zz"}, "trailer is 'zz'"),
        ({"frame": []}, "frame is"),
        ({"frame": {"link_type": "eth"}}, "link_type is 'eth', not a number"),
        ({"frame": {"frame.len": -1}}, "frame.len is -1"),
        ({"frame": {"frame.time_epoch": 1.5}}, "seconds as text"),
        ({"frame": {"frame.time_epoch": "now"}}, "seconds as text"),
        ({"frame": {"frame.comment": 1}}, "frame.comment is 1"),
    ],
)
def test_a_document_of_another_shape(change: dict[str, Any], said: str, udp: dict[str, Any]) -> None:
    with pytest.raises(CraftError, match=f"packet 1 of the JSON.*{said}"):
        made(udp | change)


@pytest.mark.parametrize(
    ("layer", "name", "value", "said"),
    [
        (1, "ip.src", "host", "ip.src = 'host'"), (1, "ip.src", 7, "text is wanted"),
        (1, "ip.ttl", 256, "it takes 0 to 255"), (1, "ip.ttl", "x", "ip.ttl = 'x'"), (1, "ip.ttl", None, "a number"),
        (1, "ip.hdr_len", 21, "in steps of 4"), (1, "ip.tll", 3, "hold no field ip.tll, did you mean ip.ttl"),
        (2, "udp.srcport", [1], "a number is wanted"), (0, "eth.dst", "02:00", "no MAC address"),
        (1, "ip.ttl", 1.5, "a number is wanted"), (1, "ip.ttl", True, "nothing"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit(layer: int, name: str, value: Any, said: str, udp: dict[str, Any]) -> None:
    udp["layers"][layer]["fields"][name] = value
    if said == "nothing":  # a bool is a number in Python
        assert made(udp)["ip.ttl"] == 1
        return
    with pytest.raises(CraftError, match=said):
        made(udp)


def test_two_changes_of_the_same_bytes_of_which_one_moves(tcp: dict[str, Any]) -> None:
    fields = tcp["layers"][2]["fields"]
    fields |= {"tcp.options": "01", "tcp.options.mss_val": 9}
    with pytest.raises(CraftError, match="both changed"):
        made(tcp)


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(hostile, st.data())
def test_any_json_gives_a_packet_or_one_error(value: Any, data: st.DataObject) -> None:
    raw = build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=17), Udp(srcport=1, dstport=2), b"hello")
    document = document_of(pktlab.packet(raw, as_="ip"))
    place = data.draw(st.sampled_from(["all", "frame", "layers", "layer", "field"]))
    if place == "all":
        document = value
    elif place in ("frame", "layers"):
        document[place] = value
    else:
        layer = data.draw(st.sampled_from(document["layers"]))
        inner = layer if place == "layer" else layer["fields"]
        inner[data.draw(st.sampled_from(sorted(inner)) if inner else st.just("x"))] = value
    try:
        record_from(document, fix=data.draw(st.booleans()))
    except CraftError as error:
        assert "\n" not in str(error)  # noqa: PT017


@given(st.lists(hostile, max_size=5), st.integers(1, 9), st.booleans())
def test_values_come_one_by_one_however_the_text_is_cut(values: list[Any], step: int, as_array: bool) -> None:
    class Slow(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            return super().read(min(size or 0, step))

    values = json.loads(json.dumps(values).replace("NaN", "0").replace("Infinity", "1"))
    if not as_array and values and isinstance(values[0], list):
        values[0] = {}  # a line that starts with a bracket starts an array
    text = json.dumps(values, indent=1) if as_array else "\n".join(map(json.dumps, values))
    assert list(json_values(Slow(text))) == values


@pytest.mark.parametrize(
    "text",
    ['[{"a": 1}', '[{"a": 1} {"b": 2}]', "[1] 2", "{", "[1,]", "nonsense", "[1, 2,", "[" * 100_000, '{"a": ' * 100_000,
     "9" * 9999],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_json_is_one_error(text: str) -> None:
    with pytest.raises(CraftError, match=r"packet \d of the JSON: "):
        list(json_values(io.StringIO(text)))
