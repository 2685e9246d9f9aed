"""Which packets does a filter let through?

Wireshark's display filters, as version 4.0 has them, for the fields that pktlab knows: `grammar` reads the text into a
tree of `nodes`, `check` holds that against the `registry` of fields, and `exact` asks one packet. Columns are asked
elsewhere, by the same tree. Beside it stands tcpdump's language of filters over bytes, which libpcap reads: see
`pktlab.columns.bpf`. Of Wireshark's language these are left out: references to the selected packet (``${…}``),
dates as text, and the names of hosts and services.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from pktlab.columns.filters.occurrences import Moments, PacketLike
from pktlab.columns.registry import FieldType, registry
from pktlab.errors import FilterError
from pktlab.wire.header import Header

if TYPE_CHECKING:
    from pktlab.columns.bpf import CaptureFilter
    from pktlab.columns.filters.nodes import Test

__all__ = ["Clock", "Filter", "compile_filter"]

Some = TypeVar("Some", bound=PacketLike)


class Clock:
    """What relative times count from, packet by packet.

    first_ns, previous_ns : times of the first packet that has one, and of the one before; count : packets so far
    """

    def __init__(self) -> None:
        self.first_ns: int | None = None
        self.previous_ns: int | None = None
        self.count = 0

    def moments(self, time_ns: int | None) -> Moments:
        """Go on to the next packet, of `time_ns`, and return what its times count from."""
        self.first_ns = time_ns if self.first_ns is None else self.first_ns
        moments = Moments(self.first_ns, time_ns if self.previous_ns is None else self.previous_ns)
        self.previous_ns, self.count = time_ns, self.count + 1
        return moments


class Filter:
    """A filter that was read and checked.

    text : as it was written; empty if only `bpf` is asked
    tree : a test, see `pktlab.columns.filters.nodes`; None lets all pass
    bpf : what a packet has to pass besides
    """

    def __init__(
        self, text: str | None, protocols: Iterable[type[Header]] = (), bpf: CaptureFilter | None = None
    ) -> None:
        from pktlab.columns.filters.check import check  # 20 ms, which only a filter costs
        from pktlab.columns.filters.exact import compiled
        from pktlab.columns.filters.grammar import parse

        self.text = text or ""
        self.bpf = bpf
        self._names = registry(protocols)
        self.tree: Test | None = None if text is None else check(parse(text), text, self._names)
        self._matches = _any_packet if self.tree is None else compiled(self.tree, self._names)

    @property
    def fields(self) -> tuple[FieldType, ...]:
        """What the filter asks for, each field and protocol once, in the order of the text."""
        from pktlab.columns.filters.nodes import fields_of

        return () if self.tree is None else tuple(self._names.find(name) for name in fields_of(self.tree))

    @property
    def asks_for_flows(self) -> bool:
        """Whether it asks what only the flow table knows."""
        return any(one.source == "flow" for one in self.fields)

    def matches(self, packet: PacketLike, moments: Moments | None = None) -> bool:
        """Tell whether `packet` passes.

        `moments` is what ``frame.time_relative`` and ``frame.time_delta`` count from; without, no packet has those.
        """
        return (self.bpf is None or self.bpf.matches(packet.record)) and self._matches(packet, moments)

    def select(self, packets: Iterable[Some], clock: Clock | None = None) -> Iterator[Some]:
        """Yield those of `packets` that pass; relative times count from the first of them, and from the one before.

        `clock`, where it is given, went over the packets before them, and goes on.
        """
        clock = Clock() if clock is None else clock
        for packet in packets:
            if self.matches(packet, clock.moments(packet.record.time_ns)):
                yield packet

    def __str__(self) -> str:
        return self.text if self.bpf is None else f"-f {self.bpf.text}" + (f" -Y {self.text}" if self.text else "")

    def __repr__(self) -> str:
        return f"<Filter {self}>"


def _any_packet(packet: PacketLike, moments: Moments | None = None) -> bool:
    """Tell that it passes."""
    return True


def compile_filter(
    text: str | None, protocols: Mapping[str, type[Header]] | Iterable[type[Header]] = (), *, bpf: str | None = None
) -> Filter:
    """Return a filter, ready to be asked.

    Parameters
    ----------
    text : in Wireshark's display-filter language; None lets all pass
    bpf : a filter in libpcap's language, as for tcpdump, that has to hold too
    protocols : the user's own, whose fields are known besides pktlab's; as for `pktlab.open`, or the headers alone

    Raises
    ------
    FilterError : it does not read, names no known field, or compares what cannot be compared
    MissingLibrary : there is a `bpf`, and libpcap is not installed

    >>> print(compile_filter("tcp.port in {80, 8000..8080} and not ip.addr == 10.0.0.0/8").tree)
    tcp.port in {80, 8000 .. 8080} and not ip.addr == 10.0.0.0/8
    >>> [field.name for field in compile_filter("udp.length > 8 && ip").fields]
    ['udp.length', 'ip']
    """
    if text is not None and not text.strip():
        raise FilterError(text, 0, "there is nothing in it")
    chosen = None
    if bpf is not None:
        from pktlab.columns.bpf import CaptureFilter

        chosen = CaptureFilter(bpf)
    return Filter(text, protocols.values() if isinstance(protocols, Mapping) else protocols, chosen)
