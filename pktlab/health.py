"""How sound are the checksums of a capture? Verdicts counted, faults listed, one sentence of diagnosis.

A datagram in fragments counts once: its first fragment waits, and is counted as unverified only if the datagram is
never complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pktlab.diagnosis import Diagnosis
from pktlab.packets import Packet
from pktlab.wire.verdict import Judgement, Verdict

__all__ = ["FAULTS", "PROTOCOLS", "Health", "health_of"]

PROTOCOLS = ("ip", "udp", "udplite", "tcp", "icmp", "icmpv6", "igmp", "gre", "sctp", "dccp")
"""Every protocol that the document of ``checksum verify --json`` always has."""
FAULTS = frozenset({Verdict.bad, Verdict.illegal_zero, Verdict.malformed})
"""What makes ``checksum verify`` end with status 1."""
MAX_WAITING = 65_536
"""First fragments whose datagrams are not complete that are kept in mind; older ones count as unverified."""
_FINDINGS = FAULTS | {Verdict.partial}
_MORE_FINDINGS = _FINDINGS | {Verdict.absent, Verdict.unverified}


class Health:
    """Verdicts by protocol.

    Parameters
    ----------
    limit : most findings that are kept; all are counted
    everything : absent and unverified are findings too
    """

    def __init__(self, limit: int = 1000, *, everything: bool = False) -> None:
        self.limit = limit
        self.packets = 0
        self.quoted = 0
        self.counts: dict[str, Counter[Verdict]] = {}
        self.findings: list[dict[str, Any]] = []
        self.findings_total = 0
        self.diagnosis = Diagnosis()
        self._wanted = _MORE_FINDINGS if everything else _FINDINGS
        self._waiting: dict[int, list[Judgement]] = {}  # first fragments, by frame number

    def add(self, packet: Packet) -> None:
        """Count the verdicts of `packet`."""
        self.packets += 1
        self.quoted += any(layer.quoted for layer in packet.layers)
        source = packet.get("ip.src") or packet.get("ipv6.src") or ""
        for judgement in packet.judgements:
            if packet.is_fragment and judgement.verdict is Verdict.unverified:
                self._waiting.setdefault(packet.number, []).append(judgement)
            else:
                self._count(packet.number, judgement, source)
        if len(self._waiting) > MAX_WAITING:
            number = next(iter(self._waiting))
            for judgement in self._waiting.pop(number):
                self._count(number, judgement, "")
        if packet.whole is not None:
            for number in packet.whole.frames:
                self._waiting.pop(number, None)
            for judgement in packet.whole_judgements:
                self._count(packet.number, judgement, source, packet.whole.frames)

    def finish(self) -> None:
        """Count what has waited in vain."""
        for number, judgements in sorted(self._waiting.items()):
            for judgement in judgements:
                self._count(number, judgement, "")
        self._waiting.clear()

    def _count(self, number: int, judgement: Judgement, source: str, frames: tuple[int, ...] = ()) -> None:
        self.counts.setdefault(judgement.protocol, Counter())[judgement.verdict] += 1
        self.diagnosis.add(number, judgement, source)
        if judgement.verdict not in self._wanted:
            return
        self.findings_total += 1
        if len(self.findings) < self.limit:
            self.findings.append(_finding(number, judgement, frames))

    def is_finding(self, verdict: Verdict) -> bool:
        """Tell whether such a verdict is listed."""
        return verdict in self._wanted

    def add_counts(self, protocol: str, verdict: Verdict, times: int) -> None:
        """Count verdicts that were given elsewhere; they are not listed."""
        self.counts.setdefault(protocol, Counter())[verdict] += times
        self.findings_total += times * self.is_finding(verdict)

    @property
    def has_faults(self) -> bool:
        """Whether any verdict is bad, illegal-zero or malformed."""
        return any(counter[verdict] for counter in self.counts.values() for verdict in FAULTS)

    def table(self) -> dict[str, dict[str, int]]:
        """Return the counts of each protocol that was met, every verdict present."""
        order = [*PROTOCOLS, *sorted(set(self.counts) - set(PROTOCOLS))]
        return {
            protocol: {str(verdict): self.counts[protocol][verdict] for verdict in Verdict}
            for protocol in order
            if protocol in self.counts
        }

    def document(self, file: str) -> dict[str, Any]:
        """Return the document of ``checksum verify --json``."""
        nothing = {str(verdict): 0 for verdict in Verdict}
        return {
            "file": file,
            "packets": self.packets,
            **{protocol: self.table().get(protocol, nothing) for protocol in PROTOCOLS},
            "quoted": self.quoted,
            "diagnosis": self.diagnosis.sentence(),
            "findings": self.findings,
            "findings_total": self.findings_total,
        }


def health_of(packets: Iterable[Packet], *, limit: int = 1000, everything: bool = False) -> Health:
    """Return the health of `packets`, read to their end; the parameters are those of `Health`."""
    health = Health(limit, everything=everything)
    for packet in packets:
        health.add(packet)
    health.finish()
    return health


def _finding(number: int, judgement: Judgement, frames: tuple[int, ...]) -> dict[str, Any]:
    together = f"in the datagram of frames {', '.join(map(str, frames))}" if frames else ""
    return {
        "frame.number": number,
        "layer": judgement.layer,
        "offset": judgement.offset,
        "protocol": judgement.protocol,
        "verdict": str(judgement.verdict),
        "cause": judgement.cause,
        "note": "; ".join(filter(None, (judgement.note, together))),
        "found": judgement.found,
        "expected": judgement.expected,
    }
