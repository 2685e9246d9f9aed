"""The packets of an interface as a capture that grows while it is read: so many a second can be shown as from a file.

A thread takes blocks of frames out of the kernel's ring and writes them into a pipe as a pcapng; what reads captures in
bulk reads the other end. A frame is some 0.05 s under way, until its block is handed over.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

from pktlab.api import Capture
from pktlab.capture import open_writer
from pktlab.errors import PktlabError
from pktlab.live.sniff import Sniffer
from pktlab.wire.header import Header

__all__ = ["Stream"]

PIPE_LEN = 1 << 20
F_SETPIPE_SZ = 1031  # Linux fcntl(2)


class Stream:
    """A context manager that gives the capture; the sniffer, which has no display filter, ends with it.

    Parameters
    ----------
    sniffer : where packets come from
    protocols : a user's own, as for `pktlab.open`

    Raises
    ------
    PktlabError : on leaving, when the interface was switched off, or is gone
    """

    def __init__(self, sniffer: Sniffer, protocols: Mapping[str, type[Header]] | None = None) -> None:
        self._sniffer, self._protocols = sniffer, protocols
        self._error: PktlabError | None = None
        self._thread = threading.Thread(target=self._run, name=f"from {sniffer.link.name}", daemon=True)
        self._reader, self._writer = os.pipe()
        if sys.platform == "linux":
            import fcntl  # only Unix has it, and this module can be imported everywhere

            with suppress(OSError):  # more than a plain user may have
                fcntl.fcntl(self._writer, F_SETPIPE_SZ, PIPE_LEN)

    def _run(self) -> None:
        """Write what comes into the pipe, until nobody reads it."""
        with suppress(BrokenPipeError), os.fdopen(self._writer, "wb") as pipe:
            try:
                with open_writer(pipe, format="pcapng", like=self._sniffer, flush=True) as writer:
                    self._sniffer.write_to(writer)
            except PktlabError as error:
                self._error = error

    def __enter__(self) -> Capture:
        self._thread.start()
        self._file = os.fdopen(self._reader, "rb")
        return Capture(self._file, self._protocols)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._sniffer.stop()
        self._file.close()
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def __repr__(self) -> str:
        return f"<Stream from {self._sniffer.link.name}>"
