"""Packets off the wire: every byte and tag as it was sent, what the kernel says of sums, counters that add up."""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import pktlab
from pktlab.capture import Record, open_capture, open_writer
from pktlab.columns.kernels_ring import lay_out
from pktlab.errors import PktlabError
from pktlab.lines import Lines
from pktlab.live import Host, Sandbox
from pktlab.live.host import Interface
from pktlab.live.inside import inside, opened_tun
from pktlab.live.packet_socket import packet_flags, with_tag
from pktlab.live.sniff import Sniffer
from pktlab.live.stream import Stream
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

UNAVAILABLE = Sandbox.available()
TYPE = 0x88B5
"""IEEE 802: local experimental EtherType 1, which nothing else uses."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox(ipv6=None) as made:  # whose kernels say nothing of their own
        yield made


def frames(box: Sandbox) -> list[bytes]:
    """Frames of all sorts from the client to the server, all with a byte that tells them from the machine's own."""
    client, server = box
    link = partial(Ethernet, dst=server.mac, src=client.mac)
    v4, v6 = partial(Ip, src="203.0.113.1", dst="203.0.113.2"), partial(Ipv6, src="2001:db8:7::1", dst="2001:db8:7::2")
    plain = build(link(type=0x0800), v4(proto=17), Udp(srcport=1, dstport=2), b"datagram")
    tag, outer = bytes.fromhex("8100a064"), bytes.fromhex("88a80007")
    return [
        plain,
        build(link(type=0x86DD), v6(nxt=6), Tcp(srcport=1, dstport=2), b"segment"),
        build(link(type=0x0800), v4(proto=17), Udp(srcport=1, dstport=2, checksum=0x1234), b"wrong"),
        build(link(type=0x0800), v4(proto=17), Udp(srcport=1, dstport=2, checksum=0), b"none"),
        plain[:12] + tag + plain[12:],
        plain[:12] + outer + tag + plain[12:],
        plain[:12] + outer + plain[12:],
        plain + bytes(1500 - len(plain) + 14),
        build(link(type=TYPE), b""),
        link(dst="ff:ff:ff:ff:ff:ff", type=0x0800).build() + plain[14:],
        link(dst="02:00:00:00:77:77", type=0x0800).build() + plain[14:],
        link(dst="01:00:5e:01:02:03", type=0x0800).build() + plain[14:],
    ]


