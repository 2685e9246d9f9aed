"""PPP over Ethernet: how a session is found, and the frames of one.

Spec: RFC 2516 sections 4 and 5, appendix A (tags).
"""

from __future__ import annotations

from construct import GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch
from pktlab.wire.phrases import Hexed

__all__ = ["PppoeDiscovery", "PppoeSession", "PppoeTag"]

CODE_NAMES = {0x00: "Session Data", 0x07: "PADO", 0x09: "PADI", 0x19: "PADR", 0x65: "PADS", 0xA7: "PADT"}
TAG_NAMES = {
    0x0000: "End-Of-List", 0x0101: "Service-Name", 0x0102: "AC-Name", 0x0103: "Host-Uniq", 0x0104: "AC-Cookie",
    0x0105: "Vendor-Specific", 0x0110: "Relay-Session-Id", 0x0120: "PPP-Max-Payload", 0x0201: "Service-Name-Error",
    0x0202: "AC-System-Error", 0x0203: "Generic-Error",
}  # fmt: skip


class ServiceName(Header, layer="pppoed.tags"):
    """What is asked for or offered; empty stands for any."""

    service_name: bytes = field(GreedyBytes, "Service-Name", default=b"")


class AcName(Header, layer="pppoed.tags"):
    """Which access concentrator."""

    ac_name: bytes = field(GreedyBytes, "AC-Name", default=b"")


class HostUniq(Header, layer="pppoed.tags"):
    """What the host put in and gets back."""

    host_uniq: bytes = field(GreedyBytes, "Host-Uniq", default=b"")


class AcCookie(Header, layer="pppoed.tags"):
    """What the concentrator put in and gets back."""

    ac_cookie: bytes = field(GreedyBytes, "AC-Cookie", default=b"")


class OtherTag(Header, layer="pppoed.tag"):
    """A tag whose inside has no page here."""

    unknown_data: bytes = field(GreedyBytes, "Data", default=b"")


class PppoeTag(Header, layer="pppoed", label="Tag"):
    """RFC 2516 appendix A. `tag_length` counts the value alone."""

    tag: int = field(Int16ub, "Tag", base="hex", names=TAG_NAMES)
    tag_length: int = field(Int16ub, "Length", default=AUTO)
    body: Header = field(
        Bounded(
            this.tag_length,
            Switch(this.tag, {0x101: ServiceName, 0x102: AcName, 0x103: HostUniq, 0x104: AcCookie}, default=OtherTag),
        ),
        name="",
    )

    def summary(self) -> str:
        """Return the tag's name."""
        return TAG_NAMES.get(self.tag, f"Tag {self.tag:#06x}")


class PppoeDiscovery(Header, layer="pppoed", prefix="pppoe", label="PPP-over-Ethernet Discovery"):
    """RFC 2516 section 5. `payload_length` counts the tags."""

    _version_type = field(Int8ub)
    version: int = bits(_version_type, 0xF0, "Version", default=1)
    type: int = bits(_version_type, 0x0F, "Type", default=1)
    code: int = field(Int8ub, "Code", base="hex", names=CODE_NAMES)
    session_id: int = field(Int16ub, "Session ID", base="hex", default=0)
    payload_length: int = field(Int16ub, "Payload Length", default=AUTO)
    tags: tuple[PppoeTag, ...] = field(Bounded(this.payload_length, Items(PppoeTag)), name="", default=())

    def summary(self) -> str:
        """Return ``PPPoE PADI session 0x0000``."""
        return f"PPPoE {CODE_NAMES.get(self.code, f'code {self.code:#04x}')} session {self.session_id:#06x}"


class PppoeSession(
    Header,
    layer="pppoes",
    prefix="pppoe",
    label="PPP-over-Ethernet Session",
    payload_len=this.payload_length,
    says=("PPPoE session ", Hexed(this.session_id, 4)),
):
    """RFC 2516 section 6. What is behind `payload_length` is Ethernet padding."""

    _version_type = field(Int8ub)
    version: int = bits(_version_type, 0xF0, "Version", default=1)
    type: int = bits(_version_type, 0x0F, "Type", default=1)
    code: int = field(Int8ub, "Code", base="hex", names=CODE_NAMES, default=0)
    session_id: int = field(Int16ub, "Session ID", base="hex")
    payload_length: int = field(Int16ub, "Payload Length", default=AUTO)
