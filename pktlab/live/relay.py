"""A `Link` between two hosts of a sandbox: real stacks at both ends, and in between what networks do to packets.

    with Sandbox("client", "server") as box, relayed(box["client"], box["server"], Link(delay=20_000_000)) as relay:
        ...                                   # 198.51.100.1 reaches 198.51.100.2 over the link
    relay.write_truth("truth.jsonl")

Each host has a TUN interface ``link0``; a thread reads what one host sends, asks the link, and writes it to the other
when it is due. No kernel module is needed for that. A TUN interface has no offloads: sums are complete in captures, and
no packet is longer than the MTU.
"""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pktlab.flows.link import Fate, Link
from pktlab.live.host import Host, Interface
from pktlab.live.inside import Tun, opened_tun

__all__ = ["Relay", "relayed"]

NAME = "link0"
IPV4, IPV6 = "198.51.100.0/24", "2001:db8:51::/64"
AHEAD_NS = 300_000
"""How long before a packet is due waiting becomes looking: the kernel wakes a sleeper up to a few 0.1 ms too late."""


@dataclass
class _Way:
    """One direction: from which interface, over which link, to which."""

    name: str
    source: Tun
    link: Link
    target: Tun
    fates: list[Fate] = field(default_factory=list)
    late_ns: list[int] = field(default_factory=list)

    def take(self, now: int) -> None:
        """Put in what the source has sent."""
        while (data := self.source.read()) is not None:
            self.fates.append(self.link.send(data, now))

    def give(self, now: int) -> None:
        """Hand over what is due."""
        for arrival in self.link.due(now):
            self.target.write(arrival.data)
            self.late_ns.append(now - arrival.time_ns)


class Relay:
    """The thread between two interfaces, and what it knows about every packet.

    there, back : what became of the packets of the first host, and of those of the second
    """

    def __init__(self, near: Tun, far: Tun, there: Link, back: Link) -> None:
        self._ways = (_Way("there", near, there, far), _Way("back", far, back, near))
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    @property
    def there(self) -> list[Fate]:
        """The fates of the packets that the first host sent."""
        return self._ways[0].fates

    @property
    def back(self) -> list[Fate]:
        """The fates of the packets that the second host sent."""
        return self._ways[1].fates

    @property
    def late_ns(self) -> list[int]:
        """By how much each packet was handed over too late, ns."""
        return [late for way in self._ways for late in way.late_ns]

    def truth(self) -> Iterator[dict[str, Any]]:
        """Yield what became of every packet, as JSON has it, in the order in which they went in."""
        entries = [(fate.in_ns, way.name, fate) for way in self._ways for fate in way.fates]
        for _, name, fate in sorted(entries, key=lambda entry: entry[:2]):
            yield {"direction": name, **fate.document()}

    def write_truth(self, path: str | Path) -> None:
        """Write the truth to a file, a JSON object a line."""
        with Path(path).open("w", encoding="ascii") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in self.truth())

    def start(self) -> None:
        """Begin to carry packets."""
        self._thread.start()

    def stop(self) -> None:
        """End it; what is under way is not handed over."""
        os.write(self._wake_writer, b"x")
        self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _run(self) -> None:
        readers = [self._wake_reader, *(way.source.fd for way in self._ways)]
        while True:
            due = [way.link.next_ns for way in self._ways if way.link.next_ns is not None]
            wait_s = max(min(due) - AHEAD_NS - time.monotonic_ns(), 0) / 1e9 if due else None
            readable, _, _ = select.select(readers, [], [], wait_s)
            if self._wake_reader in readable:
                return
            now = time.monotonic_ns()
            for way in self._ways:
                way.take(now)
                way.give(time.monotonic_ns())


@contextmanager
def relayed(near: Host, far: Host, there: Link | None = None, back: Link | None = None) -> Iterator[Relay]:
    """Join two hosts by a link, with interfaces ``link0`` in 198.51.100.0/24 and 2001:db8:51::/64.

    Parameters
    ----------
    there, back : what the packets of `near` go over, and those of `far`; a perfect link, if not given

    Raises
    ------
    PktlabError : the system has no TUN interfaces, or does not allow them
    """
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(opened_tun(host, Interface.numbered(NAME, host.number, ipv4=IPV4, ipv6=IPV6)))
            for host in (near, far)
        )
        relay = Relay(first, second, there or Link(), back or Link())
        relay.start()
        stack.callback(relay.stop)
        yield relay
