"""The sandbox: hosts that reach each other, programs that end, and nothing left behind whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pktlab.errors import PktlabError
from pktlab.live import Host, Sandbox
from pktlab.live.host import ip

ROOT = Path(__file__).resolve().parents[2]
UNAVAILABLE = Sandbox.available()
needs_sandbox = pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox() as made:
        yield made


def namespaces(pid: int) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.startswith(f"pktlab-{pid}-")]


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    # An orphan that has ended stays a zombie until init looks, which it need not do in a container.
    return status.rpartition(")")[2].split()[0] != "Z"


def ends_soon(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def link(host: Host, interface: str = "eth0") -> dict[str, object]:
    shown = json.loads(host.run(["ip", "-json", "link", "show", interface]).stdout)
    assert isinstance(shown[0], dict)
    return shown[0]


# What needs no root


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("alone",), {}),
        (("twin", "twin"), {}),
        (("../up", "other"), {}),
        (("", "other"), {}),
        (("a", "b"), {"ipv4": "8.8.8.0/24"}),
        (("a", "b"), {"ipv6": "2606:4700::/64"}),
        (("a", "b", "c"), {"ipv4": "10.0.0.0/30"}),
        (("a", "b"), {"ipv4": "not a network"}),
    ],
)
def test_a_sandbox_that_cannot_be_is_refused_before_anything_is_made(
    names: tuple[str, ...], options: dict[str, str]
) -> None:
    with pytest.raises(ValueError):
        Sandbox(*names, **options)  # type: ignore[arg-type]


def test_addresses_are_numbered_in_the_order_of_the_names() -> None:
    box = Sandbox("left", "middle", "right", ipv4="10.1.0.0/16", ipv6="fd00::/8")
    assert [host.name for host in box] == ["left", "middle", "right"]
    assert str(box["right"].eth0.ipv4) == "10.1.0.3/16"
    assert str(box["right"].ipv6) == "fd00::3"
    assert box["right"].mac == "02:00:00:00:00:03"


def test_a_host_without_one_ip_version_says_so() -> None:
    box = Sandbox(ipv6=None)
    with pytest.raises(ValueError, match="client was made without IPv6"):
        _ = box["client"].ipv6


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("sys.platform", "darwin", "Linux virtual machine"),
        ("os.geteuid", lambda: 1000, "sudo"),
        ("shutil.which", lambda program: None, "install iproute2"),
    ],
)
def test_the_reason_why_there_is_none_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, attribute: str, value: object, reason: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(attribute, value)
    said = Sandbox.available()
    assert said is not None
    assert reason in said
    assert "\n" not in said
    with pytest.raises(PktlabError, match=reason), Sandbox():
        pass


def test_a_container_that_forbids_namespaces_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forbidding = tmp_path / "ip"
    forbidding.write_text('#!/bin/sh\n[ "$2" = list ] && exit\necho "mount: Operation not permitted" >&2\nexit 1\n')
    forbidding.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pktlab.live.sandbox.PROGRAMS", {})
    monkeypatch.setattr("sys.platform", "linux")
    said = Sandbox.available()
    assert said is not None
    assert "Operation not permitted" in said
    assert "privileged" in said


def test_the_module_can_be_imported_where_unix_is_missing() -> None:
    program = """
import sys
for name in ("fcntl", "termios", "pwd", "grp", "resource", "scapy"):
    sys.modules[name] = None
import os, signal
for name in ("geteuid", "getsid", "killpg"):
    delattr(os, name)
import pktlab.live, pktlab.live.vlan
sys.platform = "win32"
print(pktlab.live.Sandbox.available())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout.startswith("the sandbox needs Linux")


# Reaching each other


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
def test_two_hosts_reach_each_other_at_once(box: Sandbox, version: str) -> None:
    near, far = box
    for here, there in ((near, far), (far, near)):
        pinged = here.run(["ping", "-n", "-c", 1, "-W", 2, getattr(there, version)])
        assert "1 received" in pinged.stdout


@needs_sandbox
@pytest.mark.parametrize("bridge", [False, True])
def test_no_packet_is_lost_because_the_cable_was_new(bridge: bool) -> None:
    for _ in range(3):
        with Sandbox(bridge=bridge) as box:
            # The kernel asks for a neighbour again when its first question was lost: one question, none was.
            before = box["client"].counters().get("Icmp6OutNeighborSolicits", 0)
            box["client"].run(["ping", "-n", "-c", 1, "-W", 2, box["server"].ipv6])
            assert box["client"].counters().get("Icmp6OutNeighborSolicits", 0) - before <= 1


@needs_sandbox
def test_several_hosts_meet_on_a_bridge() -> None:
    with Sandbox("a", "b", "c") as box:
        for here in box:
            for there in box:
                here.run(["ping", "-n", "-c", 1, "-W", 2, there.ipv4])
                here.run(["ping", "-n", "-c", 1, "-W", 2, there.ipv6])
        assert "port3" in box.bridge.run(["ip", "-brief", "link", "show", "master", box.bridge.eth0.name]).stdout


