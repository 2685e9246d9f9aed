"""What pktlab writes is read by the programs that everybody has: tshark, capinfos, tcpdump, and gzip and zstd."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pktlab.capture import Interface, Record, open_capture, open_writer


def need(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def run(*command: object, **options) -> str:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True, check=True, **options).stdout


FRAME = bytes(12) + b"\x08\x00" + bytes(46)
TIMES = [0, 1_000, 1_700_000_000_123_456_789, (2**32 - 1) * 10**9 + 999_999_999]
PACKETS = [Record(n, time_ns, FRAME[: 60 - n], 60 + n, 1) for n, time_ns in enumerate(TIMES, 1)]


def epoch(time_ns: int) -> str:
    return f"{time_ns // 10**9}.{time_ns % 10**9:09d}"


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng", "a.pcap.gz", "a.pcapng.gz", "a.pcap.zst", "a.pcapng.zst"])
def test_tshark_reads_what_is_written(tmp_path, name):
    tshark = need("tshark")
    path = tmp_path / name
    with open_writer(path) as writer:
        for packet in PACKETS:
            writer.write(packet)
    fields = ("frame.number", "frame.time_epoch", "frame.cap_len", "frame.len")
    got = run(tshark, "-n", "-r", path, "-T", "fields", *(each for field in fields for each in ("-e", field)))
    expected = [(p.number, epoch(p.time_ns), len(p.data), p.length) for p in PACKETS]
    assert [tuple(line.split("\t")) for line in got.splitlines()] == [tuple(map(str, row)) for row in expected]


def test_tshark_sees_interfaces_comments_and_flags(tmp_path):
    tshark = need("tshark")
    path = tmp_path / "a.pcapng"
    wire, air = Interface(1, 96, "eth0", "the wire"), Interface(101, name="wg0", ticks_per_second=10**9, ts_offset_s=5)
    with open_writer(path) as writer:
        writer.write(Record(1, 5_000_000_000, FRAME, 60, 1, flags=2, comments=("one", "zwei ü")), wire)
        writer.write(Record(2, 6_000_000_001, b"\x45" + bytes(19), 20, 101), air)
    fields = ["interface_id", "interface_name", "interface_description", "encap_type", "time_epoch", "comment"]
    asked = [each for field in fields for each in ("-e", f"frame.{field}")]
    got = run(tshark, "-n", "-r", path, "-T", "fields", *asked, "-e", "frame.packet_flags_direction")
    assert [line.split("\t") for line in got.splitlines()] == [
        ["0", "eth0", "the wire", "1", "5.000000000", "one,zwei ü", "0x00000002"],
        ["1", "wg0", "", "7", "6.000000001", "", ""],
    ]


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_capinfos_agrees(tmp_path, name):
    capinfos = need("capinfos")
    path = tmp_path / name
    with open_writer(path, snaplen=1000) as writer:
        for packet in PACKETS:
            writer.write(packet)
    got = run(capinfos, "-T", "-r", "-m", "-N", "-t", "-E", "-c", "-d", "-l", path).strip().split(",")
    kinds = {"a.pcap": "nsecpcap", "a.pcapng": "pcapng"}
    assert got[1:3] == [kinds[name], "ether"]
    assert got[3] == ("1000" if name == "a.pcap" else "(not set)")  # in a pcapng each interface has its own
    assert [str(len(PACKETS)), str(sum(p.length for p in PACKETS))] == got[-2:]


def test_tcpdump_reads_what_is_written(tmp_path):
    tcpdump = need("tcpdump")
    for name in ("a.pcap", "a.pcapng"):
        path = tmp_path / name
        with open_writer(path) as writer:
            for packet in PACKETS:
                writer.write(packet)
        assert len(run(tcpdump, "-n", "-tt", "-r", path).splitlines()) == len(PACKETS)


def test_gzip_and_zstd_unpack_what_is_written(tmp_path):
    plain = tmp_path / "a.pcap"
    for suffix, program in ((".gz", "gzip"), (".zst", "zstd")):
        path = tmp_path / f"a.pcap{suffix}"
        for target in (plain, path):
            with open_writer(target) as writer:
                for packet in PACKETS:
                    writer.write(packet)
        unpacked = subprocess.run([need(program), "-dc", path], capture_output=True, check=True).stdout
        assert unpacked == plain.read_bytes()


def test_what_editcap_writes_is_read(tmp_path, samples):
    editcap = need("editcap")
    source = tmp_path / "source.pcap"
    source.write_bytes(samples["pcap-us-big"])
    with open_capture(source) as reader:
        expected = [(r.time_ns, r.data, r.length) for r in reader]
    for form, description in (("pcapng", "pcapng 1.0"), ("nsecpcap", "nano"), ("pcap", "micro"), ("modpcap", "Kuz")):
        run(editcap, "-F", form, source, tmp_path / "out")
        with open_capture(tmp_path / "out") as reader:
            assert [(r.time_ns, r.data, r.length) for r in reader] == expected
            assert reader.damage is None
            assert description in reader.description


def test_a_pipe_from_editcap(tmp_path, samples):
    editcap = need("editcap")
    source = tmp_path / "a.pcap"
    source.write_bytes(samples["pcap-us-little"])
    with subprocess.Popen([editcap, "-F", "pcapng", source, "-"], stdout=subprocess.PIPE) as program:
        with open_capture(program.stdout) as reader:
            records = list(reader)
        assert (len(records), reader.format, reader.damage) == (4, "pcapng", None)