def put(host: Host, sent: list[bytes], interface: str = "eth0") -> None:
    with inside(host, socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.bind((interface, 0))
        for frame in sent:
            wire.send(frame)


def opened(host: Host, interface: str = "eth0", **options: object) -> Sniffer:
    return inside(host, partial(Sniffer, interface, **options))  # type: ignore[arg-type]


def collected(sniffer: Sniffer, act: Callable[[], None]) -> list[pktlab.Packet]:
    """What a sniffer gives while something happens; it ends when that is over."""
    sniffer.wire.on_start = lambda: threading.Thread(target=lambda: (act(), sniffer.stop())).start()
    with sniffer:
        found = list(sniffer)
        assert sniffer.counters.received - sniffer.counters.dropped == sniffer.captured == len(found)
    return found


class TestWhatWasSentComes:
    def test_frame_by_frame(self, box: Sandbox) -> None:
        client, server = box
        sent = frames(box)
        found = collected(opened(server), lambda: put(client, sent))
        assert [packet.data for packet in found] == sent
        assert [packet.length for packet in found] == list(map(len, sent))
        assert [packet.number for packet in found] == list(range(1, len(sent) + 1))
        assert all(packet.time_ns for packet in found)
        assert {packet.record.flags & 0x1F for packet in found} == {1 | kind << 2 for kind in (1, 2, 3, 4)}  # type: ignore[operator]

    @pytest.mark.parametrize("name", ["out.pcapng", "out.pcap", "out.pcapng.zst"])
    def test_into_a_file(self, name: str, box: Sandbox, tmp_path: Path) -> None:
        client, server = box
        sent, path = frames(box), tmp_path / name
        with opened(server) as sniffer:
            sniffer.wire.on_start = lambda: threading.Thread(target=lambda: (put(client, sent), sniffer.stop())).start()
            assert sniffer.write(path) == len(sent)
            assert sniffer.counters == (len(sent), 0)
        with open_capture(path) as reader:
            records = list(reader)
            assert [record.data for record in records] == sent
            assert [record.length for record in records] == list(map(len, sent))
            if ".pcapng" in name:
                assert reader.interfaces[0].name == "eth0"
                assert reader.drops == reader.drops
                assert {record.flags & 0x1F for record in records} == {1 | kind << 2 for kind in (1, 2, 3, 4)}  # type: ignore[operator]

    def test_on_the_way_out(self, box: Sandbox) -> None:
        client, _ = box
        sent = frames(box)
        found = collected(opened(client), lambda: put(client, sent))
        assert [packet.data for packet in found] == sent
        assert {packet.record.flags & 0x1F for packet in found} == {2}  # type: ignore[operator]

    def test_packets_of_a_tun_interface_start_with_ip(self, box: Sandbox) -> None:
        _, server = box
        sent = [frame[14:] for frame in frames(box)[:4]]
        tun = Interface.numbered("tun7", 1, ipv4="198.51.100.0/24", ipv6=None)
        with opened_tun(server, tun) as made:
            sniffer = opened(server, "tun7", bpf="src net 203.0.113.0/24 or src 2001:db8:7::1")
            found = collected(sniffer, lambda: [made.write(packet) for packet in sent] and None)
        assert [(packet.data, packet.link_type) for packet in found] == [(packet, 101) for packet in sent]

    def test_loopback_shows_each_packet_once(self) -> None:
        if UNAVAILABLE is not None:
            pytest.skip(UNAVAILABLE)

        def talk() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for number in range(3):
                    sender.sendto(bytes([number]), ("127.0.0.1", 54_321))

        found = collected(Sniffer("lo", bpf="udp dst port 54321"), talk)
        assert [packet.data[-1] for packet in found] == [0, 1, 2]


class TestChecksumsThatAreLeftToACard:
    @pytest.mark.parametrize("in_bulk", [False, True], ids=["packets", "file"])
    def test_are_partial_and_said_to_be(self, in_bulk: bool, tmp_path: Path) -> None:
        if UNAVAILABLE is not None:
            pytest.skip(UNAVAILABLE)
        with Sandbox(offloads=True) as box:
            client, server = box
            with inside(client, socket.socket, socket.AF_INET6, socket.SOCK_DGRAM) as sender:
                sniffer = opened(server, bpf="udp dst port 9")

                def talk() -> None:
                    sender.sendto(b"offload", (str(server.ipv6), 9))

                if in_bulk:
                    with sniffer:
                        sniffer.wire.on_start = lambda: threading.Thread(
                            target=lambda: (talk(), sniffer.stop())
                        ).start()
                        sniffer.write(tmp_path / "out.pcapng")
                    found = list(pktlab.open(tmp_path / "out.pcapng"))
                else:
                    found = collected(sniffer, talk)
        assert [packet["udp.checksum.verdict"] for packet in found] == ["partial"]
        assert found[0].record.flags & 0x200  # type: ignore[operator]

    def test_what_is_not_ready_is_partial_whatever_stands_there(self, box: Sandbox) -> None:
        client, server = box
        found = collected(opened(server), lambda: put(client, [frames(box)[2]]))
        assert found[0]["udp.checksum.verdict"] == "bad"
        found[0].record.flags = 0x200
        assert pktlab.Packet(found[0].record, 1)["udp.checksum.verdict"] == "partial"


class TestFilters:
    @pytest.mark.parametrize(
        ("bpf", "wanted"),
        [
            ("udp port 2", [0, 2, 3, 7, 9, 10, 11]),
            ("vlan 100", [4]),
            ("vlan", [4, 5, 6]),
            ("not udp", [1, 4, 5, 6, 8]),
            ("ether proto 0x88b5", [8]),
        ],
    )
    def test_a_tag_is_part_of_the_frame_as_in_a_file(
        self, bpf: str, wanted: list[int], box: Sandbox, tmp_path: Path
    ) -> None:
        client, server = box
        sent = frames(box)
        found = collected_loosely(opened(server, bpf=bpf), lambda: put(client, sent))
        assert [sent.index(packet.data) for packet in found] == wanted
        with opened(server) as sniffer:
            sniffer.wire.on_start = lambda: threading.Thread(target=lambda: (put(client, sent), sniffer.stop())).start()
            sniffer.write(tmp_path / "all.pcap")
        assert [packet.number - 1 for packet in pktlab.open(tmp_path / "all.pcap").where(bpf=bpf)] == wanted

    @pytest.mark.parametrize("bpf", ["vlan 100", "not udp"])
    def test_in_bulk_too(self, bpf: str, box: Sandbox, tmp_path: Path) -> None:
        client, server = box
        sent = frames(box)
        with opened(server, bpf=bpf) as sniffer:
            sniffer.wire.on_start = lambda: threading.Thread(target=lambda: (put(client, sent), sniffer.stop())).start()
            sniffer.write(tmp_path / "some.pcap")
        wanted = {"vlan 100": [4], "not udp": [1, 4, 5, 6, 8]}[bpf]
        assert [sent.index(packet.data) for packet in pktlab.open(tmp_path / "some.pcap")] == wanted

    def test_a_display_filter(self, box: Sandbox, tmp_path: Path) -> None:
        client, server = box
        sent = frames(box)
        found = collected_loosely(opened(server, where="udp.checksum.verdict == bad"), lambda: put(client, sent))
        assert [packet.data for packet in found] == [sent[2]]
        assert found[0].number == 3


def collected_loosely(sniffer: Sniffer, act: Callable[[], None]) -> list[pktlab.Packet]:
    """As `collected`, where the kernel takes in more than passes."""
    sniffer.wire.on_start = lambda: threading.Thread(target=lambda: (act(), sniffer.stop())).start()
    with sniffer:
        return list(sniffer)


class TestBounds:
    def test_count(self, box: Sandbox, tmp_path: Path) -> None:
        client, server = box
        sent = frames(box)
        with opened(server, count=2) as sniffer:
            sniffer.wire.on_start = lambda: put(client, sent)
            assert [packet.data for packet in sniffer] == sent[:2]
        with opened(server, count=2) as sniffer:
            sniffer.wire.on_start = lambda: put(client, sent)
            assert sniffer.write(tmp_path / "two.pcap") == 2
        assert [packet.data for packet in pktlab.open(tmp_path / "two.pcap")] == sent[:2]

    def test_seconds(self, box: Sandbox, tmp_path: Path) -> None:
        _, server = box
        with opened(server, seconds=0.01) as sniffer:
            assert list(sniffer) == []
        with opened(server, seconds=0.01) as sniffer:
            assert sniffer.write(tmp_path / "none.pcapng") == 0
        assert list(pktlab.open(tmp_path / "none.pcapng")) == []

    @pytest.mark.parametrize("in_bulk", [False, True], ids=["packets", "file"])
    def test_snaplen_cuts_and_the_length_stays(self, in_bulk: bool, box: Sandbox, tmp_path: Path) -> None:
        client, server = box
        sent = frames(box)
        with opened(server, snaplen=60, count=len(sent)) as sniffer:
            sniffer.wire.on_start = lambda: put(client, sent)
            if in_bulk:
                sniffer.write(tmp_path / "cut.pcapng")
                found = list(pktlab.open(tmp_path / "cut.pcapng"))
            else:
                found = list(sniffer)
        assert [packet.length for packet in found] == list(map(len, sent))
        assert all(frame.startswith(packet.data) for packet, frame in zip(found, sent, strict=True))
        assert {len(packet.data) for packet in found} <= {*map(len, sent), 60, 64}  # a tag comes on top
        assert len(found[7].data) == 60


def test_an_interface_that_goes_away_is_told(box: Sandbox) -> None:
    _, server = box
    with ExitStack() as stack:
        tun = Interface.numbered("tun8", 1, ipv4="198.51.100.0/24", ipv6=None)
        closing = stack.enter_context(ExitStack())
        closing.enter_context(opened_tun(server, tun))
        sniffer = stack.enter_context(opened(server, "tun8"))
        sniffer.wire.on_start = closing.close
        with pytest.raises(PktlabError, match="tun8: "):
            list(sniffer)


class TestTheKernelOfTheRing:
    """A block made by hand: what is laid out is what the writers of captures write."""

    FRAMES = (
        # status, tci, tpid, kind, frame
        (0, 0, 0, 0, bytes(range(60))),
        (0x08, 0, 0, 4, bytes(range(61))),
        (0x50 | 0x80, 0xA064, 0x88A8, 1, bytes(range(62))),
        (0x10, 7, 0, 3, bytes(range(63))),
        (0x108, 0, 0, 2, bytes(range(14))),
        (0, 0, 0, 5, bytes(range(256)) * 5),
    )

    def block(self) -> bytearray:
        made = bytearray()
        for number, (status, tci, tpid, kind, frame) in enumerate(self.FRAMES):
            head = struct.pack("=IIIIIIHHIIHH8x", 0, 1_700_000_000 + number, number * 7, len(frame), len(frame) + 9,
                               status, 82, 96, 0, tci, tpid, 0)  # fmt: skip
            address = struct.pack("=HHiHBB8x", 17, 0, 1, 1, kind, 6)
            one = head + address + bytes(82 - 68) + frame
            one += bytes(-len(one) % 8)
            made += struct.pack("=I", len(one)) + one[4:]
        return made + bytes(4096 - len(made))

    @pytest.mark.parametrize("form", ["pcap", "pcapng"])
    @pytest.mark.parametrize("room", [4096, 1400, 200])
    def test_lays_out_what_a_writer_writes(self, form: Literal["pcap", "pcapng"], room: int) -> None:
        block = np.frombuffer(self.block(), np.uint8)
        out, tagged = np.zeros(room, np.uint8), np.zeros((100, 5), np.int64)
        pos, left, written = 0, len(self.FRAMES), b""
        while left:
            seen, done, pos, size, _ = lay_out(
                block, pos, 4096, left, left, sys.byteorder == "little", True, False, form == "pcapng", out, tagged
            )
            written += out[:size].tobytes()
            left -= seen
            if not done:
                break
        file = io.BytesIO()
        with open_writer(file, format=form) as writer:
            for number, (status, tci, tpid, kind, frame) in enumerate(self.FRAMES[: len(self.FRAMES) - left]):
                whole = with_tag(frame, status, tci, tpid)
                time_ns = (1_700_000_000 + number) * 1_000_000_000 + number * 7
                length = len(frame) + 9 + len(whole) - len(frame)
                writer.write(Record(number, time_ns, whole, length, 1, flags=packet_flags(status, kind)))
        assert file.getvalue().endswith(written)
        assert len(written) > 0
        assert left == (1 if room < 1400 else 0)

    @pytest.mark.parametrize(("at", "value"), [(12, 1 << 31), (24, 20), (24, 0xFFFF), (12, 4096)])
    def test_a_block_that_cannot_be_is_not_read(self, at: int, value: int) -> None:
        block = self.block()
        block[at : at + 4 if at == 12 else at + 2] = value.to_bytes(4 if at == 12 else 2, sys.byteorder)
        out, tagged = np.zeros(4096, np.uint8), np.zeros((100, 5), np.int64)
        found = lay_out(np.frombuffer(block, np.uint8), 0, 4096, 6, 6, True, True, False, True, out, tagged)
        assert found[3] == -1
        for pos in (-8, 4090, 1 << 40):
            ring = np.frombuffer(self.block(), np.uint8)
            assert lay_out(ring, pos, 4096, 6, 6, True, True, False, True, out, tagged)[3] == -1
            assert lay_out(ring, 0, 4097, 6, 6, True, True, False, True, out, tagged)[3] == -1


class TestAStream:
    def test_is_a_capture_of_the_same_packets(self, box: Sandbox) -> None:
        client, server = box
        sent = frames(box)
        with opened(server) as sniffer:
            sniffer.wire.on_start = lambda: threading.Thread(target=lambda: (put(client, sent), sniffer.stop())).start()
            with Stream(sniffer) as capture:
                found = list(capture)
        assert [packet.data for packet in found] == sent
        assert {(packet.record.flags or 0) & 0x1F for packet in found} == {1 | kind << 2 for kind in (1, 2, 3, 4)}

    def test_that_nobody_reads_on_ends(self, box: Sandbox) -> None:
        client, server = box
        with opened(server) as sniffer:
            sniffer.wire.on_start = lambda: threading.Thread(target=put, args=(client, frames(box) * 50)).start()
            with Stream(sniffer) as capture:
                assert next(iter(capture)).number == 1
        assert not [thread for thread in threading.enumerate() if thread.name == "from eth0"]

    def test_lines_are_those_of_the_packets(self, box: Sandbox, tmp_path: Path) -> None:
        client, server = box
        sent = frames(box) * 120  # more than are read one by one
        with opened(server, count=len(sent)) as sniffer:
            sniffer.wire.on_start = lambda: threading.Thread(target=put, args=(client, sent)).start()
            lines = []
            with Stream(sniffer) as capture, open_writer(tmp_path / "seen.pcapng") as writer:
                for line in Lines(capture).each():
                    writer.write(line.record)
                    lines.append(line.octets.decode().rstrip("\n"))
        again = pktlab.open(tmp_path / "seen.pcapng")
        assert lines == [packet.line(again.first_ns) for packet in again]
        assert len(lines) == len(sent)

    def test_an_interface_that_goes_away_is_told(self, box: Sandbox) -> None:
        _, server = box
        with ExitStack() as stack:
            closing = stack.enter_context(ExitStack())
            closing.enter_context(opened_tun(server, Interface.numbered("tun9", 1, ipv4="198.51.100.0/24", ipv6=None)))
            sniffer = stack.enter_context(opened(server, "tun9"))
            sniffer.wire.on_start = closing.close
            with pytest.raises(PktlabError, match="tun9: "), Stream(sniffer) as capture:
                list(capture)
