"""The progress bar: on standard error, only for a terminal, only if the work takes a while."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from pktlab_cli import progress

from pktlab import api


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def watch(monkeypatch: pytest.MonkeyPatch, *, patience_s: float = 0.0) -> Screen:
    """Put a terminal in the place of standard error, and lose patience soon."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)  # not in a fixture: pytest puts its own there between the two
    monkeypatch.setattr(progress, "PATIENCE_S", patience_s)
    monkeypatch.setenv("TERM", "xterm")
    return screen


@pytest.fixture
def many(tmp_path: Path, datagram: Any, write_capture: Any) -> Path:
    return write_capture(tmp_path / "many.pcap", [datagram(number=n + 1) for n in range(200)])


def numbers(capture: api.Capture, **options: Any) -> list[int]:
    return [packet.number for packet in progress.watched(capture, **options)]


def test_long_work_shows_a_bar(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watch(monkeypatch)
    with api.open(many) as capture:
        assert numbers(capture) == list(range(1, 201))
    assert "reading" in screen.getvalue()


def test_short_work_shows_none(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watch(monkeypatch, patience_s=60)
    with api.open(many) as capture:
        assert len(numbers(capture)) == 200
    assert screen.getvalue() == ""


def test_none_where_stderr_is_no_terminal(
    many: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0)
    with api.open(many) as capture:
        assert len(numbers(capture)) == 200
    assert capsys.readouterr().err == ""


def test_none_where_packets_scroll_by(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watch(monkeypatch)
    monkeypatch.setattr(sys, "stdout", Screen())
    with api.open(many) as capture:
        assert len(numbers(capture, prints=True)) == 200
    assert screen.getvalue() == ""


def test_a_stream_has_no_known_end(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watch(monkeypatch)
    with api.open(io.BytesIO(many.read_bytes())) as capture:
        assert len(numbers(capture)) == 200
    assert "reading" in screen.getvalue()


def test_the_bar_is_cleared_when_somebody_stops_early(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watch(monkeypatch)
    with api.open(many) as capture:
        packets = progress.watched(capture)
        for _ in range(100):
            next(packets)
        packets.close()  # type: ignore[attr-defined]
    assert screen.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, the line is empty
