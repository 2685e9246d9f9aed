"""The engine equals the exact reader: any packet, any capture, any cut, a user's own protocols."""

from __future__ import annotations

import random

import pytest
from construct import Int8ub, Int16ub, Int24ub, Int32ul, this
from hypothesis import given, settings
from hypothesis import strategies as st

from pktlab.testing import from_schema
from pktlab.wire import Header, bits, field
from pktlab.wire.udp import Udp

from .captures import Piece, arbitrary, captures, first_light, mutants, pcap, pcapng
from .compare import column_differences, verdict_differences
from .test_batches import NAMES

WINDOWS = (64, 100, 150, 257, 400)


def differences(data: bytes, *, window_len: int = 1 << 16, threads: int = 1) -> list[str]:
    return [
        *verdict_differences(data, window_len=window_len, threads=threads),
        *column_differences(data, NAMES, window_len=window_len, threads=threads),
    ]


@settings(max_examples=150)
@given(captures())
def test_any_capture(data: bytes) -> None:
    assert differences(data) == []


@pytest.mark.thorough
@settings(max_examples=3000)
@given(captures(), st.sampled_from(WINDOWS))
def test_many_captures_however_they_are_cut(data: bytes, window_len: int) -> None:
    assert differences(data, window_len=window_len) == []


@settings(max_examples=50)
@given(captures(), st.sampled_from(WINDOWS))
def test_a_capture_however_it_is_cut_into_windows(data: bytes, window_len: int) -> None:
    assert differences(data, window_len=window_len) == []


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(12)])
def test_changed_packets(seed: int) -> None:
    assert differences(pcapng(mutants(seed, 800))) == []


@pytest.mark.parametrize("window_len", [64, 200, 400, 3000])
@pytest.mark.parametrize("order", "<>")
def test_every_cut_of_a_capture(window_len: int, order: str) -> None:
    found = mutants(1, 150)
    ethernet = [one for one in found if one.link_type == 1]
    for data in (pcapng(found, order=order), pcap(ethernet, order=order, nanoseconds=True)):
        for length in range(window_len, window_len + 3):
            assert verdict_differences(data, window_len=length) == []
    assert column_differences(data, NAMES, window_len=window_len, threads=2) == []


@settings(max_examples=100)
@given(captures(), st.data())
def test_damaged_and_truncated_files(data: bytes, more: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(more.draw(st.integers(0, 2))):
        at = more.draw(st.integers(24, len(data) - 1))
        changed[at : at + 4] = more.draw(st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x7f", b"\x01"]))
    keep = more.draw(st.integers(28, len(data)) | st.just(len(data)))
    window_len = more.draw(st.sampled_from([*WINDOWS, 1 << 16]))
    assert verdict_differences(bytes(changed[:keep]), window_len=window_len) == []
