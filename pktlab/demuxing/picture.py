"""The picture that a textbook draws: clients on the left, the server's sockets on the right, four-tuples between them.

A client is a box with a row a port; a flow is a line from that row, under its four-tuple, to the socket that gets it. A
SYN is a dashed line to the listener, and the connection's socket shows the port that stays the same. What comes of it
are shapes, in px from the upper left corner; `svg` and `png` write them down.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pktlab.demuxing.tally import NOBODY, Demuxed, FlowTally
from pktlab.flows.keys import FlowKey
from pktlab.flows.match import Rule
from pktlab.flows.sockets import Endpoint, Socket

__all__ = ["FONT", "Box", "Curve", "Label", "Picture", "Shape"]

MAX_FLOWS = 16
"""Flows that are drawn; of more, the first, and a line says how many there are."""
CHAR, FONT = 7.3, 12  # width of a character of the monospaced font, and its size, px
MARGIN, ROW, TITLE, GAP, PAD = 24, 34, 24, 18, 12  # px
TITLE_FONT, TITLE_CHAR, TITLE_ROW = 15, 9.2, 20  # px
SOCKET_HEIGHT, SOCKET_GAP, END_GAP = 54, 16, 9  # px
COLORS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#b8860b", "#c2437a", "#4d7d1a", "#5c6bc0")
"""One for each flow in turn; readable on white."""
RED, GREY, INK = "#b3261e", "#6b7280", "#111827"
Dash = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A rectangle with round corners."""

    x: float
    y: float
    width: float
    height: float
    stroke: str
    fill: str
    dash: Dash | None = None


@dataclass(frozen=True)
class Label:
    """A line of text; `y` is that of its baseline."""

    x: float
    y: float
    text: str
    color: str = INK
    size: int = FONT
    is_bold: bool = False


@dataclass(frozen=True)
class Curve:
    """A line: straight and level from the first point to the second, or bent as a wire hangs, with a head then."""

    x: float
    y: float
    to_x: float
    to_y: float
    color: str
    width: float = 1.0
    dash: Dash | None = None
    has_head: bool = False


Shape = Box | Label | Curve


