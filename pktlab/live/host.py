"""One host of a sandbox: a network namespace, its interfaces, the programs in it and what its kernel counts.

A host is made by `pktlab.live.sandbox.Sandbox` and lives as long as it does. `ip netns exec` becomes the
program that it starts, so a process that is returned here is the program itself: pid and signals are the real
ones.
"""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pktlab.errors import PktlabError

__all__ = ["Host", "Interface", "ip", "parse_counters"]

COMMAND_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
POLL_INTERVAL_S = 0.01
MIN_VLAN_ID, MAX_VLAN_ID = 1, 4094  # IEEE 802.1Q 9.6: 0 marks a priority tag, 4095 is reserved

QUIET_IPV6 = {
    "accept_dad": 0,
    "dad_transmits": 0,
    "accept_ra": 0,
    "router_solicitations": 0,
    "addr_gen_mode": 1,  # no link-local address
    "mldv2_unsolicited_report_interval": 1,  # ms: soon over; they cannot be switched off
}
# A neighbour stays known for the life of a sandbox: the kernel would ask for it again after 5 s.
STEADY_NEIGHBOURS = {"delay_first_probe_time": 600, "gc_stale_time": 600, "base_reachable_time_ms": 600_000}


@dataclass(frozen=True)
class Interface:
    """One interface of a host, as it was set up."""

    name: str
    ipv4: ipaddress.IPv4Interface | None = None
    ipv6: ipaddress.IPv6Interface | None = None

    @classmethod
    def numbered(cls, name: str, number: int, *, ipv4: str | None, ipv6: str | None) -> Interface:
        """Return an interface that has address `number` of each network that is given.

        Raises
        ------
        ValueError : not a network, a public one, or one too small for `number`

        >>> Interface.numbered("eth0", 2, ipv4="192.0.2.0/24", ipv6=None).ipv4
        IPv4Interface('192.0.2.2/24')
        """
        v4 = None if ipv4 is None else ipaddress.IPv4Interface(_address(ipaddress.IPv4Network(ipv4), number))
        v6 = None if ipv6 is None else ipaddress.IPv6Interface(_address(ipaddress.IPv6Network(ipv6), number))
        return cls(name, v4, v6)


