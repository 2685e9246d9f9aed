"""`Trails`: ways through headers that packets were walked before, learned from them while a capture is read.

Most packets of a capture are built alike: the same kinds of headers at the same places, which differ in addresses,
ports and lengths. The walk finds out all over again what is where. From the path of a packet that it walked, and from
the rules that the path was found by, a trail is made:

- what has to be the same for the walk to go the same way: every bit of a field that a test, a length or a lookup asks
  for, as masks over words of the packet (`COMPARE`);
- the numbers that may differ, each within the bounds in which all tests of it come out as they did (`VARIABLE`): the
  length of a payload, of the last header, and ports behind which nothing of what is wanted is found;
- what the walk does in each header (`STEP`): what it bounds, what is noted, which checksum is judged.

A packet that fits a trail is as if walked. Whatever is not plain on its way has no trail, and goes to the walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pktlab.columns import kernels_trails as kernel
from pktlab.columns.kernels_sums import ABSENT
from pktlab.columns.kernels_walk import DEPTH
from pktlab.columns.plan import Plan
from pktlab.columns.rules import WALKED
from pktlab.columns.terms import FIRST_SUM, ZERO
from pktlab.columns.windows import Window

__all__ = ["Trails"]

Array = np.ndarray[Any, Any]
_MOST, _MOST_ROWS, _SAMPLES = 64, 1024, 16
_TRIES = 256
"""Paths that are looked at: where no two packets are alike, no more is learned."""
_LEAST_PACKETS = 256
"""In a smaller window nothing is learned: it would take longer than to walk what comes."""
_FEW, _ENOUGH = 0.1, 1 << 15
"""If after so many packets a smaller share than this went along trails, it is given up."""
_LEAST, _MOST_VALUE = -(1 << 62), 1 << 62


_NOTHING = dict.fromkeys(kernel.STEP.names or (), 0) | {"slot": -1, "judged": -1}


class _NoTrail(Exception):
    """The path depends on more than a trail can say."""


class Trails:
    """The trails that are known for a plan.

    arrays : what `kernels_trails.retrace` takes: trails, compares, steps, variables, ranks (uint8, which trail is tried
        first), known, waiting, members and ends (room to work in)
    known : int64, see `kernels_trails`; samples : int32, paths that the walk tells: packet, headers, then kind, place
        and length of each
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.known = np.zeros(4, np.int64)
        self._trails = np.zeros(_MOST, kernel.TRAIL)
        self._compares = np.zeros(_MOST_ROWS, kernel.COMPARE)
        self._steps = np.zeros(_MOST_ROWS, kernel.STEP)
        self._variables = np.zeros(_MOST_ROWS, kernel.VARIABLE)
        self.samples = np.zeros((_SAMPLES, 2 + 3 * DEPTH), np.int32)
        self.arrays = (
            self._trails, self._compares, self._steps, self._variables, np.arange(_MOST, dtype=np.uint8), self.known,
            np.full(_MOST, -1, np.int32), np.zeros((7, kernel.TOGETHER), np.int64),
            np.zeros((2 * DEPTH, kernel.TOGETHER), np.int64),
        )  # fmt: skip
        self._seen: set[bytes] = set()
        self._tries = self._packets = 0

    def begin(self, window: Window) -> None:
        """Ask for paths, if there is more to learn."""
        is_learning = window.count >= _LEAST_PACKETS and self._tries < _TRIES and self.known[kernel.TRAILS] < _MOST
        self.known[kernel.SAMPLED], self.known[kernel.WANTED] = 0, _SAMPLES if is_learning else 0
        if self.known[kernel.TRAILS]:
            self._packets += window.count

    def learn(self, window: Window) -> None:
        """Make trails of the paths that were told."""
        if self._packets > _ENOUGH and self.known[kernel.HITS] < _FEW * self._packets:
            self.known[kernel.TRAILS], self._tries = 0, _TRIES
        for packet, depth, *path in self.samples[: self.known[kernel.SAMPLED]].tolist():
            start = int(window.index.starts[packet])
            stop = start + int(window.index.captured[packet])
            self._tries += 1
            try:
                made = _Maker(self.plan, window.data[start : stop + 8].tobytes(), _triples(path[: 3 * depth]))
                self._add(made)
            except _NoTrail:
                continue

    def _add(self, made: _Maker) -> None:
        key = repr((made.compares, made.steps, made.variables)).encode()
        if key in self._seen:
            return
        self._seen.add(key)
        first = self._ends()
        rows = list(zip(self._tables(), first, (made.compares[:-1], made.variables, made.steps), strict=True))
        if any(at + len(more) > len(table) for table, at, more in rows) or self.known[kernel.TRAILS] == _MOST:
            self._tries = _TRIES
            return
        for step in made.steps:
            for name in ("variable_first", "variable_last"):
                step[name] += first[1]
        for table, at, more in rows:
            for place, row in enumerate(more, at):
                table[place] = tuple(row[name] for name in table.dtype.names or ())
        compare_first, _, step_first = first
        self._trails[self.known[kernel.TRAILS]] = (
            made.kind, compare_first, compare_first + len(made.compares) - 1, step_first,
            step_first + len(made.steps), made.extent, *made.compares[-1].values(),
        )  # fmt: skip
        self.known[kernel.TRAILS] += 1

    def _tables(self) -> tuple[Array, Array, Array]:
        return self._compares, self._variables, self._steps

    def _ends(self) -> tuple[int, int, int]:
        """Return how many rows of each table are taken."""
        count = int(self.known[kernel.TRAILS])
        if not count:
            return 0, 0, 0
        last = self._trails[count - 1]
        steps = self._steps[: last["step_last"]]
        return int(last["compare_last"]), int(steps["variable_last"].max()), int(last["step_last"])


