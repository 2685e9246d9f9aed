"""TCP and its options.

Spec: RFC 9293 section 3.1; RFC 7323 (timestamps, window scale); RFC 2018 (SACK); RFC 8684 (multipath); RFC 7413 (fast
open); RFC 5482 (user timeout); RFC 2385 (MD5); RFC 5925 (AO); RFC 6994 (experiments); RFC 3168 and 9768 (ECN).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, obj_, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum, padding
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.phrases import Given, Word
from pktlab.wire.values import Flags, flag

__all__ = ["Tcp", "TcpFlags", "TcpOption", "TcpOptions"]

OPTION_NAMES = {
    0: "End of Option List", 1: "No-Operation", 2: "Maximum segment size", 3: "Window scale", 4: "SACK permitted",
    5: "SACK", 6: "Echo", 7: "Echo reply", 8: "Timestamps", 11: "CC", 12: "CC.NEW", 13: "CC.ECHO",
    19: "TCP MD5 signature", 28: "User Timeout", 29: "TCP Authentication", 30: "Multipath TCP",
    34: "TCP Fast Open", 253: "Experimental", 254: "Experimental",
}  # fmt: skip


class Mss(Header, layer="tcp.options"):
    """RFC 9293 section 3.7.1."""

    mss_val: int = field(Int16ub, "MSS Value")


class WindowScale(Header, layer="tcp.options.wscale"):
    """RFC 7323 section 2."""

    shift: int = field(Int8ub, "Shift count")


class SackPermitted(Header, layer="tcp.options.sack_perm"):
    """RFC 2018 section 2; nothing but its kind and length."""


class SackBlock(Header, layer="tcp.options"):
    """Left edge, and the sequence number behind the right edge, of data that have arrived."""

    sack_le: int = field(Int32ub, "Left edge")
    sack_re: int = field(Int32ub, "Right edge")


class Echo(Header, layer="tcp.options"):
    """RFC 1072, obsolete."""

    echo_value: int = field(Int32ub, "Echo value")


class Timestamps(Header, layer="tcp.options.timestamp"):
    """RFC 7323 section 3."""

    tsval: int = field(Int32ub, "Timestamp value")
    tsecr: int = field(Int32ub, "Timestamp echo reply")


class ConnectionCount(Header, layer="tcp.options"):
    """RFC 1644, obsolete."""

    cc_value: int = field(Int32ub, "CC value")


class Md5Signature(Header, layer="tcp.options.md5"):
    """RFC 2385."""

    digest: bytes = field(Bytes(16), "MD5 digest")


class UserTimeout(Header, layer="tcp.options"):
    """RFC 5482; minutes if the granularity bit is set, else seconds."""

    _timeout = field(Int16ub)
    user_to_granularity: bool = bits(_timeout, 0x8000, "Granularity", as_=bool, default=False)
    user_to_val: int = bits(_timeout, 0x7FFF, "User Timeout")


class Authentication(Header, layer="tcp.options.ao"):
    """RFC 5925 section 2.2."""

    keyid: int = field(Int8ub, "AO KeyID")
    rnextkeyid: int = field(Int8ub, "AO RNextKeyID")
    mac: bytes = field(GreedyBytes, "AO MAC", default=b"")


class Multipath(Header, layer="tcp.options.mptcp"):
    """RFC 8684 section 3; the rest depends on the subtype."""

    _subtype = field(Int8ub)
    subtype: int = bits(_subtype, 0xF0, "Multipath TCP subtype")
    _low = bits(_subtype, 0x0F, default=0)
    data: bytes = field(GreedyBytes, "Data", default=b"")


class FastOpen(Header, layer="tcp.options.tfo"):
    """RFC 7413 section 2; empty is a request for a cookie."""

    cookie: bytes = field(GreedyBytes, "Fast Open Cookie", default=b"")


class Experimental(Header, layer="tcp.options.experimental"):
    """RFC 6994: an identifier in front of the experiment's own data."""

    exid: int = field(Int16ub, "Experiment Identifier", base="hex")
    data: bytes = field(GreedyBytes, "Data", default=b"")


