"""What ends something that waits: another thread, or the handler of a signal, sets it, and who waits wakes up."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Self

__all__ = ["Stop"]


class Stop:
    """A file that gets readable when it is time to end; a context manager, too.

    >>> with Stop() as stop:
    ...     stop.set()
    ...     stop.is_set
    True
    """

    def __init__(self) -> None:
        self.is_set = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """End it; more often than once, or too late, does no harm."""
        self.is_set = True
        if self._writer >= 0:
            with suppress(BlockingIOError):  # it is full
                os.write(self._writer, b"x")

    def fileno(self) -> int:
        """Return the file that gets readable."""
        return self._reader

    def close(self) -> None:
        """Close it."""
        os.close(self._reader)
        os.close(self._writer)
        self._reader = self._writer = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
