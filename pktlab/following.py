"""Streams as people and programs read them: lines, JSON, files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pktlab.errors import PktlabError
from pktlab.flows.stream_table import Stream, Told
from pktlab.flows.streams import Begin, Data, End, Event, Gap, Overlap, Why
from pktlab.packets import time_text
from pktlab.wire.text import escape, hexdump

__all__ = ["Saved", "Tally", "event_document", "said", "save_streams", "stream_lines"]

_DECIDED = {
    Why.acknowledged: "the receiver has them, the capture does not",
    Why.cut: "cut off when captured",
    Why.memory: "given up for, as too much came behind them",
    Why.reset: "the connection was reset",
    Why.restart: "a new connection began",
    Why.open: "the capture ends without them",
}
_ENDED = {
    Why.fin: "no more will be sent",
    Why.reset: "reset",
    Why.restart: "a new connection between the same ends begins",
    Why.open: "the capture ends, and it is open",
}
LINE_LEN = 4096
"""Bytes of a line of text; one that is longer goes on in the next."""


def said(event: Event) -> str | None:
    """Return in words what an event tells that brings no data; None of one that has nothing to say.

    >>> said(Gap(0, 10, 1460, Why.acknowledged, 7, 0))
    '1,460 bytes missing: the receiver has them, the capture does not'
    """
    match event:
        case Gap(length=None):
            return "bytes missing, it is not known how many: the sequence numbers go on somewhere else"
        case Gap():
            return f"{_bytes(event.length or 0)} missing: {_DECIDED[event.why]}"
        case Overlap():
            return (
                f"{_bytes(event.length)} came twice and differ, from byte {event.offset}, again in frame {event.frame}"
            )
        case Begin(is_first=False):
            return "begins in the middle: what was before was not captured"
        case End():
            return _ENDED[event.why]
    return None


def _bytes(length: int) -> str:
    return "1 byte" if length == 1 else f"{length:,} bytes"


class _Lines:
    """Bytes that one side says, as lines: the last one waits until it is complete, or somebody else goes on."""

    def __init__(self, as_hex: bool) -> None:
        self.as_hex = as_hex
        self._waiting = b""
        self._offset = 0

    def add(self, data: Data) -> Iterator[str]:
        """Take bytes that go on where the last ones ended; yield the lines that are complete."""
        self._offset = self._offset if self._waiting else data.offset
        self._waiting += data.data
        size = len(self._waiting)
        yield from self._cut(
            size - size % 16 if self.as_hex else self._waiting.rfind(b"\n") + 1 or size - size % LINE_LEN
        )

    def rest(self) -> Iterator[str]:
        """Yield what is left."""
        yield from self._cut(len(self._waiting))

    def _cut(self, size: int) -> Iterator[str]:
        done, offset = self._waiting[:size], self._offset
        self._waiting, self._offset = self._waiting[size:], offset + size
        if done:
            yield from hexdump(done, offset) if self.as_hex else _text_lines(done)


def stream_lines(told: Iterable[Told], *, as_hex: bool = False) -> Iterator[tuple[str, str]]:
    """Yield streams as lines of text: of each what it is for (``heading``, ``out``, ``back``, ``note``), and the line.

    A heading stands wherever another stream goes on. Lines of data start with ``>`` from whoever sent the first packet,
    with ``<`` if answered, what is said of them with ``*``; bytes that could act on a terminal are written out.

    as_hex : data as a hex dump, with offsets in the stream
    """
    current: Stream | None = None
    mine, lines = 0, _Lines(as_hex)
    for stream, event in told:
        goes_on = isinstance(event, Data) and stream is current and event.way == mine
        if not goes_on:
            yield from _marked(mine, lines.rest())
        if stream is not current:
            yield "heading", f"{stream}  {_ends(stream, 0)}"
        current, mine = stream, event.way
        if isinstance(event, Data):
            yield from _marked(mine, lines.add(event))
        elif words := said(event):
            yield "note", f"* {'back' if mine else 'out'}: {words}"
    yield from _marked(mine, lines.rest())


def _marked(way: int, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    name, mark = ("back", "<") if way else ("out", ">")
    return ((name, f"{mark} {line}") for line in lines)


def _text_lines(data: bytes) -> Iterator[str]:
    r"""Yield bytes as lines of text: UTF-8 as it is, what is none as ``\xNN``."""
    for line in data.removesuffix(b"\n").split(b"\n"):
        for start in range(0, max(len(line), 1), LINE_LEN):
            part = line[start : start + LINE_LEN].removesuffix(b"\r")
            yield escape(part.decode("utf-8", errors="backslashreplace"))


def _ends(stream: Stream, way: int) -> str:
    return str(stream.sender(way)).partition(" ")[2]


def event_document(told: Told) -> dict[str, Any]:
    """Return an event as JSON has it: data in hex, times as tshark prints them."""
    stream, event = told
    key = stream.sender(event.way)
    document: dict[str, Any] = {
        "protocol": stream.protocol, "stream": stream.number, "way": "back" if event.way else "out", "src": key.src,
        "srcport": key.srcport, "dst": key.dst, "dstport": key.dstport, "event": type(event).__name__.lower(),
        "offset": event.offset,
    }  # fmt: skip
    if isinstance(event, Data):
        document |= {
            "length": len(event.data), "data": bytes(event.data).hex(), "frames": list(event.frames),
            "stops": list(event.stops), "times_epoch": list(map(time_text, event.times_ns)),
        }  # fmt: skip
        return document
    if isinstance(event, Gap | Overlap):
        document["length"] = event.length
    if isinstance(event, Gap | End):
        document["why"] = event.why.value
    if isinstance(event, Begin):
        document["is_first"] = event.is_first
    frame = event.frame or None
    return document | {"frame": frame, "time_epoch": None if frame is None else time_text(event.time_ns)}


@dataclass
class Tally:
    """What one way of a stream had: bytes that are there and that are missing, `jumps` of unknown length."""

    length: int = 0
    missing: int = 0
    jumps: int = 0


@dataclass
class Saved:
    """A file of one way of a stream."""

    stream: Stream
    way: int
    path: Path
    tally: Tally


def save_streams(told: Iterable[Told], folder: Path) -> Iterator[Saved]:
    """Write each way of each stream to a file in a folder; yield the files at the end, and nothing while they grow.

    Every byte stands at its offset in the stream; where some are missing there are zeros.

    Raises
    ------
    PktlabError : a file is there already
    """
    saved: dict[tuple[str, int, int], list[Saved]] = {}
    for stream, event in told:
        parts = saved.setdefault((stream.protocol, stream.number, event.way), [])
        if isinstance(event, Data):
            if not parts or parts[-1].stream is not stream:  # a stream that was forgotten begins anew
                parts.append(Saved(stream, event.way, _create(folder, stream, event.way, len(parts)), Tally()))
            with parts[-1].path.open("r+b") as file:
                file.seek(event.offset)
                file.write(event.data)
            parts[-1].tally.length += len(event.data)
        elif isinstance(event, Gap) and parts:
            parts[-1].tally.missing += event.length or 0
            parts[-1].tally.jumps += event.length is None
    for parts in saved.values():
        yield from parts


def _create(folder: Path, stream: Stream, way: int, part: int) -> Path:
    """Make an empty file whose name says who sends to whom."""
    key = stream.sender(way)
    ends = "_".join(f"{address.replace(':', '-')}.{port}" for address, port in (key[1:3], key[3:5]))
    path = folder / f"{stream.protocol}-{stream.number}_{ends}{f'_{part + 1}' if part else ''}.bin"
    try:
        path.open("xb").close()
    except FileExistsError:
        raise PktlabError(f"{path} is there already: name another folder") from None
    return path
