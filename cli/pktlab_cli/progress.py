"""A progress bar on standard error, for work that takes more than a second in front of a terminal."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pktlab.capture.linktypes import LINK_TYPE_NAMES
from pktlab_cli.errors import note

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pktlab.api import Capture, Packet, Selection
    from pktlab.capture import Record

__all__ = ["watched", "watched_items", "watched_records", "watched_work"]

Item = TypeVar("Item")

PATIENCE_S = 1.0
"""How long nothing is shown."""
_STEP = 64  # packets between two looks at the clock


def watched(capture: Capture | Selection, *, prints: bool = False) -> Iterator[Packet]:
    """Yield the packets of `capture`; a bar shows how far reading has come, and at the end stands what was not known.

    `prints`: the packets are printed while they are read, so on a terminal there is no room for a bar.
    """
    return watched_items(capture, capture, prints=prints)


def watched_items(capture: Capture | Selection, items: Iterable[Item], *, prints: bool = False) -> Iterator[Item]:
    """Yield `items`, that something makes of the packets of `capture`, one for each; a bar and a last word as above."""
    try:
        yield from _with_bar(capture, items, prints)
    finally:
        _tell_unknown(capture)


def _tell_unknown(capture: Capture | Selection) -> None:
    for link_type, number in capture.unknown_link_types.items():
        name = LINK_TYPE_NAMES.get(link_type)
        what = f"link type {link_type} ({name})" if name else f"link type {link_type}"
        note(f"{capture.name}: packet {number}: {what} is not read, such packets are shown as bytes")


def watched_work(capture: Capture | Selection, steps: Iterable[object], *, prints: bool = False) -> None:
    """Run work on a capture to its end, step by step; a bar and a last word as of `watched`."""
    try:
        for _ in _with_bar(capture, steps, prints, look_at_each=True):
            pass
    finally:
        _tell_unknown(capture)


def watched_records(capture: Capture | Selection) -> Iterator[Record]:
    """Yield the records of `capture`, for work that does not ask what is in them; a bar as of `watched`."""
    return watched_items(capture, capture.records())


def _with_bar(
    capture: Capture | Selection, items: Iterable[Item], prints: bool, *, look_at_each: bool = False
) -> Iterator[Item]:
    if not sys.stderr.isatty() or (prints and sys.stdout.isatty()):
        yield from items
        return
    since = time.monotonic()
    bar: tuple[Progress, TaskID] | None = None
    try:
        for number, item in enumerate(items):
            if look_at_each or number % _STEP == 0:
                if bar is None and time.monotonic() - since > PATIENCE_S:
                    bar = _start(capture)
                if bar is not None:
                    bar[0].update(bar[1], completed=capture.reader.bytes_read)
            yield item
    finally:
        if bar is not None:
            bar[0].stop()


def _start(capture: Capture | Selection) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("", total=_size_of(capture.name))
    progress.start()
    return progress, task


def _size_of(name: str) -> int | None:
    """Return the size of a file in bytes; None for a pipe, whose end is not known."""
    try:
        status = Path(name).stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
