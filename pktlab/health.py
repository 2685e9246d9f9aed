"""How sound are the checksums of a capture? Verdicts counted, faults listed, one sentence of diagnosis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pktlab.api import Packet
from pktlab.wire.verdict import Judgement, Verdict

__all__ = ["COUNTED", "FAULTS", "Finding", "Health", "health_of"]

COUNTED = ("ip", "udp", "udplite", "tcp", "icmp", "icmpv6", "igmp", "gre", "sctp", "dccp")
"""Protocols whose verdicts are counted; all of them, also those that the capture does not hold."""
FAULTS = (Verdict.bad, Verdict.illegal_zero, Verdict.malformed)
"""Verdicts that make a capture unsound; a partial checksum is no fault."""
LISTED = (*FAULTS, Verdict.partial)
"""Verdicts that are listed one by one."""


@dataclass(frozen=True)
class Finding:
    """A verdict and the frame that it stands on."""

    frame: int
    judgement: Judgement

    def document(self) -> dict[str, Any]:
        """Return the finding as the output contract has it."""
        one = self.judgement
        return {
            "frame.number": self.frame, "layer": one.layer, "offset": one.offset, "protocol": one.protocol,
            "verdict": str(one.verdict), "cause": one.cause, "note": one.note, "found": one.found,
            "expected": one.expected,
        }  # fmt: skip


@dataclass
class Health:
    """The verdicts on the checksums of a capture.

    limit : findings kept, at most; `findings_total` counts on; listed : verdicts that make a finding
    """

    limit: int = 1000
    listed: tuple[Verdict, ...] = LISTED
    packets: int = 0
    quoted: int = 0  # packets quoted in ICMP errors; they get no verdict
    counts: dict[str, Counter[Verdict]] = field(default_factory=lambda: {name: Counter() for name in COUNTED})
    findings: list[Finding] = field(default_factory=list)
    findings_total: int = 0

    def add(self, packet: Packet) -> None:
        """Count one packet; a datagram in fragments counts where it completes."""
        self.packets += 1
        self.quoted += any(layer.quoted for layer in packet.layers)
        waits = packet.is_fragment
        for judgement in packet.judgements:
            if not (waits and judgement.verdict is Verdict.unverified):
                self._count(packet.number, judgement)
        for judgement in packet.whole_judgements:
            self._count(packet.number, judgement)

    def finish(self, incomplete: Iterable[tuple[int, Judgement]] = ()) -> None:
        """Count what never completed: the verdicts on the first fragments of datagrams with a gap."""
        for frame, judgement in incomplete:
            self._count(frame, judgement)

    def _count(self, frame: int, judgement: Judgement) -> None:
        if judgement.protocol in self.counts:
            self.counts[judgement.protocol][judgement.verdict] += 1
        if judgement.verdict in self.listed:
            self.findings_total += 1
            if len(self.findings) < self.limit:
                self.findings.append(Finding(frame, judgement))

    def total(self, verdict: Verdict) -> int:
        """Return how many checksums got that verdict."""
        return sum(count[verdict] for count in self.counts.values())

    @property
    def is_sound(self) -> bool:
        """Whether there is no fault."""
        return not any(self.total(verdict) for verdict in FAULTS)

    @property
    def diagnosis(self) -> str:
        """One sentence on the whole."""
        counts = {verdict: self.total(verdict) for verdict in Verdict}
        judged = sum(counts.values())
        if not judged:
            return "there is no checksum to judge"
        faults = [f"{counts[verdict]} {verdict}" for verdict in FAULTS if counts[verdict]]
        if counts[Verdict.partial]:
            left = f"{counts[Verdict.partial]} left to the network card (captured on the sending machine)"
        else:
            left = ""
        if faults:
            return f"{', '.join(faults)} of {judged} checksums" + (f"; {left}" if left else "")
        if left:
            return f"no fault in {judged} checksums; {left}"
        verified = counts[Verdict.good]
        return f"all {judged} checksums are good" if verified == judged else f"no fault in {judged} checksums"

    def document(self, file: str) -> dict[str, Any]:
        """Return the document of ``checksum verify --json``."""
        counts = {name: {str(verdict): count[verdict] for verdict in Verdict} for name, count in self.counts.items()}
        return {
            "file": file, "packets": self.packets, **counts, "quoted": self.quoted, "diagnosis": self.diagnosis,
            "findings": [finding.document() for finding in self.findings], "findings_total": self.findings_total,
        }  # fmt: skip


def health_of(packets: Iterable[Packet], *, limit: int = 1000, everything: bool = False) -> Health:
    """Return the health of `packets`, read to their end.

    Parameters
    ----------
    packets : a capture, or packets of one in order
    limit : findings kept, at most
    everything : list absent and unverified checksums too
    """
    more = (Verdict.absent, Verdict.unverified) if everything else ()
    health = Health(limit, (*LISTED, *more))
    waiting: dict[int, list[Judgement]] = {}
    for packet in packets:
        health.add(packet)
        if packet.is_fragment:
            waiting[packet.number] = [one for one in packet.judgements if one.verdict is Verdict.unverified]
        if packet.whole is not None:
            for frame in packet.whole.frames:
                waiting.pop(frame, None)
    health.finish((frame, judgement) for frame, judgements in waiting.items() for judgement in judgements)
    return health
