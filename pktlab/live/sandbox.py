"""A network to try things in: hosts that are namespaces, joined by a cable or a bridge, for one `with` block.

    with Sandbox("client", "server") as box:
        print(box["client"].run(["ping", "-c", "1", box["server"].ipv4]).stdout)

Two hosts are joined back to back by one veth pair; more of them by a bridge, which has a namespace of its
own. Nothing is connected to the outside, and nothing outside is changed: the names are unique, every link is
created inside a namespace, and all addresses are private or documentation ones.

What is promised about the end: the programs that a host started are ended, by their pid, and the namespaces
are removed, also after an exception or Ctrl-C; every wait has a bound. What a SIGKILL leaves behind,
``pktlab-PID-...`` in `ip netns list`, the next sandbox on the machine removes.

So that only asked-for packets appear, these are off: duplicate address detection, router solicitations, IPv6
addresses of the link, asking again for a known neighbour, and (unless `offloads`) checksum and segmentation
offload. IPv6 still reports its multicast groups when an address is new; ``not ip6 proto 0`` filters that out.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType

from pktlab.errors import PktlabError
from pktlab.live.host import QUIET_IPV6, Host, Interface, ip

__all__ = ["Sandbox"]

PROGRAMS = {"ip": "iproute2", "ethtool": "ethtool", "tee": "coreutils"}
MAX_HOSTS = 254  # a host's number is the last byte of its MAC address


class Sandbox:
    """A context manager that makes the hosts and the cables between them, and removes them again.

    Parameters
    ----------
    names : of the hosts; ``"client"`` and ``"server"`` if none are given
    ipv4, ipv6 : the network in which host n has address n; None for a sandbox without that version
    mtu : largest IP packet of every cable, in bytes
    offloads : whether checksums and segmentation are left to the virtual hardware (and sums in captures
        partial)
    bridge : whether a bridge stands between two hosts as well; from the third host on there is one anyway

    Raises
    ------
    ValueError : a bad name, fewer than two hosts, two alike, more than the network holds, a public network
    PktlabError : on entering, when it can't be had; the message says what would help

    >>> Sandbox("alice", "bob", ipv4="8.8.8.0/24")
    Traceback (most recent call last):
        ...
    ValueError: 8.8.8.0/24 is a public network: take a private or documentation one
    """

    def __init__(
        self,
        *names: str,
        ipv4: str | None = "192.0.2.0/24",
        ipv6: str | None = "2001:db8::/64",
        mtu: int = 1500,
        offloads: bool = False,
        bridge: bool = False,
    ) -> None:
        names = names or ("client", "server")
        if not 2 <= len(names) <= MAX_HOSTS or len(set(names)) < len(names):
            raise ValueError(f"a sandbox takes 2 to {MAX_HOSTS} hosts with different names, not {names}")
        if wrong := [name for name in names if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{,63}", name)]:
            raise ValueError(
                f"a host's name has 1 to 64 letters, digits, - and _, and starts with no sign: {wrong[0]!r}"
            )
        self._mtu = mtu
        self._offloads = offloads
        prefix = f"pktlab-{os.getpid()}-{secrets.token_hex(3)}"
        self._hosts = {
            name: Host(name, f"{prefix}-{name}", number, Interface.numbered("eth0", number, ipv4=ipv4, ipv6=ipv6))
            for number, name in enumerate(names, 1)
        }
        # A host may be called "bridge" too: the two hyphens keep the namespaces apart.
        self._bridge: Host | None = None
        if bridge or len(names) > 2:
            self._bridge = Host("the bridge", f"{prefix}--bridge", 0, Interface("bridge0"))

    @staticmethod
    def available() -> str | None:
        """Return None if this machine can make a sandbox, else the reason and what would help, in one line.

        One is made to find out: a container may have root and every program and still not be allowed to.

        >>> isinstance(Sandbox.available(), str | None)
        True
        """
        reason = _missing()
        if reason is None:
            try:
                with Sandbox(ipv6=None):
                    pass
            except PktlabError as error:
                reason = str(error)
        return reason

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def __iter__(self) -> Iterator[Host]:
        return iter(self._hosts.values())

    @property
    def bridge(self) -> Host:
        """The namespace of the bridge, where a program sees everybody's packets on ``bridge0``.

        Raises
        ------
        ValueError : the sandbox has none: two hosts on one cable
        """
        if self._bridge is None:
            raise ValueError("two hosts are joined by a cable here: Sandbox(bridge=True) puts a bridge between them")
        return self._bridge

    def __enter__(self) -> Sandbox:
        if reason := _missing():
            raise PktlabError(reason)
        _clean_up_after_the_killed()
        atexit.register(self.close)  # for a Ctrl-C in the few instructions before `close` can hold it off
        try:
            self._build()
        except BaseException:  # Ctrl-C too: `__exit__` is only called for what was entered
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the hosts' programs and remove the namespaces; Ctrl-C waits. A second call does nothing."""
        with _interrupt_postponed(), ExitStack() as endings:
            made = {line.split()[0] for line in ip("netns", "list").splitlines() if line}
            for host in self._namespaces():
                if host.netns in made:
                    endings.callback(ip, "netns", "delete", host.netns)
                    endings.callback(host.stop_all)
        atexit.unregister(self.close)

    def _namespaces(self) -> list[Host]:
        return [*self, *([self._bridge] if self._bridge else [])]

    def _build(self) -> None:
        for host in self._namespaces():
            ip("netns", "add", host.netns)
            if Path("/proc/sys/net/ipv6").exists():
                host.sysctl("net/ipv6/conf/default", QUIET_IPV6)
        if self._bridge:
            self._lay_cables_to(self._bridge)
        else:
            near, far = self
            self._lay_cable(near, far.netns, far.eth0.name, far.mac)
        for host in self:
            host.run(["ip", "link", "set", "dev", "lo", "up"])
            host.set_offloads(self._offloads)
            host.bring_up(host.eth0)
        for host in self:
            host.wait_until_up(host.eth0.name)
            if self._bridge:
                self._bridge.wait_until_up(_port(host))

    def _lay_cables_to(self, bridge: Host) -> None:
        device = bridge.eth0.name
        bridge.run(["ip", "link", "add", device, "type", "bridge", "mcast_snooping", 0])
        bridge.run(["ip", "link", "set", "dev", device, "up"])
        for host in self:
            self._lay_cable(host, bridge.netns, _port(host), f"02:00:00:00:01:{host.number:02x}")
            bridge.run(["ip", "link", "set", "dev", _port(host), "master", device, "up"])

    def _lay_cable(self, host: Host, netns: str, interface: str, mac: str) -> None:
        mtu = ["mtu", str(self._mtu)]
        near = [host.eth0.name, "address", host.mac, *mtu]
        far = [interface, "address", mac, *mtu, "netns", netns]
        ip("-n", host.netns, "link", "add", *near, "type", "veth", "peer", "name", *far)