def _triples(numbers: Sequence[int]) -> list[tuple[int, int, int]]:
    return list(zip(*[iter(numbers)] * 3, strict=True))


class _Maker:
    """Makes a trail of a path.

    Parameters
    ----------
    data : the packet, and some bytes behind it
    path : of each header its kind, where it starts, and its length, under 0 if another stands in its place

    Raises
    ------
    _NoTrail : there is none
    """

    def __init__(self, plan: Plan, data: bytes, path: list[tuple[int, int, int]]) -> None:
        self.plan, self.rules, self.data, self.path = plan, plan.rules, data, path
        self.steps: list[dict[str, int]] = []
        self.variables: list[dict[str, int]] = []
        self.extent = 0
        self.kind = path[0][0]
        self._mask, self._value = bytearray(len(data) + 8), bytearray(len(data) + 8)
        self._pending = plan.need
        self._address = {"address_at": -1, "proto": 0}
        self._slots: set[int] = set()
        for place, (kind, pos, header_len) in enumerate(path):
            head, is_last = self.rules.heads[kind], place + 1 == len(path)
            self.extent = max(self.extent, pos + int(head["size"]))
            if header_len < 0:
                _Step(self, head, kind, pos).hold_tests()
                self.steps.append({**_NOTHING, "pos": pos, "header_len": int(head["size"])})
            else:
                self._add(head, kind, pos, header_len, is_last)
        self.compares = list(self._merged()) or [dict.fromkeys(kernel.COMPARE.names or (), 0)]

    def _add(self, head: Any, kind: int, pos: int, header_len: int, is_last: bool) -> None:
        plan, first, before = self.plan, len(self.variables), self._pending
        if not plan.every:
            self._pending &= ~int(plan.here[kind])
        step = _Step(self, head, kind, pos)
        is_deep = bool(before & int(plan.deep[kind]))
        row = _NOTHING | step.made(header_len, is_last, is_deep, self._pending)
        for one in step.variables:
            if one["role"] or one["size"] or (one["least"], one["most"]) != (_LEAST, _MOST_VALUE):
                self.variables.append({name: one[name] for name in kernel.VARIABLE.names or ()})
        if head["number"] >= 0:
            self._address["proto"] = step.number(head["number"])
        if head["address_len"] > 0:
            self._address |= {"address_at": pos, "may_leave_out": int(head["may_leave_out"])}
            self._address |= {name: int(head[name]) for name in ("source", "destination", "address_len")}
        slot = int(plan.slots[kind])
        row["slot"] = -1 if slot in self._slots else slot
        self._slots.add(slot)
        row["judged"] = int(plan.judged[kind])
        if row["judged"] >= 0 and head["sum_pseudo"] and self._address["address_at"] < 0:
            raise _NoTrail
        if row["judged"] >= 0:
            row |= {name: int(head[name]) for name in ("sum_at", "sum_header", "sum_pseudo", "zero_as")}
            can_lack = self._address.get("may_leave_out")
            row["absent"] = (ABSENT if can_lack else -1) if head["zero_special"] else 0
        row |= {"pos": pos, "pending": self._pending, **self._address}
        row["variable_first"], row["variable_last"] = first, len(self.variables)
        if len(self.variables) > first or row["slot"] >= 0 or row["judged"] >= 0 or is_last:
            self.steps.append(row)

    def hold(self, offset: int, bits: int, word: int) -> None:
        """Ask for some bits of the 8 bytes at `offset`, in little-endian order."""
        for place in range(8):
            mask = bits >> 8 * place & 0xFF
            self._mask[offset + place] |= mask
            self._value[offset + place] |= word >> 8 * place & mask

    def _merged(self) -> Iterator[dict[str, int]]:
        """Yield what has to be the same, in as few words as there can be."""
        at = 0
        while at < len(self._mask):
            if not self._mask[at]:
                at += 1
                continue
            mask, value = (int.from_bytes(some[at : at + 8], "little") for some in (self._mask, self._value))
            yield {"offset": at, "mask": mask, "value": value}
            at += 8


