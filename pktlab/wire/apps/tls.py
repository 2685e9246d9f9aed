"""TLS: the records of a TCP segment, handshake messages that are not encrypted, and the server name asked for.

Spec: RFC 8446 sections 4 and 5, RFC 5246 sections 6 and 7; RFC 6066 section 3 (server name); RFC 7301 (ALPN).
Recognised by content on any TCP port. A record or message that goes on in the next segment is read as far as it is
here; a segment that starts inside a record is data. After the ciphers have changed, handshake bytes are random ones:
what does not look like a message is left as bytes without a name.
"""

from __future__ import annotations

from construct import Bytes, BytesInteger, GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.apps.nodes import STRING, AsFar, OrElse, UpTo
from pktlab.wire.fields import AUTO, field
from pktlab.wire.glance import Glance
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch

__all__ = ["ClientHello", "Handshake", "Record", "ServerHello", "Tls"]

CONTENT = {20: "Change Cipher Spec", 21: "Alert", 22: "Handshake", 23: "Application Data", 24: "Heartbeat"}
HANDSHAKES = {
    0: "HelloRequest", 1: "ClientHello", 2: "ServerHello", 3: "HelloVerifyRequest", 4: "NewSessionTicket",
    5: "EndOfEarlyData", 8: "EncryptedExtensions", 11: "Certificate", 12: "ServerKeyExchange",
    13: "CertificateRequest", 14: "ServerHelloDone", 15: "CertificateVerify", 16: "ClientKeyExchange", 20: "Finished",
    21: "CertificateURL", 22: "CertificateStatus", 24: "KeyUpdate",
}  # fmt: skip
VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
ALERTS = {
    0: "close notify", 10: "unexpected message", 20: "bad record MAC", 21: "decryption failed", 22: "record overflow",
    40: "handshake failure", 42: "bad certificate", 43: "unsupported certificate", 44: "certificate revoked",
    45: "certificate expired", 46: "certificate unknown", 47: "illegal parameter", 48: "unknown CA",
    49: "access denied", 50: "decode error", 51: "decrypt error", 70: "protocol version",
    71: "insufficient security", 80: "internal error", 86: "inappropriate fallback", 90: "user canceled",
    100: "no renegotiation", 109: "missing extension", 110: "unsupported extension", 112: "unrecognized name",
    116: "certificate required", 120: "no application protocol",
}  # fmt: skip
EXTENSIONS = {
    0: "server_name", 1: "max_fragment_length", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats",
    13: "signature_algorithms", 16: "application_layer_protocol_negotiation", 18: "signed_certificate_timestamp",
    21: "padding", 22: "encrypt_then_mac", 23: "extended_master_secret", 27: "compress_certificate",
    35: "session_ticket", 41: "pre_shared_key", 42: "early_data", 43: "supported_versions", 44: "cookie",
    45: "psk_key_exchange_modes", 51: "key_share", 65281: "renegotiation_info",
}  # fmt: skip
MAX_RECORD = (1 << 14) + 2048
"""Bytes of an encrypted record (RFC 5246 section 6.2.3)."""
MAX_HANDSHAKE = 1 << 17
"""Bytes of a handshake message that is believed; certificate chains are the longest."""
LONG = frozenset({1, 2, 4, 11, 12, 13, 22})
"""Handshake types that may go on behind the end of a segment."""
SHOWN = 4


class Opaque(Header, layer="tls"):
    """Bytes that are encrypted, or of a kind that has no page here."""

    data: bytes = field(GreedyBytes, "Data", name="", default=b"")


class ServerName(Header, layer="tls.handshake"):
    """RFC 6066 section 3."""

    type: int = field(Int8ub, "Server Name Type", name="extensions_server_name_type", default=0)
    length: int = field(Int16ub, "Server Name length", name="extensions_server_name_len", default=AUTO)
    name: str = field(Bounded(this.length, GreedyBytes), "Server Name", as_=STRING, name="extensions_server_name")


