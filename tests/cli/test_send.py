"""``pktlab send`` as a shell sees it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pktlab.live import Sandbox

Run = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def run(box: Sandbox, environment: dict[str, str]) -> Run:
    """Run ``pktlab send`` on the client to its end."""

    def call(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
        process = box["client"].popen(
            [sys.executable, "-m", "pktlab_cli", "send", *arguments], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment,
        )  # fmt: skip
        out, err = process.communicate(stdin, timeout=60)
        return box["client"].stop(process), out, err

    return call


def test_pairs_are_printed(run: Run) -> None:
    status, out, err = run('IP(dst="192.0.2.2")/ICMP(id=5, seq=(1, 2))/b"ping"', "--wait", 5)
    lines = out.splitlines()
    assert status == 0
    assert [line.split()[0] for line in lines] == ["1", "1", "2", "2"]
    assert "Echo request id=5 seq=1" in lines[0]
    assert "Echo reply id=5 seq=1" in lines[1]
    assert err == "pktlab: eth0: 2 packets sent, 92 bytes, 2 answered\n"


def test_as_trees(run: Run) -> None:
    status, out, _ = run('IP(dst="192.0.2.2")/UDP(dport=9)', "--wait", 5, "-V")
    assert status == 0
    assert "Internet Control Message Protocol" in out


def test_without_an_answer(run: Run) -> None:
    status, out, err = run('IP(dst="192.0.2.2")/UDP(dport=9)', "--wait", 0.05, "--checksum", "bad")
    assert (status, err) == (0, "pktlab: eth0: 1 packet sent, 42 bytes, 0 answered\n")
    assert out.endswith("(no answer)\n")
    assert "udp checksum bad" in out


def test_without_waiting_nothing_is_printed(run: Run) -> None:
    assert run('IP(dst="192.0.2.2")/UDP()', "-c", 3) == (0, "", "pktlab: eth0: 3 packets sent, 126 bytes\n")


def test_packets_from_json(run: Run, pktlab: Any, first_light: Any) -> None:
    document = pktlab("dissect", first_light, "-Y", "arp", "-T", "json").out
    status, out, err = run("-", "-i", "eth0", stdin=document)
    assert (status, out) == (0, "")
    assert err.startswith(f"pktlab: eth0: {len(json.loads(document))} packets sent")


def test_ctrl_c_says_how_far_it_came(box: Sandbox, environment: dict[str, str]) -> None:
    client = box["client"]
    command = [sys.executable, "-m", "pktlab_cli", "send", 'IP(dst="192.0.2.2")/ICMP(id=9)', "-c", 9, "--interval", 60]
    process = client.popen([*command, "--wait", 1], stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (client.stop(process), err) == (130, "pktlab: eth0: 1 packet sent, 42 bytes, 1 answered\n")


def test_what_leads_outside_wants_yes(box: Sandbox, run: Run) -> None:
    client = box["client"]
    client.run(["ip", "route", "add", "default", "via", "192.0.2.2"])
    try:
        what = "1 packet to 192.0.2.2 over eth0, at most 100 a second"
        status, out, err = run('IP(dst="192.0.2.2")/UDP()')
        assert (status, out) == (2, "")
        assert err == f"pktlab: eth0 may lead to other people's machines: to send {what}, say --yes\n"
        status, out, err = run('IP(dst="192.0.2.2")/UDP()', "--yes")
        assert (status, out) == (0, "")
        assert err == f"pktlab: sending {what}\npktlab: eth0: 1 packet sent, 42 bytes\n"
    finally:
        client.run(["ip", "route", "del", "default"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["IP("], "expression, column"),
        (["IP(tll=1)"], "did you mean ttl?"),
        (["IP()", "-i", "lo0"], "there is no interface lo0, did you mean lo?"),
        (["IP()", "--pps", "1", "--interval", "1"], "give --interval or --pps"),
        (["IP()", "--pps", "0"], "--pps"),
        (["IP()", "-c", "0"], "-c"),
    ],
    ids=range(6),
)
def test_misuse_is_a_line(arguments: list[str], said: str, pktlab: Any) -> None:
    if sys.platform != "linux":
        pytest.skip("interfaces are Linux's here")
    status, out, err = pktlab("send", *arguments)
    assert (status, out) == (2, "")
    assert said in err
