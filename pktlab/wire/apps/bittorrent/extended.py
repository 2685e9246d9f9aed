"""What messages of type 20 say: the extension handshake, and the extensions that it gives numbers to.

Spec: BEP 10; BEP 9 (ut_metadata), 11 (ut_pex), 54 (lt_donthave), 55 (ut_holepunch), 21 (upload_only); share_mode is
libtorrent's. Number 0 is the handshake. What any other means, the receiver has said in its own handshake: for who
knows it, `extension_at` reads a payload by the extension's name. A message alone is read further where its dictionary
proves what it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.errors import PktlabError
from pktlab.wire import expressions
from pktlab.wire.apps.bittorrent.compact import Contact, contacts
from pktlab.wire.apps.bittorrent.peer import Message, length_field, type_field
from pktlab.wire.apps.bittorrent.tree import BENCODED, Bencoded, Key, value_of
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Readable, Switch
from pktlab.wire.values import IPV4, IPV6

__all__ = [
    "EXTENSIONS", "DontHave", "ExtendedHandshake", "Flag", "Holepunch", "Metadata", "Opaque", "Pex", "PexPeer", "Said",
    "extension_at",
]  # fmt: skip

LAYER = "bittorrent.extended"
REQUEST, DATA, REJECT = range(3)
METADATA_TYPES = {REQUEST: "request", DATA: "data", REJECT: "reject"}
PEX_FLAGS = {1: "prefers encryption", 2: "seed", 4: "uTP", 8: "holepunch", 16: "reachable"}
HANDSHAKE_NAMES = {
    **{b"m/" + name: Key(f"m.{name.decode()}", name.decode(), "number") for name in (
        b"ut_metadata", b"ut_pex", b"ut_holepunch", b"lt_donthave", b"upload_only", b"share_mode", b"ut_comment",
        b"lt_tex",
    )},
    b"v": Key("v", "Client"), b"p": Key("p", "Listening port", "number"),
    b"reqq": Key("reqq", "Requests kept", "number"),
    b"metadata_size": Key("metadata_size", "Metadata size", "number"), b"yourip": Key("yourip", "Receiver's IP", "ip"),
    b"ipv4": Key("ipv4", "Sender's IPv4", "ip"), b"ipv6": Key("ipv6", "Sender's IPv6", "ip"),
    b"complete_ago": Key("complete_ago", "Seconds since complete", "number"),
    b"upload_only": Key("upload_only", "Upload only", "number"),
    b"e": Key("e", "Prefers encryption", "number"),
}  # fmt: skip
PEX_NAMES = {
    b"added": Key("added", "Added", "peers"), b"added6": Key("added6", "Added", "peers6"),
    b"added.f": Key("added.flags", "Flags", "octets"), b"added6.f": Key("added6.flags", "Flags", "octets"),
    b"dropped": Key("dropped", "Dropped", "peers"), b"dropped6": Key("dropped6", "Dropped", "peers6"),
}  # fmt: skip
METADATA_NAMES = {
    b"msg_type": Key("metadata.type", "Message type", "number"), b"piece": Key("metadata.piece", "Piece", "number"),
    b"total_size": Key("metadata.total_size", "Total size", "number"),
}  # fmt: skip


class Dictionary(Header, layer=LAYER):
    """What the messages have in common that are a dictionary."""

    @property
    def entries(self) -> dict[bytes, Any]:
        """The dictionary; an empty one if it is something else."""
        found = self.message  # type: ignore[attr-defined]
        return found if isinstance(found, dict) else {}

    def octets(self, key: bytes) -> bytes:
        """Return the string under `key`; an empty one if there is none."""
        found = self.entries.get(key)
        return found if isinstance(found, bytes) else b""

    def number(self, key: bytes) -> int | None:
        """Return the number under `key`; None if there is none."""
        found = self.entries.get(key)
        return found if isinstance(found, int) else None


class ExtendedHandshake(Dictionary, layer=LAYER, label="Extension handshake"):
    """BEP 10: the numbers that extensions have in messages to the sender, and what else it likes to say."""

    message: Any = field(Bencoded(LAYER, HANDSHAKE_NAMES), name="", as_=BENCODED)
    rest: bytes = field(GreedyBytes, name="", default=b"")

    @property
    def ids(self) -> dict[bytes, int]:
        """The number of each extension, by its name; 0 says that it is turned off."""
        found = self.entries.get(b"m")
        given = found.items() if isinstance(found, dict) else ()
        return {name: number for name, number in given if isinstance(number, int) and 0 <= number <= 255}

    @property
    def client(self) -> str:
        """What program the sender says it is."""
        return self.octets(b"v").decode("utf-8", "backslashreplace")

    def summary(self) -> str:
        """Return ``extended handshake libtorrent/2.1.1``."""
        return f"extended handshake {self.client}".rstrip()


class Metadata(Dictionary, layer=LAYER, label="ut_metadata"):
    """BEP 9: a piece of 16 KiB of the info dictionary is asked for, sent (raw, behind the dictionary), or refused."""

    message: Any = field(Bencoded(LAYER, METADATA_NAMES), name="", as_=BENCODED)
    data: bytes = field(GreedyBytes, "Metadata", name="metadata.data", default=b"")

    def summary(self) -> str:
        """Return ``ut_metadata data of piece 0, 16384 bytes``."""
        number = self.number(b"msg_type")
        kind = "nothing" if number is None else METADATA_TYPES.get(number, f"type {number}")
        size = f", {len(self.data)} bytes" if self.data else ""
        return f"ut_metadata {kind} of piece {self.number(b'piece')}{size}"


class PexPeer(NamedTuple):
    """A peer that somebody else is connected to; `flags` of `PEX_FLAGS`, None where none are given."""

    contact: Contact
    flags: int | None

    @property
    def says(self) -> tuple[str, ...]:
        """What the flags say."""
        return tuple(name for bit, name in PEX_FLAGS.items() if (self.flags or 0) & bit)


class Pex(Dictionary, layer=LAYER, label="ut_pex"):
    """BEP 11: peers that the sender is newly connected to, and those that it is not any more."""

    message: Any = field(Bencoded(LAYER, PEX_NAMES), name="", as_=BENCODED)
    rest: bytes = field(GreedyBytes, name="", default=b"")

    @property
    def added(self) -> list[PexPeer]:
        """The peers added, of IPv4 and then of IPv6."""
        return [*self._added(b"added", ipv6=False), *self._added(b"added6", ipv6=True)]

    def _added(self, key: bytes, *, ipv6: bool) -> list[PexPeer]:
        flags = self.octets(key + b".f")
        found = contacts(self.octets(key), ipv6=ipv6)
        return [PexPeer(one, flags[place] if place < len(flags) else None) for place, one in enumerate(found)]

    @property
    def dropped(self) -> list[Contact]:
        """The peers dropped, of IPv4 and then of IPv6."""
        return [*contacts(self.octets(b"dropped")), *contacts(self.octets(b"dropped6"), ipv6=True)]

    def summary(self) -> str:
        """Return ``ut_pex 3 added, 1 dropped``."""
        return f"ut_pex {len(self.added)} added, {len(self.dropped)} dropped"


class DontHave(Header, layer=LAYER, label="lt_donthave"):
    """BEP 54: a piece that was announced is not there any more."""

    index: int = field(Int32ub, "Piece index", base="hex", name="donthave.index")

    def summary(self) -> str:
        """Return ``lt_donthave 17``."""
        return f"lt_donthave {self.index}"


class Flag(Header, layer=LAYER, label="Flag"):
    """BEP 21's upload_only, and share_mode of libtorrent: whether the sender is in that mode now."""

    value: int = field(Int8ub, "Value", name="flag")

    def summary(self) -> str:
        """Return ``on`` or ``off``."""
        return "on" if self.value else "off"


