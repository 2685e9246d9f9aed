"""The run: cases until one fails or all are done, then the smallest that fails, and the mistake that explains it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from pktlab.testing.conformance.hints import hint
from pktlab.testing.conformance.kinds import KINDS, Case, Kind, Parts, case_of, tuned
from pktlab.testing.conformance.mistakes import likely
from pktlab.testing.conformance.probes import probes
from pktlab.testing.conformance.report import Report
from pktlab.testing.conformance.schedule import drawn, ladder, scheduled
from pktlab.testing.conformance.shrink import CALL, shrunk
from pktlab.testing.conformance.targets import Answer, Direct, Target
from pktlab.wire.checksum import ones_sum

__all__ = ["MAX_EXAMPLES", "MAX_SECONDS", "NotConformant", "assert_checksum_conformant", "fuzz", "kind_of"]

MAX_EXAMPLES = 100_000
MAX_SECONDS = 60.0
BATCH, BATCH_BYTES = 64, 1 << 17
"""Cases that are asked together: so many at most, of so many bytes."""
EXTRA_S = 5.0
"""How long the search for the smallest may go on when time is up."""

MEMORY = "it depends on what was asked before"
Watch = Callable[[int], None]


class NotConformant(AssertionError):
    """A function is wrong; `report` has the counter-example."""

    def __init__(self, report: Report) -> None:
        super().__init__("\n".join(report.lines()))
        self.report = report


def kind_of(name: str) -> Kind:
    """Return the kind called `name`; ValueError if there is none.

    >>> kind_of("udp4").gives
    'the whole IP packet, the checksum zero'
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


def assert_checksum_conformant(
    fn: Callable[..., Any], kind: str = "internet", *, seed: int = 0, max_examples: int = 10_000,
    max_seconds: float = MAX_SECONDS,
) -> None:  # fmt: skip
    """Raise an AssertionError with the smallest counter-example if `fn` gets a checksum wrong.

    Parameters
    ----------
    fn : given `bytes`, answers with an `int` (0..0xFFFF), of kinds ``verify-*`` with a bool; for ``update`` given the
        old checksum, the old bytes and the new ones. An exception is a failure
    kind : ``internet``, ``ipv4``, ``udp4``, ``udp6``, ``tcp4``, ``tcp6``, ``icmp``, ``icmpv6``, ``eth``, ``update``, or
        ``verify-`` in front of one of the others
    seed : of the cases that are drawn behind the fixed schedule; the same seed gives the same cases
    max_examples, max_seconds : when to be content

    Raises
    ------
    NotConformant : an AssertionError; ValueError : there is no such kind

    >>> from pktlab import checksum
    >>> assert_checksum_conformant(checksum, max_examples=2000)
    >>> assert_checksum_conformant(lambda data: checksum(data[:-1]))
    Traceback (most recent call last):
        ...
    pktlab.testing.conformance.run.NotConformant: ...
    """
    __tracebackhide__ = True  # pytest need not show this
    which = kind_of(kind)
    report = fuzz(Direct(fn, which), which, seed=seed, max_examples=max_examples, max_seconds=max_seconds)
    if not report.survived:
        raise NotConformant(report)


def fuzz(
    target: Target, kind: Kind, *, seed: int = 0, max_examples: int = MAX_EXAMPLES, max_seconds: float = MAX_SECONDS,
    watch: Watch = lambda tried: None,
) -> Report:  # fmt: skip
    """Return what became of `target` under the schedule and then drawn cases.

    Parameters
    ----------
    target : see `targets`; it is closed at the end
    seed : the same one gives the same cases in the same order
    max_examples, max_seconds : when to stop; a counter-example found by then is still made small
    watch : called now and then with the number of cases tried
    """
    try:
        return _Run(target, kind, seed, max_seconds).report(max_examples, watch)
    finally:
        target.close()