class Picture:
    """Where everything stands, worked out from left to right.

    Parameters
    ----------
    demuxed : the packets have been read
    title : stands above it
    """

    def __init__(self, demuxed: Demuxed, title: str = "") -> None:
        flows = list(demuxed.flows.values())[:MAX_FLOWS]
        left_out = len(demuxed.flows) - len(flows)
        self.footer = f"and {left_out:,} more flows" if left_out else ""
        order = list(dict.fromkeys(flow.key.src for flow in flows))
        self.flows = sorted(flows, key=lambda flow: order.index(flow.key.src))
        names = dict.fromkeys(name for flow in self.flows for name in flow.got)
        self.sockets = {name: demuxed.sockets[name].socket for name in _in_families(names, self.flows)}
        self.packets = {name: demuxed.sockets[name].packets for name in self.sockets}
        self.client_width = self._widest(_client_words(self.flows)) + 2 * PAD
        self.label_x = MARGIN + self.client_width + 16
        self.label_width = self._widest(_label(flow) for flow in self.flows) + 16
        self.socket_x = self.label_x + self.label_width + 120
        self.socket_width = self._widest(line for one in self.sockets for line in self._socket_lines(one)) + 2 * PAD
        self.width = self.socket_x + self.socket_width + 2 * PAD + MARGIN
        self.title = textwrap.wrap(title, int((self.width - 2 * MARGIN) / TITLE_CHAR))
        self.top = MARGIN + TITLE_ROW * len(self.title) + (8 if title else 0)
        self.rows = self._place_clients()
        self.places = self._place_sockets()
        bottoms = [self.top + 60, *(y + ROW for y in self.rows.values())]
        bottoms += [y + self._height(name) + PAD for name, y in self.places.items()]
        self.height = max(bottoms) + MARGIN + (MARGIN if self.footer else 0)

    @staticmethod
    def _widest(lines: Iterable[str]) -> float:
        return CHAR * max([12, *map(len, lines)])

    def _place_clients(self) -> dict[FlowKey, float]:
        """Return the height of each flow's row, those of one address in one box."""
        rows: dict[FlowKey, float] = {}
        y, before = self.top, ""
        for flow in self.flows:
            if flow.key.src != before:
                y += (GAP if before else 0) + TITLE
                before = flow.key.src
            rows[flow.key] = y
            y += ROW
        return rows

    def _place_sockets(self) -> dict[str, float]:
        """Return the height of each socket, in the middle of the picture if there are fewer than clients."""
        total = sum(self._height(name) + SOCKET_GAP for name in self.sockets) - SOCKET_GAP
        bottom = max(self.rows.values(), default=self.top) + ROW
        y = max(self.top + TITLE, self.top + (bottom - self.top - total) / 2)
        places = {}
        for name in self.sockets:
            places[name] = y
            y += self._height(name) + SOCKET_GAP
        return places

    def _height(self, name: str) -> float:
        """Return the height of a socket: there is room on its side for the ends of all lines."""
        return max(SOCKET_HEIGHT, END_GAP * sum(name in flow.got for flow in self.flows) + PAD)

    # ---- shapes

    def shapes(self) -> Iterator[Shape]:
        """Yield the shapes: lines between boxes first, so that the boxes lie on top."""
        for number, line in enumerate(self.title):
            yield Label(MARGIN, MARGIN + 8 + TITLE_ROW * number, line, size=TITLE_FONT, is_bold=True)
        yield from self._server()
        for place, flow in enumerate(self.flows):
            yield from self._flow(flow, COLORS[place % len(COLORS)])
        yield from self._clients()
        for name in self.sockets:
            yield from self._socket(name)
        if self.footer:
            yield Label(MARGIN, self.height - MARGIN / 2, self.footer, GREY)

    def _clients(self) -> Iterator[Shape]:
        for address in dict.fromkeys(flow.key.src for flow in self.flows):
            rows = [self.rows[flow.key] for flow in self.flows if flow.key.src == address]
            top = min(rows) - TITLE
            height = max(rows) + ROW - top - 4
            yield Box(MARGIN, top, self.client_width, height, stroke=GREY, fill="#f3f4f6")
            yield Label(MARGIN + PAD, top + 16, address, is_bold=True)
        for flow in self.flows:
            yield Label(MARGIN + PAD, self.rows[flow.key] + ROW / 2 + 2, f"port {flow.key.srcport}")

    def _server(self) -> Iterator[Shape]:
        top = min(self.places.values(), default=self.top + TITLE) - TITLE
        bottom = max((y + self._height(name) for name, y in self.places.items()), default=self.top + TITLE) + PAD
        yield Box(
            self.socket_x - PAD, top - 4, self.socket_width + 2 * PAD, bottom - top + 4, stroke=GREY, fill="#f9fafb"
        )
        yield Label(self.socket_x, top + 12, "sockets", is_bold=True)

    def _flow(self, flow: FlowTally, color: str) -> Iterator[Shape]:
        y = self.rows[flow.key] + ROW / 2 - 2
        label_end = self.label_x + self.label_width
        yield Curve(MARGIN + self.client_width, y, label_end, y, color)
        yield Label(self.label_x, y - 5, _label(flow), color)
        for name in flow.got:
            is_request = name != NOBODY and name == flow.asked
            target = self.places[name] + self._height(name) / 2 + self._offset(flow, name)
            yield Curve(
                label_end, y, self.socket_x - 2, target, RED if name == NOBODY else color, width=1.6,
                dash=(5, 4) if is_request or Rule.reuseport in flow.rules else None, has_head=True,
            )  # fmt: skip

    def _offset(self, flow: FlowTally, name: str) -> float:
        """Spread the ends of several lines over the side of their socket, px from its middle."""
        ends = [one for one in self.flows if name in one.got]
        return (ends.index(flow) - (len(ends) - 1) / 2) * END_GAP

    def _socket_lines(self, name: str) -> tuple[str, str, str]:
        socket = self.sockets[name]
        count = f"{self.packets[name]:,} packet{'s' if self.packets[name] != 1 else ''}"
        if socket is None:
            return "no socket", "; ".join(dict.fromkeys(self._reasons())) or "nothing is sent back", count
        if name.startswith("one of "):
            return f"{_kind(socket)} port {socket.local.port}", _shortened(name), f"{count}, by a hash"
        place = _where(socket) if socket.peer is None else f"peer {socket.peer}"
        return f"{_kind(socket)} port {socket.local.port}", place, count

    def _reasons(self) -> Iterator[str]:
        """Yield what became of the packets that no socket got."""
        for flow in self.flows:
            if NOBODY in flow.got:
                if flow.answer:
                    yield f"answered with {flow.answer}"
                if flow.dropped:
                    yield flow.dropped
                if Rule.queue_full in flow.rules:
                    yield "dropped: accept queue full"

    def _socket(self, name: str) -> Iterator[Shape]:
        y, socket = self.places[name], self.sockets[name]
        color = RED if socket is None else INK
        dash = (4, 3) if socket is None or socket.is_listening else None
        height = self._height(name)
        yield Box(self.socket_x, y, self.socket_width, height, stroke=color, fill="#ffffff", dash=dash)
        if any(flow.asked == name for flow in self.flows if name != NOBODY):
            yield Box(self.socket_x - PAD - 34, y + 2, 28, 14, stroke="#ffffff", fill="#ffffff")
            yield Label(self.socket_x - PAD - 32, y + 13, "SYN", color=GREY)
        y += (height - SOCKET_HEIGHT) / 2
        first, second, third = self._socket_lines(name)
        yield Label(self.socket_x + PAD, y + 17, first, is_bold=True, color=color)
        yield Label(self.socket_x + PAD, y + 33, second, color=color)
        yield Label(self.socket_x + PAD, y + 48, third, color=GREY, size=11)


