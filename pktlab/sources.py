"""What a user names to be read: a capture, or several, whose packets are merged; and by whom it is read.

A small capture is answered by the exact reader before the kernels would be loaded; a large one is theirs from its first
packet on. Nothing in an answer tells which way it came.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from pktlab.capture import CaptureReader, Merged, open_capture, open_merged

__all__ = ["EXACT_FIRST", "Source", "Sources", "exact_first", "is_stored", "open_reader", "several"]

EXACT_FIRST = 1000
"""Packets that are read one by one before the kernels are loaded; they take a fifth of a second."""
_LARGE, _HUGE = 256 << 10, 8 << 20
"""Bytes of a file of which no packet is read alone, as in that time kernels are loaded, or even compiled."""

Source = str | os.PathLike[str] | BinaryIO
Sources = Source | Sequence[Source]


def open_reader(source: Sources, salvage: bool) -> CaptureReader | Merged:
    """Return what reads `source`; CaptureError says why there is nothing to read."""
    found = several(source)
    if len(found) == 1:
        return open_capture(found[0], salvage=salvage)
    return open_merged(found, salvage=salvage)


def exact_first(reader: CaptureReader | Merged) -> int:
    """Return how many packets of a capture are read one by one before the kernels are asked: none if it is large.

    >>> with open_capture("pcaps/first-light.pcapng") as reader:
    ...     exact_first(reader)
    1000
    """
    size = 0 if not isinstance(reader, CaptureReader) or reader.salvages else reader.size or 0
    if size <= _LARGE:
        return EXACT_FIRST
    from pktlab.columns import kernels_walk

    return 0 if size > _HUGE or kernels_walk.is_compiled() else EXACT_FIRST


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
