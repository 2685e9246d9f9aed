"""Make ``first-light.pcapng``: real traffic of real programs, small enough to read in one sitting.

    sudo python pcaps/recipes/first_light.py OUT.pcapng

Two hosts, client and server, are network namespaces on one cable. Programs talk, one after the other, while
dumpcap listens on both of the client's interfaces, eth0 and lo. Then the frames get their comments, and the
capture is checked against `story.FIRST_LIGHT`, frame by frame: a capture of another structure is an error,
and nothing is written.

Dates, ports, identifiers and first sequence numbers differ from run to run; the structure does not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import manifest
import pcapng
import story
import tools

from pktlab.errors import PktlabError
from pktlab.live import Host, Sandbox

RECIPES = Path(__file__).resolve().parent
PROGRAMS = ("dumpcap", "reordercap", "editcap", "tshark", "ping", "dnsmasq")
DNS_PORT, PORT, CLOSED_PORT = 53, 12000, 12001
VLAN_ID, VLAN_NETWORK, VLAN_SERVER = 100, "198.51.100.0/24", "198.51.100.2"
CAPTURE_COMMENT = "pktlab, first light: made by pcaps/recipes/first_light.py, explained in pcaps/README.md"
# Reports of multicast groups, which nobody asked for, are the only packets here with a hop-by-hop header.
NO_REPORTS = "not ip6 proto 0"
WAIT_S = 5.0


def helper(name: str) -> list[object]:
    """Return the command line of a program beside this one; -I keeps the user's settings out of it."""
    return [sys.executable, "-I", RECIPES / name]