class Holepunch(Header, layer=LAYER, label="ut_holepunch"):
    """BEP 55: asks a peer that both know to introduce two that cannot reach each other, and its answers."""

    type: int = field(
        Int8ub, "Message type", name="holepunch.type", names={0: "rendezvous", 1: "connect", 2: "error"}
    )  # fmt: skip
    addr_type: int = field(Int8ub, "Address type", name="holepunch.addr_type", names={0: "IPv4", 1: "IPv6"}, default=0)
    addr: bytes = field(
        Switch(this.addr_type, {0: Bytes(4), 1: Bytes(16)}, default=Bytes(0)), "Address", name="holepunch.addr"
    )
    port: int = field(Int16ub, "Port", name="holepunch.port")
    err_code: int = field(
        Int32ub, "Error code", name="holepunch.err_code", default=0,
        names={0: "none", 1: "no such peer", 2: "not connected", 3: "no support", 4: "no self"},
    )  # fmt: skip

    @property
    def contact(self) -> Contact:
        """The peer that it is about."""
        view = {4: IPV4, 16: IPV6}.get(len(self.addr))
        return Contact("?" if view is None else view.decode(self.addr), self.port)

    def summary(self) -> str:
        """Return ``ut_holepunch connect 192.0.2.1:6881``."""
        kind = {0: "rendezvous", 1: "connect", 2: "error"}.get(self.type, f"type {self.type}")
        error = f", error {self.err_code}" if self.type == 2 else ""
        return f"ut_holepunch {kind} {self.contact}{error}"