def _clean_up_after_the_killed() -> None:
    """Remove the namespaces of programs that are no longer there, with what those started in them."""
    for line in ip("netns", "list").splitlines():
        found = re.match(r"(pktlab-([0-9]+)-\S+)", line)
        if found and not Path(f"/proc/{found[2]}").exists():
            with suppress(PktlabError):  # another sandbox may be at it too
                _end_sessions(found[1])
                ip("netns", "delete", found[1])


def _end_sessions(netns: str) -> None:
    """End the programs of a namespace whose sessions began there; who only came to look around is left alone."""
    pids = set(map(int, ip("netns", "pids", netns).split()))
    for pid in pids:
        with suppress(ProcessLookupError):
            if os.getsid(pid) in pids or not Path(f"/proc/{os.getsid(pid)}").exists():
                os.kill(pid, signal.SIGKILL)


def _port(host: Host) -> str:
    return f"port{host.number}"


def _missing() -> str | None:
    if sys.platform != "linux":
        return f"the sandbox needs Linux namespaces and this is {sys.platform}: use a Linux virtual machine"
    if os.geteuid() != 0:
        return "the sandbox needs root to make network namespaces: run this with sudo"
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"the sandbox needs the program {program}: install {package}"
    return None


@contextmanager
def _interrupt_postponed() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, in this program and in those that the block starts.

    A terminal sends SIGINT to all of them. Programs inherit what is blocked, so an `ip netns delete` gets through;
    and in the main thread, where the exception would be raised, a handler keeps what another thread took.
    """
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, remember) if is_main else None
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if is_main:
            signal.signal(signal.SIGINT, signal.SIG_DFL if handler is None else handler)
    if pressed:
        raise KeyboardInterrupt
