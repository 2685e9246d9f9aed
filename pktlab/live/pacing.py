"""Who is sent to, how fast, and whether that may be: the question before any packet leaves."""

from __future__ import annotations

import time

from pktlab.errors import PktlabError
from pktlab.live.links import Link, leads_outside

__all__ = ["FOREIGN_PPS", "Pace", "Permit", "sleep_until"]

FOREIGN_PPS = 100.0
"""Packets a second at most on a network that may be somebody else's, if nothing else is asked for."""
NS_PER_S = 1_000_000_000
SPIN_NS = 200_000
"""How long before a packet is due waiting becomes looking: the kernel wakes a sleeper up to a few 0.1 ms too late."""


class Permit:
    """What is about to be sent.

    Parameters
    ----------
    link : where; packets : how many, None if that is not known; target : to whom
    pps : packets a second at most that were asked for; None for as fast as goes, where that is one's own network
    agreed : the user knows that `link` leads to others

    Raises
    ------
    PktlabError : it does, and nobody said so; the message says rate and target

    >>> from pktlab.live.links import Link
    >>> uplink = Link(2, "eth0", 1, 1, 1500, "02:00:00:00:00:01", "")
    >>> print(Permit(uplink, 3, "192.0.2.1", agreed=True))
    3 packets to 192.0.2.1 over eth0, at most 100 a second
    >>> Permit(uplink, 3, "192.0.2.1")
    Traceback (most recent call last):
    ...
    pktlab.errors.PktlabError: eth0 may lead to other people's machines: to send 3 packets to 192.0.2.1 over eth0, \
at most 100 a second, say --yes
    """

    def __init__(
        self, link: Link, packets: int | None, target: str, *, pps: float | None = None, agreed: bool = False
    ) -> None:
        self.link, self.packets, self.target = link, packets, target
        self.is_foreign = leads_outside(link)
        self.pps = FOREIGN_PPS if pps is None and self.is_foreign else pps
        if self.is_foreign and not agreed:
            raise PktlabError(f"{link.name} may lead to other people's machines: to send {self}, say --yes")

    def __str__(self) -> str:
        many = "packets" if self.packets is None else f"{self.packets:,} packet{'s' if self.packets != 1 else ''}"
        rate = "" if self.pps is None else f", at most {self.pps:,.10g} a second"
        return f"{many} to {self.target} over {self.link.name}{rate}"


class Pace:
    """When the next packet may go: not sooner than `pps` a second let it, counted from the first.

    >>> pace = Pace(1000.0, 5_000)
    >>> pace.next_ns(), pace.next_ns(), pace.next_ns(9_000_000), pace.next_ns()
    (5000, 1005000, 9000000, 10000000)
    """

    def __init__(self, pps: float | None, start_ns: int) -> None:
        self._gap_ns = 0 if pps is None else round(NS_PER_S / pps)
        self._free_ns = start_ns

    def next_ns(self, wish_ns: int = 0) -> int:
        """Return when the next packet goes, ns: at `wish_ns`, or later."""
        due = max(wish_ns, self._free_ns)
        self._free_ns = due + self._gap_ns
        return due


def sleep_until(moment_ns: int) -> None:
    """Wait until `time.monotonic_ns` is `moment_ns`."""
    left = moment_ns - time.monotonic_ns()
    if left > SPIN_NS:
        time.sleep((left - SPIN_NS) / NS_PER_S)
    while time.monotonic_ns() < moment_ns:
        pass
