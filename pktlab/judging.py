"""All checksums of a capture judged: the first packets by the exact reader, the rest in bulk.

A small capture is answered before kernels would be loaded. Of a large one every verdict is counted; what needs more
than a count (a finding that is listed, a fragment, a tunnel) is asked of the exact reader, packet by packet. Nothing in
the result tells which way it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from pktlab.api import Capture
from pktlab.capture import CaptureReader
from pktlab.health import Health
from pktlab.packets import Packet
from pktlab.sources import exact_first as usual_first
from pktlab.wire.verdict import Verdict

if TYPE_CHECKING:
    from pktlab.columns.judging import Judged

__all__ = ["BulkVerdicts", "judge_capture"]

_MAX_BAD_SUMS = 100_000


def judge_capture(
    capture: Capture, health: Health, *, threads: int = 1, exact_first: int | None = None
) -> Iterator[int]:
    """Add the verdicts on all packets of a capture to `health`; yield, on the way, how many were judged.

    Parameters
    ----------
    capture : nothing of it was read yet
    threads : on how many cores
    exact_first : packets that are judged before the kernels are loaded; see `sources.exact_first` if None
    """
    exact_first = usual_first(capture.reader) if exact_first is None else exact_first
    for packet in islice(capture, exact_first):
        health.add(packet)
        yield health.packets
    if health.packets == exact_first:
        yield from _judge_rest(capture, health, threads)
    health.finish()


def _judge_rest(capture: Capture, health: Health, threads: int) -> Iterator[int]:
    if not isinstance(capture.reader, CaptureReader):  # several captures, merged
        for packet in capture.rest():
            health.add(packet)
            yield health.packets
        return
    from pktlab.columns.judging import judged_windows

    bulk = BulkVerdicts(health, capture)
    for judged in judged_windows(capture.reader, capture.bindings, threads=threads, read=health.packets):
        capture.note_window(judged.window)
        bulk.add(judged)
        yield health.packets
    bulk.finish()


class BulkVerdicts:
    """Brings verdicts that were given in bulk to a `Health`.

    Parameters
    ----------
    add : is given each packet that the exact reader has to judge, and adds it to `health`, which it does itself if None
    """

    def __init__(self, health: Health, capture: Capture, add: Callable[[Packet], None] | None = None) -> None:
        from pktlab.columns.judging import VERDICTS, Senders

        self.health, self.add_packet = health, add or health.add
        self.packet_of = capture.packet_of
        self.senders = Senders()
        self.bad_sums: Counter[int] = Counter()  # by sender, stored and right value
        self.verdicts = VERDICTS
        self.bad = VERDICTS.index(Verdict.bad)
        self.listed = [code for code, verdict in enumerate(VERDICTS) if verdict and health.is_finding(verdict)]
        self.listed_codes = sum(1 << code for code in self.listed)

    def add(self, judged: Judged) -> None:
        """Count the verdicts of a window; what needs more than a count goes to the exact reader, and is marked so."""
        import numpy as np

        from pktlab.columns.judging import census

        asked = judged.exact
        if int(np.bitwise_or.reduce(judged.codes)) & self.listed_codes:
            self.ask(judged, asked)
        for place in asked.nonzero()[0]:
            self.add_packet(self.packet_of(judged.window.record(int(place))))
        self.count(judged, asked, census(judged, asked))

    def ask(self, judged: Judged, asked: Any) -> None:
        """Mark the packets with findings that are listed, and the first that is bad, for the exact reader."""
        import numpy as np

        hits = np.flatnonzero(np.isin(judged.verdicts, self.listed).any(axis=0) & ~asked)
        asked[hits[: max(self.health.limit - len(self.health.findings), 0)]] = True
        if not self.health.diagnosis.has_bad:
            asked[np.flatnonzero((judged.verdicts == self.bad).any(axis=0) & ~asked)[:1]] = True

    def count(self, judged: Judged, asked: Any, counts: Any) -> None:
        """Count the verdicts on the packets that were not asked about."""
        owners = self.senders.add(judged, asked, counts.any(axis=1))
        self.health.packets += len(asked) - int(asked.sum())
        for row, code in zip(*counts.nonzero(), strict=True):
            verdict = self.verdicts[code]
            assert verdict is not None
            self.health.add_counts(judged.protocols[row], verdict, int(counts[row, code]))
            if code == self.bad:
                self.note_bad(judged, row, asked, owners)

    def note_bad(self, judged: Judged, row: int, asked: Any, owners: Any) -> None:
        """Remember what the bad sums of a protocol held and should have held, by sender."""
        import numpy as np

        bad = np.flatnonzero((judged.verdicts[row] == self.bad) & ~asked)
        keys = owners[bad].astype(np.int64) << 32 | judged.found[row][bad].astype(np.int64) << 16
        keys |= judged.expected[row][bad]
        for key, times in zip(*np.unique(keys, return_counts=True), strict=True):
            self.bad_sums[int(key)] += int(times)
        if len(self.bad_sums) > _MAX_BAD_SUMS:
            self.bad_sums = Counter(dict(self.bad_sums.most_common(_MAX_BAD_SUMS // 2)))

    def finish(self) -> None:
        """Tell the diagnosis who sent what was counted."""
        names: dict[int, str] = {}
        for entry, name, counts in self.senders.entries():
            names[entry] = name
            told = {one: int(counts[code]) for code, one in enumerate(self.verdicts) if one and counts[code]}
            self.health.diagnosis.add_counts(name, told)
        for key, times in sorted(self.bad_sums.items()):
            self.health.diagnosis.add_bad(names[key >> 32], key >> 16 & 0xFFFF, key & 0xFFFF, times)
