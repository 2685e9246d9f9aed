"""Names of files as somebody else gave them: which of them may become files here.

A torrent names its files; nobody checked the names. One that would climb out of the folder that it is put into, that is
a device, or that a terminal or a file system would not show as it is, is refused, not mended: two mended names may be
the same file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["DEPTH_MAX", "NAME_MAX", "unsafe_because"]

NAME_MAX, DEPTH_MAX = 255, 100
"""Octets of a name that file systems take, and folders inside each other."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])([.: ].*)?", re.IGNORECASE)
"""Names that are no files on Windows, whatever stands behind a point."""


def unsafe_because(parts: Sequence[bytes]) -> str:
    r"""Return why a path may not become a file, as the end of a sentence; empty if it may.

    Parameters
    ----------
    parts : names of the folders and, last, of the file, as they stand in the torrent

    >>> unsafe_because([b"folder", b"file.bin"])
    ''
    >>> unsafe_because([b"..", b"file.bin"]), unsafe_because([b"/etc", b"passwd"])
    ('climbs out of its folder', 'has a separator of paths in a name')
    """
    if not parts:
        return "is empty"
    if len(parts) > DEPTH_MAX:
        return f"is nested over {DEPTH_MAX} deep"
    return next((why for why in map(_why, parts) if why), "")


def _why(name: bytes) -> str:
    if not name:
        return "has an empty name"
    if name in (b".", b".."):
        return "climbs out of its folder"
    if len(name) > NAME_MAX:
        return f"has a name of over {NAME_MAX} bytes"
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return "has a name that is not UTF-8"
    if "/" in text or "\\" in text:
        return "has a separator of paths in a name"
    if ":" in text:
        return "has a colon in a name, which names a drive or a stream on Windows"
    if not text.isprintable():
        return "has a character in a name that does not print"
    if _DEVICES.fullmatch(text) or text[-1] in ". ":
        return "has a name that Windows gives another meaning"
    return ""