class ServerNames(Header, layer="tls.handshake"):
    """RFC 6066 section 3; a server answers with no list."""

    length: int = field(Int16ub, "Server Name list length", name="extensions_server_name_list_len", default=AUTO)
    names: tuple[ServerName, ...] = field(Bounded(this.length, Items(ServerName)), name="")


class Protocol(Header, layer="tls.handshake"):
    """One protocol name (RFC 7301 section 3.1)."""

    length: int = field(Int8ub, "ALPN string length", name="extensions_alpn_str_len", default=AUTO)
    name: str = field(Bounded(this.length, GreedyBytes), "ALPN Next Protocol", as_=STRING, name="extensions_alpn_str")


class Protocols(Header, layer="tls.handshake"):
    """RFC 7301 section 3.1."""

    length: int = field(Int16ub, "ALPN Extension Length", name="extensions_alpn_len", default=AUTO)
    names: tuple[Protocol, ...] = field(Bounded(this.length, Items(Protocol)), name="")


class Extension(Header, layer="tls.handshake", label="Extension"):
    """RFC 8446 section 4.2."""

    type: int = field(Int16ub, "Type", names=EXTENSIONS, name="extension.type")
    length: int = field(Int16ub, "Length", name="extension.len", default=AUTO)
    body: Header = field(
        Bounded(this.length, OrElse(Switch(this.type, {0: ServerNames, 16: Protocols}, default=Opaque), Opaque)),
        name="",
    )

    def summary(self) -> str:
        """Return the extension's name."""
        return f"Extension {EXTENSIONS.get(self.type, self.type)}"


class Extensions(Header, layer="tls.handshake"):
    """As many extensions as are here whole, and the rest of a list that a segment's end cuts off."""

    items: tuple[Extension, ...] = field(AsFar(Extension), name="", default=())
    rest: bytes = field(GreedyBytes, name="", default=b"")


class ExtensionList(Header, layer="tls.handshake"):
    """A length and extensions."""

    length: int = field(Int16ub, "Extensions Length", name="extensions_length", default=AUTO)
    extensions: Extensions = field(UpTo(this.length, Extensions), name="")


class Suite(Header, layer="tls.handshake"):
    """One cipher suite."""

    ciphersuite: int = field(Int16ub, "Cipher Suite", base="hex")


class ClientHello(Header, layer="tls.handshake"):
    """RFC 8446 section 4.1.2; before TLS 1.2 there may be no extensions."""

    version: int = field(Int16ub, "Version", base="hex", names=VERSIONS, default=0x0303)
    random: bytes = field(Bytes(32), "Random")
    session_id_length: int = field(Int8ub, "Session ID Length", default=AUTO)
    session_id: bytes = field(Bounded(this.session_id_length, GreedyBytes), "Session ID", default=b"")
    cipher_suites_length: int = field(Int16ub, "Cipher Suites Length", default=AUTO)
    suites: tuple[Suite, ...] = field(Bounded(this.cipher_suites_length, Items(Suite)), name="")
    comp_methods_length: int = field(Int8ub, "Compression Methods Length", default=AUTO)
    comp_methods: bytes = field(Bounded(this.comp_methods_length, GreedyBytes), name="", default=b"\0")
    lists: tuple[ExtensionList, ...] = field(AsFar(ExtensionList), name="", default=())
    rest: bytes = field(GreedyBytes, name="", default=b"")

    def summary(self) -> str:
        """Return ``ClientHello SNI=example.com``."""
        names = self.server_names()
        return f"ClientHello SNI={', '.join(names[:SHOWN])}" if names else "ClientHello"

    def server_names(self) -> list[str]:
        """Return the server names asked for; usually one."""
        bodies = [one.body for each in self.lists for one in each.extensions.items]
        return [name.name for body in bodies if isinstance(body, ServerNames) for name in body.names]


