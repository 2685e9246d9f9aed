"""The messages of a capture one after another, for people to read and for programs: lines, trees, JSON.

Spec: the message types are those of BEP 3, 5, 6, 10 and 52; names of fields are Wireshark's where it has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pktlab.flows.stream_table import Stream, Told
from pktlab.flows.streams import End
from pktlab.packets import time_text
from pktlab.torrent.connection import PeerConnection
from pktlab.torrent.events import Broken, Entered, Entry, KeyExchange, Lost, Message, PeerEvent, Unknown, Violation
from pktlab.wire.apps.bittorrent.framing import HANDSHAKE, KEEP_ALIVE
from pktlab.wire.apps.bittorrent.peer import TYPES, Handshake, kind_at
from pktlab.wire.dissection import Dissection, dissect
from pktlab.wire.document import layer_document
from pktlab.wire.text import tree

__all__ = ["Heard", "document", "heard_messages", "known_types", "tree_lines"]

WAITING = 64
"""Events of a stream that wait until it is known to be BitTorrent."""


@dataclass(frozen=True)
class Heard:
    """Something that is told of one stream.

    kind : ``"message"``, ``"violation"``, ``"unknown"``, ``"missing"`` or ``"note"``
    stream : as text, ``"tcp 3"``; sender, receiver : addresses and ports; frame : which completed it, 0 for none
    offset, size : its bytes in the stream of that way; message : of a message, all that is told of it
    """

    kind: str
    text: str
    stream: str
    sender: str
    receiver: str
    frame: int
    time_ns: int
    offset: int
    size: int
    message: Message | None = None


def known_types() -> list[str]:
    """Return the names of message types.

    >>> known_types()[:3]
    ['choke', 'unchoke', 'interested']
    """
    return [*TYPES.values(), "handshake", "keep-alive"]


def heard_messages(
    capture: Any, types: Sequence[str] = (), numbers: Sequence[int] = (), most: int | None = None
) -> Iterator[Heard]:
    """Yield what the peers of a capture say, of which nothing was read yet.

    Parameters
    ----------
    types : names of types: only messages of these, and nothing else that is told
    numbers : of streams: only these
    most : how many at most
    """
    return islice(_chosen(capture, frozenset(types), frozenset(numbers)), most)


def _chosen(capture: Any, types: frozenset[str], numbers: frozenset[int]) -> Iterator[Heard]:
    reading = _Reading()
    for told in capture.streams():
        found = [one for event in told if not numbers or event.stream.number in numbers for one in reading.take(event)]
        found.sort(key=lambda one: one.time_ns)
        for one in found:
            if not types or (one.message is not None and one.message.name in types):
                yield one


class _Reading:
    """The connections of a capture; what is told of a stream waits until messages are found in it."""

    def __init__(self) -> None:
        self.connections: dict[Stream, PeerConnection] = {}
        self.waiting: dict[Stream, list[Heard]] = {}

    def take(self, told: Told) -> Iterator[Heard]:
        """Take what is told of a stream; yield what that says."""
        stream = told.stream
        connection = self.connections.get(stream)
        if connection is None:
            connection = self.connections[stream] = PeerConnection()
        waiting = self.waiting.setdefault(stream, [])
        for event in connection.hear(told.event):
            heard = _heard(stream, event)
            if heard is None:
                continue
            if connection.is_bittorrent:
                yield from waiting
                waiting.clear()
                yield heard
            elif len(waiting) < WAITING:
                waiting.append(heard)
        if isinstance(told.event, End) and all(connection.closed):
            del self.connections[stream], self.waiting[stream]


def _heard(stream: Stream, event: PeerEvent) -> Heard | None:
    """Return what a line says of an event; None if nothing is to be said."""
    key = stream.sender(event.way)
    kind, text, size, message = "note", "", 0, None
    if isinstance(event, Message):
        kind, text, size, message = "message", _summary(event), event.size, event
    elif isinstance(event, Violation):
        kind, text = "violation", f"breaks a rule ({event.rule}): {event.why}"
    elif isinstance(event, Unknown):
        kind, text, size = "unknown", f"{event.size:,} bytes that are no message ({event.why})", event.size
    elif isinstance(event, Lost):
        kind, text, size = "missing", f"{event.size:,} bytes were not captured" if event.size else "a gap", event.size
    elif isinstance(event, Broken):
        name = "a message" if event.type is None else TYPES.get(event.type, f"type {event.type}")
        kind, text, size = "missing", f"{name} of {event.size:,} bytes, {event.missing:,} not captured", event.size
    elif isinstance(event, KeyExchange):
        doubt = "" if event.is_sure else ", it seems"
        text = f"a key exchange (MSE){doubt}: {event.flights[0]} and {event.flights[1]} bytes"
    elif isinstance(event, Entered) and event.how is not Entry.handshake:
        text = f"messages from here on ({event.how})"
    else:
        return None
    sender, receiver = _end(key.src, key.srcport), _end(key.dst, key.dstport)
    return Heard(kind, text, str(stream), sender, receiver, event.frame, event.time_ns, event.offset, size, message)


def _end(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _summary(message: Message) -> str:
    """Return what a message says in a line; an extended one with the name that its receiver gave the number."""
    text = str(message.header.summary())
    if message.extension and message.extension != "handshake":
        return f"{text.partition(',')[0]} {message.extension},{text.partition(',')[2]}"
    return text


def dissected(message: Message) -> Dissection:
    """Return a message as dissected bytes, a layer of its own."""
    data = bytes(message.raw)
    kind = Handshake if message.type == HANDSHAKE else kind_at(data, 0, len(data))
    return dissect(data, kind, whole=True)


def tree_lines(heard: Heard) -> list[str]:
    """Return the fields of a message, a line each; nothing for anything else."""
    if heard.message is None:
        return []
    return [line.text for line in tree(dissected(heard.message)) if line.depth > 0]


def document(heard: Heard) -> dict[str, Any]:
    """Return it as JSON has it; the fields of a message by Wireshark's names, but for the data of a block."""
    told: dict[str, Any] = {
        "kind": heard.kind, "frame.number": heard.frame or None, "frame.time_epoch": time_text(heard.time_ns),
        "stream": heard.stream, "from": heard.sender, "to": heard.receiver, "offset": heard.offset,
        "length": heard.size, "text": heard.text,
    }  # fmt: skip
    if heard.message is not None:
        told["type"] = "keep-alive" if heard.message.type == KEEP_ALIVE else heard.message.name
        if heard.message.extension:
            told["extension"] = heard.message.extension
        told["fields"] = layer_document(dissected(heard.message), 0, (), False)["fields"]
        told["fields"].pop("bittorrent.piece.data", None)
    return told
