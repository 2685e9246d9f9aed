"""Lines of packets by the kernel: what `Packet.line` says, for a whole window at a time.

A line is a number, a time and what each header says. Headers that say it in pieces (`wire.phrases`) are printed by the
kernel; a packet with any other header, or of which more has to be said (what is quoted, why a sum is bad, where reading
stopped), and one whose payload may be of a protocol that is known by how it begins, is left to the exact reader.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels_text
from pktlab.columns.phrases import compile_scripts, script_of
from pktlab.columns.plan import plan_for_headers
from pktlab.columns.rules import LEAF, compile_rules
from pktlab.columns.scan import VERDICTS, Scan, Walked
from pktlab.columns.tails import steps_of
from pktlab.columns.windows import NO_TIME, WINDOW_LEN, Window, max_packets
from pktlab.packets import NUMBER_WIDTH, TIME_WIDTH, seconds_text
from pktlab.wire.bindings import Binding
from pktlab.wire.header import Header
from pktlab.wire.packet import FOLLOWS, INSTEAD, LINK_LAYERS, LINK_TYPES
from pktlab.wire.text import TAGS, mark
from pktlab.wire.verdict import Judgement

__all__ = ["LinePrinter", "Printed", "guessed_kinds"]

Array = np.ndarray[Any, Any]
_FAR_NS = 1 << 62
"""Times that are not farther from 1970 can be subtracted."""
_FINE_NS = 1 << 52
"""Times under this many ns are close enough to their floating-point value that only ties round by it."""
_USUAL_LEN = 192
"""Bytes of a line for which there is room; where many are longer, the exact reader prints them."""


class Printed(NamedTuple):
    """The lines of a window; valid until the next one is asked for.

    out : uint8, lines with their ends; ends : int64, where that of each packet ends
    asked : bool, shape (packets,): the exact reader has to say; its line is empty
    """

    window: Window
    out: Array
    ends: Array
    asked: Array


class LinePrinter:
    """Prints the lines of captures, on any number of threads.

    Parameters
    ----------
    bindings : the user's own protocols
    """

    def __init__(self, bindings: Sequence[Binding] = ()) -> None:
        rules = compile_rules(bindings)
        kinds = [kind for kind in rules.kinds if kind is not None and _is_told(kind) and script_of(kind)]
        said = [kind for kind in kinds if rules.heads[rules.numbers[kind]]["walked"] > LEAF]
        tails = {kind: steps for kind in said if (steps := steps_of(kind)) is not None}
        self.plan = plan_for_headers(rules, said, silent=LINK_LAYERS, guessed=guessed_kinds(bindings), tails=tails)
        judged = {kind: int(self.plan.judged[rules.numbers[kind]]) for kind in said}
        marks = [[_mark(protocol, code) for code in range(8)] for protocol in self.plan.protocols]
        self._scripts = compile_scripts(rules, said, tails, judged, marks)
        self._most = self._scripts.most + 2 * kernels_text.WIDTHS[kernels_text.DECIMAL] + TIME_WIDTH + 16
        self._local = threading.local()

    def windows(
        self, reader: CaptureReader, *, threads: int = 1, read: int = 0, first_ns: int | None = None,
        window_len: int = WINDOW_LEN,
    ) -> Iterator[Printed]:  # fmt: skip
        """Yield the windows of a capture, of which `read` packets were read already, with their lines."""
        scan = Scan(
            reader, self.plan, self._print, threads=threads, read=read, first_ns=first_ns, window_len=window_len
        )
        for _, printed in scan:
            yield printed

    def printed(self, window: Window, passed_over: Array) -> Printed:
        """Return the lines of a window's packets that are not `passed_over`; whoever asks looks after those."""
        if not hasattr(self._local, "walked"):
            self._local.walked = Walked(self.plan, max_packets(WINDOW_LEN))
        self._local.walked.run(window)
        printed = self._print(self._local.walked, passed_over)
        return printed._replace(asked=printed.asked & ~passed_over)

    def _print(self, walked: Walked, passed_over: Array | None = None) -> Printed:
        window, count = walked.window, walked.count
        asked = walked.exact.copy() if passed_over is None else walked.exact | passed_over
        micros, negative, timed = self._times(window, asked)
        out, ends = np.empty(count * _USUAL_LEN + self._most, np.uint8), np.empty(count, np.int64)
        size = kernels_text.format_lines(
            window.data, window.index.starts, window.index.captured, *walked.arrays, count,
            window.first, micros, negative, timed, NUMBER_WIDTH, TIME_WIDTH,
            *self._scripts.arrays, self._most, np.empty(len(self._scripts.arrays[0]), np.int64), asked, out, ends,
        )  # fmt: skip
        return Printed(window, out[:size], ends, asked)

    @staticmethod
    def _times(window: Window, asked: Array) -> tuple[Array, Array, Array]:
        """Return the times of packets as µs, which are negative, and which there are; ask for what cannot be told."""
        times = window.index.times[: window.count]
        timed = times != NO_TIME
        if window.packets is not None:
            asked |= ~timed  # one that 64 bits do not hold, perhaps
        origin = window.first_ns
        if origin is not None and abs(origin) >= _FAR_NS:
            asked[:] = True
            origin = 0
        since = times - origin if origin else np.zeros(window.count, np.int64)
        asked |= timed & (np.abs(times) >= _FAR_NS)
        negative = since < 0
        away = np.abs(since)
        micros, rest = away // 1000, away % 1000
        micros += rest > 500
        rounds = (rest == 500) | (away >= _FINE_NS)
        for place in np.flatnonzero(rounds & timed & ~asked).tolist():
            micros[place] = int(seconds_text(int(away[place])).replace(".", ""))
        return micros, negative, timed


def _is_told(kind: type[Header]) -> bool:
    """Tell whether a line speaks of a header wherever it is; of those of the link it may not."""
    return kind not in LINK_LAYERS or kind in TAGS


def guessed_kinds(bindings: Sequence[Binding]) -> set[type[Header]]:
    """Return the headers that are met only where a port or a first byte suggests them."""
    guessed: set[type[Header]] = set()
    known = {binding.protocol for binding in bindings} | {other for each in INSTEAD.values() for _, other in each}
    for rule in FOLLOWS.values():
        by_first = [kind for several in (rule.first or {}).values() for kind in several]
        (known if rule.first is None else guessed).update((*rule.table.values(), *by_first))
        known.update((rule.version or {}).values(), () if rule.otherwise is None else (rule.otherwise,))
    for start in LINK_TYPES.values():
        known.update((start,) if isinstance(start, type) else start.values())
    return {kind for kind in guessed - known if not FOLLOWS.get(kind) or FOLLOWS[kind].first is not None}


def _mark(protocol: str, code: int) -> str:
    """Return what a line ends in for a verdict, by its place in `VERDICTS`."""
    verdict = VERDICTS[code]
    return "" if verdict is None else mark(Judgement(-1, protocol, -1, verdict))
