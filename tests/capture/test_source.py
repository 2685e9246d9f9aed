"""Where captures come from: files that are none, standard input, pipes that are still written, file objects."""

from __future__ import annotations

import errno
import gzip
import io
import os
import pathlib
import subprocess
import sys
import threading

import pytest
import zstandard

from pktlab.capture import open_capture
from pktlab.errors import CaptureError, DamagedCapture


def complaint(source) -> str:
    with pytest.raises(CaptureError) as caught:
        open_capture(source)
    assert not isinstance(caught.value, DamagedCapture)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty: a capture has at least a file header"),
        (b"\0", "is not a capture (pcap, pcapng): it has only 1 byte"),
        (b"\x0a\x0d\x0d", "is not a capture (pcap, pcapng): it has only 3 bytes"),
        (b"GET / HTTP/1.1\r\n", "is not a capture (pcap, pcapng): it looks like text"),
        ("Grüße, ".encode() * 99, "is not a capture (pcap, pcapng): it looks like text"),
        (b"\x7fELF\2\1\1\0", "is not a capture (pcap, pcapng): it looks like an ELF program"),
        (b"MZ\x90\0", "is not a capture (pcap, pcapng): it looks like a Windows program"),
        (b"PK\3\4\0\0", "is not a capture (pcap, pcapng): it looks like a ZIP archive: unpack it first"),
        (b"snoop\0\0\0\0\0\0\2", "it looks like a Solaris snoop file: `editcap -F pcapng` converts it"),
        (b"\xfd7zXZ\0\0\4", "it looks like xz data: unpack them first"),
        (bytes(600), "is not a capture (pcap, pcapng): it starts with zeros only"),
        (b"\xff\xfe\xfd\xfc\xfb", "is not a capture (pcap, pcapng): it starts with ff fe fd fc"),
        (bytes.fromhex("d4c3b2a1 02000400"), "the pcap file header needs 24 bytes, the file ends after 8"),
        (bytes.fromhex("0a0d0d0a 1c000000"), "the first pcapng block is damaged: a block needs 12 bytes"),
        (
            gzip.compress(b"some text", mtime=0),
            "holds gzip data of something that is not a capture (pcap, pcapng): it looks like text",
        ),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "it looks like gzip data once more: unpack them first"),
        (
            gzip.compress(b"", mtime=0),
            "holds gzip data of something that is not a capture (pcap, pcapng): it has only 0 bytes",
        ),
        (gzip.compress(b"x" * 99, mtime=0)[:5], "the gzip data are cut short"),
        (b"\x1f\x8b\x08\xe0garbage", "the gzip data are damaged (unknown header flags set)"),
        (
            zstandard.compress(b"some text"),
            "holds zstd data of something that is not a capture (pcap, pcapng): it looks like text",
        ),
        (zstandard.compress(b"x" * 99)[:5], "the zstd data are cut short"),
    ],
)
def test_what_is_no_capture(tmp_path, content, why):
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    message = complaint(path)
    assert message.startswith(f"{path}: ")
    assert why in message


def test_files_that_cannot_be_opened(tmp_path):
    assert complaint(tmp_path / "none.pcap") == f"{tmp_path}/none.pcap: no such file"
    assert complaint(str(tmp_path)) == f"{tmp_path}: is a directory: name a capture file in it"
    assert complaint("a\0b") == "a\0b: cannot be opened: embedded null byte"
    assert "cannot be opened: File name too long" in complaint("x" * 300)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "x").write_bytes(b"")
    monkeypatch.setattr(pathlib.Path, "open", refuse)
    assert complaint(tmp_path / "x") == f"{tmp_path}/x: permission denied: you may not read this file"


