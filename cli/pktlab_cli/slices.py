"""Options that choose packets of a capture by their place and their time, and what they stand for."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from pktlab.capture.tools import Timed
    from pktlab.ranges import RangeSet

__all__ = ["Moment", "Slice", "parse_moment", "parse_numbers", "slice_options"]

Item = TypeVar("Item", bound="Timed")
_NS_PER_S = 10**9
_SECONDS = re.compile(r"(\+?)(\d{1,11})(?:\.(\d{1,9}))?")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?")


class Moment(NamedTuple):
    """A time in ns, counted from 1970 or from the first packet."""

    ns: int
    is_relative: bool

    def from_1970(self, first_ns: int) -> int:
        """Return it in ns since 1970-01-01 UTC, for a capture whose first packet is of `first_ns`."""
        return self.ns + first_ns if self.is_relative else self.ns


def parse_moment(text: str) -> Moment:
    """Return the time that a user wrote.

    Raises
    ------
    ValueError : it is none

    >>> parse_moment("2023-11-14 22:13:20.5Z"), parse_moment("1700000000.000000001"), parse_moment("+2")
    (Moment(ns=1700000000500000000, is_relative=False), Moment(ns=1700000000000000001, is_relative=False), \
Moment(ns=2000000000, is_relative=True))
    """
    if seconds := _SECONDS.fullmatch(text):
        return Moment(int(seconds[2]) * _NS_PER_S + _fraction(seconds[3]), bool(seconds[1]))
    if not (date := _DATE.fullmatch(text)):
        raise ValueError(
            f"{text!r} is no time; write 2023-11-14T22:13:20Z, 1700000000.5 or +2.5 s after the first packet"
        )
    moment = datetime.fromisoformat(date[1] + (date[3] or ""))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Moment((whole.days * 86_400 + whole.seconds) * _NS_PER_S + _fraction(date[2]), False)


def _fraction(digits: str | None) -> int:
    return int((digits or "0").ljust(9, "0"))


def parse_numbers(text: str) -> RangeSet:
    """Return the packet numbers that a user wrote.

    Raises
    ------
    ValueError : they are none

    >>> list(parse_numbers("10-20,5,-3"))
    [(1, 4), (5, 6), (10, 21)]
    """
    from pktlab.ranges import RangeSet

    numbers = RangeSet()
    for part in text.split(","):
        found = re.fullmatch(r"(\d{0,18})(-?)(\d{0,18})", part.strip())
        if not found or not (found[1] or found[3]):
            raise ValueError(f"{part!r} is no range of packets; write 10-20, 10-, -20 or 5")
        first = int(found[1] or 1)
        last = int(found[3] or (sys.maxsize - 1 if found[2] else first))
        if not 1 <= first <= last:
            raise ValueError(f"{part!r} holds no packets: they are counted from 1 up")
        numbers.add(first, last + 1)
    return numbers


@dataclass(frozen=True)
class Slice:
    """Which packets of a capture are wanted."""

    numbers: RangeSet | None = None
    after: Moment | None = None
    before: Moment | None = None
    limit: int | None = None

    def of(self, packets: Iterable[Item]) -> Iterator[Item]:
        """Yield the wanted packets, or records; reading ends when no more can be wanted."""
        return islice(self._chosen(packets), self.limit)

    def _chosen(self, packets: Iterable[Item]) -> Iterator[Item]:
        from pktlab.capture import between, picked

        source = iter(packets)
        first = next(source, None) if self.after or self.before else None
        if first is not None:
            source = chain([first], source)
        chosen = source if self.numbers is None else picked(source, self.numbers)
        if first is None:
            yield from chosen
            return
        start, end = (at and at.from_1970(first.time_ns or 0) for at in (self.after, self.before))
        yield from between(chosen, start, end)


def slice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give `function` a ``wanted``: the `Slice` of packets that the user chose."""

    @click.option("-c", "limit", type=click.IntRange(min=0), metavar="N", help="Stop after N packets.")
    @click.option(
        "--before", metavar="TIME", callback=_parsed(parse_moment), help="Packets before TIME, as for --after."
    )
    @click.option(
        "--after", metavar="TIME", callback=_parsed(parse_moment),
        help="Packets from TIME on: 2023-11-14T22:13:20Z, seconds since 1970, or +S after the first packet.",
    )  # fmt: skip
    @click.option(
        "--frames", metavar="M-N", callback=_parsed(parse_numbers), help="Packets M to N only; also M-, -N, and 1,5-7."
    )
    @functools.wraps(function)
    def wrapper(
        frames: RangeSet | None, after: Moment | None, before: Moment | None, limit: int | None, **options: Any
    ) -> Any:
        return function(wanted=Slice(frames, after, before, limit), **options)

    return wrapper


def _parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return the callback of an option whose value a function reads; a ValueError's text is what is wrong with it."""

    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return callback
