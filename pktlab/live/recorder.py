"""Everything that a host of a sandbox sends and receives, as records of a capture; all interfaces but ``lo``."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pktlab.capture import Interface, Record
from pktlab.live.host import Host
from pktlab.live.inside import inside
from pktlab.live.tap import Tap

__all__ = ["Recorder"]


class Recorder:
    """A context manager; `records` are the packets since it was entered.

    Raises
    ------
    PktlabError : on entering, when the system does not allow it
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._tap = Tap(opened=lambda make: inside(host, make), without=frozenset({"lo"}))
        self._records: list[Record] = []

    def __enter__(self) -> Self:
        self._tap.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.records()
        self._tap.__exit__(kind, error, trace)

    def records(self) -> list[Record]:
        """Return all packets so far, in the order in which the host saw them."""
        self._records += self._tap.read()
        return list(self._records)

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet was seen on."""
        return self._tap.interfaces[record.interface_id or 0]
