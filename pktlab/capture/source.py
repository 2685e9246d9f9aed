"""Where the bytes of a capture come from: a path, standard input, or a binary file object.

Everything above reads through one small interface, `Chunks`: the next bytes that are there, as soon as there
are any. So a pipe that is still being written gives its packets as they arrive, and nothing ever seeks.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pktlab.errors import CaptureError

__all__ = ["CHUNK_LEN", "Chunks", "FileChunks", "Readable", "Source", "open_source"]

_PIPE_LEN = 1 << 20  # the most that Linux lets anybody ask for
CHUNK_LEN = 1 << 16  # bytes asked for at a time: cheap calls, and small enough for malloc not to map memory for it


class Readable(Protocol):
    """A binary file object: all that is asked of it is `read`."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes, `b""` at the end."""


Source = str | os.PathLike[str] | Readable


class Chunks(Protocol):
    """A stream of bytes that is read from the front."""

    trouble: str  # why the stream ended before its time; "" while all is well

    def read(self, wanted: int) -> bytes:
        """Return the next bytes, at least one, perhaps more than `wanted`; `b""` at the end."""


class FileChunks:
    """The bytes of a binary file object, in chunks as they come.

    >>> chunks = FileChunks(io.BytesIO(b"abc"))
    >>> chunks.read(1), chunks.read(1)
    (b'abc', b'')
    """

    def __init__(self, file: Readable, *, owned: bool = False) -> None:
        self.trouble = ""
        self.taken = 0  # bytes read so far
        self._file = file
        self._owned = owned
        # Only read1() and raw files give what is there without waiting for more. Of an object that has
        # neither, no more is asked than is needed, so that a packet that has come is never held back.
        self._read = getattr(file, "read1", file.read)
        self._eager = hasattr(file, "read1") or isinstance(file, io.RawIOBase)
        buffered = file.readinto1 if isinstance(file, io.BufferedReader) else None
        self._into = file.readinto if isinstance(file, io.FileIO) else buffered

    def read(self, wanted: int, most: int = CHUNK_LEN) -> bytes:
        """Return the next bytes, up to `most`; a failure to read ends the stream and is told in `trouble`."""
        if self.trouble:
            return b""
        try:
            data = self._read(min(most, CHUNK_LEN) if self._eager else wanted)
        except OSError as error:
            self.trouble = f"reading failed: {error.strerror or error}"
            return b""
        if data is None:
            self.trouble = "reading would have to wait, but the file object is in non-blocking mode"
            return b""
        if not isinstance(data, bytes):
            raise TypeError(f"a capture is read from bytes, but the file object gave {type(data).__name__}")
        self.taken += len(data)
        return data

    def readinto(self, room: memoryview) -> int:
        """Read bytes to where they are wanted, and return how many; 0 at the end, as for `read`."""
        if self._into is None:
            data = self.read(len(room), len(room))
            room[: len(data)] = data
            return len(data)
        if self.trouble:
            return 0
        try:
            count = self._into(room) or 0
        except OSError as error:
            self.trouble = f"reading failed: {error.strerror or error}"
            return 0
        self.taken += count
        return count

    @property
    def is_regular(self) -> bool:
        """Whether it is a file on a disk, whose bytes are there for the asking."""
        return self.size is not None

    @property
    def size(self) -> int | None:
        """Bytes of a file on a disk; None if it is none."""
        try:
            status = os.fstat(self._file.fileno())  # type: ignore[attr-defined]
        except (AttributeError, OSError, ValueError):
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._owned and isinstance(self._file, io.IOBase):
            self._file.close()


def open_source(source: Source) -> tuple[str, FileChunks]:
    """Open what a user named and return its name, as given, and its bytes.

    Raises
    ------
    CaptureError : there is no such file, it is a directory, or it may not be read

    >>> open_source("/no/such.pcap")
    Traceback (most recent call last):
    pktlab.errors.CaptureError: /no/such.pcap: no such file
    """
    if source == "-":
        if sys.stdin.isatty():
            raise CaptureError("-: standard input is a terminal: pipe a capture into it")
        return "-", FileChunks(_widened(sys.stdin.buffer))
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source), FileChunks(_widened(_open_path(Path(source), os.fspath(source))), owned=True)
    if not hasattr(source, "read"):
        raise TypeError(f"a capture is a path, '-' or a binary file object, not {type(source).__name__}")
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<stream>", FileChunks(source)


def _widened(file: Readable) -> Readable:
    """Let a pipe hold more than 64 KiB, if it is one and the system can: what has come is then read in fewer turns."""
    if sys.platform == "linux" and isinstance(file, (io.FileIO, io.BufferedReader)):
        with suppress(ImportError, OSError):  # it is no pipe, or more than this user may have
            import fcntl

            fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_LEN)
    return file


def _open_path(path: Path, name: str) -> io.FileIO:
    try:
        if path.is_dir():  # Windows says "permission denied" for these, Linux only when reading
            raise CaptureError(f"{name}: is a directory: name a capture file in it")
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise CaptureError(f"{name}: no such file") from None
    except PermissionError:
        raise CaptureError(f"{name}: permission denied: you may not read this file") from None
    except (OSError, ValueError) as error:
        raise CaptureError(f"{name}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None
