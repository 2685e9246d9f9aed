"""A capture in figures: what is in it, how much of it, for how long."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pktlab.api import Capture, Selection
from pktlab.capture import link_type_name
from pktlab.flows import flow_key
from pktlab.health import Health
from pktlab.packets import Packet, time_text

__all__ = ["MAX_CONVERSATIONS", "Summary"]

MAX_CONVERSATIONS = 1_000_000
"""Conversations that are told apart: each takes some 100 bytes while a capture is read."""


class Summary:
    """The figures of one capture, packet by packet."""

    def __init__(self) -> None:
        self.length = 0  # bytes on the wire
        self.cap_len = 0  # bytes captured
        self.comments = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.paths: Counter[tuple[str, ...]] = Counter()  # packets by the protocols in them, every prefix too
        self.path_bytes: Counter[tuple[str, ...]] = Counter()
        self._conversations: set[int] = set()  # hashes: of a million, two are the same once in 37 million captures
        self.health = Health(0)

    def add(self, packet: Packet) -> None:
        """Count a packet."""
        self.length += packet.length
        self.cap_len += packet.cap_len
        self.comments += len(packet.comments)
        if packet.time_ns is not None:
            self.first_ns = min(packet.time_ns, self.first_ns if self.first_ns is not None else packet.time_ns)
            self.last_ns = max(packet.time_ns, self.last_ns if self.last_ns is not None else packet.time_ns)
        protocols = tuple(layer.protocol for layer in packet.layers if not layer.quoted)
        for depth in range(1, len(protocols) + 1):
            self.paths[protocols[:depth]] += 1
            self.path_bytes[protocols[:depth]] += packet.length
        key = flow_key(packet.dissection)
        if key is not None and len(self._conversations) < MAX_CONVERSATIONS:
            self._conversations.add(hash(key.conversation))
        self.health.add(packet)

    @property
    def packets(self) -> int:
        """Packets counted."""
        return self.health.packets

    @property
    def conversations(self) -> int:
        """Conversations over TCP and UDP; counting ends at `MAX_CONVERSATIONS`."""
        return len(self._conversations)

    @property
    def duration_ns(self) -> int | None:
        """From the earliest packet to the latest; None if no packet has a time."""
        return None if self.first_ns is None or self.last_ns is None else self.last_ns - self.first_ns

    def hierarchy(self) -> list[tuple[tuple[str, ...], int, int]]:
        """Return (protocols from the outside in, packets, bytes): parents before children, the frequent first."""
        found: list[tuple[tuple[str, ...], int, int]] = []

        def walk(parent: tuple[str, ...]) -> None:
            children = [path for path in self.paths if path[:-1] == parent]
            for path in sorted(children, key=lambda path: (-self.paths[path], path)):
                found.append((path, self.paths[path], self.path_bytes[path]))
                walk(path)

        walk(())
        return found

    def document(self, capture: Capture | Selection) -> dict[str, Any]:
        """Return what is known of `capture`, all of whose packets were counted, as JSON has it."""
        reader, damage = capture.reader, capture.damage
        return {
            "file": capture.name,
            "format": reader.format,
            "description": reader.description,
            "compression": reader.compression,
            "packets": self.packets,
            "bytes": self.length,
            "captured_bytes": self.cap_len,
            "first_time_epoch": None if self.first_ns is None else time_text(self.first_ns),
            "last_time_epoch": None if self.last_ns is None else time_text(self.last_ns),
            "comments": self.comments,
            "conversations": self.conversations,
            "interfaces": [
                {
                    "section": one.section, "interface_id": one.interface_id, "name": one.name,
                    "description": one.description, "link_type": one.link_type,
                    "link_type_name": link_type_name(one.link_type), "snaplen": one.snaplen,
                }
                for one in reader.interfaces
            ],
            "written_by": [section.application for section in reader.sections if section.application],
            "protocols": [
                {"protocols": ":".join(path), "packets": packets, "bytes": size}
                for path, packets, size in self.hierarchy()
            ],
            "checksums": self.health.table(),
            "diagnosis": self.health.diagnosis.sentence(),
            "damage": damage and {"offset": damage.offset, "packets": damage.packets, "why": damage.why},
        }  # fmt: skip