class _Step:
    """What a header of the path says of a trail."""

    def __init__(self, maker: _Maker, head: Any, kind: int, pos: int) -> None:
        self.maker, self.head, self.kind, self.pos = maker, head, kind, pos
        self.rules = maker.rules
        self.fields = self.rules.fields[head["field_first"] : head["field_last"]]
        self.sums = self.rules.sums[head["sum_first"] : head["sum_last"]]
        self.tests = self.rules.tests[head["test_first"] : head["test_last"]]
        self.lookups = self.rules.lookups[head["next_first"] : head["next_last"]]
        self.variables: list[dict[str, int]] = []
        self._varying: dict[int, dict[str, int]] = {}

    def number(self, place: int) -> int:
        """Return what a number is in this packet."""
        if place >= FIRST_SUM:
            constant, _, places = self.terms(place)
            return constant + sum(map(self.number, places))
        field = self.fields[place]
        return (self._word(field) >> int(field["shift"]) & int(field["mask"])) * int(field["factor"])

    def terms(self, place: int) -> tuple[int, int, list[int]]:
        """Return what a number is the sum of: a constant, so many times the header's length, fields."""
        if place < FIRST_SUM:
            return 0, 0, [place]
        one = self.sums[place - FIRST_SUM]
        places = [int(one[side]) for side in ("left", "right")]
        return int(one["constant"]), int(one["header"]), [each for each in places if each != ZERO]

    def _word(self, field: Any) -> int:
        at = self.pos + int(field["offset"])
        return int.from_bytes(self.maker.data[at : at + 8], "little" if field["little"] else "big")

    def hold(self, place: int) -> None:
        """Ask for the number to be the same, unless it is one that varies."""
        for each in self.terms(place)[2]:
            if each in self._varying:
                continue
            field = self.fields[each]
            bits = int(field["mask"]) << int(field["shift"])
            word = self._word(field) & bits
            if not field["little"]:
                bits, word = (int.from_bytes(one.to_bytes(8, "big"), "little") for one in (bits, word))
            self.maker.hold(self.pos + int(field["offset"]), bits, word)

    def hold_tests(self) -> None:
        """Ask for all tests to come out as they do here."""
        for test in self.tests:
            constant, _, places = self.terms(int(test["number"]))
            varying = [each for each in places if each in self._varying]
            self.hold(int(test["number"]))
            if len(varying) > 1:
                raise _NoTrail
            if varying:
                rest = constant + sum(self.number(each) for each in places if each not in self._varying)
                self._narrow(self._varying[varying[0]], int(test["least"]) - rest, int(test["most"]) - rest)

    def _narrow(self, variable: dict[str, int], least: int, most: int) -> None:
        """Keep a variable on the side of bounds on which it is here."""
        value = variable["value"]
        if value < least:
            variable["most"] = min(variable["most"], least - 1)
        elif value > most:
            variable["least"] = max(variable["least"], most + 1)
        else:
            variable["least"], variable["most"] = max(variable["least"], least), min(variable["most"], most)

    def _vary(self, place: int, **more: int) -> dict[str, int]:
        """Let a field differ from packet to packet."""
        if place in self._varying:
            raise _NoTrail
        field = self.fields[place]
        variable = {name: int(field[name]) for name in ("little", "shift", "mask", "factor")} | {
            "offset": self.pos + int(field["offset"]), "least": _LEAST, "most": _MOST_VALUE, "table": 0, "size": 0,
            "role": 0, "value": self.number(place), **more,
        }  # fmt: skip
        self._varying[place] = variable
        self.variables.append(variable)
        return variable

    def _reach(self, table: int, size: int, pending: int) -> bool:
        """Tell whether something of what is wanted may be behind what a table leads to."""
        return bool((self.maker.plan.reach[self.rules.tables[table : table + size]] & pending).any())

    def made(self, header_len: int, is_last: bool, is_deep: bool, pending: int) -> dict[str, int]:
        """Return the step, as far as it is the header's own."""
        head, row = self.head, {"header_len": header_len, "constant": 0, "header": 0, "bounded": 0}
        payload = int(head["payload"])
        is_open = head["open"] >= 0 and self._holds(int(head["open"]))
        loads = self.terms(payload)[2] if payload >= 0 and not is_open else []
        if is_last and head["tail"] >= 0 and not is_deep and head["walked"] == WALKED:
            self._let_tail_vary(row, loads)
        if loads:
            constant, row["header"], places = self.terms(payload)
            self._vary(places[0], role=kernel.PAYLOAD)
            row["constant"] = constant + sum(map(self.number, places[1:]))
        elif payload >= 0 and not is_open:
            raise _NoTrail
        row["bounded"] = int(bool(loads))
        for one in self.lookups if head["first_byte"] >= 0 else ():
            table, size = int(one["table"]), int(one["size"])
            is_asked = self._reach(table, size, pending)
            self._vary(int(one["number"]), table=table, size=size if is_asked else 0)
        self._ask_behind(header_len, is_last, pending)
        self.hold_tests()
        for place in self._constants(loads):
            if place in self._varying:
                raise _NoTrail
            self.hold(place)
        return row

    def _constants(self, loads: list[int]) -> list[int]:
        """Return the fields that more than tests and lookups ask for, and that do not vary by themselves."""
        head, found = self.head, loads[1:]
        roles = {variable["role"] for variable in self.variables}
        if head["tail"] >= 0 and kernel.TAIL not in roles:
            found = found + self.terms(int(head["tail"]))[2]
        return [*found, int(head["number"])] if head["number"] >= 0 else found

    def _holds(self, group: int) -> bool:
        tests = [test for test in self.tests if test["group"] == group]
        return all(
            (test["least"] <= self.number(int(test["number"])) <= test["most"]) == bool(test["inside"])
            for test in tests
        )

    def _let_tail_vary(self, row: dict[str, int], loads: list[int]) -> None:
        """Let the length of the last header differ, if nothing else depends on it."""
        constant, header, places = self.terms(int(self.head["tail"]))
        is_apart = len(places) == 1 and not header and places[0] not in loads
        if is_apart and self.head["version"] < 0 and not self.head["sum_header"]:
            variable = self._vary(places[0], role=kernel.TAIL)
            variable["least"] = -constant
            row["header_len"] = int(self.head["size"]) + constant

    def _ask_behind(self, header_len: int, is_last: bool, pending: int) -> None:
        """Ask for what follows to be found as it is here."""
        head = self.head
        if head["first_byte"] >= 0 and self._reach(int(head["first_byte"]), 256, pending):
            raise _NoTrail
        if head["first_byte"] < 0:
            for one in self.lookups:
                self.hold(int(one["number"]))
        for one in self.rules.own[head["own_first"] : head["own_last"]]:
            if one["number"] in self._varying and self.maker.plan.reach[one["kind"]] & pending:
                raise _NoTrail
            if one["number"] >= 0:
                self.hold(int(one["number"]))
        if head["version"] >= 0:
            if is_last:
                raise _NoTrail
            at = self.pos + header_len
            self.maker.hold(at, 0xF0, self.maker.data[at])