class _Run:
    def __init__(self, target: Target, kind: Kind, seed: int, max_seconds: float) -> None:
        self.target = target
        self.kind = kind
        self.seed = seed
        self.since = time.monotonic()
        self.until = self.since + max_seconds

    def report(self, most: int, watch: Watch) -> Report:
        """Run until a case fails, or `most` are done, or time is up."""
        cases = (case_of(self.kind, parts) for parts in chain(scheduled(self.kind), drawn(self.kind, self.seed)))
        tried = 0
        for batch in _batches(islice(cases, most)):
            for number, (case, answer) in enumerate(self.asked(batch), tried + 1):
                if not answer.is_right(case):
                    return self.failure(case, answer, number)
            tried += len(batch)
            watch(tried)
            if time.monotonic() > self.until:
                break
        return Report(self.target.name, self.kind, self.seed, tried, time.monotonic() - self.since)

    def asked(self, cases: list[Case]) -> list[tuple[Case, Answer]]:
        """Return each case with its answer; up to the first that the process did not outlive."""
        seen: list[tuple[Case, Answer]] = []
        for case, answer in zip(cases, self.target.ask(cases), strict=True):
            seen.append((case, answer))
            if answer.ends:
                break
        return seen

    def ask(self, parts: Parts) -> tuple[Case, Answer]:
        """Return one case with its answer."""
        return self.asked([case_of(self.kind, parts)])[0]

    def failure(self, case: Case, answer: Answer, tried: int) -> Report:
        """Return the report on a case that failed: on a smaller one, if that fails alike."""
        first = Report(self.target.name, self.kind, self.seed, tried, time.monotonic() - self.since, case, answer)
        manner = _manner(answer)
        if answer.hung and tried == 1:
            return replace(first, note="it has answered nothing at all; each answer is a line, and passed on at once")
        self.until = max(self.until, time.monotonic() + EXTRA_S)
        if not answer.hung and self.ask(case.parts)[1].values != answer.values:
            least = case_of(self.kind, self.smallest_of_ladder(case, manner))
            return replace(self.again(first, least), note=f"asked again the answer is another: {MEMORY}")

        def fails(parts: Parts) -> bool:
            if time.monotonic() > self.until:
                return False
            asked, found = self.ask(parts)
            return not found.is_right(asked) and _manner(found) == manner

        small = self.smallest_of_ladder(case, manner)
        small = shrunk(self.kind.parts, small, fails, call=_cost(answer), mended=self.with_sum_of(small))
        if answer.hung:
            return replace(first, case=case_of(self.kind, small))
        least, found = self.ask(small)
        if found.is_right(least):
            return replace(first, note=f"it does not always fail: {MEMORY}")
        found_out = replace(first, case=least, answer=found)
        return found_out if found.trouble else self.explained(found_out, [(least, found), *self.fair_choice()])

    def again(self, first: Report, case: Case) -> Report:
        """Return the report with `case` in place of a larger one, if that fails too."""
        answer = self.ask(case.parts)[1]
        return first if answer.is_right(case) else replace(first, case=case, answer=answer)

    def with_sum_of(self, parts: Parts) -> Callable[[Parts], Parts]:
        """Return what gives other parts the sum of these, for a failure that may be due to that."""
        made = case_of(self.kind, parts).made
        if self.kind.is_verify or self.kind.name == "update":
            return lambda other: other
        total = ones_sum(made.summed)
        return lambda other: tuned(self.kind, other, total) if total else other

    def probes(self) -> Iterator[Parts]:
        """Yield the wrong checksums of one packet, for a verifier."""
        if self.kind.is_verify:
            parts = tuple(b"abc" if one.name == "data" else one.simple for one in self.kind.parts)
            yield from probes(self.kind, parts)

    def smallest_of_ladder(self, case: Case, manner: str) -> Parts:
        """Return the first of the small cases that fails; `case` itself if all are right."""
        for batch in _batches((case_of(self.kind, parts) for parts in ladder(self.kind)), 16):
            if time.monotonic() > self.until:
                break
            for one, answer in self.asked(batch):
                if not answer.is_right(one) and _manner(answer) == manner and one.size <= case.size:
                    return one.parts
        return case.parts

    def fair_choice(self) -> Iterator[tuple[Case, Answer]]:
        """Yield small and large cases, scheduled and drawn, with their answers."""
        steps = ladder(self.kind)
        chosen = [*steps[:: max(len(steps) // 200, 1)], *islice(scheduled(self.kind), 60)]
        chosen += [*islice(drawn(self.kind, self.seed), 60), *self.probes()]
        for batch in _batches(case_of(self.kind, parts) for parts in chosen):
            if time.monotonic() > self.until:
                break
            yield from self.asked(batch)

    def explained(self, report: Report, seen: list[tuple[Case, Answer]]) -> Report:
        """Return the report with the mistake that gives all answers in `seen`, or what the wrong ones share."""
        said = [(case, value) for case, value in ((case, one.value(case)) for case, one in seen) if value is not None]
        mistake = likely(self.kind, said)
        if mistake is not None:
            return replace(report, mistake=mistake)
        return replace(report, hint=hint(self.kind, seen[0][0], [(case, one.is_right(case)) for case, one in seen]))


def _manner(answer: Answer) -> str:
    """Return in which way an answer is none: empty for a number that is wrong."""
    words = answer.trouble.split(":")[0].split()
    return " ".join(words[:2] if words[:1] == ["raised"] else words[:1])


def _cost(answer: Answer) -> int:
    """Return what a try costs: more if it ends the process, which has to start again."""
    if answer.hung:
        return 2_000_000
    return 100_000 if answer.ends else CALL


def _batches(cases: Iterable[Case], most: int = BATCH) -> Iterator[list[Case]]:
    batch: list[Case] = []
    size = 0
    for case in cases:
        batch.append(case)
        size += case.size
        if len(batch) == most or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
