"""Texts that show packets in hexadecimal: what the usual programs print is read back."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile

import pytest

from pktlab.capture import open_capture, open_writer
from pktlab.errors import CaptureError


@pytest.fixture(scope="module")
def packets(first_light):
    with open_capture(first_light) as reader:
        return list(reader)


@pytest.fixture(scope="module")
def printed(first_light, tmp_path_factory):
    def run(*command: str) -> bytes:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        return subprocess.run([*command, "-r", str(first_light)], capture_output=True, check=True).stdout

    return run


def read(text: bytes):
    reader = open_capture(io.BytesIO(text))
    assert reader.format == "hex dump"
    return list(reader), reader


@pytest.mark.parametrize("options", ["-XX", "-xx", "-tt -XX", "-tttt -xx", "-vvv -e -tt -xx"])
def test_what_tcpdump_prints(packets, printed, options):
    got, reader = read(printed("tcpdump", "-n", *options.split()))
    assert ([record.data for record in got], reader.damage) == ([record.data for record in packets], None)
    if "-tt" in options:
        assert [record.time_ns // 1000 for record in got] == [record.time_ns // 1000 for record in packets]
    assert reader.link_types == [1]


def test_what_tcpdump_prints_from_the_ip_header_on(packets, printed):
    got, reader = read(printed("tcpdump", "-n", "-tt", "-x", "ip or ip6"))
    expected = [record.data[14:] for record in packets if record.data[12:14] in (b"\x08\0", b"\x86\xdd")]
    assert len(got) == len(expected)
    assert all(whole.startswith(record.data) for record, whole in zip(got, expected, strict=True))
    assert reader.link_types == [101]


@pytest.mark.parametrize("options", ["-x", "-P -t e -x", "-V -x"])
def test_what_tshark_prints(packets, printed, options):
    """The bytes of reassembled datagrams, which it prints too, are no packets."""
    got, reader = read(printed("tshark", "-n", *options.split()))
    assert ([record.data for record in got], reader.damage) == ([record.data for record in packets], None)
    if "-P" in options:
        assert [record.time_ns for record in got] == [record.time_ns for record in packets]


@pytest.mark.parametrize("command", ["od -Ax -tx1", "od -Ax -tx1 -v", "od -Ax -tx1z", "xxd", "hexdump -C"])
def test_what_dump_programs_print(tmp_path, command):
    data = bytes(range(48, 100)) + bytes(100) + b"end"
    (tmp_path / "a").write_bytes(data)
    if not shutil.which(command.split()[0]):
        pytest.skip(f"{command.split()[0]} is not installed")
    text = subprocess.run([*command.split(), str(tmp_path / "a")], capture_output=True, check=True).stdout
    got, reader = read(text)
    assert ([record.data for record in got], reader.damage) == ([data], None)


def test_a_bad_line_is_named_and_the_packets_around_it_are_read():
    good = "0000  01 02 03 04\n0004  05 06\n\n"
    text = (good + "0000  01 02 03 04\n0009  05 06\n\n" + good).encode()
    got, reader = read(text)
    assert [record.data for record in got] == [bytes(range(1, 7))]
    assert reader.damage.why == "line 5 shows bytes from 9 on, where 4 were read"
    salvaged = open_capture(io.BytesIO(text), salvage=True)
    assert [record.data for record in salvaged] == [bytes(range(1, 7))] * 2
    assert [hole.why for hole in salvaged.holes] == [reader.damage.why]


def test_a_line_without_digits_where_bytes_should_be():
    _, reader = read(b"0000  01 02 03 04\n0004  zz yy\n")
    assert reader.damage.why == "line 2 goes on at 4, but shows no hexadecimal bytes"


def test_text_beside_the_bytes_is_not_read():
    got, _ = read(b"0000  61 62 63   ab cd\n\t0x0000:  6162 63      abc\n")
    assert [record.data for record in got] == [b"abc", b"abc"]


def test_a_hex_dump_becomes_a_pcap(tmp_path):
    reader = open_capture(io.BytesIO(b"2024-01-02 03:04:05.000000006 IP a > b\n0000  01 02\n"))
    with open_writer(tmp_path / "a.pcap", like=reader) as writer:
        for record in reader:
            writer.write(record)
    (record,) = open_capture(tmp_path / "a.pcap")
    assert (record.data, record.time_ns) == (b"\1\2", 1_704_164_645_000_000_006)


def test_prose_is_no_hex_dump():
    with pytest.raises(CaptureError, match="looks like text"):
        open_capture(io.BytesIO(b"0000 bottles of beer\nface the facade\n12:30 lunch\n"))


def test_a_zip_archive_is_told_with_what_is_in_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("trace.pcap", b"abc")
    with pytest.raises(CaptureError, match=r"a ZIP archive that holds trace.pcap: unpack it first, `unzip -p FILE \|"):
        open_capture(tmp_path / "a.zip")


def test_an_erf_file_is_told():
    record = bytes(4) + (1_700_000_000).to_bytes(4, "little") + bytes([2, 4]) + (32).to_bytes(2, "big") + bytes(20)
    with pytest.raises(CaptureError, match="an Endace ERF file: `editcap -F pcapng` converts it"):
        open_capture(io.BytesIO(record * 2))