def test_the_name_is_as_the_user_gave_it(tmp_path, samples, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pcap").write_bytes(samples["pcap-us-little"])
    for source in ("a.pcap", pathlib.Path("./a.pcap")):
        with open_capture(source) as reader:
            assert reader.name == "a.pcap"
    with pathlib.Path("a.pcap").open("rb") as file:
        assert open_capture(file).name == "a.pcap"
    assert open_capture(io.BytesIO(samples["pcap-us-little"])).name == "<stream>"


def test_files_that_were_opened_here_are_closed_and_others_not(tmp_path, samples):
    path = tmp_path / "a.pcap"
    path.write_bytes(samples["pcap-us-little"])
    with path.open("rb") as file:
        with open_capture(file) as reader:
            next(reader)
        assert not file.closed
        assert list(reader) == []
    with open_capture(path) as reader:
        next(reader)
    assert list(reader) == []
    assert len(list(open_capture(path))) == 4  # closed at its end: an open file would be a ResourceWarning


def test_every_kind_of_file_object(samples):
    class OnlyRead:
        def __init__(self, data: bytes) -> None:
            self.file = io.BytesIO(data)
            self.asked: list[int] = []

        def read(self, size: int) -> bytes:
            self.asked.append(size)
            return self.file.read(size)

    for name, data in samples.items():
        whole = list(open_capture(io.BytesIO(data)))
        plain = OnlyRead(data)
        assert list(open_capture(plain)) == whole, name
        assert max(plain.asked) < 100  # no more than needed: more might not come for a long time
        assert list(open_capture(OnlyRead(gzip.compress(data, mtime=0)))) == whole
        assert list(open_capture(io.BufferedReader(io.BytesIO(data)))) == whole


def test_file_objects_that_cannot_be_read():
    class Failing(io.RawIOBase):
        def __init__(self, *answers):
            self.answers = list(answers)

        def read(self, size=-1):
            answer = self.answers.pop(0)
            if isinstance(answer, OSError):
                raise answer
            return answer

    header = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000")
    broken = OSError(errno.EIO, "Input/output error")
    assert complaint(Failing(broken)) == "<stream>: reading failed: Input/output error"
    reader = open_capture(Failing(header, broken))
    assert (list(reader), reader.damage.why) == ([], "reading failed: Input/output error")
    reader = open_capture(Failing(header + bytes(3), None))
    assert list(reader) == []
    assert reader.damage.why.endswith(
        "after 3: reading would have to wait, but the file object is in non-blocking mode"
    )
    with pytest.raises(TypeError, match="a capture is read from bytes, but the file object gave str"):
        open_capture(io.StringIO("text"))
    with pytest.raises(TypeError, match="a capture is a path, '-' or a binary file object, not bytes"):
        open_capture(header)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_stream_is_read_without_seeking(samples, pack):
    for name, data in samples.items():
        read_end, write_end = os.pipe()
        writer = threading.Thread(target=feed, args=(write_end, pack(data)))
        writer.start()
        with os.fdopen(read_end, "rb", buffering=0) as pipe, open_capture(pipe) as reader:
            records = list(reader)
        writer.join()
        assert records == list(open_capture(io.BytesIO(data))), name
        assert reader.damage is None
        assert reader.bytes_read == len(pack(data))


def feed(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", buffering=0) as pipe:
        for at in range(0, len(data), 7):
            pipe.write(data[at : at + 7])


def flushing_gzip(file):
    packer = gzip.GzipFile(fileobj=file, mode="wb")
    return lambda data: (packer.write(data), packer.flush())


def flushing_zstd(file):
    packer = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return lambda data: (packer.write(data), packer.flush())


@pytest.mark.parametrize("buffering", [0, -1])
@pytest.mark.parametrize("packed", [lambda file: file.write, flushing_gzip, flushing_zstd])
def test_packets_of_a_pipe_come_as_they_are_written(samples, packed, buffering):
    """Each packet is read before the next one is written: were anything held back, this would wait for ever."""
    for name, data in samples.items():
        whole = list(open_capture(io.BytesIO(data)))
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb", buffering) as source, os.fdopen(write_end, "wb", buffering=0) as sink:
            send = packed(sink)
            ends = [record.offset for record in whole[1:]] + [len(data)]
            send(data[: ends[0]])
            reader = open_capture(source)
            for record, start, end in zip(whole, ends, [*ends[1:], ends[-1]], strict=True):
                assert next(reader) == record, name
                send(data[start:end])


def test_standard_input(samples, tmp_path):
    script = (
        "from pktlab.capture import open_capture\n"
        "reader = open_capture('-')\n"
        "print(reader.name, reader.compression, sum(1 for _ in reader), reader.damage)\n"
    )
    for pack, compression in ((bytes, None), (gzip.compress, "gzip"), (zstandard.compress, "zstd")):
        data = pack(samples["pcapng-little"])
        done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
        assert done.stdout.decode() == f"- {compression} 4 None\n"


def test_a_terminal_is_no_capture(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert complaint("-") == "-: standard input is a terminal: pipe a capture into it"


def test_importing_loads_nothing_slow():
    script = (
        "import sys, pktlab.capture; "
        "print([name for name in ('construct', 'numpy', 'zstandard', 'scapy', 'click') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a pipe grow")
def test_a_pipe_holds_many_packets(tmp_path, samples):
    import fcntl

    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(samples["pcapng-little"]))
    writer.start()
    with open_capture(path) as reader:
        writer.join()
        assert fcntl.fcntl(reader._file._file.fileno(), fcntl.F_GETPIPE_SZ) > 1 << 16
        assert list(reader)
