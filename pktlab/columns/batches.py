"""Columns of a capture: for each name its values, a batch of packets at a time.

What the kernels can take they take; for the packets that they leave alone the exact reader is asked, in file order,
with the same reassembly as everywhere, and its answers are put into the same arrays. So a column does not tell who
filled it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pktlab.capture import CaptureReader, Record, canonical_link_type
from pktlab.columns.filters.occurrences import Moments, Occurrences
from pktlab.columns.plan import Place, plan_for
from pktlab.columns.registry import FieldType, Registry, registry
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import STATUSES, VERDICTS, Scan, Walked
from pktlab.columns.tracking import TRACKED, Tracker, keys_of, told_of
from pktlab.columns.windows import WINDOW_LEN, Window
from pktlab.flows import FlowTable, Fragments
from pktlab.packets import Packet
from pktlab.wire.bindings import Binding
from pktlab.wire.verdict import Verdict

if TYPE_CHECKING:
    from pktlab.columns.where import Where

__all__ = ["VERDICTS", "Batch", "Columns", "ExactReader"]

Array = np.ndarray[Any, Any]
_BAD = VERDICTS.index(Verdict.bad)
_NUMBERS = frozenset({"uint", "int", "bool", "enum", "flags", "ipv4", "mac", "timestamp"})


@dataclass(frozen=True, eq=False)
class Column:
    """One wanted name, and how its values are kept.

    store : ``"number"``, int64 (an address as a number, a time in ns); ``"wide"``, uint8 of shape (packets, 16);
        ``"verdict"``, a place in `VERDICTS`; ``"object"``, a list of bytes, numbers or text, None where there is none
    """

    name: str
    type: FieldType
    store: str
    source: str
    places: tuple[Place, ...] = ()
    row: int = -1  # of the verdicts


class Batch:
    """The values of some packets that lie one behind another.

    first : `frame.number` of the first; count : how many
    values : by name, as the column's `store` says; has : by name, bool, shape (packets,)
    exact : bool, shape (packets,): the exact reader answers
    chosen : bool, shape (packets,): it passes the filter; asked : only the exact reader can tell whether it does
    """

    def __init__(self, columns: Sequence[Column], first: int, count: int, exact: Array) -> None:
        self.columns = columns
        self.first, self.count, self.exact = first, count, exact
        self.values: dict[str, Any] = {}
        self.has: dict[str, Array] = {}
        self.packets: dict[int, Packet] = {}
        """The packets that the exact reader read, by their place."""
        self.moments: dict[int, Moments] = {}
        """What their relative times count from."""
        self.chosen, self.asked = np.ones(count, np.bool_), np.zeros(count, np.bool_)
        self.keys: Array
        """Where conversations are asked for: what the flow table is given, and what it tells."""
        self.told: Array

    @property
    def left(self) -> Array:
        """Which packets are left to the exact reader: for their values, or to choose among them; bool."""
        left: Array = self.asked | (self.exact & self.chosen)
        return left

    def picked(self) -> Batch:
        """Return the packets that are chosen, with copies of their values."""
        if self.chosen.all():
            return self
        places = np.flatnonzero(self.chosen)
        batch = Batch(self.columns, self.first, len(places), self.exact[places])
        for name, values in self.values.items():
            is_list = isinstance(values, list)
            batch.values[name] = [values[place] for place in places.tolist()] if is_list else values[places]
            batch.has[name] = self.has[name][places]
        return batch


class ExactReader:
    """Reads the packets that kernels leave alone; to be given them in file order.

    >>> from pktlab.capture import Record
    >>> ExactReader().packet(Record(1, 0, bytes(14), 14, 1)).number
    1
    """

    def __init__(
        self,
        bindings: Sequence[Binding] = (),
        fragments: Fragments | None = None,
    ) -> None:
        self.bindings = bindings
        self.fragments = Fragments() if fragments is None else fragments

    def packet(self, record: Record) -> Packet:
        """Return the packet that `record` holds."""
        return Packet(record, canonical_link_type(record.link_type), self.bindings, self.fragments)


Result = TypeVar("Result")


class Columns:
    """The columns of a query.

    Parameters
    ----------
    names : of fields, as in `pktlab.columns.registry`; several of them may be the same
    bindings : the user's own protocols
    every : packets in which a field may occur more than once are the exact reader's

    Raises
    ------
    SchemaError : no packet can have such a field
    """

    def __init__(self, names: Sequence[str], bindings: Sequence[Binding] = (), *, every: bool = False) -> None:
        self.bindings = bindings
        self.registry: Registry = registry(binding.protocol for binding in bindings)
        types = [self.registry.find(name) for name in dict.fromkeys(names)]
        fields, sums, layers = [], [], []
        for one in types:
            if one.source == "row":
                fields.append(one.name)
            elif one.source in ("either", "host"):
                fields.append(one.parts[0])
            elif one.source == "checksum":
                sums.append(one.name.partition(".checksum.")[0])
            elif one.source == "payload":
                layers.append(one.name.partition(".")[0])
        self.tracks = any(one.source == "flow" for one in types)
        """Whether conversations are asked for."""
        fields += TRACKED if self.tracks else ()
        every = every or self.tracks
        self.plan = plan_for(compile_rules(bindings), fields, layers=layers, sums=sums, every=every, pieces=self.tracks)
        self.columns = [self._column(one, every) for one in types]
        self.all_exact = any(column.source == "exact" for column in self.columns)

    def _column(self, one: FieldType, every: bool) -> Column:
        places = tuple(self.plan.places.get(one.parts[0] if one.parts else one.name, ()))
        if one.name == "frame.comment":
            return Column(one.name, one, "object", "comment")
        if one.source == "frame" and one.kind != "str":
            return Column(one.name, one, "number", "frame")
        if one.source == "checksum":
            row = self.plan.protocols.index(one.name.partition(".checksum.")[0])
            what = one.name.rpartition(".")[2]
            store = {"status": "number", "verdict": "verdict", "cause": "object"}[what]
            return Column(one.name, one, store, what, row=row)
        if one.name == "tcp.len":
            return Column(one.name, one, "number", "length", tuple(self.plan.places["tcp"]))
        if one.source == "flow":
            return Column(one.name, one, "number", "flow")
        if one.source in ("row", "either", "host") and not (every and one.parts):  # of which a header has two
            kind = one.kind if one.source != "host" else self.registry.find(one.parts[0]).kind
            if kind == "ipv6":
                return Column(one.name, one, "wide", "octets", places)
            store = "number" if kind in _NUMBERS and one.width < 8 else "object"
            return Column(one.name, one, store, "field", places)
        return Column(one.name, one, "object", "exact")

    def read(
        self,
        reader: CaptureReader,
        work: Callable[[Batch], Result],
        *,
        threads: int = 1,
        read: int = 0,
        fragments: Fragments | None = None,
        tracker: Tracker | None = None,
        moments: Moments | None = None,
        window_len: int = WINDOW_LEN,
        where: Where | None = None,
        watch: Callable[[Window], None] = lambda _: None,
    ) -> Iterator[tuple[Batch, Result]]:
        """Yield the batches of a capture, in file order.

        Parameters
        ----------
        work : done with each batch before the exact reader's answers are in it: on any thread, but in file order on
            this one if conversations are asked for
        threads : how many windows are worked on at a time
        read : packets that were read already; fragments, tracker, moments : what they left behind
        window_len : bytes of a window
        where : chooses packets, see `Batch.chosen`; the values of others mean nothing
        watch : is told each window
        """
        exact = ExactReader(self.bindings, fragments)
        if self.tracks and tracker is None:
            tracker = Tracker(FlowTable())

        def first_part(walked: Walked) -> tuple[Batch, tuple[Result, ...]]:
            batch = self._batch(walked)
            if where is not None:
                _, batch.chosen, batch.asked = where.choose(walked.window, window_len)
            return batch, () if self.tracks else (work(batch),)

        first_ns, previous_ns = moments or (None, None)
        windows = Scan(
            reader, self.plan, first_part, threads=threads, read=read, first_ns=first_ns, previous_ns=previous_ns,
            window_len=window_len,
        )  # fmt: skip
        for walked, (batch, results) in windows:
            watch(walked.window)
            done = 0
            for place in map(int, np.flatnonzero(batch.left)):
                packet, at = exact.packet(walked.window.record(place)), walked.window.moments(place)
                if tracker is not None:
                    tracker.run(batch.keys, done, place, batch.told)
                    packet.flows = tracker.add(packet.dissection, packet.length, packet.time_ns)
                    done = place + 1
                if batch.asked[place] and where is not None:
                    batch.chosen[place] = where.filter.matches(packet, at)
                if batch.exact[place] and batch.chosen[place]:
                    batch.packets[place], batch.moments[place] = packet, at
                    self._answer(batch, place, Occurrences(packet, self.registry, at))
            if tracker is not None:
                tracker.run(batch.keys, done, batch.count, batch.told)
                self._add_flows(batch)
            yield batch, results[0] if results else work(batch)

    def _add_flows(self, batch: Batch) -> None:
        """Put what the flow table says of the packets that are not the exact reader's into the columns."""
        for column in self.columns:
            if column.source == "flow":
                values, has = told_of(column.name, batch.keys, batch.told)
                has &= ~batch.exact
                batch.values[column.name][has] = values[has]
                batch.has[column.name] |= has

    def _batch(self, walked: Walked) -> Batch:
        exact = np.ones(walked.count, np.bool_) if self.all_exact else walked.exact.copy()
        batch = Batch(self.columns, walked.window.first, walked.count, exact)
        if self.tracks:
            batch.keys, is_odd = keys_of(walked)
            batch.told = np.zeros((3, walked.count), np.int64)
            exact |= is_odd
        for column in self.columns:
            batch.values[column.name], batch.has[column.name] = self._values(column, walked, batch)
        for column in self.columns:
            if column.source != "frame":
                batch.has[column.name] &= ~exact
        return batch

    def _values(self, column: Column, walked: Walked, batch: Batch) -> tuple[Any, Array]:
        match column.source:
            case "field" if column.store == "number":
                return walked.values(list(column.places))
            case "octets":
                return walked.octets(list(column.places), 16)
            case "length":
                lengths, has = walked.payloads(list(column.places))
                batch.exact |= has & (lengths < 0)
                return lengths, has
            case "status" | "verdict" | "cause":
                codes = walked.verdicts[column.row]
                if column.source == "cause":
                    batch.exact |= codes == _BAD
                    return [None] * walked.count, np.zeros(walked.count, np.bool_)
                return (STATUSES[codes] if column.source == "status" else codes.copy()), codes > 0
            case "comment":
                batch.exact |= walked.window.may_have_comments()
            case "frame":
                return walked.window.frame(column.name)
            case "flow":
                return np.zeros(walked.count, np.int64), np.zeros(walked.count, np.bool_)
        return [None] * walked.count, np.zeros(walked.count, np.bool_)

    def _answer(self, batch: Batch, place: int, occurrences: Occurrences) -> None:
        """Put what the exact reader says of a packet into the columns."""
        for column in self.columns:
            if column.source == "frame":
                continue
            found = occurrences.values(column.name)
            batch.has[column.name][place] = bool(found)
            if not found:
                continue
            value = found[0]
            if column.store == "wide":
                batch.values[column.name][place] = np.frombuffer(value, np.uint8)
            elif column.store == "verdict":
                batch.values[column.name][place] = VERDICTS.index(Verdict(value.decode()))
            elif column.store == "number":
                batch.values[column.name][place] = int.from_bytes(value, "big") if isinstance(value, bytes) else value
            else:
                batch.values[column.name][place] = value
