"""The picture of who sends to which socket, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pktlab.demuxing.tally import NOBODY, Demuxed, FlowTally
from pktlab.flows.sockets import Endpoint

__all__ = ["tree"]

MAX_SHOWN = 12
"""Flows shown at a socket; the others are counted."""


def tree(demuxed: Demuxed) -> Iterator[str]:
    """Yield a line a socket, and under it a line for each flow that it got packets of.

    A connection stands under the SYN that went to its listener, whose port it keeps.
    """
    shown: set[str] = set()
    for name, tally in demuxed.sockets.items():
        if name in shown:
            continue
        shown.add(name)
        flows = [flow for flow in demuxed.flows.values() if name in flow.got]
        title = name or "no socket"
        listens = " listens" if tally.socket is not None and tally.socket.is_listening else ""
        yield f"{title}{listens}: {_count(tally.packets, 'packet')}"
        lines = [_flow(flow, name, demuxed, shown) for flow in flows[:MAX_SHOWN]]
        if len(flows) > MAX_SHOWN:
            lines.append([f"and {_count(len(flows) - MAX_SHOWN, 'more flow')}"])
        for place, (head, *rest) in enumerate(lines, 1):
            is_last = place == len(lines)
            yield f"{'└─' if is_last else '├─'} {head}"
            yield from (f"{'  ' if is_last else '│ '} {line}" for line in rest)


def _flow(flow: FlowTally, name: str, demuxed: Demuxed, shown: set[str]) -> list[str]:
    """Return a flow at a socket, and at its listener the connections that came of it."""
    key, number = flow.key, flow.got[name]
    ends = f"{Endpoint(key.src, key.srcport)} → {Endpoint(key.dst, key.dstport)}"
    if name == NOBODY:
        why = f", answered with {flow.answer}" if flow.answer else f", {flow.dropped}" if flow.dropped else ""
        return [f"{ends}  {_count(number, 'packet')}{why}"]
    if flow.asked != name:
        return [f"{ends}  {_count(number, 'packet')}"]
    lines = [f"SYN {ends}"]
    for child in (one for one in flow.got if one not in (name, NOBODY)):
        shown.add(child)
        lines.append(f"└─ {child}: {_count(flow.got[child], 'packet')}, still port {key.dstport}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