class Opaque(Header, layer=LAYER, label="Extended Message"):
    """An extension whose number was given in a handshake that is not here."""

    payload: bytes = field(GreedyBytes, "Extended Message", name="payload", default=b"")

    def summary(self) -> str:
        """Return ``47 bytes``."""
        return f"{len(self.payload)} bytes"


EXTENSIONS: dict[bytes, type[Header]] = {
    b"ut_metadata": Metadata, b"ut_pex": Pex, b"lt_donthave": DontHave, b"ut_holepunch": Holepunch,
    b"upload_only": Flag, b"share_mode": Flag,
}  # fmt: skip
"""The extensions by the names that handshakes give them."""


def extension_at(name: bytes, payload: bytes) -> Any:
    r"""Return what the payload of an extended message says, given the name of the extension.

    An empty name is the handshake's; an extension without a page gives `Opaque`.

    Raises
    ------
    Truncated, Malformed : it does not read

    >>> extension_at(b"lt_donthave", b"\0\0\0\7").index
    7
    >>> extension_at(b"", b"d1:md6:ut_pexi1eee").ids
    {b'ut_pex': 1}
    """
    return (EXTENSIONS.get(name, Opaque) if name else ExtendedHandshake).parse(payload)


class Saying(Readable):
    """What the payload proves to be: by number 0 (of `key`), or by the keys of a dictionary."""

    def __init__(self, key: Any) -> None:
        super().__init__()
        self.key = key
        self.key_of = expressions.evaluator(key)
        self.inside = (ExtendedHandshake, Metadata, Pex, Opaque)

    def read_from(self, cursor: Cursor, scope: Any) -> Header:
        """Read it; as plain bytes if it does not read."""
        kind, at, mark = _kind(self.key_of(scope), cursor), cursor.pos, len(cursor.trace or ())
        try:
            header: Header = kind.schema.read_from(cursor)
        except PktlabError:
            cursor.pos, cursor.short = at, None
            if cursor.trace is not None:
                del cursor.trace[mark:]
            header = Opaque.schema.read_from(cursor)
        return header

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return obj.schema._build(obj, stream, context, path)


def _kind(number: int, cursor: Cursor) -> type[Header]:
    if not number:
        return ExtendedHandshake
    octets = cursor.data[cursor.pos : cursor.end]
    value = value_of(octets) if octets[:1] == b"d" else None
    if value is None:
        return Opaque
    if value.integer(b"msg_type") is not None and value.integer(b"piece") is not None:
        return Metadata
    return Pex if any(value.string(key) is not None for key in PEX_NAMES) else Opaque


class Said(Message, layer="bittorrent", label="Extended"):
    """An extended message with its payload read as far as it proves what it is."""

    size: int = length_field()
    type: int = type_field(20)
    id: int = field(Int8ub, "Extended Message ID", name="extended.id")
    body: Header = field(Bounded(this.size - 2, Saying(this.id)), "Extended Message", name="extended")

    def summary(self) -> str:
        """Return what the payload says, with the number where it has no name."""
        number = f"extended {self.id}, " if isinstance(self.body, Opaque) else ""
        return f"{number}{self.body.summary()}"