def test_a_cable_has_no_bridge() -> None:
    with pytest.raises(ValueError, match="joined by a cable"):
        Sandbox("a", "b").bridge  # noqa: B018 - asking raises


@needs_sandbox
def test_two_sandboxes_with_the_same_names_and_addresses_do_not_meet() -> None:
    with Sandbox(bridge=True, ipv6=None) as one, Sandbox(ipv6=None) as other:
        assert one["client"].netns != other["client"].netns
        other["server"].run(["ip", "link", "set", "dev", "eth0", "down"])
        one["client"].run(["ping", "-n", "-c", 1, "-W", 2, one["server"].ipv4])
        lost = other["client"].run(["ping", "-n", "-c", 1, "-W", 1, other["server"].ipv4], check=False)
        assert lost.returncode == 1


def test_hosts_have_no_address_but_their_own(box: Sandbox) -> None:
    shown = json.loads(box["client"].run(["ip", "-json", "address", "show", "eth0"]).stdout)
    addresses = {entry["local"] for entry in shown[0]["addr_info"]}
    assert addresses == {str(box["client"].ipv4), str(box["client"].ipv6)}


def test_a_known_neighbour_is_not_asked_again_between_two_steps(box: Sandbox) -> None:
    # The kernel's 5 s would put ARP into the middle of an exchange; to wait for that would be a slow test.
    files = [f"/proc/sys/net/{version}/neigh/eth0/delay_first_probe_time" for version in ("ipv4", "ipv6")]
    assert [int(line) for line in box["server"].run(["cat", *files]).stdout.split()] == [600, 600]


@needs_sandbox
def test_mtu_bounds_the_packet() -> None:
    with Sandbox(mtu=900, ipv6=None) as box:
        client, server = box
        assert link(client)["mtu"] == link(server)["mtu"] == 900
        whole = ["ping", "-n", "-c", 1, "-W", 2, "-M", "do", "-s"]  # data of this size, not to be fragmented
        client.run([*whole, 900 - 28, server.ipv4])
        with pytest.raises(PktlabError, match="status 1"):
            client.run([*whole, 900 - 27, server.ipv4])
        for host in box:
            host.set_mtu(1000)
        client.run([*whole, 1000 - 28, server.ipv4])


@needs_sandbox
def test_offloads_are_off_unless_wanted() -> None:
    def features(host: Host) -> str:
        return host.run(["ethtool", "-k", "eth0"]).stdout

    with Sandbox(ipv6=None) as box:
        assert "tx-checksumming: off" in features(box["client"])
        assert "tcp-segmentation-offload: off" in features(box["server"])
        box["client"].set_offloads(True)
        assert "tx-checksumming: on" in features(box["client"])
    with Sandbox(ipv6=None, offloads=True) as box:
        assert "tx-checksumming: on" in features(box["server"])


@needs_sandbox
def test_a_vlan_reaches_its_own_number_only() -> None:
    with Sandbox() as box:
        client, server = box
        vlan = client.add_vlan(100, ipv4="198.51.100.0/24", ipv6="2001:db8:100::/64")
        assert (vlan.name, str(vlan.ipv4)) == ("eth0.100", "198.51.100.1/24")
        assert link(client, "eth0.100")["address"] == client.mac
        other = server.add_vlan(200, ipv4="198.51.100.0/24")
        lost = client.run(["ping", "-n", "-c", 1, "-W", 1, "198.51.100.2"], check=False)
        assert lost.returncode == 1
        server.run(["ip", "link", "set", "dev", other.name, "down"])
        server.run(["ip", "address", "flush", "dev", other.name])
        server.add_vlan(100, ipv4="198.51.100.0/24", ipv6="2001:db8:100::/64")
        client.run(["ip", "neighbour", "flush", "dev", vlan.name])
        client.run(["ping", "-n", "-c", 1, "-W", 2, "198.51.100.2"])
        client.run(["ping", "-n", "-c", 1, "-W", 2, "2001:db8:100::2"])


@pytest.mark.parametrize("vlan_id", [-1, 0, 4095])
def test_vlan_numbers_end_at_4094(vlan_id: int) -> None:
    with pytest.raises(ValueError, match="vlan_id"):
        Sandbox()["client"].add_vlan(vlan_id)


# Programs


def test_run_gives_status_and_both_outputs(box: Sandbox) -> None:
    done = box["client"].run(["sh", "-c", "cat; echo problem >&2; exit 3"], stdin="input", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "input", "problem\n")


def test_a_failing_program_is_an_error_of_one_line(box: Sandbox) -> None:
    with pytest.raises(PktlabError) as caught:
        box["client"].run(["sh", "-c", "echo first; echo 'no such thing' >&2; exit 3"])
    assert str(caught.value).endswith("ended with status 3: no such thing")
    assert "\n" not in str(caught.value)


