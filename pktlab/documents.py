"""Packets out of the JSON that ``dissect -T json`` prints, edited or not.

A layer's ``bytes`` are kept as they are, and a field whose value is not what these bytes say is written into them: of
the two, the field wins. So an unedited document gives back the packet bit for bit, and whoever wants other bytes for a
whole layer takes its fields out. Lengths and checksums stay as they stand, unless ``fix`` asks for right ones.

Names of values (``…_str``), verdicts, notes, ranges and ``stop`` are for reading: changing them changes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from pktlab.api import Packet, Protocols
from pktlab.capture import Record, canonical_link_type
from pktlab.errors import CraftError, WireError
from pktlab.jsontext import json_values
from pktlab.patches import Patch, apply_patches, patch_of
from pktlab.repair import REPAIRED, sums_put_right
from pktlab.wire.bindings import Binding, bind
from pktlab.wire.dissection import Dissection, dissect
from pktlab.wire.document import json_value
from pktlab.wire.expressions import solve
from pktlab.wire.fields import AUTO
from pktlab.wire.header import Header
from pktlab.wire.packet import PROTOCOLS
from pktlab.wire.rows import Found
from pktlab.wire.verdict import judge

__all__ = ["packets_from_json", "record_from"]

MAX_BYTES = 1 << 24
"""Bytes of one packet, more than any capture holds."""
_FOR_READING = (".checksum.verdict", ".checksum.status", ".checksum.cause")


def packets_from_json(stream: TextIO, *, protocols: Protocols | None = None, fix: bool = False) -> Iterator[Packet]:
    """Yield the packets of a JSON array, or of one object a line; they are read one by one.

    Parameters
    ----------
    stream : text
    protocols : a user's own, the same that the packets were read with
    fix : put lengths and checksums right

    Raises
    ------
    CraftError : it is no such JSON, or a value does not fit its field; says in which packet, and where

    >>> import io, json, pktlab
    >>> document = pktlab.open("pcaps/first-light.pcapng")[5].document()
    >>> document["layers"][2]["fields"]["udp.dstport"] = 5353
    >>> [packet] = packets_from_json(io.StringIO(json.dumps(document)), fix=True)
    >>> packet["udp.dstport"], packet["udp.checksum.verdict"]
    (5353, 'good')
    """
    bindings = tuple(bind(condition, header) for condition, header in (protocols or {}).items())
    for number, document in enumerate(json_values(stream), 1):
        record = record_from(document, number, bindings, fix=fix)
        yield Packet(record, canonical_link_type(record.link_type), bindings)


def record_from(document: Any, number: int = 1, bindings: Sequence[Binding] = (), *, fix: bool = False) -> Record:
    """Return the packet that a document says.

    Parameters
    ----------
    document : the object of one packet
    number : its place, from 1, for the record and for errors
    bindings : the user's own protocols
    fix : put lengths and checksums right

    Raises
    ------
    CraftError : it is no such object, or a value does not fit its field
    """
    return _Reader(f"packet {number} of the JSON", bindings).record(document, number, fix)


@dataclass
class _Part:
    """One layer of a document.

    Somebody may have given it more bytes, or fewer, than it had: it was from byte `start` to `stop` of the packet, and
    is at `at` now.
    """

    where: str
    protocol: str
    data: bytes
    fields: dict[str, Any]
    size: int  # bytes that it had
    start: int = 0
    at: int = 0

    @property
    def stop(self) -> int:
        """The byte behind it, as it was."""
        return self.start + self.size

    @property
    def as_it_was(self) -> bytes:
        """Its bytes in their old number: what lengths elsewhere are about."""
        return self.data[: self.size].ljust(self.size, b"\0")


class _Reader:
    """Reads the document of one packet."""

    def __init__(self, where: str, bindings: Sequence[Binding]) -> None:
        self.where = where
        self.bindings = bindings

    def record(self, document: Any, number: int, fix: bool) -> Record:
        """Return the packet."""
        frame = self.get(document, "frame", dict, {}, self.where)
        parts = self.parts(document)
        trailer = self.hex(document, "trailer", self.where)
        data = b"".join(part.data for part in parts) + trailer
        before = b"".join(part.as_it_was for part in parts) + trailer
        link_type = self.number(frame, "link_type", 1, 0xFFFFFFFF)
        captured = self.number(frame, "frame.cap_len", len(before), MAX_BYTES)
        length = self.number(frame, "frame.len", captured, 0xFFFFFFFF)
        packet = dissect(before, canonical_link_type(link_type), self.bindings)
        changed = [self.changed(part, packet, data) for part in parts]
        if fix:
            changed = _with_lengths(packet, parts, changed, self.where, is_cut=length > captured)
        made = b"".join(changed) + trailer
        length = max(length + len(made) - captured, 0)
        if fix:
            made = _with_sums(made, canonical_link_type(link_type), self.bindings, is_cut=length > len(made))
        interface = frame.get("frame.interface_id")
        return Record(
            number, self.time(frame), made, length, link_type,
            interface_id=None if interface is None else self.number(frame, "frame.interface_id", 0, 0xFFFFFFFF),
            comments=self.comments(frame),
        )  # fmt: skip

    # ---- what stands in the document

    def get(self, holder: Any, key: str, kind: type, default: Any, where: str) -> Any:
        """Return a member of an object; CraftError if it is of another kind."""
        if not isinstance(holder, dict):
            raise CraftError(f"{where}: an object is wanted, as dissect -T json prints it")
        value = holder.get(key, default)
        if not isinstance(value, kind):
            raise CraftError(f"{where}: {key} is {_shown(value)}, not {_KINDS[kind]}")
        return value

    def hex(self, holder: Any, key: str, where: str) -> bytes:
        """Return a member of hex digits as bytes."""
        text = self.get(holder, key, str, "", where)
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise CraftError(f"{where}: {key} is {_shown(text)}, not pairs of hex digits") from None

    def number(self, frame: dict[str, Any], key: str, default: int, top: int) -> int:
        """Return a member that is a number from 0 to `top`."""
        value = frame.get(key, default)
        if type(value) is not int or not 0 <= value <= top:
            raise CraftError(f"{self.where}: {key} is {_shown(value)}, not a number from 0 to {top}")
        return value

    def time(self, frame: dict[str, Any]) -> int | None:
        """Return the time in ns since the epoch; None where the document has none."""
        text = frame.get("frame.time_epoch")
        if text is None:
            return None
        match = re.fullmatch(r"(-?)(\d{1,20})(?:\.(\d{1,9}))?", text) if isinstance(text, str) else None
        if match is None:
            raise CraftError(f"{self.where}: frame.time_epoch is {_shown(text)}, not seconds as text: '1.000000001'")
        time_ns = int(match[2]) * 1_000_000_000 + int((match[3] or "").ljust(9, "0"))
        return -time_ns if match[1] else time_ns

    def comments(self, frame: dict[str, Any]) -> tuple[str, ...]:
        """Return what was written about the packet."""
        comment = frame.get("frame.comment")
        return (self.get(frame, "frame.comment", str, "", self.where),) if comment else ()

    def parts(self, document: Any) -> list[_Part]:
        """Return the layers in the order of their bytes."""
        layers = self.get(document, "layers", list, [], self.where)
        found: list[tuple[int, _Part]] = []
        for index, layer in enumerate(layers):
            where = f"{self.where}, layers[{index}]"
            data = self.hex(layer, "bytes", where)
            part = _Part(
                where, self.get(layer, "protocol", str, "data", where), data,
                self.get(layer, "fields", dict, {}, where), self.get(layer, "length", int, len(data), where),
            )  # fmt: skip
            if not 0 <= part.size <= MAX_BYTES:
                raise CraftError(f"{where}: length is {part.size}, not a number from 0 to {MAX_BYTES}")
            if part.fields and not data:
                raise CraftError(f"{where}: there are fields, but no bytes that they stand in")
            found.append((self.get(layer, "offset", int, 0 if index == 0 else found[-1][0], where), part))
        found.sort(key=lambda one: one[0])
        start = at = 0
        for _, part in found:
            part.start, part.at = start, at
            start, at = part.stop, at + len(part.data)
        if max(start, at) > MAX_BYTES:
            raise CraftError(f"{self.where}: {max(start, at):,} bytes, more than a capture holds")
        return [part for _, part in found]

    # ---- changed fields

    def changed(self, part: _Part, packet: Dissection, data: bytes) -> bytes:
        """Return the bytes of a layer with the fields in it that say something else."""
        if not part.fields:
            return part.data
        found = self.found(part, packet, data)
        patches: list[Patch] = []
        for name, value in part.fields.items():
            if name in found:
                patches += self.patches(name, value, found[name], part)
            elif not name.endswith("_str") and not name.endswith(_FOR_READING):
                near = difflib.get_close_matches(name, found, 1)
                hint = f", did you mean {near[0]}?" if near else ""
                raise CraftError(f"{part.where}: its bytes hold no field {name}{hint}")
        return apply_patches(part.data, patches, part.at, part.where)

    def found(self, part: _Part, packet: Dissection, data: bytes) -> dict[str, list[Found]]:
        """Return the fields that the layer's bytes hold, by name, each in the order of the wire."""
        there = [one for one in packet.layers if one.start == part.start and one.protocol == part.protocol]
        kinds = [type(one.header) for one in there if one.header is not None]
        kinds += [one.protocol for one in self.bindings if one.protocol.layer == part.protocol]
        kinds += [one for one in PROTOCOLS if one.layer == part.protocol]
        if not kinds:
            raise CraftError(
                f"{part.where}: no protocol is called {_shown(part.protocol)}; give --schema and --on as for dissect, "
                "or take its fields out"
            )
        end = part.at + len(part.data)
        named = [_by_name(kind.schema.spans(data, part.at, end)) for kind in dict.fromkeys(kinds)]
        if (part.start, part.size) == (part.at, len(part.data)):
            named += [_by_name(one.spans()) for one in there]  # one that was cut reads so only with what is behind it
        wanted = {name for name in part.fields if not name.endswith(("_str", *_FOR_READING))}
        return next((one for one in named if wanted <= one.keys()), named[0])

    def patches(self, name: str, value: Any, found: list[Found], part: _Part) -> Iterator[Patch]:
        """Yield what has to change for a field to have its value, or its values."""
        values = value if len(found) > 1 else [value]
        if not isinstance(values, list) or len(values) != len(found):
            raise CraftError(f"{part.where}: {name} occurs {len(found)} times: a list of as many values is wanted")
        for one, wanted in zip(found, values, strict=True):
            if wanted != json_value(one) or isinstance(wanted, bool) != isinstance(json_value(one), bool):
                try:
                    yield patch_of(one, wanted)
                except (ValueError, TypeError, OverflowError) as error:
                    raise CraftError(f"{part.where}: {name} = {_shown(wanted)}: {error}") from None