@dataclass(frozen=True)
class Host:
    """One namespace with its interface ``eth0``; programs run in it as root.

    Parameters
    ----------
    name : what the sandbox calls it, e.g. ``"client"``
    netns : name of its namespace, as `ip netns` lists it
    number : 1 for the first host; the last part of its MAC and IP addresses
    eth0 : its interface to the other hosts
    """

    name: str
    netns: str
    number: int
    eth0: Interface
    _processes: list[subprocess.Popen[str]] = field(default_factory=list, repr=False, compare=False)
    _sessions: set[int] = field(default_factory=set, repr=False, compare=False)

    @property
    def mac(self) -> str:
        """The locally administered MAC address of the host, which its VLAN interfaces share.

        >>> Host("client", "ns", 1, Interface("eth0")).mac
        '02:00:00:00:00:01'
        """
        return f"02:00:00:00:00:{self.number:02x}"

    @property
    def ipv4(self) -> ipaddress.IPv4Address:
        """The IPv4 address of ``eth0``; ValueError in a sandbox without IPv4.

        >>> eth0 = Interface.numbered("eth0", 1, ipv4="192.0.2.0/24", ipv6=None)
        >>> print(Host("client", "ns", 1, eth0).ipv4)
        192.0.2.1
        """
        if self.eth0.ipv4 is None:
            raise ValueError(f"{self.name} was made without IPv4")
        return self.eth0.ipv4.ip

    @property
    def ipv6(self) -> ipaddress.IPv6Address:
        """The IPv6 address of ``eth0``; ValueError in a sandbox without IPv6.

        >>> eth0 = Interface.numbered("eth0", 1, ipv4=None, ipv6="2001:db8::/64")
        >>> print(Host("client", "ns", 1, eth0).ipv6)
        2001:db8::1
        """
        if self.eth0.ipv6 is None:
            raise ValueError(f"{self.name} was made without IPv6")
        return self.eth0.ipv6.ip

    def popen(self, argv: Sequence[object], **options: Any) -> subprocess.Popen[str]:
        """Start a program in the namespace and return it; it is ended with the sandbox at the latest.

        Parameters
        ----------
        argv : program and arguments; addresses and numbers are turned into text
        options : of `subprocess.Popen`. Without them stdin is empty, and stdout is a pipe that stderr goes to
            as well: read it if the program says much. Text is UTF-8. The program gets a session of its own, so
            that Ctrl-C reaches the sandbox alone.
        """
        defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process: subprocess.Popen[str] = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, *map(str, argv)],
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            **(defaults | options),
        )
        self._processes.append(process)
        self._sessions.add(process.pid)
        return process

    def run(
        self,
        argv: Sequence[object],
        *,
        stdin: str = "",
        timeout_s: float = COMMAND_TIMEOUT_S,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespace to its end and return its status and what it printed.

        Parameters
        ----------
        argv : as for `popen`
        stdin : what the program reads
        timeout_s : seconds until it is ended
        check : whether a status other than 0 is an error

        Raises
        ------
        PktlabError : it took longer than `timeout_s`, or ended with another status than 0 while `check`
        """
        pipe = subprocess.PIPE
        process = self.popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
        said = f"{self.name}: `{' '.join(map(str, argv))}`"
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise PktlabError(f"{said} still ran after {timeout_s:g} s and was ended") from None
        finally:
            self.stop(process)
        if check and process.returncode != 0:
            raise PktlabError(f"{said} ended with status {process.returncode}: {_last_line(stderr or stdout)}")
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def stop(self, process: subprocess.Popen[str], *, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """End a program of this host: SIGTERM, after `timeout_s` seconds SIGKILL. Return its status.

        Raises
        ------
        ValueError : the process was not started by this host, or was stopped before
        """
        self._processes.remove(process)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        return process.wait(STOP_TIMEOUT_S)

    def stop_all(self) -> None:
        """End every program that the host started and, where those left any behind, their children."""
        for process in list(self._processes):
            self.stop(process)
        for pid in map(int, ip("netns", "pids", self.netns).split()):
            # Somebody else may be in the namespace to look around: only sessions that began here are ended.
            with suppress(ProcessLookupError):
                if os.getsid(pid) in self._sessions:
                    os.kill(pid, signal.SIGKILL)

    def set_mtu(self, mtu: int) -> None:
        """Set the largest IP packet of ``eth0`` in bytes; the other end of the cable has its own."""
        self.run(["ip", "link", "set", "dev", self.eth0.name, "mtu", mtu])

    def set_offloads(self, on: bool) -> None:
        """Let the kernel leave checksums and segmentation of ``eth0`` to virtual hardware, or do both itself.

        With `on`, a capture at either end shows partial checksums, and segments longer than the MTU.
        """
        state = "on" if on else "off"
        settings = [word for feature in ("tx", "sg", "tso", "gso", "gro") for word in (feature, state)]
        self.run(["ethtool", "-K", self.eth0.name, *settings])

    def add_vlan(self, vlan_id: int, *, ipv4: str | None = None, ipv6: str | None = None) -> Interface:
        """Add an interface whose frames cross ``eth0`` with an 802.1Q tag, and return it.

        Where the kernel has no VLAN devices, the program `pktlab.live.vlan` tags and untags the frames.

        Parameters
        ----------
        vlan_id : 1 to 4094; for 100 the interface is called ``eth0.100``
        ipv4, ipv6 : networks in which the host takes the address with its own number

        Raises
        ------
        ValueError : no such VLAN id, or a public network
        PktlabError : the kernel refused
        """
        if not MIN_VLAN_ID <= vlan_id <= MAX_VLAN_ID:
            raise ValueError(f"vlan_id = {vlan_id} is not in {MIN_VLAN_ID}..{MAX_VLAN_ID}")
        below = self.eth0.name
        vlan = Interface.numbered(f"{below}.{vlan_id}", self.number, ipv4=ipv4, ipv6=ipv6)
        add = ["ip", "link", "add", "link", below, "name", vlan.name, "type", "vlan", "id", vlan_id]
        made = self.run(add, check=False)
        if "Unknown device type" in made.stderr:
            self._tag_in_user_space(vlan, vlan_id)
        elif made.returncode != 0:
            raise PktlabError(f"{self.name}: {vlan.name} cannot be made: {_last_line(made.stderr)}")
        self.bring_up(vlan)
        self.wait_until_up(vlan.name)
        return vlan

    def bring_up(self, interface: Interface) -> None:
        """Give an interface its addresses and switch it on."""
        for address in filter(None, (interface.ipv4, interface.ipv6)):
            nodad = ["nodad"] if address.version == 6 else []
            self.run(["ip", "address", "add", address, "dev", interface.name, *nodad])
            self.sysctl(f"net/ipv{address.version}/neigh/{interface.name}", STEADY_NEIGHBOURS)
        self.run(["ip", "link", "set", "dev", interface.name, "up"])

    def wait_until_up(self, interface: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Wait until the kernel uses an interface whose other end is up as well.

        It may take a second to notice that the cable is plugged in; until then IPv6 and bridges drop what comes.
        To read `carrier` makes newer kernels look at once. A TAP interface never says more than "unknown".

        Raises
        ------
        PktlabError : it is not up within `timeout_s` seconds
        """
        files = [f"/sys/class/net/{interface}/{name}" for name in ("carrier", "operstate")]
        self._wait_for(
            lambda: self.run(["cat", *files], check=False).stdout.split() in (["1", "up"], ["1", "unknown"]),
            timeout_s,
            f"{interface} is not up",
        )

    def sysctl(self, folder: str, settings: dict[str, int]) -> None:
        """Write kernel settings of this namespace, the files in `folder` below ``/proc/sys``."""
        for value in sorted(set(settings.values())):
            files = [f"/proc/sys/{folder}/{key}" for key in settings if settings[key] == value]
            self.run(["tee", *files], stdin=str(value))

    def counters(self) -> dict[str, int]:
        """Return what the kernel counted in this namespace, by `nstat`'s names, e.g. ``UdpInCsumErrors``."""
        return parse_counters(self.run(["cat", "/proc/net/snmp", "/proc/net/snmp6"], check=False).stdout)

    def wait_for_socket(self, protocol: str, port: int, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Wait until a program has bound (``"udp"``) or listens on (``"tcp"``) `port`, in either IP version.

        Raises
        ------
        PktlabError : none did within `timeout_s` seconds
        """
        tables = [f"/proc/net/{protocol}", f"/proc/net/{protocol}6"]
        self._wait_for(
            lambda: _is_served(self.run(["cat", *tables], check=False).stdout, port),
            timeout_s,
            f"no program took {protocol} port {port}",
        )

    def _wait_for(self, condition: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise PktlabError(f"{self.name}: {otherwise} within {timeout_s:g} s")
            time.sleep(POLL_INTERVAL_S)

    def _tag_in_user_space(self, vlan: Interface, vlan_id: int) -> None:
        # -I: neither the folder of the program nor the user's settings may change what it imports.
        program = Path(__file__).with_name("vlan.py")
        relay = self.popen([sys.executable, "-I", program, self.eth0.name, vlan.name, vlan_id])
        said = relay.stdout.readline() if relay.stdout else ""
        if said != "ready\n":
            raise PktlabError(
                f"{self.name}: {vlan.name} needs the kernel's 8021q module or /dev/net/tun ({said.strip()})"
            )
        self.run(["ip", "link", "set", "dev", vlan.name, "address", self.mac])


def parse_counters(text: str) -> dict[str, int]:
    r"""Read ``/proc/net/snmp`` (a line of names, one of values) and ``snmp6`` (a name and a value a line).

    >>> parse_counters("Udp: InDatagrams InCsumErrors\nUdp: 7 1\nUdp6InErrors    0\n")
    {'UdpInDatagrams': 7, 'UdpInCsumErrors': 1, 'Udp6InErrors': 0}
    """
    counters: dict[str, int] = {}
    names: list[str] = []
    for words in map(str.split, text.splitlines()):
        if not words[0].endswith(":"):
            counters[words[0]] = int(words[1])
        elif words[1].lstrip("-").isdigit():
            counters |= zip(names, map(int, words[1:]), strict=True)
        else:
            names = [words[0][:-1] + name for name in words[1:]]
    return counters


def ip(*arguments: str) -> str:
    """Run iproute2's `ip` outside the namespaces and return what it printed.

    Raises
    ------
    PktlabError : it failed or took longer than 10 s; the message has its last line and what would help
    """
    said = f"`ip {' '.join(arguments)}`"
    try:
        done = subprocess.run(
            ["ip", *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise PktlabError(f"{said} gave no answer in {COMMAND_TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        raise PktlabError(
            f"{said} failed ({_last_line(done.stderr)}): run this as root; a container must be privileged"
        )
    return done.stdout


def _address(network: ipaddress.IPv4Network | ipaddress.IPv6Network, number: int) -> str:
    if not network.is_private:
        raise ValueError(f"{network} is a public network: take a private or documentation one")
    if number > network.num_addresses - 2:
        raise ValueError(f"{network} has no address for host {number}")
    return f"{network[number]}/{network.prefixlen}"


def _is_served(table: str, port: int) -> bool:
    """Say whether `port` is bound in ``/proc/net/udp`` (state 07) or listening in ``/proc/net/tcp`` (0A).

    >>> row = "  12: 00000000:0035 00000000:0000 07 00000000:00000000"
    >>> _is_served(row, 53), _is_served(row, 54)
    (True, False)
    """
    return re.search(rf"^ *\d+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0[7A] ", table, re.MULTILINE) is not None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
