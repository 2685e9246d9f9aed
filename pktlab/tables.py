"""Tables of what has packets: the two methods that a capture and a selection of it share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pktlab.flows import FLOW_FIELDS
from pktlab.wire.header import Header

if TYPE_CHECKING:
    from pktlab.columns.cells import Wanted
    from pktlab.columns.table import Table

__all__ = ["TABLE_LEN", "Tabular", "selected_tables", "tables_of"]

TABLE_LEN = 65_536
"""Rows of a table that is one of many."""


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
        if not FLOW_FIELDS.isdisjoint(names):
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


def tables_of(
    packets: Iterable[Any] | None,
    reader: Any,
    columns: Sequence[Wanted],
    bindings: Sequence[Any],
    *,
    size: int,
    threads: int,
) -> Iterator[Table]:
    """Return the tables of `packets`, a few; or, if that is None, of all that `reader` has, by the kernels."""
    if packets is not None:
        return selected_tables(packets, columns, [one.protocol for one in bindings], None, size)
    from pktlab.columns.bulk import bulk_tables

    return bulk_tables(reader, columns, bindings, size=size, threads=threads)


def selected_tables(
    packets: Iterable[Any], columns: Sequence[Wanted], protocols: Sequence[type[Header]], chosen: Any, size: int
) -> Iterator[Table]:
    """Return the tables of those of `packets` that pass, by the exact reader."""
    from pktlab.columns.exactly import exact_tables

    return exact_tables(packets, columns, protocols, size=size, chosen=chosen)
