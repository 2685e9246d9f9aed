"""Every experiment, by the command that a user gives: its checks hold, its capture reads, its picture is one."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from pktlab_cli.lab import run_lab

from pktlab.api import open as open_capture
from pktlab.labs import EXPERIMENTS, Lab, run_experiment
from pktlab.live import Sandbox

UNAVAILABLE = Sandbox.available()
needs_sandbox = pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "")
NAMES = (
    "sender-multiplexing", "client-port", "udp-many-clients", "udp-connected", "udp-reply-from-elsewhere",
    "tcp-connection-sockets", "same-source-port", "closed-ports", "reuseaddr", "reuseport", "multicast", "dual-stack",
    "backlog", "before-accept", "bind-everywhere", "round-trips", "loss-and-order", "equal-sums",
)  # fmt: skip


def test_every_item_of_the_notes_has_an_experiment() -> None:
    assert tuple(EXPERIMENTS) == NAMES


@needs_sandbox
@pytest.mark.parametrize("name", NAMES)
def test_its_checks_hold(name: str, tmp_path: Path) -> None:
    outcome = run_experiment(name, str(tmp_path))
    assert [check.text for check in outcome.checks if not check.holds] == []
    assert len(outcome.checks) >= 2
    assert outcome.claim.endswith(".")
    assert outcome.capture is not None
    assert outcome.picture is not None
    with open_capture(outcome.capture) as capture:
        packets = list(capture)
    assert capture.damage is None
    assert any("udp" in one or "tcp" in one for one in packets)
    texts = [one.text for one in ElementTree.parse(outcome.picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "sockets" in texts


SHOWN = {
    "reuseaddr": {"192.0.2.2, third": "1 packet", "192.0.2.2, second": "1 packet"},
    "bind-everywhere": {"every address, everywhere": "2 packets", "192.0.2.102, just-one": "1 packet"},
    "dual-stack": {"every address, dual-stack": "2 packets", "every address, IPv4": "1 packet"},
    "equal-sums": {"every address": "2 packets", "dropped: its udp checksum is bad": "1 packet"},
    "multicast": {"every address, first": "1 packet", "every address, no-member": "1 packet"},
}
"""Lines of sockets in pictures, and what stands below them: what the programs got."""


@needs_sandbox
@pytest.mark.parametrize("name", SHOWN)
def test_the_picture_shows_who_got_it_at_the_time(name: str, tmp_path: Path) -> None:
    picture = run_experiment(name, str(tmp_path)).picture
    assert picture is not None
    texts = [one.text for one in ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {line: texts[texts.index(line) + 1] for line in SHOWN[name]} == SHOWN[name]


@needs_sandbox
def test_a_check_that_fails_is_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(lab: Lab) -> None:
        """Show that a datagram arrives where nobody listens."""
        lab.check("something is right", True)
        server = lab.serve("udp:0.0.0.0:12000")
        server.settimeout(0.05)
        lab.check("it arrives", server.recv(10) == b"")

    monkeypatch.setitem(EXPERIMENTS, "broken", broken)
    outcome = run_experiment("broken", str(tmp_path))
    assert [check.holds for check in outcome.checks] == [True, False]
    result = CliRunner().invoke(run_lab, ["broken", "-o", str(tmp_path)], standalone_mode=False)
    assert result.return_value == 1
    assert "FAILED  the experiment came to its end (timed out)" in result.output
