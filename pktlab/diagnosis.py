"""One sentence about a whole capture: what most likely stands behind its verdicts, by who sent the packets.

A single wrong sum says little; many from one sender do. Wrong by the same difference: an address or port was
rewritten on the way without updating the sum. All holding one trivial value, or the pseudo-header's sum: the capture
was made before the network card filled them in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pktlab.wire.checksum import fold
from pktlab.wire.verdict import Judgement, Verdict

__all__ = ["Diagnosis"]

_MAX_SENDERS = 10_000  # in memory at a time; a scan has millions
_MAX_DIFFERENCES = 1000  # that are told apart, of one sender
_TRIVIAL = (0x0000, 0xFFFF, 0xABAB)


@dataclass
class _Sender:
    """What the packets with one source address show."""

    judged: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    differences: Counter[int] = field(default_factory=Counter)
    values: Counter[int] = field(default_factory=Counter)


class Diagnosis:
    """What `pktlab.health.Health` has seen, by sender.

    >>> Diagnosis().sentence()
    'There is no checksum in it.'
    """

    def __init__(self) -> None:
        self._senders: dict[str, _Sender] = {}
        self._verdicts: Counter[Verdict] = Counter()
        self._first_bad: tuple[int, Judgement] | None = None

    def add(self, number: int, judgement: Judgement, source: str) -> None:
        """Take notice of the verdict on a checksum in frame `number`."""
        self._verdicts[judgement.verdict] += 1
        if judgement.verdict is Verdict.bad and self._first_bad is None:
            self._first_bad = number, judgement
        sender = self._sender(source)
        sender.judged += judgement.verdict is not Verdict.unverified
        sender.verdicts[judgement.verdict] += 1
        if judgement.verdict is Verdict.bad and judgement.found is not None and judgement.expected is not None:
            self.add_bad(source, judgement.found, judgement.expected, 1)

    def add_counts(self, source: str, verdicts: Mapping[Verdict, int]) -> None:
        """Take notice of many verdicts of one sender."""
        self._verdicts.update(verdicts)
        sender = self._sender(source)
        sender.judged += sum(verdicts.values()) - verdicts.get(Verdict.unverified, 0)
        sender.verdicts.update(verdicts)

    def add_bad(self, source: str, found: int, expected: int, times: int) -> None:
        """Take notice of what one sender's bad sums, counted elsewhere, held and should have held."""
        sender = self._sender(source)
        if len(sender.differences) < _MAX_DIFFERENCES:
            sender.differences[fold(found + (expected ^ 0xFFFF))] += times
        if found in _TRIVIAL:
            sender.values[found] += times

    def _sender(self, source: str) -> _Sender:
        if source not in self._senders and len(self._senders) >= _MAX_SENDERS:
            source = ""
        return self._senders.setdefault(source, _Sender())

    @property
    def has_bad(self) -> bool:
        """Whether a bad sum was added with its judgement."""
        return self._first_bad is not None

    def sentence(self) -> str:
        """Return the diagnosis."""
        if not self._verdicts:
            return "There is no checksum in it."
        parts = [part for part in (self._bad(), self._offload(), self._other()) if part]
        if not parts:
            return f"Right: all {self._verdicts[Verdict.good]:,} checksums that could be judged."
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}."

    def _bad(self) -> str:
        total, first = self._verdicts[Verdict.bad], self._first_bad
        if first is None:
            return ""
        if total == 1:
            reason = first[1].cause or "no known mistake explains it"
            return f"one {first[1].protocol} checksum is wrong, in frame {first[0]}: {reason}"
        name, sender = max(self._senders.items(), key=lambda item: (item[1].verdicts[Verdict.bad], item[0]))
        from_one = sender.verdicts[Verdict.bad]
        share = f"{total:,} checksums are wrong"
        if name and from_one > 1:
            share += f", {from_one:,} of {sender.judged:,} from {name}"
        return share + _pattern(sender, from_one)

    def _offload(self) -> str:
        total = self._verdicts[Verdict.partial]
        if not total:
            return ""
        names = sorted(name for name, sender in self._senders.items() if sender.verdicts[Verdict.partial] and name)
        sent_by = f" from {', '.join(names)}" if 0 < len(names) <= 2 else ""
        was = "one checksum" if total == 1 else f"{total:,} checksums"
        return f"{was}{sent_by} had been left to the network card when the packets were captured: no damage"

    def _other(self) -> str:
        wrong = {verdict: self._verdicts[verdict] for verdict in (Verdict.illegal_zero, Verdict.malformed)}
        said = [f"{number:,} {verdict}" for verdict, number in wrong.items() if number]
        unverified = self._verdicts[Verdict.unverified]
        if unverified:
            said.append(f"{unverified:,} could not be judged")
        return ", ".join(said)


def _pattern(sender: _Sender, bad: int) -> str:
    """Return what the wrong sums of one sender have in common."""
    difference, same = sender.differences.most_common(1)[0] if sender.differences else (0, 0)
    value, equal = sender.values.most_common(1)[0] if sender.values else (0, 0)
    if equal == bad > 1:
        return f", all {value:#06x}: checksum offload that fills in nothing"
    if same == bad > 1:
        return f", all by {difference:#06x}: an address or port was rewritten without updating them"
    return ""
