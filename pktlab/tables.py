"""Tables of what has packets: the two methods that a capture and a selection of it share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pktlab.wire.header import Header

if TYPE_CHECKING:
    from pktlab.columns.cells import Wanted
    from pktlab.columns.table import Table

__all__ = ["TABLE_LEN", "Tabular"]

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

        return self._batches(wanted(names, self.protocols), size, threads)
