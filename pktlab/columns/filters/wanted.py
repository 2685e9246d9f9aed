"""What a filter wants of the kernels, and a window's answers.

Two walks: the first for what is compared as columns, the second, if there is any, for where fields may be that columns
cannot say. In both every occurrence counts: a packet in which a header comes twice is left to the exact reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from pktlab.columns.filters.check import DOMAINS
from pktlab.columns.plan import Plan, plan_for, rows_inside
from pktlab.columns.registry import FieldType, Registry
from pktlab.columns.rules import WALKED, Rules
from pktlab.columns.scan import STATUSES, Walked
from pktlab.columns.tracking import TRACKED, told_of
from pktlab.columns.windows import WINDOW_LEN, max_packets
from pktlab.wire.coverage import IN_PIECES
from pktlab.wire.header import Header

__all__ = ["View", "Wanted"]

Array = np.ndarray[Any, Any]
_PIECES = tuple(kind.layer for kind in IN_PIECES)


class Wanted:
    """What a filter asks for, noted while it is compiled.

    has_lengths : it asks for ``tcp.len``; has_flows : conversations are to be known
    """

    def __init__(self, rules: Rules, names: Registry) -> None:
        self.rules, self.names = rules, names
        self.has_lengths = False
        self.has_flows = False
        self._fields: dict[str, None] = {}
        self._layers: dict[str, None] = dict.fromkeys(_PIECES)
        self._sums: dict[str, None] = {}
        self._some_fields: dict[str, None] = {}
        self._some_layers: dict[str, None] = {}
        self._probes: dict[str, Plan] = {}

    def plan(self) -> Plan:
        """Return the plan of the first walk; reassembly needs every fragment, so each is for the exact reader."""
        fields = [*self._fields, *(TRACKED if self.has_flows else ())]
        return plan_for(self.rules, fields, layers=self._layers, sums=self._sums, every=True, pieces=True)

    def second_plan(self) -> Plan | None:
        """Return the plan of the second walk; None if there is nothing to look for."""
        if not self._some_fields and not self._some_layers:
            return None
        return plan_for(self.rules, list(self._some_fields), layers=self._some_layers, every=True)

    def field(self, name: str) -> bool:
        """Want a field of headers; tell whether kernels can take each occurrence of it."""
        places = self._probe(name).places[name]
        domain = DOMAINS[self.names.find(name).kind]
        takes = bool(places) and all(DOMAINS[place.row.kind] == domain for place in places)
        if takes and not self._hidden(name):
            self._fields[name] = None
            return True
        return False

    def layer(self, name: str) -> bool:
        """Want to know where a protocol is; tell whether there are headers of it."""
        if not self._is_layer(name):
            return False
        self._layers[name] = None
        return True

    def checksum(self, name: str) -> str:
        """Want the verdicts that `name` tells of; return the protocol."""
        protocol = name.partition(".checksum.")[0]
        self._sums[protocol] = None
        return protocol

    def somewhere(self, fields: Iterable[FieldType]) -> list[str] | None:
        """Want to know where one of `fields` may be; return what to ask for then, None if it may be anywhere."""
        names: dict[str, None] = {}
        layers: dict[str, None] = {}
        for field in fields:
            if field.source in ("row", "either", "host"):
                parts = field.parts or (field.name,)
                names |= dict.fromkeys(parts)
                layers |= {layer: None for part in parts for layer in self._hidden(part)}
            else:
                layer = field.name if field.source == "protocol" else field.name.partition(".")[0]
                if field.source == "checksum":
                    layer = field.name.partition(".checksum.")[0]
                if field.source == "frame" or not self._is_layer(layer):
                    return None
                layers[layer] = None
        self._some_fields |= names
        self._some_layers |= layers
        return [*names, *layers]

    def _probe(self, name: str) -> Plan:
        """Return the plan for one field alone."""
        if name not in self._probes:
            self._probes[name] = plan_for(self.rules, [name])
        return self._probes[name]

    def _is_layer(self, name: str) -> bool:
        return any(kind is not None and kind.layer == name for kind in self.rules.kinds)

    def _hidden(self, name: str) -> list[str]:
        """Return the protocols in whose headers a walk may pass over an occurrence of a field."""
        taken = self._probe(name).here
        kinds = [(number, kind) for number, kind in enumerate(self.rules.kinds) if kind is not None]
        return sorted({kind.layer for number, kind in kinds if self._hides(number, kind, name, bool(taken[number]))})

    def _hides(self, number: int, kind: type[Header], name: str, is_taken: bool) -> bool:
        """Tell whether kernels take a header as plain that may have a field that they do not find, or twice."""
        head = self.rules.heads[number]
        rows = [row for row in rows_inside(kind) if row.name == name]
        if is_taken or head["walked"] != WALKED or not rows:
            return is_taken and len(rows) > 1
        in_front = any(row.offset is not None and row.offset < head["size"] for row in kind.schema.rows if row in rows)
        return bool(head["tail"] < 0 or in_front or len(kind.schema.tail) > 1)


class View:
    """The answers of one window."""

    def __init__(self, walked: Walked, second: Walked | None, flows: tuple[Array, Array] | None = None) -> None:
        self.walked = walked
        self.flows = flows
        self.window, self.count = walked.window, walked.count
        self._second = second

    def none(self) -> Array:
        """Return False for each packet."""
        return np.zeros(self.count, np.bool_)

    def all(self) -> Array:
        """Return True for each packet."""
        return np.ones(self.count, np.bool_)

    @property
    def has_times(self) -> bool:
        """Whether the index has the time of each packet, and 64 bits what it counts from."""
        return self.window.packets is None and self.window.has_origin

    @cached_property
    def may_be(self) -> Walked:
        """The second walk, run when it is needed."""
        assert self._second is not None
        self._second.run(self.window)
        return self._second

    def may_have(self, keys: Sequence[str]) -> Array:
        """Return where one of the fields and protocols may be."""
        walked = self.may_be
        found = walked.exact.copy()
        for key in keys:
            found |= walked.payloads(walked.plan.places[key])[1]
        return found

    def has_layer(self, name: str) -> Array:
        """Return where a protocol is."""
        return self.walked.payloads(self.walked.plan.places[name])[1]

    def numbers(self, name: str) -> list[tuple[Array, Array]]:
        """Return the values of a field in each kind of header that has it, and where it is."""
        return [self.walked.values([place]) for place in self.walked.plan.places[name]]

    def wide(self, name: str) -> list[tuple[Array, Array]]:
        """Do the same for addresses of 16 octets."""
        return [self.walked.octets([place], 16) for place in self.walked.plan.places[name]]

    def lengths(self) -> tuple[Array, Array]:
        """Return the octets behind TCP headers; -1 where it cannot be told."""
        return self.walked.payloads(self.walked.plan.places["tcp"])

    def flow(self, name: str) -> tuple[Array, Array]:
        """Return what the flow table says, and of which packets it does."""
        assert self.flows is not None
        return told_of(name, *self.flows)

    def codes(self, protocol: str) -> Array:
        """Return the verdicts on a protocol's checksum as places in `scan.VERDICTS`."""
        codes: Array = self.walked.verdicts[self.walked.plan.protocols.index(protocol)]
        return codes

    def status(self, protocol: str) -> tuple[Array, Array]:
        """Return them as Wireshark's numbers."""
        codes = self.codes(protocol)
        return STATUSES[codes], codes > 0


def second_walk(wanted: Wanted) -> Walked | None:
    """Return the arrays of the second walk; None if there is none."""
    plan = wanted.second_plan()
    return None if plan is None else Walked(plan, max_packets(WINDOW_LEN))
