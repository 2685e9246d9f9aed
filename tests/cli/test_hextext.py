"""Hex as people paste it: grouped in any way, or dumped by any tool."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pktlab_cli.hextext import read_hex

from pktlab.wire.text import hexdump

DATA = bytes(range(48, 48 + 45))


@pytest.mark.parametrize(
    "text",
    ["4500 001c", "45 00 00 1c", "45:00:00:1c", "0x45, 0x00, 0x00, 0x1c", "0x4500001c", r"\x45\x00\x00\x1c",
     "45-00-00-1C", "4500\n001c\n", "45|00|00|1c"],
)  # fmt: skip
def test_groups(text: str) -> None:
    assert read_hex(text) == bytes.fromhex("4500001c")


@given(st.binary(max_size=200))
def test_own_dump_reads_back(data: bytes) -> None:
    assert read_hex("\n".join(hexdump(data))) == data


@given(st.binary(max_size=60), st.sampled_from([" ", ":", "", "\n"]))
def test_plain_hex_reads_back(data: bytes, separator: str) -> None:
    assert read_hex(separator.join(f"{byte:02x}" for byte in data)) == data


@given(st.text(max_size=80))
def test_any_text_gives_bytes_or_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(read_hex(text), bytes)


@pytest.mark.parametrize(
    "command", [["xxd"], ["hexdump", "-C"], ["od", "-A", "x", "-t", "x1z"]], ids=lambda words: words[0]
)
def test_dumps_of_other_tools(command: list[str], tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    path = tmp_path / "data"
    path.write_bytes(DATA)
    dump = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout
    assert read_hex(dump) == DATA


TCPDUMP = """\
\t0x0000:  4500 003c 0000 4000 4006 b6b8 c000 0202  E..<..@.@.......
\t0x0010:  c000 0201 2ee0 aa48 a04f 340a d2bd 0c30  .......H.O4....0
\t0x0020:  a012 fe88 9848 0000 0204                 .....H....
"""


def test_a_dump_of_tcpdump() -> None:
    data = read_hex(TCPDUMP)
    assert len(data) == 42
    assert data[:4] == bytes.fromhex("4500003c")
    assert data[-4:] == bytes.fromhex("00000204")


def test_characters_that_look_like_hex_are_no_bytes() -> None:
    assert read_hex("0000  66 61 63 65 62 65 65 66  63 61 66 65              facebeefcafe") == b"facebeefcafe"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0x45 0g", "'g' at character 7"),
        ("zz", "'z' at character 1"),
        ("0x4x", "'x' at character 4"),
        ("450", "3 hex digits are not whole bytes"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_hex(text)