class ServerHello(Header, layer="tls.handshake"):
    """RFC 8446 section 4.1.3."""

    version: int = field(Int16ub, "Version", base="hex", names=VERSIONS, default=0x0303)
    random: bytes = field(Bytes(32), "Random")
    session_id_length: int = field(Int8ub, "Session ID Length", default=AUTO)
    session_id: bytes = field(Bounded(this.session_id_length, GreedyBytes), "Session ID", default=b"")
    ciphersuite: int = field(Int16ub, "Cipher Suite", base="hex")
    comp_method: int = field(Int8ub, "Compression Method", default=0)
    lists: tuple[ExtensionList, ...] = field(AsFar(ExtensionList), name="", default=())
    rest: bytes = field(GreedyBytes, name="", default=b"")

    def summary(self) -> str:
        """Return its name."""
        return "ServerHello"


class Handshake(Header, layer="tls.handshake", label="Handshake message"):
    """RFC 8446 section 4."""

    type: int = field(Int8ub, "Handshake Type", names=HANDSHAKES)
    length: int = field(BytesInteger(3), "Length", default=AUTO)
    body: Header = field(
        UpTo(this.length, OrElse(Switch(this.type, {1: ClientHello, 2: ServerHello}, default=Opaque), Opaque)), name=""
    )

    def summary(self) -> str:
        """Return the message's name, with what it says in a word."""
        if isinstance(self.body, Opaque):
            return HANDSHAKES.get(self.type, f"handshake {self.type}")
        return self.body.summary()

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether type and length may be those of a message: encrypted ones are random bytes."""
        if end - start < 4 or data[start] not in HANDSHAKES:
            return False
        length = int.from_bytes(data[start + 1 : start + 4], "big")
        return length <= end - start - 4 or (data[start] in LONG and length <= MAX_HANDSHAKE)


class Handshakes(Header, layer="tls"):
    """The messages of a handshake record, and what is encrypted or goes on elsewhere."""

    messages: tuple[Handshake, ...] = field(AsFar(Handshake), name="", default=())
    rest: bytes = field(GreedyBytes, name="", default=b"")

    def summary(self) -> str:
        """Return the messages' names."""
        return ", ".join(one.summary() for one in self.messages) or "encrypted handshake"


class Alert(Header, layer="tls"):
    """RFC 8446 section 6."""

    level: int = field(Int8ub, "Level", names={1: "warning", 2: "fatal"}, name="alert_message.level")
    desc: int = field(Int8ub, "Description", names=ALERTS, name="alert_message.desc")

    def summary(self) -> str:
        """Return ``alert: handshake failure``."""
        return f"alert: {ALERTS.get(self.desc, self.desc)}"


class AppData(Header, layer="tls"):
    """What the application said, encrypted."""

    app_data: bytes = field(GreedyBytes, "Encrypted Application Data", default=b"")


class Record(Header, layer="tls", label="Record"):
    """RFC 8446 section 5.1."""

    content_type: int = field(Int8ub, "Content Type", names=CONTENT, name="record.content_type")
    version: int = field(Int16ub, "Version", base="hex", names=VERSIONS, name="record.version", default=0x0303)
    length: int = field(Int16ub, "Length", name="record.length", default=AUTO)
    body: Header = field(
        UpTo(
            this.length,
            OrElse(Switch(this.content_type, {21: Alert, 22: Handshakes, 23: AppData}, default=Opaque), Opaque),
        ),
        name="",
    )

    glances = (
        Glance(0, 1, tuple((kind, kind) for kind in CONTENT)), Glance(1, 2, ((0x0300, 0x0304),)),
        Glance(3, 2, ((1, MAX_RECORD),)),
    )  # fmt: skip

    def summary(self) -> str:
        """Return what it says in a word."""
        if isinstance(self.body, Alert | Handshakes):
            return self.body.summary()
        return "encrypted alert" if self.content_type == 21 else CONTENT.get(self.content_type, "record")


class Tls(Header, layer="tls", label="Transport Layer Security"):
    """The records of one segment; the last may go on in the next."""

    records: tuple[Record, ...] = field(AsFar(Record, least=1), name="")

    glances = Record.glances

    def summary(self) -> str:
        """Return ``TLS ClientHello SNI=example.com``."""
        said = [one.summary() for one in self.records]
        more = f", … ({len(said)} records)" if len(said) > SHOWN else ""
        return f"TLS {', '.join(said[:SHOWN])}{more}"
