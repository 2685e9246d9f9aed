"""What a user names to be read: a capture, or several, whose packets are merged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from pktlab.capture import CaptureReader, Merged, open_capture, open_merged

__all__ = ["Source", "Sources", "is_stored", "open_reader", "several"]

Source = str | os.PathLike[str] | BinaryIO
Sources = Source | Sequence[Source]


def open_reader(source: Sources, salvage: bool) -> CaptureReader | Merged:
    """Return what reads `source`; CaptureError says why there is nothing to read."""
    found = several(source)
    if len(found) == 1:
        return open_capture(found[0], salvage=salvage)
    return open_merged(found, salvage=salvage)


def is_stored(source: Sources) -> bool:
    """Tell whether all of it is named by paths, so that it can be read again.

    >>> is_stored("a.pcap"), is_stored(["a.pcap", "-"])
    (True, False)
    """
    return all(isinstance(one, str | os.PathLike) and one != "-" for one in several(source))


def several(source: Sources) -> Sequence[Source]:
    """Return what the user named as a list; ValueError if it is an empty one.

    >>> several("a.pcap"), several(["a.pcap", "b.pcap"])
    (['a.pcap'], ['a.pcap', 'b.pcap'])
    """
    if isinstance(source, str) or not isinstance(source, Sequence):
        return [source]
    if not source:
        raise ValueError("name a capture to open")
    return source
