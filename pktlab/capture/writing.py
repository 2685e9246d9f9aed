"""What all capture writers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Literal, NoReturn, Protocol

from pktlab.capture.linktypes import max_packet_len
from pktlab.capture.other_blocks import Block
from pktlab.capture.output import Output
from pktlab.capture.records import Interface, Record, Section
from pktlab.errors import CaptureError

__all__ = ["CaptureWriter", "Described"]


class Described(Protocol):
    """What a writer can be told to be like: a reader, or several merged."""

    @property
    def format(self) -> str:
        """Return `"pcap"`, `"pcapng"` or `"hex dump"`."""

    @property
    def interfaces(self) -> list[Interface]:
        """Return the interfaces met so far."""

    @property
    def sections(self) -> list[Section]:
        """Return the sections met so far."""

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet was seen on."""

    def watch_blocks(self, watcher: Callable[[Block], None]) -> None:
        """Have each block without a packet told."""


class CaptureWriter(ABC):
    """A capture that is being written; as a context manager it is closed, or thrown away on an error.

    Only a named file that is not written live can be thrown away: see `pktlab.capture.output`.

    Attributes
    ----------
    packets : packets written so far
    lost : what of the capture `like` is left out because the format cannot hold it, or it may not be copied:
        how many of what; it is complete when the writer is closed
    """

    format: Literal["pcap", "pcapng"]

    def __init__(self, output: Output, *, flush: bool) -> None:
        self.packets = 0
        self.lost: Counter[str] = Counter()
        self._output = output
        self._flush = flush
        self._is_open = True

    @abstractmethod
    def _build(self, record: Record, interface: Interface | None) -> bytes:
        """Return the bytes of a packet, and those of headers that have to come before it."""

    @abstractmethod
    def _first_headers(self) -> bytes:
        """Return the headers that come before packets of the first interface, as far as they are not written."""

    @abstractmethod
    def _last_headers(self) -> bytes:
        """Return the headers that a capture without packets has, as far as they are not written."""

    def write(self, record: Record, interface: Interface | None = None) -> None:
        """Write a packet.

        Parameters
        ----------
        record : its bytes, lengths, time, link type, comments and flags are written; number and place come
            out anew
        interface : what it was seen on; if not given, what the reader `like` says, else what the record tells

        Raises
        ------
        CaptureError : the format cannot hold this packet, or the target cannot be written to
        """
        if not self._is_open:
            raise ValueError(f"the writer of {self._output.name} is closed")
        if not 0 <= record.length < 1 << 32:
            raise ValueError(f"a packet's length is a number of 32 bits, not {record.length}")
        if len(record.data) > max_packet_len(record.link_type):
            self._refuse(record, f"{len(record.data)} bytes, more than readers take")
        self._output.write(self._build(record, interface))
        self.packets += 1
        if self._flush:
            self._output.flush()

    def write_laid_out(self, data: bytes | memoryview, packets: int) -> None:
        """Write `packets` packets of the first interface of `like` that are laid out already, as the format has them.

        Raises
        ------
        CaptureError : the target cannot be written to
        """
        if not self._is_open:
            raise ValueError(f"the writer of {self._output.name} is closed")
        self._output.write(self._first_headers())
        self._output.write(data)
        self.packets += packets
        if self._flush:
            self._output.flush()

    def close(self) -> None:
        """Complete the file; one without packets is a capture too."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._output.write(self._last_headers())
            self._output.close()
        except (CaptureError, BrokenPipeError):
            self._output.discard()
            raise

    def discard(self) -> None:
        """Throw away what was written to a named file; what had that name before is still there."""
        self._is_open = False
        self._output.discard()

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or self._flush:
            self.close()
        else:
            self.discard()

    def _refuse(self, record: Record, what: str) -> NoReturn:
        advice = ": write pcapng instead" if self.format == "pcap" else ""
        name, number = self._output.name, record.number
        raise CaptureError(f"{name}: packet {number} has {what}, which {self.format} cannot hold{advice}")