_KINDS = {dict: "an object", list: "an array", str: "text", int: "a number"}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _by_name(spans: list[Found]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for one in spans:
        if one.name:
            found.setdefault(one.name, []).append(one)
    return found


# ---- lengths and checksums


def _with_lengths(
    packet: Dissection, parts: list[_Part], changed: list[bytes], where: str, *, is_cut: bool
) -> list[bytes]:
    """Return the layers with the lengths that what is in them has now, the innermost first."""
    fixed = list(changed)
    for layer in reversed(packet.layers):
        place = next((i for i, part in enumerate(parts) if (part.start, part.stop) == (layer.start, layer.stop)), None)
        if place is None or layer.header is None or layer.error is not None or not fixed[place]:
            continue
        inside = [
            i for i, part in enumerate(parts) if layer.stop <= part.start and part.stop <= layer.end and i != place
        ]
        size = sum(len(fixed[i]) for i in inside)
        if layer.overrun is not None and is_cut:
            size += layer.overrun.needed - layer.overrun.available
        try:
            fixed[place] = _with_length(layer.header, fixed[place], size)
        except WireError:
            continue  # what was written into it does not read: it stays so
        except ValueError as error:
            raise CraftError(f"{where}: {error}") from None
    return fixed


def _with_length(before: Header, data: bytes, size: int) -> bytes:
    """Return a header's bytes with the lengths for `size` bytes behind it, where they are the builder's to fill."""
    header = type(before).parse(data)
    if header.header_len != len(data):
        header = _stretched(header, data)
    if header.header_len != len(data) or (header.open_if is not None and header._open_if_of(header)):
        return data
    names = {name for name in (*header.schema.lengths, header._length_name) if name is not None}
    ours = {name: AUTO for name in names if header.schema.declared[name].default is AUTO}
    return header.replace(**ours).filled(bytes(size))._bytes() if ours else data


def _stretched(header: Header, data: bytes) -> Header:
    """Return the header that all of `data` are, if one length of it only has to say so."""
    for name, (declared, node) in header.schema.lengths.items():
        size = header._size_of(declared) + len(data) - header.header_len
        longer = header.replace(**{name: solve(node.length, size, header._numbers())})
        fixed = longer._bytes()[: header.HEADER_LEN]
        return type(header).parse(fixed + data[header.HEADER_LEN :])
    return header


def _with_sums(data: bytes, link_type: int, bindings: Sequence[Binding], *, is_cut: bool) -> bytes:
    """Return the packet with every checksum right that can be; one that is absent stays so."""
    packet = dissect(data, link_type, bindings)
    fixed = bytearray(data)
    sums_put_right(packet, judge(packet, cut=is_cut), fixed, REPAIRED, cut=is_cut)
    return bytes(fixed)
