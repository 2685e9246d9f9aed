"""A capture onto the wire again: the same bytes, no packet before its time, other addresses with right sums."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.capture import Record, open_capture, open_writer
from pktlab.errors import CaptureError, PktlabError
from pktlab.live import Host, Sandbox
from pktlab.live.host import Interface
from pktlab.live.inside import inside, opened_tun
from pktlab.live.replay import Replay, Replayed
from pktlab.live.sniff import Sniffer

UNAVAILABLE = Sandbox.available()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox(ipv6=None) as made:
        made["server"].run(["ip", "link", "set", "eth0", "arp", "off"])  # it does not answer what is replayed
        yield made


def replayed(
    box: Sandbox, source: Any, interface: str = "eth0", **options: Any
) -> tuple[Replayed, list[pktlab.Packet], int]:
    """What became of the packets of a capture, what came out at the other end, and when it began, ns."""
    client, server = box
    done: list[Replayed] = []
    began: list[int] = []

    def play() -> None:
        try:
            with inside(client, partial(Replay, source, interface, **options)) as replay:
                began.append(time.time_ns())
                inside(client, list, replay)
                done.append(replay.done)
        finally:
            sniffer.stop()

    with inside(server, partial(Sniffer, "eth0")) as sniffer:
        thread = threading.Thread(target=play)
        sniffer.wire.on_start = thread.start
        found = [packet for packet in sniffer if packet.record.flags is not None and packet.record.flags & 3 == 1]
        thread.join()
    return done[0], found, began[0]


def saved(path: Path, packets: list[tuple[int, bytes]], link_type: int = 1, more: int = 0) -> Path:
    """Write packets, each with its time in ns; `more` bytes of each were on the wire and are not there."""
    with open_writer(path, link_type=link_type) as writer:
        for number, (time_ns, data) in enumerate(packets, 1):
            writer.write(Record(number, time_ns, data, len(data) + more, link_type))
    return path


def frame(text: str) -> bytes:
    made = pktlab.craft(text)
    assert isinstance(made, pktlab.Packet)
    return made.data


FRAME = frame('Ether(dst="02:00:00:00:00:02")/IP(src="203.0.113.1", dst="203.0.113.2")/UDP()/b"replayed"')


def test_the_same_bytes_in_the_same_order_and_none_before_its_time(box: Sandbox, first_light: Path) -> None:
    done, found, began_ns = replayed(box, first_light)
    before = list(pktlab.open(first_light))
    assert [packet.data for packet in found] == [packet.data for packet in before]
    assert (done.sent, done.sent_len, done.left) == (40, sum(map(len, (packet.data for packet in before))), Counter())
    assert max(early(before, found, began_ns, 1.0)) < SLACK_NS


SLACK_NS = 2_000_000
"""By how much the clock of the wall, which stamps packets, may be off from that which is waited by."""


def early(before: list[pktlab.Packet], found: list[pktlab.Packet], began_ns: int, speed: float) -> list[float]:
    """By how much packets came before their time, ns, counted from the beginning: a late one is of no matter."""
    first_ns = before[0].time_ns or 0
    dues = [began_ns + ((one.time_ns or 0) - first_ns) / speed for one in before]
    return [due - (one.time_ns or 0) for due, one in zip(dues, found, strict=True)]


@pytest.mark.parametrize(
    ("options", "speed"),
    [({"speed": 4.0}, 4.0), ({"speed": 0.5}, 0.5), ({"pps": 50.0}, 0.5), ({"topspeed": True}, 1e9)],
    ids=str,
)  # fmt: skip
def test_other_paces(options: dict[str, Any], speed: float, box: Sandbox, tmp_path: Path) -> None:
    path = saved(tmp_path / "three.pcap", [(0, FRAME), (10_000_000, FRAME), (20_000_000, FRAME)])
    _, found, began_ns = replayed(box, path, **options)
    assert max(early(list(pktlab.open(path)), found, began_ns, speed)) < SLACK_NS


def test_packets_that_lie_in_disorder_go_in_the_order_of_the_file(box: Sandbox, tmp_path: Path) -> None:
    frames = [FRAME[:-1] + bytes([number]) for number in range(3)]
    path = saved(tmp_path / "three.pcap", [(20_000_000, frames[0]), (10_000_000, frames[1]), (21_000_000, frames[2])])
    assert [packet.data for packet in replayed(box, path)[1]] == frames


def test_loops(box: Sandbox, tmp_path: Path) -> None:
    path = saved(tmp_path / "two.pcap", [(0, FRAME), (1_000_000, FRAME[:-1] + b"2")])
    done, found, _ = replayed(box, path, loop=3)
    assert done.sent == 6
    assert [packet.data[-1:] for packet in found] == [b"d", b"2"] * 3


def test_filters_and_other_addresses(box: Sandbox, first_light: Path) -> None:
    rewrite = {"192.0.2.0/24": "203.0.113.0/24", "02:00:00:00:00:01": "06:00:00:00:00:01"}
    done, found, _ = replayed(
        box, first_light, topspeed=True, where="udp and ip", bpf="net 192.0.2.0/24", rewrite=rewrite
    )
    before = list(pktlab.open(first_light).where("udp and ip", bpf="net 192.0.2.0/24"))
    assert done.sent == len(before) == len(found)
    verdicts = [packet.get("udp.checksum.verdict") for packet in found]
    assert verdicts == [packet.get("udp.checksum.verdict") for packet in before]
    assert {packet["ip.checksum.verdict"] for packet in found} == {"good"}
    ends = {str(packet[name]) for packet in found for name in ("ip.src", "ip.dst", "eth.src", "eth.dst")}
    assert not [one for one in ends if one.startswith("192.0.2.") or one == "02:00:00:00:00:01"]


def test_sums_put_right(box: Sandbox, first_light: Path) -> None:
    _, found, _ = replayed(box, first_light, topspeed=True, where="udp.checksum.verdict in {bad, partial}", fix=True)
    assert [packet["udp.checksum.verdict"] for packet in found] == ["good"] * len(found)
    assert len(found) > 1


def test_what_does_not_suit_is_counted(box: Sandbox, tmp_path: Path) -> None:
    long = saved(tmp_path / "long.pcap", [(0, FRAME + bytes(1500)), (0, FRAME)])
    assert replayed(box, long)[0].left == Counter({"longer than the interface takes": 1})
    cut = saved(tmp_path / "cut.pcap", [(0, FRAME)], more=9)
    done, found, _ = replayed(box, cut)
    assert (done.sent, done.left, found) == (0, Counter({"cut when captured": 1}), [])
    bluetooth = saved(tmp_path / "other.pcap", [(0, b"bluetooth")], link_type=187)
    assert replayed(box, bluetooth)[0].left == Counter({"without IP in it": 1})


def test_ip_packets_get_an_ethernet_header(box: Sandbox, tmp_path: Path) -> None:
    client, _ = box
    client.run(["ip", "neighbour", "replace", "192.0.2.2", "lladdr", "02:00:00:00:00:02", "dev", "eth0"])
    packet = frame('IP(src="192.0.2.1", dst="192.0.2.2")/UDP()/b"raw"')
    raw = saved(tmp_path / "raw.pcap", [(0, packet)], link_type=101)
    cooked = saved(tmp_path / "cooked.pcap", [(0, bytes(14) + b"\x08\x00" + packet)], link_type=113)
    for path in (raw, cooked):
        _, found, _ = replayed(box, path)
        assert [one.data for one in found] == [bytes.fromhex("020000000002020000000001 0800") + packet]


def test_on_a_tun_interface_only_the_ip_packets_go(box: Sandbox, first_light: Path) -> None:
    client, _ = box
    with opened_tun(client, Interface.numbered("tun6", 1, ipv4="198.51.100.0/24", ipv6=None)) as tun:
        tun.read_all()
        with inside(client, partial(Replay, first_light, "tun6", topspeed=True)) as replay:
            for _ in replay:
                pass
        carried = tun.read_all()
    wanted = [
        packet.data[layer.start : layer.end]
        for packet in pktlab.open(first_light)
        for layer in packet.layers
        if layer.protocol in ("ip", "ipv6") and not layer.quoted
    ]
    assert carried == wanted
    assert replay.done.left["without IP in it"] == 40 - len(wanted)


def test_a_stream_cannot_be_looped(box: Sandbox) -> None:
    with pytest.raises(CaptureError, match="a stream can be read once"):
        inside(box["client"], partial(Replay, io.BytesIO(b""), "eth0", loop=2))


def test_an_endless_loop_over_nothing_ends(box: Sandbox, tmp_path: Path) -> None:
    path = saved(tmp_path / "cut.pcap", [(0, FRAME)], more=9)
    assert replayed(box, path, loop=0)[0].sent == 0


def outside(host: Host, path: Path, **options: Any) -> Replay:
    host.run(["ip", "route", "add", "default", "via", "192.0.2.2"])
    try:
        return inside(host, partial(Replay, path, "eth0", **options))
    finally:
        host.run(["ip", "route", "del", "default"])


def test_what_leads_outside_wants_a_word_and_is_slow(box: Sandbox, tmp_path: Path) -> None:
    path = saved(tmp_path / "one.pcap", [(0, FRAME)])
    with pytest.raises(
        PktlabError, match=r"to send packets to the addresses in .*one\.pcap over eth0, at most 100 a second"
    ):
        outside(box["client"], path)
    with outside(box["client"], path, yes=True) as made:
        assert made.permit.pps == 100
    with outside(box["client"], path, yes=True, pps=7) as made:
        assert made.permit.pps == 7


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_that_is_none(speed: float, first_light: Path) -> None:
    with pytest.raises(ValueError, match="speed"):
        Replay(first_light, "lo", speed=speed)


def carried(box: Sandbox, source: Path, target: Path) -> list[bytes]:
    """Send a capture as fast as it goes, write what comes out at the other end, and return it."""
    client, server = box

    def play() -> None:
        with inside(client, partial(Replay, source, "eth0", topspeed=True)) as replay:
            inside(client, list, replay)
        sniffer.stop()

    with inside(server, partial(Sniffer, "eth0")) as sniffer:
        sniffer.wire.on_start = threading.Thread(target=play).start
        sniffer.write(target)
    with open_capture(target) as reader:
        return [record.data for record in reader if (record.flags or 0) & 3 == 1]


def test_real_captures_come_out_as_they_went_in(corpus: Path, tmp_path: Path) -> None:
    """Tags, jumbo frames, damaged packets, and all."""
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    count = 0
    with Sandbox(ipv6=None, mtu=9000) as box:
        for path in sorted(corpus.rglob("*.pcap*"))[::37]:
            try:
                with open_capture(path) as reader:
                    records = list(islice(reader, 500))
            except CaptureError:
                continue
            whole = [one.data for one in records if one.link_type == 1 and len(one.data) == one.length]
            wanted = [data for data in whole if 14 <= len(data) <= 9000]
            source = saved(tmp_path / "in.pcap", [(0, data) for data in wanted])
            assert carried(box, source, tmp_path / "out.pcapng") == wanted, path
            count += len(wanted)
    assert count > 1000
