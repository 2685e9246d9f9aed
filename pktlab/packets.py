"""One packet of a capture: its bytes, what they say, and the verdict on each checksum, by name, as text, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pktlab.capture import Record
from pktlab.errors import PktlabError
from pktlab.flows import FLOW_FIELDS, FlowTable, Fragments, Seen, Whole, piece_of
from pktlab.wire import text
from pktlab.wire.bindings import EITHER_END, Binding
from pktlab.wire.dissection import Dissection, Layer, dissect
from pktlab.wire.document import json_value, packet_document
from pktlab.wire.header import Header
from pktlab.wire.rows import Found
from pktlab.wire.verdict import STATUS, Judgement, Offload, judge

if TYPE_CHECKING:
    from pktlab.wire.flip import Flip
    from pktlab.wire.flip_table import FieldCount

__all__ = ["NUMBER_WIDTH", "TIME_WIDTH", "Packet", "moment_text", "seconds_text", "time_text", "tree_text"]

NUMBER_WIDTH, TIME_WIDTH = 5, 12
"""Least widths of what a line starts with."""


class Packet:
    """One packet of a capture: its bytes, what they say, and the verdict on each checksum.

    ``packet["udp.srcport"]`` is the value of the first, outermost field of that name; ``packet.udp`` the first header
    of that protocol. Names are Wireshark's.
    """

    def __init__(
        self,
        record: Record,
        first: type[Header] | int,
        bindings: Sequence[Binding] = (),
        fragments: Fragments | None = None,
        flow_table: FlowTable | None = None,
    ) -> None:
        self.record = record
        self._first = first
        self._bindings = bindings
        self.dissection: Dissection = self._dissect(record.data)
        self.whole: Whole | None = None
        """The datagram that this fragment completes, if it does."""
        if fragments is not None:
            self.whole = fragments.add(self.dissection, record.time_ns or 0, record.number)
        self.flows: tuple[Seen, ...] = () if flow_table is None else flow_table.add(self.dissection)
        """The conversations that its transport headers belong to; none of a packet that stands alone."""

    def _dissect(self, data: bytes) -> Dissection:
        return dissect(data, self._first, self._bindings, fcs_len=self._fcs_len(self.record))

    @staticmethod
    def _fcs_len(record: Record) -> int:
        return (record.fcs_len or 0) if len(record.data) >= record.length else 0

    # ---- the frame

    @property
    def number(self) -> int:
        """Place in the file, from 1."""
        return self.record.number

    @property
    def time_ns(self) -> int | None:
        """When it was captured, ns since the epoch; None where the file does not say."""
        return self.record.time_ns

    @property
    def data(self) -> bytes:
        """The captured bytes."""
        return self.record.data

    @property
    def length(self) -> int:
        """Bytes on the wire."""
        return self.record.length

    @property
    def cap_len(self) -> int:
        """Bytes that were captured."""
        return len(self.record.data)

    @property
    def link_type(self) -> int:
        """Link type of the tcpdump.org registry."""
        return self.record.link_type

    @property
    def interface_id(self) -> int | None:
        """Interface within its section, from 0; None in a pcap."""
        return self.record.interface_id

    @property
    def comments(self) -> tuple[str, ...]:
        """What somebody wrote about the packet into the file."""
        return self.record.comments

    # ---- what it says

    @property
    def layers(self) -> list[Layer]:
        """The headers from the outside in, and bytes that no header claims."""
        return self.dissection.layers

    @property
    def stop(self) -> PktlabError | None:
        """What ended the reading early, and where; None if all of it was read."""
        return self.dissection.stop

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        layer = self.dissection.layer(name)
        if layer is None or layer.header is None:
            has = ", ".join(dict.fromkeys(one.protocol for one in self.layers))
            raise AttributeError(f"packet {self.number} has no {name}; it has {has}")
        return layer.header

    def __getitem__(self, name: str) -> Any:
        """Return the value of the first field called `name`; KeyError if the packet has none."""
        values = self.values(name)
        if not values:
            raise KeyError(f"packet {self.number} has no {name}")
        return values[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (self.dissection.layer(name) is not None or bool(self.values(name)))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of the first field called `name`, or `default`."""
        values = self.values(name)
        return values[0] if values else default

    def values(self, name: str) -> list[Any]:
        """Return the value of every field called `name`, the outermost first; verdicts and frame fields too."""
        if name.startswith("frame."):
            value = self._frame().get(name)
            return [] if value is None else [value]
        if ".checksum." in name:
            return self._checksum_values(name)
        if name in FLOW_FIELDS:
            return [value for one in self.flows if (value := one.value(name)) is not None]
        return [one.value for part in EITHER_END.get(name, (name,)) for one in self.dissection.found(part)]

    def _found(self, name: str) -> list[Found]:
        return [one for part in EITHER_END.get(name, (name,)) for one in self.dissection.found(part)]

    def _checksum_values(self, name: str) -> list[Any]:
        protocol, _, what = name.partition(".checksum.")
        judged = [one for one in (*self.judgements, *self.whole_judgements) if one.protocol == protocol]
        if what == "verdict":
            return [str(one.verdict) for one in judged]
        if what == "status":
            return [STATUS[one.verdict] for one in judged]
        return [one.cause for one in judged if one.cause] if what == "cause" else []

    # ---- what its checksums say

    @property
    def is_cut(self) -> bool:
        """Whether fewer bytes were captured than were on the wire."""
        return len(self.record.data) < self.record.length

    @property
    def _offload(self) -> Offload:
        """What pcapng's epb_flags say of the checksum: bit 9 not ready, bit 10 valid."""
        flags = self.record.flags or 0
        return Offload.not_ready if flags & 0x200 else Offload.valid if flags & 0x400 else Offload.unknown

    @cached_property
    def judgements(self) -> list[Judgement]:
        """The verdict on every checksum in the frame, outermost first; quoted packets get none."""
        return judge(self.dissection, cut=self.is_cut, offload=self._offload)

    @property
    def is_fragment(self) -> bool:
        """Whether it is one fragment of a datagram, which is judged where that completes."""
        return piece_of(self.dissection) is not None

    @cached_property
    def whole_dissection(self) -> Dissection | None:
        """What the datagram that this fragment completes says."""
        if self.whole is None:
            return None
        return dissect(self.whole.data, self.whole.kind, self._bindings, whole=True)

    @cached_property
    def whole_judgements(self) -> list[Judgement]:
        """The verdicts on the datagram that this fragment completes; their layers and offsets are in that."""
        return [] if self.whole_dissection is None else judge(self.whole_dissection, whole=True)

    @property
    def _whole_note(self) -> str:
        if self.whole is None:
            return ""
        frames = ", ".join(map(str, self.whole.frames))
        overlapped = ", whose fragments overlap and differ" if self.whole.overlapped else ""
        verdicts = "; ".join(map(str, self.whole_judgements)) or "nothing in it to judge"
        return f"completes the datagram of frames {frames}{overlapped}: {verdicts}"

    # ---- how it is shown

    def _frame(self) -> dict[str, Any]:
        return {
            "frame.number": self.number,
            "frame.time_epoch": None if self.time_ns is None else time_text(self.time_ns),
            "frame.time_epoch_ns": self.time_ns,
            "frame.len": self.length,
            "frame.cap_len": self.cap_len,
            "frame.interface_id": self.interface_id,
            "frame.protocols": ":".join(layer.protocol for layer in self.layers),
            "frame.comment": "\n".join(self.comments) or None,
        }

    def line(self, first_time_ns: int | None = None) -> str:
        """Return the packet in a line; times count from `first_time_ns`, ns."""
        if self.time_ns is None:
            moment = f"{'-':>{TIME_WIDTH}}"
        else:
            moment = f"{seconds_text(self.time_ns - (first_time_ns or self.time_ns)):>{TIME_WIDTH}}"
        said = text.one_line(self.dissection, self.judgements)
        note = f" [{text.escape(self._whole_note)}]" if self.whole is not None else ""
        return f"{self.number:>{NUMBER_WIDTH}} {moment}  {said}{note}"

    def tree(self) -> list[text.Line]:
        """Return the packet as a tree: a line for the frame, then one a layer with its fields under it."""
        moment = "" if self.time_ns is None else f", {moment_text(self.time_ns)}"
        cut = "" if not self.is_cut else f", {self.cap_len} of them captured"
        lines = [text.Line(0, "frame", f"Frame {self.number}", f"{self.length} bytes{cut}{moment}")]
        lines += [text.Line(1, "note", "comment", comment) for comment in self.comments]
        if self.whole is not None:
            lines.append(text.Line(1, "note", self._whole_note))
        return lines + text.tree(self.dissection, self.judgements)

    def show(self) -> None:
        """Print the tree, each line with the bytes that it is about."""
        print("\n".join(tree_text(self.tree())))  # noqa: T201

    def explain(self, protocol: str | None = None) -> str:
        """Return how each checksum (or that of `protocol`) comes about, word by word."""
        from pktlab.wire.explain import explain

        parts = [
            "\n".join(explain(self.dissection, one, cut=self.is_cut))
            for one in self.judgements
            if protocol in (None, one.protocol)
        ]
        if self.whole_dissection is not None:
            parts += [
                f"{self._whole_note}\n" + "\n".join(explain(self.whole_dissection, one, whole=True))
                for one in self.whole_judgements
                if protocol in (None, one.protocol)
            ]
        missing = f"packet {self.number} has no {f'{protocol} ' if protocol else ''}checksum"
        return "\n\n".join(parts) if parts else missing

    def flip(self, bit: int) -> Flip:
        """Return what it does to the packet that `bit` breaks; 0 is the most significant bit of byte 0.

        Raises
        ------
        ValueError : there is no such bit
        """
        from pktlab.wire.flip import flip

        return flip(self.dissection, bit, self._dissect, cut=self.is_cut)

    def flips(self) -> list[FieldCount]:
        """Return what breaks with each single bit, counted by the field that the bit lies in."""
        from pktlab.wire.flip_table import flip_table

        return flip_table(self.dissection, self._dissect, cut=self.is_cut)

    def document(self, *, ranges: bool = False) -> dict[str, Any]:
        """Return the packet as the JSON object of the output contract."""
        frame = {key: value for key, value in self._frame().items() if key in _FRAME_KEYS}
        if self.comments:
            frame["frame.comment"] = "\n".join(self.comments)
        frame["link_type"] = self.link_type
        document = packet_document(self.dissection, frame, self.judgements, ranges=ranges)
        if self.whole is not None and document["layers"]:
            last = next(one for one in reversed(document["layers"]) if one["protocol"] != "data")
            last["notes"].append(self._whole_note)
        return document

    def flat(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the first value of each of `names` as JSON has it; None where the packet has none."""
        flat: dict[str, Any] = {}
        for name in names:
            found = self._found(name)
            flat[name] = json_value(found[0]) if found else self.get(name)
        return flat

    def __repr__(self) -> str:
        return f"<Packet {self.line().strip()}>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(_html_row(line) for line in self.tree())
        dump = escape("\n".join(text.hexdump(self.data)))
        return (
            f'<details open><summary>{escape(self.line().strip())}</summary><table style="font-family:monospace">'
            f"{rows}</table><pre>{dump}</pre></details>"
        )


_FRAME_KEYS = ("frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_id")


def _html_row(line: text.Line) -> str:
    from html import escape

    place = f"{line.start}–{line.stop - 1}" if line.stop > line.start else ""
    cells = (
        f'<td style="text-align:left;padding-left:{1.5 * line.depth}em">{escape(line.text.strip())}</td>',
        f'<td style="text-align:left">{escape(line.name)}</td><td>{place}</td>',
    )
    weight = ' style="font-weight:bold"' if line.kind in ("layer", "frame") else ""
    return f"<tr{weight}>{''.join(cells)}</tr>"


def time_text(time_ns: int) -> str:
    """Return ns since the epoch as tshark prints ``frame.time_epoch``: seconds and nine digits.

    >>> time_text(1_700_000_000_000_000_005)
    '1700000000.000000005'
    """
    sign = "-" if time_ns < 0 else ""
    seconds, rest = divmod(abs(time_ns), 1_000_000_000)
    return f"{sign}{seconds}.{rest:09d}"


def seconds_text(time_ns: int) -> str:
    """Return ns as seconds with six digits, as the lines of packets have them.

    >>> seconds_text(1_500_000), seconds_text(-1)
    ('0.001500', '-0.000000')
    """
    return f"{time_ns / 1e9:.6f}"


def moment_text(time_ns: int) -> str:
    """Return ns since the epoch as a date and time of day, UTC; the bare seconds where the calendar ends.

    >>> moment_text(1_700_000_000_000_000_005)
    '2023-11-14 22:13:20.000000005 UTC'
    """
    seconds, rest = divmod(time_ns, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:09d} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{time_text(time_ns)} s since 1970"


def tree_text(lines: Sequence[text.Line]) -> list[str]:
    """Return a tree as lines of text, the bytes of each field in a column in front."""
    return [
        (f"{line.start:>5}–{line.stop - 1:<5}" if line.stop > line.start else " " * 11) + " " + line.text
        for line in lines
    ]