def _in_families(names: Iterable[str], flows: list[FlowTally]) -> Iterator[str]:
    """Yield the sockets, each listener with its connections behind it, and what no socket gets at the end."""
    children = {child: flow.asked for flow in flows for child in flow.got if flow.asked and child != flow.asked}
    names = list(names)
    for name in names:
        if name != NOBODY and name not in children:
            yield name
            yield from (child for child in names if children.get(child) == name and child != NOBODY)
    if NOBODY in names:
        yield NOBODY


def _client_words(flows: list[FlowTally]) -> Iterator[str]:
    for flow in flows:
        yield from (flow.key.src, f"port {flow.key.srcport}")


def _label(flow: FlowTally) -> str:
    key = flow.key
    return f"{key.protocol} {Endpoint(key.src, key.srcport)} → {Endpoint(key.dst, key.dstport)}"


def _kind(socket: Socket) -> str:
    if socket.protocol == "tcp":
        return "TCP listener," if socket.is_listening else "TCP connection, still"
    return "UDP, connected," if socket.peer is not None else "UDP,"


def _shortened(group: str) -> str:
    """Return "one of" and names in at most some 40 characters."""
    names = group.removeprefix("one of ").split(", ")
    if len(group) <= 40 or len(names) < 3:
        return group if len(group) <= 60 else f"{group[:59]}…"
    ends = f"{names[0]} … {names[-1]}"
    return f"one of {len(names)}" if len(ends) > 60 else f"one of {len(names)}: {ends}"


def _where(socket: Socket) -> str:
    place = "every address" if socket.is_wildcard else socket.local.address
    return f"{place}, {socket.name}" if socket.name and not socket.name.startswith(f"{socket.protocol}:") else place
