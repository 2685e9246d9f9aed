"""Repair that does no harm: what is right stays as it was, what is wrong is right then, a second run finds nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.packet import Raw

import pktlab
from pktlab.capture import Record, open_writer
from pktlab.health import health_of
from pktlab.repair import Repairs
from pktlab.wire import build
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.sctp import Sctp
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}
FIXABLE = ("bad", "partial", "illegal-zero")


def written(path: Path, packets: list[bytes], link_type: int = 101) -> Path:
    with open_writer(path, link_type=link_type) as writer:
        for number, data in enumerate(packets, 1):
            writer.write(Record(number, number, data, len(data), link_type))
    return path


def fixed(path: Path, **options: object) -> list[bytes]:
    with Repairs(path, **options) as repairs:  # type: ignore[arg-type]
        return [repair.data for repair in repairs]


def udp(payload: bytes = b"hello", **fields: int) -> bytes:
    return build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2, **fields), payload)


def test_good_and_absent_packets_come_out_as_they_went_in(tmp_path: Path) -> None:
    minus_zero = build(Ip(proto=6, **ENDS), Tcp(srcport=1, dstport=2))
    packets = [udp(), udp(checksum=0), udp()[:20] + b"\0" * 3, minus_zero, udp() + b"trailer", udp()[:30]]
    assert fixed(written(tmp_path / "a.pcap", packets)) == packets


def test_each_fixable_verdict_is_put_right(tmp_path: Path) -> None:
    good = udp()
    partial = good[:26] + bytes.fromhex("840f") + good[28:]
    ip_and_udp = good[:10] + b"\x12\x34" + good[12:26] + b"\x56\x78" + good[28:]
    six = build(Ipv6(nxt=17, src="2001:db8::1", dst="2001:db8::2"), Udp(srcport=1, dstport=2), b"x")
    zero = six[:46] + b"\0\0" + six[48:]
    path = written(tmp_path / "a.pcap", [partial, ip_and_udp, zero])
    assert fixed(path) == [good, good, six]


def test_only_what_was_asked_for(tmp_path: Path) -> None:
    good = udp()
    bad = good[:26] + b"\x12\x34" + good[28:]
    path = written(tmp_path / "a.pcap", [bad])
    assert fixed(path, only=[Verdict.partial]) == [bad]
    assert fixed(path, only=[Verdict.bad]) == [good]
    with pytest.raises(ValueError, match="malformed cannot be repaired"):
        Repairs(path, only=[Verdict.malformed])


def test_a_tunnel_is_repaired_from_the_inside_out(tmp_path: Path) -> None:
    good = build(Ip(proto=4, **ENDS), udp())
    bad = good[:30] + b"\x12\x34" + good[32:46] + b"\x56\x78" + good[48:]
    assert fixed(written(tmp_path / "a.pcap", [bad])) == [good]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_datagram_in_fragments_is_repaired_in_the_one_that_holds_the_field(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    packet = IP(src=ENDS["src"], dst=ENDS["dst"], id=7) / UDP(sport=1, dport=2) / Raw(b"x" * 100)
    pieces = [bytes(piece) for piece in fragment(packet, fragsize=48)]
    broken = [pieces[0][:26] + b"\x12\x34" + pieces[0][28:], *pieces[1:]]
    path = written(tmp_path / "a.pcap", [broken[i] for i in order])
    assert fixed(path) == [pieces[i] for i in order]
    lonely = written(tmp_path / "b.pcap", broken[:2])
    assert fixed(lonely) == broken[:2]


def test_what_cannot_be_judged_is_left_and_told(tmp_path: Path) -> None:
    malformed = udp(length=3)
    with Repairs(written(tmp_path / "a.pcap", [malformed])) as repairs:
        (repair,) = list(repairs)
    assert repair.data == malformed
    assert [judgement.verdict for judgement in repair.left] == [Verdict.malformed]


def small_captures(corpus: Path, every: int) -> list[Path]:
    paths = sorted(path for path in corpus.rglob("*") if path.is_file() and path.stat().st_size < 60_000)
    return paths[::every]


@pytest.mark.parametrize("every", [30, pytest.param(1, marks=pytest.mark.thorough)])
def test_corpus_verifies_clean_and_a_second_run_changes_nothing(corpus: Path, tmp_path: Path, every: int) -> None:
    repaired_packets = 0
    for path in small_captures(corpus, every):
        try:
            repairs = Repairs(path)
        except pktlab.CaptureError:
            continue
        target = tmp_path / "fixed.pcapng"
        try:
            with repairs, open_writer(target, like=repairs.capture.reader) as writer:
                for repair in repairs:
                    judged = (*repair.packet.judgements, *repair.packet.whole_judgements)
                    untouched = all(one.verdict in (Verdict.good, Verdict.absent) for one in judged)
                    if untouched and not repair.packet.is_fragment:
                        assert repair.data == repair.packet.data
                    assert len(repair.data) == len(repair.packet.data)
                    repaired_packets += bool(repair.changes)
                    writer.write(dataclasses.replace(repair.packet.record, data=repair.data))
        except pktlab.CaptureError:
            continue  # pcapng cannot hold every link type that a fuzzed pcap claims
        with pktlab.open(target) as again:
            health = health_of(again)
        assert {
            verdict: sum(count[verdict] for count in health.counts.values()) for verdict in FIXABLE
        } == dict.fromkeys(FIXABLE, 0), path
        with Repairs(target) as second:
            assert not any(repair.changes for repair in second), path
    assert repaired_packets > 100


def test_a_crc_is_put_right_in_its_four_octets(tmp_path: Path) -> None:
    good = build(Ip(proto=132, **ENDS), Sctp(srcport=1, dstport=2, verification_tag=7))
    assert fixed(written(tmp_path / "a.pcap", [good[:28] + bytes(4), good])) == [good, good]