def test_a_program_that_takes_too_long_is_ended(box: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(PktlabError, match=r"still ran after 0\.2 s"):
        box["client"].run(["sleep", 60], timeout_s=0.2)
    assert time.monotonic() - started < 5


def test_stop_ends_what_ignores_sigterm(box: Sandbox) -> None:
    client = box["client"]
    stubborn = client.popen(["sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 0.1; done'])
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == "ready\n"
    assert client.stop(stubborn, timeout_s=0.2) == -signal.SIGKILL


def test_stop_takes_only_processes_of_its_host(box: Sandbox) -> None:
    sleeper = box["client"].popen(["sleep", 60])
    with pytest.raises(ValueError):
        box["server"].stop(sleeper)
    assert box["client"].stop(sleeper) == -signal.SIGTERM


def test_wait_for_socket_sees_the_program_and_gives_up_in_time(box: Sandbox) -> None:
    server = box["server"]
    listener = server.popen(["nc", "-l", "-p", 7777])
    server.wait_for_socket("tcp", 7777)
    with pytest.raises(PktlabError, match="no program took udp port 7777 within"):
        server.wait_for_socket("udp", 7777, timeout_s=0.1)
    server.stop(listener)


def test_counters_are_those_of_the_namespace(box: Sandbox) -> None:
    client, server = box
    before = server.counters()
    client.run(["sh", "-c", f"echo x | nc -u -w 1 {server.ipv4} 9"], check=False)
    after = server.counters()
    assert after["UdpNoPorts"] == before["UdpNoPorts"] + 1
    assert after["UdpInCsumErrors"] == before["UdpInCsumErrors"]
    assert "Udp6InCsumErrors" in after


# The end


@needs_sandbox
def test_an_exception_leaves_neither_namespace_nor_process() -> None:
    with pytest.raises(RuntimeError), Sandbox("a", "b", "c") as box:  # noqa: PT012 - the block is the test
        assert len(namespaces(os.getpid())) >= 4
        names = [host.netns for host in box]
        sleeper = box["a"].popen(["sleep", 300])
        family = box["b"].popen(["sh", "-c", "sleep 300 & echo $!; exit"])
        assert family.stdout is not None
        orphan = int(family.stdout.readline())
        family.wait(5)
        raise RuntimeError
    assert sleeper.poll() is not None
    assert ends_soon(orphan)
    assert not set(names) & set(namespaces(os.getpid()))


@needs_sandbox
def test_a_process_of_somebody_else_in_the_namespace_is_left_alone() -> None:
    with Sandbox(ipv6=None) as box:
        visit = ["ip", "netns", "exec", box["client"].netns, "sh", "-c", "echo here; exec sleep 300"]
        visitor = subprocess.Popen(visit, stdout=subprocess.PIPE)
        assert visitor.stdout is not None
        visitor.stdout.readline()
    assert visitor.poll() is None
    visitor.kill()
    visitor.wait(5)
    visitor.stdout.close()


@needs_sandbox
def test_what_was_built_is_removed_when_building_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(host: Host, on: bool) -> None:
        raise PktlabError("no such feature")

    before = namespaces(os.getpid())
    monkeypatch.setattr(Host, "set_offloads", fail)
    with pytest.raises(PktlabError, match="no such feature"), Sandbox():
        pass
    assert namespaces(os.getpid()) == before


@needs_sandbox
def test_closing_twice_does_nothing_more() -> None:
    with Sandbox(ipv6=None) as box:
        box.close()
        assert box["client"].netns not in namespaces(os.getpid())
        box.close()


@needs_sandbox
def test_ctrl_c_waits_until_everything_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    removed = []

    def interrupted(*arguments: str) -> str:
        if arguments[:2] == ("netns", "delete"):
            removed.append(arguments[2])
            os.kill(os.getpid(), signal.SIGINT)
        return ip(*arguments)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Sandbox("a", "b", "c"):
            monkeypatch.setattr("pktlab.live.sandbox.ip", interrupted)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(removed) == 4
    assert not set(removed) & set(namespaces(os.getpid()))


@needs_sandbox
@pytest.mark.parametrize("presses", [1, 10])
def test_ctrl_c_leaves_neither_namespace_nor_process(presses: int) -> None:
    program = """
import signal, sys, time
from pktlab.live import Sandbox
signal.signal(signal.SIGINT, signal.default_int_handler)
with Sandbox("a", "b", "c") as box:
    print(box["a"].popen(["sleep", "300"]).pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        sleeper = int(run.stdout.readline())
        assert len(namespaces(run.pid)) == 4
        for _ in range(presses):
            os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the whole group
            time.sleep(0.01)
        said = run.stderr.read()
        run.wait(20)
    assert "KeyboardInterrupt" in said
    assert namespaces(run.pid) == []
    assert ends_soon(sleeper)


@needs_sandbox
def test_what_a_kill_leaves_behind_the_next_sandbox_removes() -> None:
    program = """
import time
from pktlab.live import Sandbox
with Sandbox() as box:
    print(box["client"].popen(["sleep", "300"]).pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout is not None
        sleeper = int(run.stdout.readline())
        run.kill()
        run.wait(20)
    assert len(namespaces(run.pid)) == 2
    assert is_running(sleeper)
    with Sandbox(ipv6=None):
        assert namespaces(run.pid) == []
    assert ends_soon(sleeper)
