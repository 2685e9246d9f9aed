"""Files of what takes long to make, and is made again when they are not there: compiled kernels, a parser.

A file starts with a digest of the rest; one that is not whole is as if it were not there. It is written under another
name and then moved, so that writers do not meet.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["digest", "folders", "read", "write"]

_DIGEST_LEN = hashlib.sha256().digest_size


def digest(*parts: bytes) -> str:
    """Return a name for what depends on `parts`.

    >>> digest(b"a", b"b") == digest(b"a", b"b"), digest(b"ab") == digest(b"a", b"b")
    (True, False)
    """
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]


def folders() -> Iterator[Path]:
    """Yield where files may lie: where Numba is told to keep its own, else here, else with the user."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
        return
    yield Path(__file__).parent / "__pycache__"
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    if caches := os.environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache"):
        yield Path(caches) / "pktlab"


def read(name: str) -> bytes | None:
    """Return what was written under a name, if it is whole."""
    for folder in folders():
        with suppress(OSError):
            data = (folder / name).read_bytes()
            if data[:_DIGEST_LEN] == hashlib.sha256(data[_DIGEST_LEN:]).digest():
                return data[_DIGEST_LEN:]
    return None


def write(name: str, data: bytes) -> None:
    """Write `data` in the first folder that takes it; without one it is made each time."""
    for folder in folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f"{name}.{os.getpid()}.part"
            part.write_bytes(hashlib.sha256(data).digest() + data)
            part.replace(folder / name)
            return
