"""The figures of a capture are the same, whether packets are counted one by one or in bulk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from construct import Bytes, Int8ub, this
from hypothesis import given, settings

import pktlab
from pktlab.summary import Summary, summarise
from pktlab.wire import Header, field

from .columns.captures import captures, mutants, pcap, pcapng
from .columns.test_batches import corpus

ALL, PARTS = 1 << 40, 96


class Echo(Header, layer="echo"):
    """A user's own protocol."""

    size: int = field(Int8ub, "Size")
    text: bytes = field(Bytes(this.size), "Text")


def figures(source: Any, exact_first: int, protocols: dict[str, Any] | None = None, threads: int = 1) -> dict[str, Any]:
    capture, summary = pktlab.open(source, protocols=protocols), Summary()
    for _ in summarise(capture, summary, threads=threads, exact_first=exact_first):
        pass
    return summary.document(capture) | {"links": capture.unknown_link_types}


def both(data: bytes, protocols: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    return figures(io.BytesIO(data), 0, protocols), figures(io.BytesIO(data), ALL, protocols)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("form", [pcap, pcapng])
def test_mutated_packets(seed: int, form: Any) -> None:
    in_bulk, exact = both(form(mutants(seed, 300)))
    assert in_bulk == exact


@settings(max_examples=40)
@given(captures())
def test_any_capture(data: bytes) -> None:
    in_bulk, exact = both(data)
    assert in_bulk == exact


@pytest.mark.parametrize("condition", ["udp.port=53", "tcp.port=12000", "ip.proto=17"])
def test_protocols_of_a_user(condition: str) -> None:
    in_bulk, exact = both(pcapng(mutants(7, 400)), {condition: Echo})
    assert any("echo" in one["protocols"] for one in exact["protocols"])
    assert in_bulk == exact


def test_some_by_hand_and_the_rest_in_bulk_on_two_threads(first_light: Path) -> None:
    assert figures(first_light, 7, threads=2) == figures(first_light, ALL)


@pytest.mark.skipif(not corpus(), reason="PKTLAB_CORPUS is not set")
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(PARTS)])
def test_real_captures(part: int) -> None:
    different = []
    for path in corpus()[part::PARTS]:
        try:
            exact = figures(path, ALL)
        except pktlab.PktlabError:
            continue
        if figures(path, 0) != exact:
            different.append(path.name)
    assert different == []
