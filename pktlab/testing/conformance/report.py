"""What became of a target: as lines, as JSON, and the counter-example as a capture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pktlab.testing.conformance.kinds import Case, Kind
from pktlab.testing.conformance.mistakes import Mistake
from pktlab.testing.conformance.targets import Answer

__all__ = ["Report"]

SLOW = 200
"""Cases a second below which a target is called slow."""
SHOWN = 512
"""Bytes of a counter-example that are shown; all of them are in the capture."""


@dataclass(frozen=True)
class Report:
    """What became of a target.

    tried : cases until it failed, or in all; seconds : how long that took
    case, answer : the smallest counter-example and what came back, None if it survived
    mistake : the known one that explains its answers; hint : if there is none, what the wrong ones have in common
    note : anything else worth knowing
    """

    target: str
    kind: Kind
    seed: int
    tried: int
    seconds: float
    case: Case | None = None
    answer: Answer | None = None
    mistake: Mistake | None = None
    hint: str = ""
    note: str = ""

    @property
    def survived(self) -> bool:
        """Whether every answer was right."""
        return self.case is None

    @property
    def is_slow(self) -> bool:
        """Whether fewer than 200 cases a second were answered; not told of runs under a second."""
        return self.survived and self.seconds > 1 and self.tried / self.seconds < SLOW

    def lines(self) -> Iterator[str]:
        """Yield the report as text."""
        examples = f"{self.tried:,} example" + ("" if self.tried == 1 else "s")
        if self.case is None or self.answer is None:
            yield f"{self.target} survived {examples} of {self.kind.name} (seed {self.seed})"
        else:
            yield f"{self.target} is wrong for {self.kind.name}, found at example {self.tried:,} (seed {self.seed})"
            yield from self._counter_example(self.case, self.answer)
        if self.is_slow:
            yield f"slow         {self.tried / self.seconds:.0f} examples a second"

    def _counter_example(self, case: Case, answer: Answer) -> Iterator[str]:
        size = f"{case.size:,} byte" + ("" if case.size == 1 else "s")
        yield f"given        {self._given(case)}  ({size})"
        yield f"came back    {self._back(case, answer)}"
        yield f"right        {self._number(case.right)}"
        if len(set(answer.values)) > 1:
            yield "likely       bytes outside of the data are read, or an address has to be even"
        elif self.mistake is not None:
            yield f"likely       {self.mistake.text}"
        elif not answer.trouble and not self.note:
            yield f"likely       no known mistake{'; ' * bool(self.hint)}{self.hint}"
        if self.note:
            yield f"note         {self.note}"

    def _given(self, case: Case) -> str:
        words = []
        for one in case.given:
            text = f"{one:04x}" if isinstance(one, int) else one.hex() or "-"
            more = len(text) - 2 * SHOWN
            words.append(text if more <= 0 else f"{text[: 2 * SHOWN]}... and {more // 2:,} bytes more")
        return " ".join(words)

    def _back(self, case: Case, answer: Answer) -> str:
        value = answer.value(case)
        if value is None:
            return f"it {answer.trouble}"
        places = dict.fromkeys(answer.values)
        if len(places) == 1:
            return self._number(value)
        return " or ".join(map(self._number, places)) + ", by the address of the data and what lies around them"

    def _number(self, value: int) -> str:
        if self.kind.is_verify:
            return "yes" if value else "no"
        return f"{value:#06x}"

    def document(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        found = None
        if self.case is not None and self.answer is not None:
            found = {
                "given": [one.hex() if isinstance(one, bytes) else one for one in self.case.given],
                "bytes": self.case.size,
                "answer": self.answer.value(self.case),
                "trouble": self.answer.trouble or None,
                "right": self.case.right,
                "mistake": None if self.mistake is None else self.mistake.text,
                "hint": self.hint or None,
                "note": self.note or None,
            }
        return {
            "target": self.target, "kind": self.kind.name, "seed": self.seed, "examples": self.tried,
            "seconds": round(self.seconds, 3), "survived": self.survived, "counter_example": found,
        }  # fmt: skip

    def write(self, path: str | Path) -> None:
        """Write the counter-example as a capture: as it was given, with the right checksum, with that which came back.

        Each packet has a comment that says which it is. Raises ValueError if there is no counter-example.
        """
        from pktlab.capture import Record, open_writer

        packets = list(self.packets())
        with open_writer(str(path)) as writer:
            for number, (data, comment) in enumerate(packets, 1):
                record = Record(number, 0, data, len(data), self.kind.link_type, comments=(comment,))
                writer.write(record)

    def packets(self) -> Iterator[tuple[bytes, str]]:
        """Yield the packets of the capture, each with what it is."""
        if self.case is None or self.answer is None:
            raise ValueError("there is no counter-example to write")
        case, back = self.case, self._back(self.case, self.answer)
        said = f"{self.target}: came back {back}, right {self._number(case.right)}"
        if self.kind.name == "update":
            yield case.given[1], f"the old bytes, checksum {case.given[0]:#06x}"
            yield case.given[2], f"the new bytes; {said}"
            return
        yield case.given[0], f"as given; {said}"
        if case.made.at >= 0 and not self.kind.is_verify:
            yield _with_field(case, case.right), f"with the right checksum {case.right:#06x}"
            value = self.answer.value(case)
            if value is not None:
                yield _with_field(case, value), f"with the checksum that came back, {value:#06x}"


def _with_field(case: Case, value: int) -> bytes:
    data, at = case.made.data, case.made.at
    return data[:at] + value.to_bytes(2, "big") + data[at + 2 :]
