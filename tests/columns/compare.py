"""What the engine says of a capture beside what the exact reader says of it."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np

import pktlab
from pktlab.capture import open_capture
from pktlab.columns.batches import VERDICTS, Columns
from pktlab.columns.filters.occurrences import Moments, Occurrences
from pktlab.columns.plan import Plan, plan_for
from pktlab.columns.registry import registry
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import Scan, Walked
from pktlab.columns.windows import WINDOW_LEN
from pktlab.packets import Packet
from pktlab.wire.bindings import Binding, bind

from .test_batches import by_packet

__all__ = ["column_differences", "verdict_differences"]


@cache
def columns_of(names: tuple[str, ...], bindings: tuple[Binding, ...]) -> Columns:
    """Return the columns of `names`."""
    return Columns(names, bindings)


@cache
def every_sum(bindings: tuple[Binding, ...]) -> Plan:
    """Return the plan that judges every checksum."""
    return plan_for(compile_rules(bindings), sums=None, every=True)


def bound(protocols: dict[str, Any] | None) -> tuple[Binding, ...]:
    """Return a user's own protocols as the library has them."""
    return tuple(bind(condition, protocol) for condition, protocol in (protocols or {}).items())


def column_differences(
    data: bytes,
    names: list[str],
    *,
    protocols: dict[str, Any] | None = None,
    threads: int = 1,
    window_len: int = WINDOW_LEN,
) -> list[str]:
    """Return where columns differ from the exact reader, for the capture in `data`."""
    capture, bindings = pktlab.open(io.BytesIO(data), protocols=protocols), bound(protocols)
    reader = open_capture(io.BytesIO(data))
    batches = columns_of(tuple(names), bindings).read(reader, lambda _: None, threads=threads, window_len=window_len)
    got = [values for batch, _ in batches for values in by_packet(batch)]
    known = registry(one.protocol for one in bindings)
    wanted, first, previous = [], None, None
    for packet in capture:
        first = packet.time_ns if first is None else first
        asked = Occurrences(packet, known, Moments(first, packet.time_ns if previous is None else previous))
        previous = packet.time_ns
        wanted.append({name: found[0] for name in names if (found := asked.values(name))})
    found = [] if len(got) == len(wanted) else [f"{len(got)} packets, not {len(wanted)}"]
    for number, (one, other) in enumerate(zip(got, wanted, strict=False), 1):
        unlike = sorted(name for name in names if one.get(name) != other.get(name))
        found += [f"{number} {name}: {one.get(name)}, not {other.get(name)}" for name in unlike]
    return found + _ends(reader.damage, capture.damage)


def verdict_differences(
    data: bytes, *, protocols: dict[str, Any] | None = None, threads: int = 1, window_len: int = WINDOW_LEN
) -> list[str]:
    """Return where records, verdicts and sums that kernels give differ from the exact reader's."""
    bindings = bound(protocols)
    reader, capture = open_capture(io.BytesIO(data)), pktlab.open(io.BytesIO(data), protocols=protocols)
    packets = iter(capture)
    found = []
    for walked, _ in Scan(reader, every_sum(bindings), lambda _: None, threads=threads, window_len=window_len):
        for place in range(walked.count):
            packet = next(packets, None)
            if packet is None:
                found.append("more packets than there are")
                continue
            record = walked.window.record(place)
            if record != packet.record:
                found.append(f"{record}, not {packet.record}")
            if not walked.exact[place] and (one := _difference(walked, place, packet)):
                found.append(one)
    found += ["fewer packets than there are" for _ in packets]
    return found + _ends(reader.damage, capture.damage)


def _difference(walked: Walked, place: int, packet: Packet) -> str:
    """Return what is different in the verdicts of a packet that the kernels answered for; "" if nothing is."""
    got = {}
    for row in np.flatnonzero(walked.verdicts[:, place]):
        verdict = VERDICTS[walked.verdicts[row, place]]
        is_summed = str(verdict) in ("good", "bad", "partial")
        expected = int(walked.expected[row, place]) if is_summed else None
        got[walked.plan.protocols[row]] = (str(verdict), int(walked.found[row, place]), expected)
    wanted = {one.protocol: (str(one.verdict), one.found, one.expected) for one in packet.judgements}
    if got == wanted and len(wanted) == len(packet.judgements):
        return ""
    return f"{packet.number}: {got}, not {packet.judgements}; {packet.data.hex()}"


def _ends(damage: object, wanted: object) -> list[str]:
    return [] if str(damage) == str(wanted) else [f"ended by {damage}, not by {wanted}"]
