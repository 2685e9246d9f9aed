"""Rows of fields are the same however many packets are read one by one first: the rows, and what is told of links."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pktlab
from pktlab import rows, sources
from pktlab.capture import open_capture, open_writer
from pktlab.columns.printing import Layout

NAMES = ["frame.number", "frame.time_relative", "frame.time_delta", "ip.src", "ip.ttl", "udp.checksum.verdict"]


@pytest.fixture
def large(first_light: Path, tmp_path: Path) -> Path:
    """Every packet of first-light, ten times, and ones of a link type that is not read."""
    with pktlab.open(first_light) as capture:
        records = [packet.record for packet in capture]
    path = tmp_path / "large.pcapng"
    with open_writer(path) as writer:
        for record in [*records * 10, replace(records[3], link_type=147)]:
            writer.write(record)
    return path


@pytest.mark.parametrize("first", [0, 1, 40, 41, 400])
def test_rows_do_not_tell_who_read_them(large: Path, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(count: int) -> tuple[bytes, dict[int, int], int | None]:
        monkeypatch.setattr(rows, "exact_first", lambda _: count)
        with pktlab.open(large) as capture:
            text = b"".join(rows.Rows(capture, NAMES, Layout()))
            return text, capture.unknown_link_types, capture.first_ns

    wanted = read(1 << 40)
    assert wanted[0].count(b"\n") == 401
    assert wanted[1] == {147: 401}
    assert read(first) == wanted


def test_a_large_file_is_the_kernels_from_its_first_packet_on(tmp_path: Path, first_light: Path) -> None:
    large = tmp_path / "large.pcapng"
    large.write_bytes(first_light.read_bytes() + bytes(300 << 10))
    with (
        open_capture(first_light) as small,
        open_capture(large) as reader,
        open_capture(large, salvage=True) as salvage,
    ):
        assert [sources.exact_first(one) for one in (small, reader, salvage)] == [1000, 0, 1000]
    with large.open("rb") as file, open_capture(file) as reader:
        assert sources.exact_first(reader) == 0
