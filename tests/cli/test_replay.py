"""``pktlab replay`` as a shell sees it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pktlab.live import Sandbox

Run = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def command(environment: dict[str, str]) -> Callable[..., list[object]]:
    return lambda *arguments: [sys.executable, "-m", "pktlab_cli", "replay", *arguments]


@pytest.fixture
def run(box: Sandbox, environment: dict[str, str], command: Callable[..., list[object]]) -> Run:
    """Run ``pktlab replay`` on the client to its end."""

    def call(*arguments: object, **more: str) -> tuple[int, str, str]:
        process = box["client"].popen(
            command("-i", "eth0", *arguments), stderr=subprocess.PIPE, env=environment | more, stdin=subprocess.DEVNULL
        )
        out, err = process.communicate(timeout=60)
        return box["client"].stop(process), out, err

    return call


def test_all_of_it(run: Run, first_light: Path) -> None:
    said = "pktlab: eth0: 40 packets sent, 8,580 bytes\n"
    assert run(first_light, "--speed", 20) == (0, "", said)
    assert run("-r", first_light, "--pps", 10_000) == (0, "", said)
    assert run(first_light, "-t", "--rewrite", "192.0.2.1=192.0.2.7", "--fix") == (0, "", said)


def test_a_part_of_it(run: Run, first_light: Path) -> None:
    assert run(first_light, "-t", "-Y", "arp", "--loop", 2)[2].startswith("pktlab: eth0: 8 packets sent")
    assert run(first_light, "-t", "-f", "arp")[2].startswith("pktlab: eth0: ")


def test_a_damaged_capture_is_sent_up_to_the_damage(run: Run, first_light: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.pcapng").write_bytes(first_light.read_bytes()[:3000])
    status, out, err = run(tmp_path / "cut.pcapng", "-t", "--loop", 0)
    assert (status, out) == (3, "")
    assert "damaged at byte" in err
    assert " packets sent, " in err


def test_standard_input(box: Sandbox, environment: dict[str, str], command: Any, first_light: Path) -> None:
    with first_light.open("rb") as file:
        process = box["client"].popen(
            command("-", "-i", "eth0", "-t"), stdin=file, stderr=subprocess.PIPE, env=environment
        )
        _, err = process.communicate(timeout=60)
    assert (box["client"].stop(process), err) == (0, "pktlab: eth0: 40 packets sent, 8,580 bytes\n")


def test_ctrl_c_says_how_far_it_came(
    box: Sandbox, environment: dict[str, str], command: Any, first_light: Path
) -> None:
    client, server = box
    counter = Path("/sys/class/net/eth0/statistics/rx_packets")
    before = int(server.run(["cat", counter]).stdout)
    process = client.popen(command(first_light, "-i", "eth0", "--loop", 0), stderr=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 30
    while int(server.run(["cat", counter]).stdout) < before + 5:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert client.stop(process) == 130
    assert err.startswith("pktlab: eth0: ")
    assert " packets sent, " in err
    assert len(err.splitlines()) == 1


def test_what_leads_outside_wants_yes(box: Sandbox, run: Run, first_light: Path) -> None:
    client = box["client"]
    client.run(["ip", "route", "add", "default", "via", "192.0.2.2"])
    try:
        what = f"packets to the addresses in {first_light} over eth0, at most 100 a second"
        status, out, err = run(first_light)
        assert (status, out) == (2, "")
        assert err == f"pktlab: eth0 may lead to other people's machines: to send {what}, say --yes\n"
        status, _, err = run(first_light, "--yes", "-Y", "arp")
        assert status == 0
        assert err.startswith(f"pktlab: sending {what}\npktlab: eth0: 4 packets sent")
    finally:
        client.run(["ip", "route", "del", "default"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-i", "lo"], "name a capture FILE"),
        (["a.pcap"], "which interface? Give -i NAME, of lo"),
        (["no-such.pcap", "-i", "lo"], "no-such.pcap: no such file"),
        (["a.pcap", "-i", "lo", "--speed", "2", "--pps", "2"], "give --speed, --pps or --topspeed"),
        (["a.pcap", "-i", "lo", "--rewrite", "10.0.0.1"], "write OLD=NEW"),
        (["a.pcap", "-i", "lo", "--rewrite", "10.0.0.1=::1"], "are not of one kind"),
        (["a.pcap", "-i", "lo", "--speed", "0"], "--speed"),
        (["a.pcap", "-i", "lo0"], "there is no interface lo0, did you mean lo?"),
        (["a.pcap", "-i", "lo", "-Y", "udp.prot"], "filter, column 1"),
        (["-", "-i", "lo", "--loop", "2"], "a stream can be read once"),
    ],
    ids=range(10),
)
def test_misuse_is_a_line(arguments: list[str], said: str, pktlab: Any) -> None:
    if sys.platform != "linux":
        pytest.skip("interfaces are Linux's here")
    status, out, err = pktlab("replay", *arguments)
    assert (status, out) == (2, "")
    assert said in err
