"""pktlab's own reading of the captures that the project made, held against what tshark and the recipe know of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.health import health_of

PCAPS = Path(__file__).parent.parent / "pcaps"
MANIFEST: dict[str, Any] = json.loads((PCAPS / "manifest.json").read_text())
FRAMES = [(name, frame) for name, one in MANIFEST.items() for frame in one["frames"]]


@pytest.fixture(scope="module")
def packets() -> dict[str, list[pktlab.Packet]]:
    return {name: list(pktlab.open(PCAPS / name)) for name in MANIFEST}


@pytest.mark.parametrize(("name", "frame"), FRAMES, ids=[f"{name}-{frame['frame']}" for name, frame in FRAMES])
def test_protocols_and_verdicts(name: str, frame: dict[str, Any], packets: dict[str, list[pktlab.Packet]]) -> None:
    packet = packets[name][frame["frame"] - 1]
    own = [layer.protocol for layer in packet.layers if not layer.quoted and layer.protocol not in ("data", "dns")]
    assert own == [protocol for protocol in frame["protocols"] if protocol != "data"]
    verdicts = {one.protocol: str(one.verdict) for one in (*packet.judgements, *packet.whole_judgements)}
    assert verdicts == frame["verdicts"]


@pytest.mark.parametrize("name", MANIFEST)
def test_every_comment_is_read(name: str, packets: dict[str, list[pktlab.Packet]]) -> None:
    assert len(packets[name]) == MANIFEST[name]["packets"]
    assert any(packet.comments for packet in packets[name])


def test_health_of_first_light() -> None:
    health = health_of(pktlab.open(PCAPS / "first-light.pcapng"))
    assert health.has_faults
    assert [(finding["frame.number"], finding["verdict"]) for finding in health.findings] == [
        (28, "bad"), (39, "partial"), (40, "partial"),
    ]  # fmt: skip
    assert health.quoted == 1