class OtherOption(Header, layer="tcp.options.unknown"):
    """An option whose inside has no page here."""

    payload: bytes = field(GreedyBytes, "Payload", default=b"")


class TcpOption(Header, layer="tcp", label="Option"):
    """A kind; all but End and No-Operation have a length, which counts both octets and what follows."""

    kind: int = field(Int8ub, "Kind", names=OPTION_NAMES, name="option_kind")
    len: int | None = field(When(this.kind > 1, Int8ub), "Length", min=2, name="option_len", default=AUTO)
    body: Header | tuple[SackBlock, ...] | None = field(
        When(
            this.kind > 1,
            Bounded(
                this.len - 2,
                Switch(
                    this.kind,
                    {
                        2: Mss, 3: WindowScale, 4: SackPermitted, 5: Items(SackBlock), 6: Echo, 7: Echo,
                        8: Timestamps, 11: ConnectionCount, 12: ConnectionCount, 13: ConnectionCount,
                        19: Md5Signature, 28: UserTimeout, 29: Authentication, 30: Multipath, 34: FastOpen,
                        253: Experimental, 254: Experimental,
                    },
                    default=OtherOption,
                ),
            ),
        ),
        name="",
        default=None,
    )  # fmt: skip

    def summary(self) -> str:
        """Return the option's name."""
        return OPTION_NAMES.get(self.kind, f"Option {self.kind}")


class TcpOptions(Header, layer="tcp.options"):
    """All options, up to the first End of Option List; then zero octets to a multiple of 4."""

    items: tuple[TcpOption, ...] = field(Items(TcpOption, stop=obj_.kind == 0), name="", default=())
    padding: bytes = field(GreedyBytes, "Padding", default=padding(4))


class TcpFlags(Flags):
    """The bits behind the data offset, the reserved ones in front."""

    res = flag(0xE00, "Reserved")
    ae = flag(0x100, "Accurate ECN")
    cwr = flag(0x080, "Congestion Window Reduced")
    ece = flag(0x040, "ECN-Echo")
    urg = flag(0x020, "Urgent")
    ack = flag(0x010, "Acknowledgment")
    push = flag(0x008, "Push")
    reset = flag(0x004, "Reset")
    syn = flag(0x002, "Syn")
    fin = flag(0x001, "Fin")


_SHORT = {"push": "PSH", "reset": "RST"}


def _flag_words(flags: int) -> str:
    """Return flags as people write them: ``SYN ACK``."""
    return " ".join(_SHORT.get(name, name.upper()) for name in reversed(TcpFlags(flags).set_names()))


class Tcp(
    Header,
    layer="tcp",
    label="Transmission Control Protocol",
    says=(
        "TCP ", this.srcport, " → ", this.dstport, " [", Word(this.flags, _flag_words), "] Seq=", this.seq_raw,
        Given(this.flags & TcpFlags.ack.mask, " Ack=", this.ack_raw), " Win=", this.window_size_value,
    ),
):  # fmt: skip
    """RFC 9293 section 3.1. `hdr_len` is in bytes; sequence numbers are as sent, not relative."""

    srcport: int = field(Int16ub, "Source Port")
    dstport: int = field(Int16ub, "Destination Port")
    seq_raw: int = field(Int32ub, "Sequence Number", default=0)
    ack_raw: int = field(Int32ub, "Acknowledgment Number", default=0)
    _offset_flags = field(Int16ub)
    hdr_len: int = bits(_offset_flags, 0xF000, "Header Length", scale=4, min=20, default=AUTO)
    flags: TcpFlags = bits(_offset_flags, 0x0FFF, "Flags", as_=TcpFlags, base="hex", default=0)
    window_size_value: int = field(Int16ub, "Window", default=8192)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True))
    urgent_pointer: int = field(Int16ub, "Urgent Pointer", default=0)
    options: TcpOptions = field(Bounded(this.hdr_len - 20, TcpOptions), "Options", default=TcpOptions())
