"""Captures that commands write: which option names them, and what is said of what did not fit in."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

from pktlab_cli.errors import note
from pktlab_cli.printing import count

if TYPE_CHECKING:
    from pktlab.capture import CaptureReader, CaptureWriter, Merged

__all__ = ["Form", "form_option", "losses", "target_option", "written"]

Form = Literal["pcap", "pcapng"]

target_option = click.option(
    "-w", "--write", "target", metavar="OUT", help="Write the packets to OUT (.pcap, .pcapng, .gz, .zst); - is stdout."
)
form_option = click.option(
    "-F",
    "--format",
    "file_form",
    type=click.Choice(["pcap", "pcapng"]),
    help="Format of OUT, if its name is not to say.",
)


@contextlib.contextmanager
def written(
    target: str, like: CaptureReader | Merged, form: Form | None = None, *, flush: bool = False
) -> Iterator[CaptureWriter]:
    """Give a writer to `target`; when it is closed, say what of `like` it had to leave out."""
    from pktlab.capture import open_writer

    with open_writer(target, format=form, like=like, flush=flush) as writer:
        yield writer
    if text := losses(writer.lost, writer.format):
        note(f"{target}: {text}")


def losses(lost: Counter[str], form: str) -> str:
    """Return what was left out as the end of a line; empty if nothing was.

    >>> losses(Counter({"packet comment": 2, "interface name": 0}), "pcap")
    'pcap cannot hold 2 packet comments: left out; write pcapng to keep them'
    >>> losses(Counter({"custom block": 1}), "pcapng")
    '1 custom block is not to be copied, or of unknown form: left out'
    """
    found = [_counted(number, what) for what, number in sorted(lost.items()) if number]
    if not found:
        return ""
    if form == "pcap":
        instead = "0 is written" if set(+lost) == {"unknown time"} else "left out"
        return f"pcap cannot hold {', '.join(found)}: {instead}; write pcapng to keep them"
    verb = "is" if len(found) == 1 and lost.total() == 1 else "are"
    return f"{', '.join(found)} {verb} not to be copied, or of unknown form: left out"


def _counted(number: int, what: str) -> str:
    """Return a number with its noun, of which the first word may be the one that has a plural.

    >>> _counted(2, "set of packet flags"), _counted(1, "packet comment")
    ('2 sets of packet flags', '1 packet comment')
    """
    noun, of, rest = what.partition(" of ")
    return f"{count(number, noun)}{of}{rest}"
