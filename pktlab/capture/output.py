"""Where written bytes go: a path, standard output, or a binary file object, packed or not.

A file that is named is written under another name beside it and takes its own name only when it is complete.
So a failure leaves what was there before, and a capture may be read and written under one name. What is
written live, for somebody to read while it grows, goes to its name at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol, cast

from pktlab.errors import CaptureError

__all__ = ["Output", "Target", "Writable"]


class Writable(Protocol):
    """A binary file object that takes bytes."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take all of `data`."""

    def flush(self) -> None:
        """Pass on all that was taken."""


Target = str | os.PathLike[str] | Writable


class Output:
    """Bytes on their way to a target.

    Parameters
    ----------
    target : a path, `"-"` for standard output, or a binary file object, which is left open
    compression : `"gzip"`, `"zstd"` or None
    live : write to the named file at once, without another name beside it

    Raises
    ------
    CaptureError : the target cannot be written to, or zstandard is missing

    >>> import io
    >>> buffer = io.BytesIO()
    >>> output = Output(buffer, None, live=False)
    >>> output.write(b"abc")
    >>> output.close()
    >>> buffer.getvalue()
    b'abc'
    """

    def __init__(self, target: Target, compression: str | None, *, live: bool) -> None:
        pack = _packer(target, compression)
        self._path: Path | None = None  # the name to take when complete
        self._part: Path | None = None  # the name until then
        self._owned: IO[bytes] | None = None
        self.name, self._bare = self._open(target, live)
        self._packed = pack(cast("IO[bytes]", self._bare)) if pack else None
        self._sink = self._packed or self._bare

    def _open(self, target: Target, live: bool) -> tuple[str, Writable]:
        if target == "-":
            if sys.stdout.isatty():
                raise CaptureError("-: standard output is a terminal: redirect it, or name a file")
            return "-", sys.stdout.buffer
        if not isinstance(target, (str, os.PathLike)):
            name = getattr(target, "name", None)
            return name if isinstance(name, str) else "<stream>", target
        name = os.fspath(target)
        path = Path(os.path.realpath(name))  # a link stays a link: what it points to is replaced
        is_special = path.exists() and not path.is_file()  # a device or a pipe cannot be replaced
        try:
            if live or is_special:
                self._owned = path.open("wb")
            else:
                self._part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
                self._owned = self._part.open("xb")
                self._path = path
        except OSError as error:
            raise CaptureError(f"{name}: cannot be written: {error.strerror or error}") from None
        return name, self._owned

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes; a closed pipe is the caller's to deal with, all other failures are named.

        Raises
        ------
        CaptureError : no space is left, or the like
        """
        try:
            self._sink.write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CaptureError(f"{self.name}: writing failed: {error.strerror or error}") from None

    def flush(self) -> None:
        """Pass on all that was written so far, so that a reader can have it."""
        self._sink.flush()

    def close(self) -> None:
        """End the packed data, close what was opened here, and give the file its name."""
        try:
            if self._packed:
                self._packed.close()
            self._bare.flush()
            if self._owned:
                self._owned.close()
            if self._part and self._path:
                _replace(self._part, self._path)
        except OSError as error:
            self.discard()
            if isinstance(error, BrokenPipeError):
                raise
            raise CaptureError(f"{self.name}: writing failed: {error.strerror or error}") from None

    def discard(self) -> None:
        """Throw away what was written to a named file; what had that name before is still there."""
        for file in (self._packed, self._owned):
            if file:
                with suppress(OSError):
                    file.close()
        if self._part:
            self._part.unlink(missing_ok=True)


def _replace(part: Path, path: Path) -> None:
    with suppress(FileNotFoundError):
        part.chmod(path.stat().st_mode & 0o7777)
    part.replace(path)


def _packer(target: Target, compression: str | None) -> Callable[[IO[bytes]], IO[bytes]] | None:
    if compression is None:
        return None
    if compression == "gzip":
        import gzip

        return lambda sink: cast("IO[bytes]", gzip.GzipFile(fileobj=sink, mode="wb", mtime=0))
    if compression != "zstd":
        raise ValueError(f"compression is 'gzip', 'zstd' or None, not {compression!r}")
    try:
        import zstandard  # 20 ms that only zstd files pay for
    except ImportError:
        raise CaptureError(f"{target}: zstd data need a package: pip install zstandard") from None
    return lambda sink: cast("IO[bytes]", zstandard.ZstdCompressor().stream_writer(sink, closefd=False))
