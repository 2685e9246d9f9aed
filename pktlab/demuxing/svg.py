"""The picture that a textbook draws: clients on the left, the server's sockets on the right, four-tuples between them.

A client is a box with a row a port; a flow is a line from that row, under its four-tuple, to the socket that gets it. A
SYN is a dashed line to the listener, and the connection's socket shows the port that stays the same. The SVG is written
as text: nothing has to be installed for it, and it looks alike in light and dark.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from html import escape

from pktlab.demuxing.tally import NOBODY, Demuxed, FlowTally
from pktlab.flows.keys import FlowKey
from pktlab.flows.match import Rule
from pktlab.flows.sockets import Endpoint, Socket

__all__ = ["svg"]

MAX_FLOWS = 16
"""Flows that are drawn; of more, the first, and a line says how many there are."""
CHAR, FONT = 7.3, 12  # width of a character of the monospaced font, and its size, px
MARGIN, ROW, TITLE, GAP, PAD = 24, 34, 24, 18, 12  # px
TITLE_FONT, TITLE_CHAR, TITLE_ROW = 15, 9.2, 20  # px
SOCKET_HEIGHT, SOCKET_GAP = 54, 16  # px
COLORS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#b8860b", "#c2437a", "#4d7d1a", "#5c6bc0")
"""One for each flow in turn; readable on white."""
RED, GREY, INK = "#b3261e", "#6b7280", "#111827"


def svg(demuxed: Demuxed, title: str = "") -> str:
    """Return the picture as an SVG document.

    Parameters
    ----------
    demuxed : the packets have been read
    title : stands above it
    """
    flows = list(demuxed.flows.values())
    drawing = _Drawing(demuxed, flows[:MAX_FLOWS], title)
    left_out = len(flows) - len(drawing.flows)
    if left_out > 0:
        drawing.footer = f"and {left_out:,} more flows"
    return "\n".join(drawing.document()) + "\n"


class _Drawing:
    """Where everything stands, worked out from left to right, and the elements that come of it."""

    def __init__(self, demuxed: Demuxed, flows: list[FlowTally], title: str) -> None:
        self.footer = ""
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
        bottoms = [self.top + 120, *(y + ROW for y in self.rows.values())]
        bottoms += [y + SOCKET_HEIGHT for y in self.places.values()]
        self.height = max(bottoms) + GAP + 2 * MARGIN

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
        count = len(self.sockets)
        total = count * SOCKET_HEIGHT + (count - 1) * SOCKET_GAP
        bottom = max(self.rows.values(), default=self.top) + ROW
        y = max(self.top + TITLE, self.top + (bottom - self.top - total) / 2)
        places = {}
        for name in self.sockets:
            places[name] = y
            y += SOCKET_HEIGHT + SOCKET_GAP
        return places

    # ---- elements

    def document(self) -> Iterator[str]:
        """Yield the document's lines: lines between boxes first, so that the boxes lie on top."""
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
            f'width="{self.width:.0f}" height="{self.height:.0f}" '
            f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT}">'
        )
        yield '<rect width="100%" height="100%" fill="#ffffff"/>'
        yield from self._marker()
        for number, line in enumerate(self.title):
            yield _text(MARGIN, MARGIN + 8 + TITLE_ROW * number, line, size=TITLE_FONT, weight="bold")
        yield from self._server()
        for place, flow in enumerate(self.flows):
            yield from self._flow(flow, COLORS[place % len(COLORS)])
        yield from self._clients()
        for name in self.sockets:
            yield from self._socket(name)
        if self.footer:
            yield _text(MARGIN, self.height - MARGIN / 2, self.footer, color=GREY)
        yield "</svg>"

    @staticmethod
    def _marker() -> Iterator[str]:
        yield "<defs>"
        for color in (*COLORS, RED):
            yield (
                f'<marker id="a{color[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                f'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{color}"/></marker>'
            )
        yield "</defs>"

    def _clients(self) -> Iterator[str]:
        for address in dict.fromkeys(flow.key.src for flow in self.flows):
            rows = [self.rows[flow.key] for flow in self.flows if flow.key.src == address]
            top = min(rows) - TITLE
            height = max(rows) + ROW - top - 4
            yield _box(MARGIN, top, self.client_width, height, stroke=GREY, fill="#f3f4f6")
            yield _text(MARGIN + PAD, top + 16, address, weight="bold")
        for flow in self.flows:
            yield _text(MARGIN + PAD, self.rows[flow.key] + ROW / 2 + 2, f"port {flow.key.srcport}")

    def _server(self) -> Iterator[str]:
        top = min(self.places.values(), default=self.top + TITLE) - TITLE
        bottom = max(self.places.values(), default=self.top) + SOCKET_HEIGHT + PAD
        yield _box(
            self.socket_x - PAD, top - 4, self.socket_width + 2 * PAD, bottom - top + 4, stroke=GREY, fill="#f9fafb"
        )
        yield _text(self.socket_x, top + 12, "sockets", weight="bold")

    def _flow(self, flow: FlowTally, color: str) -> Iterator[str]:
        y = self.rows[flow.key] + ROW / 2 - 2
        label_end = self.label_x + self.label_width
        yield f'<path d="M{MARGIN + self.client_width:.0f},{y:.0f} H{label_end:.0f}" stroke="{color}" fill="none"/>'
        yield _text(self.label_x, y - 5, _label(flow), color=color)
        for name in flow.got:
            is_request = name != NOBODY and name == flow.asked
            line_color = RED if name == NOBODY else color
            target = self.places[name] + SOCKET_HEIGHT / 2 + self._offset(flow, name)
            middle = (label_end + self.socket_x) / 2
            dash = ' stroke-dasharray="5 4"' if is_request or Rule.reuseport in flow.rules else ""
            yield (
                f'<path d="M{label_end:.0f},{y:.0f} C{middle:.0f},{y:.0f} {middle:.0f},{target:.0f} '
                f'{self.socket_x - 2:.0f},{target:.0f}" stroke="{line_color}" stroke-width="1.6" fill="none"{dash} '
                f'marker-end="url(#a{line_color[1:]})"/>'
            )

    def _offset(self, flow: FlowTally, name: str) -> float:
        """Spread the ends of several lines over the side of their socket, px from its middle."""
        ends = [one for one in self.flows if name in one.got]
        step = min(9.0, (SOCKET_HEIGHT - 12) / max(len(ends), 1))
        return (ends.index(flow) - (len(ends) - 1) / 2) * step

    def _socket_lines(self, name: str) -> tuple[str, str, str]:
        socket = self.sockets[name]
        if socket is None:
            answers = dict.fromkeys(flow.answer for flow in self.flows if NOBODY in flow.got and flow.answer)
            return "no socket", f"answered with {', '.join(answers)}" if answers else "nothing is sent back", ""
        count = f"{self.packets[name]:,} packet{'s' if self.packets[name] != 1 else ''}"
        if name.startswith("one of "):
            return f"{_kind(socket)} port {socket.local.port}", _shortened(name), f"{count}, by a hash"
        place = _where(socket) if socket.peer is None else f"peer {socket.peer}"
        return f"{_kind(socket)} port {socket.local.port}", place, count

    def _socket(self, name: str) -> Iterator[str]:
        y, socket = self.places[name], self.sockets[name]
        color = RED if socket is None else INK
        dash = "4 3" if socket is None or socket.is_listening else ""
        yield _box(self.socket_x, y, self.socket_width, SOCKET_HEIGHT, stroke=color, fill="#ffffff", dash=dash)
        if any(flow.asked == name for flow in self.flows if name != NOBODY):
            yield _text(self.socket_x - PAD - 30, y + 12, "SYN", color=GREY)
        first, second, third = self._socket_lines(name)
        yield _text(self.socket_x + PAD, y + 17, first, weight="bold", color=color)
        yield _text(self.socket_x + PAD, y + 33, second, color=color)
        yield _text(self.socket_x + PAD, y + 48, third, color=GREY, size=11)


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


def _shortened(text: str) -> str:
    """Return text of at most 40 characters."""
    return text if len(text) <= 40 else f"{text[:39]}…"


def _where(socket: Socket) -> str:
    place = "every address" if socket.is_wildcard else socket.local.address
    return f"{place}, {socket.name}" if socket.name and not socket.name.startswith(f"{socket.protocol}:") else place


def _box(x: float, y: float, width: float, height: float, *, stroke: str, fill: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="5" '
        f'fill="{fill}" stroke="{stroke}"{dashes}/>'
    )


def _text(x: float, y: float, text: str, *, color: str = INK, size: int = FONT, weight: str = "normal") -> str:
    shown = escape("".join(char if char.isprintable() else "·" for char in text))
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{color}" font-size="{size}" font-weight="{weight}">{shown}</text>'
