"""NTP, the Network Time Protocol: the header of a time message.

Spec: RFC 5905 section 7.3; figures 8 to 10. Extension fields and the message authentication code are left as data, and
so are control and private messages (modes 6 and 7) behind their first octet.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from construct import Bytes, Int8ub, Int32ub, Int64ub

from pktlab.wire.fields import bits, field
from pktlab.wire.header import Header
from pktlab.wire.values import View

__all__ = ["Ntp", "ntp_time"]

MODES = {
    1: "symmetric active", 2: "symmetric passive", 3: "client", 4: "server", 5: "broadcast", 6: "control", 7: "private",
}  # fmt: skip
LEAPS = {0: "no warning", 1: "last minute has 61 s", 2: "last minute has 59 s", 3: "unknown (not synchronized)"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EPOCHS = {0: datetime(1900, 1, 1, tzinfo=UTC), 1: datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC)}
"""Start of eras 0 and 1: seconds below 2**31 are taken to be in era 1 (RFC 4330 section 3)."""


def ntp_time(stamp: int) -> str:
    """Return a 64-bit NTP timestamp as text in UTC, as Wireshark writes it; 0 means that there is none.

    >>> ntp_time(0xC50204EBD0D41DBD)
    'Sep 27, 2004 03:18:03.815736635 UTC'
    >>> ntp_time(0)
    'NULL'
    """
    if not stamp:
        return "NULL"
    seconds, nanoseconds = stamp >> 32, (stamp & 0xFFFFFFFF) * 10**9 >> 32
    moment = EPOCHS[int(seconds < (1 << 31))] + timedelta(seconds=seconds)
    return f"{MONTHS[moment.month - 1]} {moment.day:2}, {moment.year} {moment:%H:%M:%S}.{nanoseconds:09d} UTC"


STAMP = View("str", ntp_time, int)
"""A 64-bit timestamp, shown as text; built from the number."""


class Ntp(Header, layer="ntp", label="Network Time Protocol"):
    """RFC 5905 section 7.3.

    Root delay and dispersion are in units of 2**-16 s; poll and precision are signed logarithms of seconds to base 2,
    of which Wireshark shows the octet.
    """

    flags: int = field(Int8ub, "Flags", base="hex", default=0x23)
    li: int = bits(flags, 0xC0, "Leap Indicator", names=LEAPS, name="flags.li", default=None)
    vn: int = bits(flags, 0x38, "Version number", min=1, name="flags.vn", default=None)
    mode: int = bits(flags, 0x07, "Mode", names=MODES, min=1, name="flags.mode", default=None)
    stratum: int = field(Int8ub, "Peer Clock Stratum", default=0)
    ppoll: int = field(Int8ub, "Peer Polling Interval", default=0)
    precision: int = field(Int8ub, "Peer Clock Precision", default=0)
    rootdelay: int = field(Int32ub, "Root Delay", default=0)
    rootdispersion: int = field(Int32ub, "Root Dispersion", default=0)
    refid: bytes = field(Bytes(4), "Reference ID", default=bytes(4))
    reftime: str = field(Int64ub, "Reference Timestamp", as_=STAMP, default=0)
    org: str = field(Int64ub, "Origin Timestamp", as_=STAMP, default=0)
    rec: str = field(Int64ub, "Receive Timestamp", as_=STAMP, default=0)
    xmt: str = field(Int64ub, "Transmit Timestamp", as_=STAMP, default=0)

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether version, mode and stratum are those of a time message."""
        if end - start < cls.HEADER_LEN:
            return False
        version, mode = data[start] >> 3 & 7, data[start] & 7
        return 1 <= version <= 4 and 1 <= mode <= 5 and data[start + 1] <= 16

    def summary(self) -> str:
        """Return ``NTP client v4``."""
        stratum = f" stratum {self.stratum}" if self.mode in (4, 5) else ""
        return f"NTP {MODES.get(self.mode, f'mode {self.mode}')} v{self.vn}{stratum}"
