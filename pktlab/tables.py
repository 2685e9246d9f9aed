"""Tables of what has packets: the two methods that a capture and a selection of it share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from pktlab.capture import CaptureReader
from pktlab.columns.filters import Clock, Filter
from pktlab.flows import FLOW_FIELDS, FlowTable, Fragments
from pktlab.sources import exact_first as usual_first
from pktlab.wire.bindings import Binding
from pktlab.wire.header import Header

if TYPE_CHECKING:
    from pktlab.columns.cells import Wanted
    from pktlab.columns.streams import Hear
    from pktlab.columns.table import Table
    from pktlab.flows.stream_table import StreamTable, Told

__all__ = ["TABLE_LEN", "Tabular", "tables_of"]

TABLE_LEN = 65_536
"""Rows of a table that is one of many."""


class Readable(Protocol):
    """What `tables_of` reads; `pktlab.api.Capture` is one."""

    fragments: Fragments
    flow_table: FlowTable
    bindings: tuple[Binding, ...]

    @property
    def reader(self) -> Any:
        """What reads the file."""

    @property
    def protocols(self) -> Sequence[type[Header]]:
        """The user's own."""

    def rest(self) -> Iterator[Any]:
        """Yield the packets that were not read yet."""


class Tabular:
    """What gives columns of its packets; a subclass says how in `_batches`."""

    @property
    def protocols(self) -> Sequence[type[Header]]:
        """The user's own."""
        raise NotImplementedError

    def _batches(self, columns: Sequence[Wanted], size: int, threads: int) -> Iterator[Table]:
        raise NotImplementedError

    def table(self, *names: str, threads: int = 0) -> Table:
        """Return columns of all packets, by the names of fields; the usual ones if none is named.

        Parameters
        ----------
        threads : 0 for as many as there are cores; a small capture needs one

        Raises
        ------
        SchemaError : no packet can have such a field

        >>> import pktlab
        >>> pktlab.open("pcaps/first-light.pcapng").table("ip.src", "udp.dstport")["udp.dstport"].to_list()[27]
        12000
        """
        from pktlab.columns.table import joined

        return joined(list(self.batches(*names, threads=threads)))

    def batches(self, *names: str, size: int = TABLE_LEN, threads: int = 0) -> Iterator[Table]:
        """Yield the same in tables of `size` rows: what is kept in memory does not grow with the capture."""
        from pktlab.columns.cells import wanted

        self.prepare(names)
        return self._batches(wanted(names, self.protocols), size, threads)

    def prepare(self, names: Iterable[str]) -> None:
        """See to it that packets can say all of `names`."""
        if any(name in FLOW_FIELDS for name in names):
            self.track_flows()

    def track_flows(self, *, exactly: bool = False) -> None:
        """See to it that packets know their conversations; those of a capture do.

        `exactly` : as entries of the flow table, in which they can be counted; so no packet is chosen in bulk
        """

    def flows(self, *, sort: str = "start", most: int | None = None) -> Table:
        """Return the conversations over TCP and UDP, a row each; see `pktlab.columns.conversations.Conversation`.

        Parameters
        ----------
        sort : ``"start"``, ``"packets"``, ``"bytes"`` or ``"duration"``; all but the first put the most first
        most : rows that are wanted; None for all

        Raises
        ------
        ValueError : there is no such order

        >>> import pktlab
        >>> table = pktlab.open("pcaps/first-light.pcapng").flows(sort="packets", most=1)
        >>> table["packets_out"].to_list(), table["state"].to_list()
        ([6], ['closed'])
        """
        from pktlab.columns.conversations import Conversations, count_flows

        rows = Conversations(sort, most)
        for _ in count_flows(self, rows):
            pass
        return rows.table()

    def streams(
        self, table: StreamTable | None = None, *, hear: Hear | None = None, threads: int = 0
    ) -> Iterator[list[Told]]:
        r"""Yield what is told of the streams of TCP and uTP, some at a time; see `pktlab.flows.streams`.

        What is told of one stream is in order: that it begins, data, gaps where bytes are missing, and its end.

        Parameters
        ----------
        table : puts those of TCP together, by its policy and in its bounds; the usual ones if None
        hear : is given each datagram that may be of a UDP tracker, the DHT or LSD, and when it was captured, ns
        threads : 0 for as many as there are cores

        >>> import pktlab
        >>> from pktlab.flows.streams import Data
        >>> told = [one for some in pktlab.open("pcaps/first-light.pcapng").streams() for one in some]
        >>> [(str(stream), event.way, bytes(event.data)) for stream, event in told if isinstance(event, Data)][0]
        ('tcp 0', 0, b'hello, tcp\n')
        """
        from pktlab.columns.streams import read_streams
        from pktlab.flows.stream_table import StreamTable
        from pktlab.flows.utp_table import UtpTable

        whole: Any = self
        first = usual_first(whole.reader)
        return read_streams(self, table or StreamTable(), utp=UtpTable(), hear=hear, threads=threads, exact_first=first)


def tables_of(
    capture: Readable, columns: Sequence[Wanted], chosen: Filter | None, *, size: int, threads: int, exact_first: int
) -> Iterator[Table]:
    """Yield the tables of a capture's packets: the first ones by the exact reader, and if there are more, by kernels.

    Parameters
    ----------
    capture : nothing of it was read yet
    chosen : the filter; None lets all pass
    exact_first : how many are read before the kernels are loaded; of a stream none, which comes as it comes
    """
    from pktlab.columns.exactly import exact_tables

    clock, protocols = Clock(), capture.protocols
    if not isinstance(capture.reader, CaptureReader):  # several captures, merged
        yield from exact_tables(capture.rest(), columns, protocols, size=size, chosen=chosen)
        return
    exact_first = max(exact_first, 0) if capture.reader.is_plain_file else 0
    first = islice(capture.rest(), exact_first)
    (before,) = exact_tables(first, columns, protocols, size=exact_first or 1, chosen=chosen, clock=clock)
    if clock.count < exact_first:
        yield from (before.slice(start, start + size) for start in range(0, max(len(before), 1), size))
        return
    from pktlab.columns.bulk import bulk_tables

    yield from bulk_tables(
        capture.reader, columns, capture.bindings, size=size, threads=threads, chosen=chosen,
        before=before if exact_first else None, clock=clock, fragments=capture.fragments,
        flow_table=capture.flow_table,
    )  # fmt: skip
