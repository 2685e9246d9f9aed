"""Writing captures: names and formats, round trips, and files that are complete or not there."""

from __future__ import annotations

import errno
import gzip
import io
import os
import subprocess
import sys
import threading

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pktlab.capture import Record, open_capture, open_writer
from pktlab.errors import CaptureError

PACKET = Record(1, 1_700_000_000_123_456_789, b"abc", 60, 1)
UNPACK = {
    None: bytes,
    "gzip": gzip.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
records = st.builds(
    Record,
    number=st.just(0),
    time_ns=st.integers(0, 2**32 * 10**9 - 1),
    data=st.binary(max_size=50),
    length=st.integers(0, 2**32 - 1),
    link_type=st.integers(0, 0xFFFF),
    interface_id=st.none() | st.integers(0, 3),
    flags=st.none() | st.integers(0, 2**32 - 1).map(lambda flags: flags & ~0x1E0),
    comments=st.lists(texts, max_size=3).map(tuple),
    fcs_len=st.sampled_from([None, 0, 2, 4]),
    section=st.integers(0, 2),
)


def write(sent, **options) -> bytes:
    file = io.BytesIO()
    with open_writer(file, **options) as writer:
        for record in sent:
            writer.write(record)
        assert writer.packets == len(sent)
    return file.getvalue()


def write_to(target, *sent, **options) -> None:
    with open_writer(target, **options) as writer:
        for record in sent:
            writer.write(record)


@pytest.mark.parametrize("compression", UNPACK)
@given(sent=st.lists(records))
def test_a_pcapng_keeps_everything(compression, sent):
    back = open_capture(io.BytesIO(write(sent, compression=compression)))
    got = list(back)
    assert (back.compression, back.damage) == (compression, None)
    assert [record.number for record in got] == list(range(1, len(sent) + 1))
    for one, other in zip(sent, got, strict=True):
        for kept in ("time_ns", "data", "length", "link_type", "flags", "comments", "fcs_len"):
            assert getattr(one, kept) == getattr(other, kept), kept
    seen = dict.fromkeys((r.section, r.interface_id, r.link_type, r.fcs_len) for r in sent)
    assert len(back.interfaces) == len(seen)


@pytest.mark.parametrize("compression", UNPACK)
@pytest.mark.parametrize("nanoseconds", [True, False])
@given(sent=st.lists(records))
def test_a_pcap_keeps_what_it_can(compression, nanoseconds, sent):
    for record in sent:
        record.link_type, record.fcs_len = sent[0].link_type, sent[0].fcs_len
    packed = write(sent, format="pcap", compression=compression, nanoseconds=nanoseconds)
    back = open_capture(io.BytesIO(packed))
    unit = 1 if nanoseconds else 1000
    expected = [(r.time_ns // unit * unit, r.data, r.length, r.link_type, r.fcs_len) for r in sent]
    assert [(r.time_ns, r.data, r.length, r.link_type, r.fcs_len) for r in back] == expected
    assert back.damage is None


@pytest.mark.parametrize(
    ("name", "format", "compression"),
    [
        ("a.pcap", "pcap", None),
        ("a.PCAP", "pcap", None),
        ("a.pcapng", "pcapng", None),
        ("a", "pcapng", None),
        ("a.cap", "pcapng", None),
        ("a.pcap.gz", "pcap", "gzip"),
        ("a.pcapng.gz", "pcapng", "gzip"),
        ("a.pcap.zst", "pcap", "zstd"),
        ("a.b.zst", "pcapng", "zstd"),
    ],
)
def test_the_name_says_format_and_compression(tmp_path, name, format, compression):
    with open_writer(tmp_path / name) as writer:
        writer.write(PACKET)
        assert writer.format == format
    with open_capture(tmp_path / name) as reader:
        assert [record.time_ns for record in reader] == [PACKET.time_ns]
        assert (reader.format, reader.compression) == (format, compression)
    with open_writer(tmp_path / name, format="pcap", compression="gzip") as writer:
        assert writer.format == "pcap"
    with open_capture(tmp_path / name) as reader:
        assert reader.compression == "gzip"


def test_gzip_files_are_the_same_each_time():
    assert write([PACKET], compression="gzip") == write([PACKET], compression="gzip")


def test_an_unknown_compression(tmp_path):
    with pytest.raises(ValueError, match="compression is 'gzip', 'zstd' or None, not 'rar'"):
        open_writer(tmp_path / "a", compression="rar")
    assert list(tmp_path.iterdir()) == []


def test_a_named_file_is_complete_or_as_before(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(b"before")
    path.chmod(0o640)
    with pytest.raises(CaptureError, match="write pcapng"):
        write_to(path, PACKET, Record(2, 0, b"", 0, 113))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with open_writer(path) as writer:
        writer.write(PACKET)
        assert path.read_bytes() == b"before"
    assert len(list(open_capture(path))) == 1
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_packet_that_does_not_fit_leaves_no_file(tmp_path):
    with pytest.raises(CaptureError, match="write pcapng"):
        write_to(tmp_path / "a.pcap", PACKET, Record(2, 0, b"", 0, 113))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CaptureError, match="pcapng cannot hold link type 70000"):
        open_writer(tmp_path / "a.pcapng", link_type=70000)
    assert list(tmp_path.iterdir()) == []


def test_a_capture_can_be_written_over_itself(tmp_path):
    path = tmp_path / "a.pcapng"
    path.write_bytes(write([PACKET] * 3))
    with open_capture(path) as reader, open_writer(path, like=reader) as writer:
        for record in reader:
            if record.number != 2:
                writer.write(record)
    assert len(list(open_capture(path))) == 2


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.pcap").symlink_to("real.pcap")
    with open_writer(tmp_path / "link.pcap") as writer:
        writer.write(PACKET)
    assert (tmp_path / "link.pcap").is_symlink()
    assert len(list(open_capture(tmp_path / "real.pcap"))) == 1


def test_closing_twice_and_writing_after_it(tmp_path):
    writer = open_writer(tmp_path / "a.pcap")
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match=r"the writer of .*a\.pcap is closed"):
        writer.write(PACKET)
    discarded = open_writer(tmp_path / "b.pcap")
    discarded.discard()
    discarded.close()
    assert [each.name for each in tmp_path.iterdir()] == ["a.pcap"]


def live_capture(path, writer):
    assert list(open_capture(path)) == []
    for count in (1, 2, 3):
        writer.write(PACKET)
        assert len(list(open_capture(path))) == count
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng", "a.pcap.gz", "a.pcapng.zst"])
def test_a_live_capture_can_be_read_while_it_grows(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(KeyboardInterrupt), open_writer(path, flush=True, link_type=1) as writer:
        live_capture(path, writer)
    with open_capture(path) as reader:
        assert (len(list(reader)), reader.damage) == (3, None)


@pytest.mark.parametrize("compression", UNPACK)
def test_a_file_object_is_left_open(compression):
    file = io.BytesIO()
    with open_writer(file, compression=compression) as writer:
        writer.write(PACKET)
    assert UNPACK[compression](file.getvalue()) == write([PACKET])


def test_a_named_pipe_is_written_to(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.extend(open_capture(path)))
    reader.start()
    with open_writer(path, format="pcap") as writer:
        writer.write(PACKET)
    reader.join()
    assert [record.data for record in got] == [b"abc"]
    assert path.is_fifo()


def test_standard_output():
    script = (
        "from pktlab.capture import *\n"
        "with open_writer('-', compression='zstd') as writer: writer.write(Record(1, 5, b'abc', 60, 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    with open_capture(io.BytesIO(done.stdout)) as reader:
        assert [(record.time_ns, record.data) for record in reader] == [(5, b"abc")]
        assert (reader.format, reader.compression, reader.damage) == ("pcapng", "zstd", None)


def test_a_terminal_gets_no_capture(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(CaptureError, match=r"^-: standard output is a terminal: redirect it, or name a file$"):
        open_writer("-")


def test_targets_that_cannot_be_written(tmp_path):
    with pytest.raises(CaptureError, match=r"/none/a.pcap: cannot be written: No such file or directory$"):
        open_writer(tmp_path / "none" / "a.pcap")
    with pytest.raises(CaptureError, match=r"cannot be written: Is a directory$"):
        open_writer(tmp_path)


class Full(io.BytesIO):
    """A disk with room for 100 bytes."""

    error = OSError(errno.ENOSPC, "No space left on device")

    def write(self, data):
        if self.tell() + len(data) > 100:
            raise self.error
        return super().write(data)


@pytest.mark.parametrize("compression", UNPACK)
def test_a_full_disk_is_named(compression):
    packets = [Record(1, n, os.urandom(40), 40, 1) for n in range(9)]
    with pytest.raises(CaptureError, match=r"^<stream>: writing failed: No space left on device$"):
        write_to(Full(), *packets, compression=compression)


def test_a_closed_pipe_is_left_to_the_caller():
    """The command line ends quietly on it."""

    class Closed(Full):
        error = BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        write_to(Closed(), Record(1, 0, bytes(200), 200, 1))
    with pytest.raises(BrokenPipeError):
        write_to(Closed(), Record(1, 0, bytes(200), 200, 1), flush=True)


def test_zstd_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CaptureError, match=r"a\.zst: zstd data need a package: pip install zstandard$"):
        open_writer(tmp_path / "a.zst")
    assert list(tmp_path.iterdir()) == []
