"""A packet as the JSON object of the output contract: layers in order, every byte in one of them or in the trailer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pktlab.errors import Truncated, WireError
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.rows import Found
from pktlab.wire.verdict import STATUS, Judgement

__all__ = ["json_value", "layer_document", "packet_document", "stop_document"]


def json_value(found: Found) -> Any:
    """Return a field's value as JSON has it: numbers, booleans, or text; bytes as hex."""
    value = found.value
    if isinstance(value, bool | str | float) or value is None:
        return value
    if isinstance(value, bytes):
        return value.hex()
    return found.row.text(value) if found.row.kind == "flags" else int(value)


def packet_document(
    packet: Dissection, frame: dict[str, Any], judgements: Sequence[Judgement] = (), *, ranges: bool = False
) -> dict[str, Any]:
    """Return the document of one packet.

    Parameters
    ----------
    packet : what was read of it
    frame : what the capture says of it: ``frame.number``, ``frame.time_epoch`` ...
    judgements : the verdicts on its checksums
    ranges : add to each layer ``"ranges"``: for each field its [byte offset, bit offset, bits], a list of such where
        the field occurs more than once
    """
    layers = [
        layer_document(packet, index, [one for one in judgements if one.layer == index], ranges)
        for index in range(len(packet.layers))
    ]
    start, stop = packet.trailer
    return {
        "frame": frame,
        "layers": layers,
        "stop": stop_document(packet.stop),
        "trailer": packet.data[start:stop].hex(),
    }


def layer_document(packet: Dissection, index: int, judgements: Sequence[Judgement], ranges: bool) -> dict[str, Any]:
    """Return the document of one layer."""
    layer = packet.layers[index]
    fields: dict[str, Any] = {}
    places: dict[str, Any] = {}
    for found in layer.spans():
        if found.name:
            _put(fields, found.name, json_value(found))
            _put(places, found.name, list(found.bit_range))
            name = found.row.value_name(found.value)
            if name is not None:
                _put(fields, f"{found.name}_str", name)
    for judgement in judgements:
        fields[f"{layer.protocol}.checksum.status"] = STATUS[judgement.verdict]
        fields[f"{layer.protocol}.checksum.verdict"] = str(judgement.verdict)
        if judgement.cause:
            fields[f"{layer.protocol}.checksum.cause"] = judgement.cause
    document = {
        "protocol": layer.protocol,
        "offset": layer.start,
        "length": layer.stop - layer.start,
        "bytes": packet.data[layer.start : layer.stop].hex(),
        "fields": fields,
        "notes": _notes(layer, judgements),
    }
    if ranges:
        document["ranges"] = places
    return document


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    """Add a value; further ones under the same name make a list in wire order."""
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], _Several):
        fields[name].append(value)
    else:
        fields[name] = _Several([fields[name], value])


class _Several(list[Any]):
    """A list of occurrences, told apart from a value that is a list itself."""


def _notes(layer: Layer, judgements: Sequence[Judgement]) -> list[str]:
    quoted = ["quoted in an ICMP error"] if layer.quoted else []
    return [*quoted, *layer.notes, *(judgement.note for judgement in judgements if judgement.note)]


def stop_document(stop: WireError | None) -> dict[str, Any] | None:
    """Return what ended the reading."""
    if stop is None:
        return None
    document: dict[str, Any] = {"layer": stop.layer, "offset": stop.offset, "error": str(stop)}
    if isinstance(stop, Truncated):
        return document | {"needed": stop.needed, "available": stop.available, "limit": stop.limit}
    value = getattr(stop, "value", None)
    shown = value.hex() if isinstance(value, bytes) else value
    return document | {"field": getattr(stop, "field", ""), "value": shown}