def start_servers(client: Host, server: Host) -> None:
    """Start the DNS server and the uppercase servers, and wait until all of them can be asked."""
    only_this = ["--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]
    as_child = ["--keep-in-foreground", "--pid-file", "--user=root"]
    record = f"--host-record=server.example,{server.ipv4}"
    server.popen(["dnsmasq", *only_this, *as_child, f"--listen-address={server.ipv4}", record])
    server.wait_for_socket("udp", DNS_PORT)
    # A socket on :: takes IPv4 as well.
    for host, protocol, address in (
        (server, "udp", "::"),
        (server, "tcp", "::"),
        (client, "udp", "127.0.0.1"),
    ):
        host.popen([*helper("uppercase.py"), "serve", protocol, address, PORT])
        host.wait_for_socket(protocol, PORT)


def acknowledge_at_once(host: Host) -> None:
    """Switch off delayed ACKs, so that no ACK rides on a later segment and each one can be seen."""
    network = host.eth0.ipv4 and host.eth0.ipv4.network
    route = [network, "dev", host.eth0.name, "proto", "kernel", "scope", "link", "src", host.ipv4]
    host.run(["ip", "route", "change", *route, "quickack", 1])


def start_capture(client: Host, path: Path) -> subprocess.Popen[str]:
    """Start dumpcap for as many frames as the story has, and wait until it listens."""
    interfaces = ["-i", client.eth0.name, "-i", "lo"]
    dumpcap = client.popen(["dumpcap", "-q", "-f", NO_REPORTS, *interfaces, "-c", len(story.FIRST_LIGHT), "-w", path])
    if not any(line.startswith("File:") for line in dumpcap.stdout or ()):
        raise PktlabError("dumpcap ended before it captured anything")
    return dumpcap


def ask(client: Host, protocol: str, address: object, line: str) -> None:
    """Ask an uppercase server, and make sure of the answer."""
    said = client.run([*helper("uppercase.py"), "ask", protocol, address, PORT, line]).stdout.rstrip("\n")
    if said != line.upper():
        raise PktlabError(f"uppercase over {protocol} answered {said!r} to {line!r}")


def ask_nobody(client: Host, server: Host) -> None:
    """Ask at a port where no program listens, and make sure that the program is told."""
    question = [*helper("uppercase.py"), "ask", "udp", server.ipv4, CLOSED_PORT, "anyone?"]
    refused = client.run(question, check=False)
    if "refused" not in refused.stderr:
        raise PktlabError(f"the port unreachable did not reach the program: {refused.stderr}{refused.stdout}")


def send_damaged(client: Host, server: Host) -> None:
    """Send the damaged datagram, and make sure that the server's kernel finds and counts it."""
    expected = server.counters()["UdpInCsumErrors"] + 1
    ends = [client.mac, server.mac, client.ipv4, server.ipv4]
    client.run([*helper("damaged.py"), client.eth0.name, *ends, PORT, "pktlab"])
    deadline = time.monotonic() + WAIT_S
    while (counted := server.counters()["UdpInCsumErrors"]) < expected and time.monotonic() < deadline:
        time.sleep(0.01)
    if counted != expected:
        raise PktlabError(f"UdpInCsumErrors of the server is {counted}, not {expected}")


def talk(client: Host, server: Host) -> None:
    """Let the programs talk, in the order of the story."""
    client.run(["ping", "-n", "-c", 1, server.ipv4])
    client.run([*helper("lookup.py"), server.ipv4, "server.example"])
    ask(client, "udp", server.ipv4, "hello, udp")
    ask(client, "tcp", server.ipv4, "hello, tcp")
    ask_nobody(client, server)
    ask(client, "udp", server.ipv4, ("abcdefghijklmnopqrstuvwxyz" * 120)[:3000])
    send_damaged(client, server)
    ask(client, "udp", server.ipv6, "hello, ipv6")
    client.run(["ping", "-n", "-c", 1, server.ipv6])
    ask(client, "udp", VLAN_SERVER, "hello, vlan")
    ask(client, "udp", "127.0.0.1", "hello, loopback")


def capture(path: Path) -> None:
    """Make the network, let the programs talk, and capture it on the client."""
    with Sandbox("client", "server") as box:
        client, server = box
        for host in box:
            acknowledge_at_once(host)
            host.add_vlan(VLAN_ID, ipv4=VLAN_NETWORK)
        start_servers(client, server)
        dumpcap = start_capture(client, path)
        talk(client, server)
        try:
            dumpcap.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise PktlabError(f"fewer than {len(story.FIRST_LIGHT)} frames were captured") from None


def annotate(captured: Path, annotated: Path) -> None:
    """Sort the frames by time, add the comments, and leave out what describes this machine."""
    ordered = captured.with_name("ordered.pcapng")
    tools.run("reordercap", captured, ordered)
    numbered = enumerate(story.FIRST_LIGHT, 1)
    comments = [word for number, frame in numbered for word in ("-a", f"{number}:{frame.teaches}")]
    tools.run("editcap", "--capture-comment", CAPTURE_COMMENT, *comments, ordered, annotated)
    annotated.write_bytes(pcapng.without_machine(annotated.read_bytes()))


def differences(path: Path) -> list[str]:
    """Compare a capture with the story, frame by frame: the filters that must hold, and the verdicts."""
    expected = story.FIRST_LIGHT
    fulfilled = " || ".join(f"(frame.number == {n} && {frame.filter})" for n, frame in enumerate(expected, 1))
    counted = tools.rows(path, ["frame.number"])
    if len(counted) != len(expected):
        return [f"{len(counted)} frames instead of {len(expected)}"]
    right = {row["frame.number"] for row in tools.rows(path, ["frame.number"], "-Y", fulfilled)}
    wrong = [f"frame {n} is not '{frame.what}'" for n, frame in enumerate(expected, 1) if str(n) not in right]
    for frame, entry in zip(expected, manifest.frames(path, expected), strict=True):
        wrong += unexpected(entry["frame"], entry["verdicts"], frame.verdict)
    return wrong


def unexpected(number: int, verdicts: dict[str, str], transport: str) -> list[str]:
    """Return what is wrong with the verdicts of one frame: IP headers are good, the transport as told.

    >>> unexpected(7, {"ip": "good", "udp": "bad"}, "good")
    ['frame 7: the checksum of udp is bad, not good']
    """
    told = {layer: "good" if layer == "ip" else transport for layer in verdicts}
    return [
        f"frame {number}: the checksum of {layer} is {verdict}, not {told[layer]}"
        for layer, verdict in verdicts.items()
        if verdict != told[layer]
    ]


def main(arguments: Sequence[str]) -> None:
    """Make the capture that is named on the command line."""
    if len(arguments) != 1:
        raise PktlabError("usage: first_light.py OUT.pcapng")
    if absent := tools.missing(*PROGRAMS):
        raise PktlabError(f"not installed: {', '.join(absent)}")
    with tempfile.TemporaryDirectory(prefix="first-light-") as folder:
        captured, annotated = Path(folder, "captured.pcapng"), Path(folder, "annotated.pcapng")
        capture(captured)
        annotate(captured, annotated)
        if wrong := differences(annotated):
            raise PktlabError("this capture has another structure: " + "; ".join(wrong))
        Path(arguments[0]).write_bytes(annotated.read_bytes())
    print(f"{arguments[0]}: {len(story.FIRST_LIGHT)} frames, as told")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (PktlabError, tools.ToolError) as error:
        sys.exit(f"first_light: {error}")
