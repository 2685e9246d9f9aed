"""Hear the peers of a swarm in the streams of a capture: what connections tell is written into ledgers.

A `PeerConnection` reads each stream; what it tells is kept until a handshake says of which torrent it is. What the
peers tell of each other beside that (PEX), and of what they share (metadata), goes to the swarm, and so does what they
tell trackers, the DHT, and their own network.

Spec: BEP 3 (messages), BEP 9 (metadata), BEP 11 (PEX), BEP 54 (a piece is gone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pktlab.flows.stream_table import Stream, Told
from pktlab.flows.streams import Begin, Data, End, Event, Gap
from pktlab.torrent.announces import Announces
from pktlab.torrent.connection import PeerConnection
from pktlab.torrent.events import Broken, Entry, Message, PeerEvent, Rule, Unknown, Violation
from pktlab.torrent.ledger import Ledger, Link, Type
from pktlab.torrent.meeting import Meeting
from pktlab.torrent.naming import fitting, owned
from pktlab.torrent.side import UPGRADE
from pktlab.torrent.swarm import Swarm
from pktlab.wire.apps.bittorrent.compact import Contact, contacts
from pktlab.wire.apps.bittorrent.framing import BLOCK, HANDSHAKE
from pktlab.wire.bencode import read_lax
from pktlab.wire.bencoded import Value

__all__ = ["Block", "Listener", "swarm_of"]

Block = Callable[[str, int, int, int, Any], None]
"""Takes each block that is heard: info-hash, time in ns, piece, offset in it, bytes. As long as nothing says of which
torrent a stream is, a nickname stands for the hash, see `Swarm.joined`."""
PIECE_HEAD_LEN = 13
MESSAGE_HEAD_LEN, EXTENDED_HEAD_LEN = 5, 6
BITFIELD, PIECE, EXTENDED = 5, 7, 20
DATA = 1  # BEP 9: msg_type of a part of the metadata
MAX_NAME = 64
MAX_HIDDEN = 1 << 12
"""Encrypted connections that are kept until it is known whose they are."""
WRONG = frozenset({Rule.first, Rule.bitfield, Rule.piece, Rule.block})
"""What makes a message one that nobody would take at its word."""
TOLD = frozenset(map(int, Type)) - {Type.bitfield, Type.piece}
"""Messages that are written down as they are, with no, one or three numbers."""


def swarm_of(capture: Any, block: Block | None = None) -> Swarm:
    """Return the swarms of a capture, of which nothing was read yet; `block` as for `Listener`."""
    listener = Listener(Swarm(), block)
    for _ in listener.read(capture):
        pass
    return listener.end()


class Listener:
    """Takes what is told of streams, and fills the ledgers of a swarm.

    Parameters
    ----------
    swarm : what is heard goes there
    block : is called with the bytes of each block

    >>> listener = Listener(Swarm())
    >>> listener.hear([])
    >>> listener.end().ledgers
    {}
    """

    def __init__(self, swarm: Swarm, block: Block | None = None) -> None:
        self.swarm, self.block = swarm, block
        self._open: dict[Stream, _Conversation] = {}
        self._nameless: list[_Conversation] = []
        self._hidden: list[_Conversation] = []

    def read(self, capture: Any) -> Iterator[None]:
        """Hear a capture, of which nothing was read yet, a step at a time."""
        for told in capture.streams(hear=Meeting(self.swarm).hear):
            self.hear(told)
            yield

    def hear(self, told: Iterable[Told]) -> None:
        """Take what is told of streams, that of each in order."""
        for stream, event in told:
            conversation = self._open.get(stream)
            if conversation is None:
                conversation = self._open[stream] = _Conversation(self, stream)
            conversation.hear(event)
            if isinstance(event, End) and all(conversation.connection.closed):
                del self._open[stream]
                self._finish(conversation)

    def _finish(self, conversation: _Conversation) -> None:
        conversation.finish()
        if conversation.link is None:
            if conversation.waiting:
                self._nameless.append(conversation)
            elif conversation.connection.exchange is not None and len(self._hidden) < MAX_HIDDEN:
                self._hidden.append(conversation)

    def end(self) -> Swarm:
        """Return the swarm when nothing more comes; connections whose torrent nobody named join the one they fit."""
        for conversation in list(self._open.values()):
            self._finish(conversation)
        self._open.clear()
        self.swarm.merge()
        for conversation, info_hash in fitting(self.swarm, self._nameless):
            self._join(conversation, info_hash)
        for conversation, info_hash in owned(self.swarm, self._hidden):
            self._join(conversation, info_hash)
        self._nameless.clear()
        self._hidden.clear()
        return self.swarm

    def _join(self, conversation: _Conversation, info_hash: str) -> None:
        self.swarm.joined[conversation.nickname] = info_hash
        conversation.name(self.swarm.ledger(info_hash))
        conversation.finish()


class _Conversation:
    """One stream, and the link that it becomes when a handshake says of which torrent it is."""

    def __init__(self, listener: Listener, stream: Stream) -> None:
        self.listener, self.stream = listener, stream
        self.connection = PeerConnection()
        self.ledger: Ledger | None = None
        self.link: Link | None = None
        self.waiting: list[tuple[Any, ...]] = []
        self.announces: Announces | None = None
        self.opened_ns = self.closed_ns = 0
        self.begun = [False, False]
        self.length, self.missing, self.unknown, self.violations = [0, 0], [0, 0], [0, 0], [0, 0]

    @property
    def nickname(self) -> str:
        """What stands for the torrent as long as it is not known."""
        return f"? {self.stream}"

    def hear(self, event: Event) -> None:
        """Take an event of the stream."""
        if self._is_announce(event):
            return
        last: Message | None = None
        for told in self.connection.hear(event):
            if isinstance(told, Violation):
                self.violations[told.way] += 1
                if told.rule in WRONG and last is not None and (told.way, told.offset) == (last.way, last.offset):
                    last = None
                continue
            if last is not None:
                self._message(last)
            if isinstance(told, Message):
                last = told
            else:
                last = None
                self._incomplete(told)
        if last is not None:
            self._message(last)

    def _is_announce(self, event: Event) -> bool:
        """Note when and how much was sent, and tell whether it is for a tracker, which then has it."""
        if isinstance(event, Data):
            self._time(event.times_ns[0])
            self._time(event.times_ns[-1])
            self.length[event.way] += len(event.data)
            if event.way == 0 and event.offset == 0 and bytes(event.data[:5]) == b"GET /":
                self.announces = Announces(self.listener.swarm, self.stream.key)
            if self.announces is not None:
                self.announces.take(event.way, bytes(event.data), event.times_ns[0])
                return True
        elif isinstance(event, Gap):
            self.length[event.way] += event.length or 0
            self.missing[event.way] += event.length or 0
        elif not isinstance(event, End) or event.frame:
            self._time(event.time_ns)
            if isinstance(event, Begin):
                self.begun[event.way] |= event.is_first
        return False

    def _incomplete(self, told: PeerEvent) -> None:
        """Count what is no whole message; a block of which bytes were not captured was given all the same."""
        if isinstance(told, Unknown):
            self.unknown[told.way] += told.size
        elif isinstance(told, Broken):
            self.unknown[told.way] += told.size - told.missing
            if told.type == Type.piece and told.fields and told.size == PIECE_HEAD_LEN + BLOCK:
                self._say(told, told.type, *told.fields, BLOCK)

    def _time(self, time_ns: int) -> None:
        self.opened_ns = self.opened_ns or time_ns
        if time_ns > self.closed_ns:
            self.closed_ns = time_ns

    def _message(self, told: Message) -> None:
        """Write a message down."""
        _, kind, fields, _, raw, _, _, _ = told
        if kind == PIECE:
            piece, begin = fields
            self._say(told, kind, piece, begin, len(raw) - PIECE_HEAD_LEN)
            if self.listener.block is not None:
                torrent = self.nickname if self.ledger is None else self.ledger.info_hash
                self.listener.block(torrent, told.time_ns, piece, begin, raw[PIECE_HEAD_LEN:])
        elif kind in TOLD:
            self._say(told, kind, *fields)
        elif kind == BITFIELD:
            self._say(told, kind, bytes(raw[MESSAGE_HEAD_LEN:]))
        elif kind == EXTENDED:
            self._extended(told)
        elif kind == HANDSHAKE and self.ledger is None:
            self.name(self.listener.swarm.ledger(told.fields[0].hex()))
        elif kind == HANDSHAKE:
            asker, answerer = self.connection.sides
            if asker.reserved and asker.can(*UPGRADE) and answerer.info_hash:
                self.listener.swarm.same(asker.info_hash.hex(), answerer.info_hash.hex())

    def _say(self, told: Message | Broken, kind: int, *numbers: Any) -> None:
        if self.ledger is None or self.link is None:
            self.waiting.append((told.time_ns, told.way, kind, numbers))
        elif kind == BITFIELD:
            self._write(told.time_ns, told.way, kind, numbers)
        else:
            self.ledger.say(told.time_ns, self.link, told.way, kind, *numbers)

    def _write(self, now: int, way: int, kind: int, numbers: tuple[Any, ...]) -> None:
        assert self.ledger is not None
        assert self.link is not None
        if kind == Type.bitfield:
            self.ledger.say_bitfield(now, self.link, way, numbers[0])
        else:
            self.ledger.say(now, self.link, way, kind, *numbers)

    def _extended(self, told: Message) -> None:
        """Take what an extension says that matters to a swarm."""
        body = told.raw[EXTENDED_HEAD_LEN:]
        if told.extension == "lt_donthave" and len(body) == 4:
            self._say(told, Type.donthave, int.from_bytes(body, "big"))
        if told.extension not in ("ut_pex", "ut_metadata") or self.ledger is None:
            return
        value = read_lax(bytes(body)).value
        if value is None:
            return
        if told.extension == "ut_pex":
            told_of = self.listener.swarm.contacts_of(self.ledger.info_hash)
            for ip, port, _ in _listed(value, b"added"):
                told_of.name(ip, port)
            for ip, port, _ in _listed(value, b"dropped"):
                told_of.drop(told.time_ns, (ip, port))
        elif value.integer(b"msg_type") == DATA:
            part, total = value.integer(b"piece"), value.integer(b"total_size")
            if part is not None and total is not None:
                self.listener.swarm.add_metadata(self.ledger.info_hash, part, total, bytes(body[value.stop :]))

    def name(self, ledger: Ledger) -> None:
        """Say of which torrent it is, and write down what waited for that."""
        key = self.stream.key
        ends = ((key.src, key.srcport), (key.dst, key.dstport))
        self.ledger = ledger
        self.link = ledger.link(self.stream.protocol, ends, self.opened_ns, self.stream.number)
        for waited in self.waiting:
            self._write(*waited)
        self.waiting.clear()

    def finish(self) -> None:
        """Note what is known of the whole conversation."""
        if self.announces is not None:
            self.announces.end()
        link = self.link
        if link is None or self.ledger is None:
            return
        for way, side in enumerate(self.connection.sides):
            link.peer_ids[way] = side.peer_id
            version, port = side.about.get(b"v"), side.about.get(b"p")
            if isinstance(version, bytes):
                link.versions[way] = version[:MAX_NAME].decode("utf-8", errors="replace")
            if isinstance(port, int) and 0 < port < 1 << 16:
                link.ports[way] = port
            is_silent = self.begun[way] and not self.length[way]
            link.is_known[way] = is_silent or side.entered in (Entry.handshake, Entry.exchange)
        link.length, link.missing, link.unknown = self.length, self.missing, self.unknown
        link.violations = self.violations
        link.is_encrypted = self.connection.exchange is not None
        link.was_opened = all(self.begun)  # of one way alone it is not known whether it opens or answers
        link.is_over = all(self.connection.closed)
        link.closed_ns = max(link.closed_ns, self.closed_ns)
        self.ledger.say(link.closed_ns, link, 0, Type.closed)


def _listed(value: Value, key: bytes) -> list[Contact]:
    """Return the contacts that PEX lists under a key, of IPv4 and then of IPv6."""
    return [
        *contacts(value.string(key) or b""), *contacts(value.string(key + b"6") or b"", ipv6=True),
    ]  # fmt: skip
