"""DCCP: the generic header, short or long, with what each packet type adds, and its options.

Spec: RFC 4340 sections 5.1 to 5.8 (header), 9 (checksum and its coverage).
"""

from __future__ import annotations

from construct import BytesInteger, GreedyBytes, Int8ub, Int16ub, Int24ub, Int32ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum, present
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, When

__all__ = ["Dccp", "DccpOption"]

Int48ub = BytesInteger(6)
TYPE_NAMES = {
    0: "Request", 1: "Response", 2: "Data", 3: "Ack", 4: "DataAck", 5: "CloseReq", 6: "Close", 7: "Reset", 8: "Sync",
    9: "SyncAck",
}  # fmt: skip
OPTION_NAMES = {
    0: "Padding", 1: "Mandatory", 2: "Slow Receiver", 32: "Change L", 33: "Confirm L", 34: "Change R",
    35: "Confirm R", 36: "Init Cookie", 37: "NDP Count", 38: "Ack Vector [Nonce 0]", 39: "Ack Vector [Nonce 1]",
    40: "Data Dropped", 41: "Timestamp", 42: "Timestamp Echo", 43: "Elapsed Time", 44: "Data checksum",
}  # fmt: skip
_acks = (this.type != 0) & (this.type != 2)
_asks = this.type < 2
_resets = this.type == 7


class DccpOption(Header, layer="dccp", label="Option"):
    """RFC 4340 section 5.8: types under 32 are one octet; others have a length, which counts both octets too."""

    option_type: int = field(Int8ub, "Option Type", names=OPTION_NAMES)
    length: int | None = field(When(this.option_type > 31, Int8ub), "Length", name="", min=2, default=AUTO)
    data: bytes | None = field(
        When(this.option_type > 31, Bounded(this.length - 2, GreedyBytes)), "Data", name="", default=None
    )

    def summary(self) -> str:
        """Return the option's name."""
        return OPTION_NAMES.get(self.option_type, f"Option {self.option_type}")


class Dccp(Header, layer="dccp", label="Datagram Congestion Control Protocol"):
    """RFC 4340 section 5.1. `data_offset` counts words of 4 bytes; numbers have 48 bits if `x` is set, else 24.

    The checksum covers all, or with `cscov` set the header and 4 * (cscov - 1) bytes of data (section 9.2).
    """

    srcport: int = field(Int16ub, "Source Port")
    dstport: int = field(Int16ub, "Destination Port")
    data_offset: int = field(Int8ub, "Data Offset", min=3, default=AUTO)
    _ccval_cscov = field(Int8ub)
    ccval: int = bits(_ccval_cscov, 0xF0, "CCVal", default=0)
    cscov: int = bits(_ccval_cscov, 0x0F, "Checksum Coverage", default=0)
    checksum: int = field(
        Int16ub, "Checksum", base="hex",
        default=internet_checksum(
            pseudo=True, part=(this.cscov > 0) * (this.data_offset * 4 + (this.cscov - 1) * 4)
        ),
    )  # fmt: skip
    _type_x = field(Int8ub)
    res1: int = bits(_type_x, 0xE0, "Reserved", base="hex", default=0)
    type: int = bits(_type_x, 0x1E, "Type", names=TYPE_NAMES)
    x: bool = bits(_type_x, 0x01, "Extended Sequence Numbers", as_=bool, default=True)
    res2: int | None = field(When(this.x != 0, Int8ub), "Reserved", base="hex", default=present(0))
    seq_raw: int | None = field(When(this.x != 0, Int48ub), "Sequence Number", default=None)
    seq_short: int | None = field(When(this.x == 0, Int24ub), "Sequence Number", name="seq_raw", default=None)
    ack_res: int | None = field(When(_acks & (this.x != 0), Int16ub), "Reserved", base="hex", default=present(0))
    ack_raw: int | None = field(When(_acks & (this.x != 0), Int48ub), "Acknowledgement Number", default=present(0))
    ack_res_short: int | None = field(
        When(_acks & (this.x == 0), Int8ub), "Reserved", base="hex", name="ack_res", default=present(0)
    )
    ack_short: int | None = field(
        When(_acks & (this.x == 0), Int24ub), "Acknowledgement Number", name="ack_raw", default=present(0)
    )
    service_code: int | None = field(When(_asks, Int32ub), "Service Code", default=present(0))
    reset_code: int | None = field(When(_resets, Int8ub), "Reset Code", default=present(0))
    reset_data: int | None = field(When(_resets, Int24ub), "Reset Data", name="", default=present(0))
    options: tuple[DccpOption, ...] = field(
        Bounded(
            this.data_offset * 4 - 12 - this.x * 4 - _acks * (4 + this.x * 4) - _asks * 4 - _resets * 4,
            Items(DccpOption),
        ),
        "Options",
        name="",
        default=(),
    )

    def summary(self) -> str:
        """Return ``DCCP 4711 → 5001 [Request] Seq=1``."""
        number = self.seq_raw if self.x else self.seq_short
        return f"DCCP {self.srcport} → {self.dstport} [{TYPE_NAMES.get(self.type, self.type)}] Seq={number}"
