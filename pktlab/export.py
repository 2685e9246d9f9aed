"""A capture's columns as a Parquet or an Arrow file, written as it is read, and not written twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pktlab.api import Capture, Selection
from pktlab.columns.arrow import note_of, schema_of, sink, to_batch
from pktlab.columns.cells import wanted

__all__ = ["ROW_GROUP", "export", "export_to", "is_exported"]

ROW_GROUP = 65_536
"""Rows that are written together: what is in memory at a time."""


def export_to(
    target: BinaryIO, capture: Capture | Selection, names: Sequence[str] = (), *, form: str, streams: bool = True,
    note: dict[str, Any] | None = None,
) -> Iterator[int]:  # fmt: skip
    """Write columns of a capture, and yield how many rows each step wrote.

    Parameters
    ----------
    names : of fields; the usual ones if there are none
    form : ``"parquet"`` or ``"arrow"``; `streams` as for `pktlab.columns.arrow.sink`

    Raises
    ------
    SchemaError : no packet can have such a field
    """
    schema = schema_of(wanted(names, capture.protocols))
    with sink(target, schema, form, streams=streams, note=note) as write:
        for table in capture.batches(*names, size=ROW_GROUP):
            if len(table):
                write(to_batch(table, schema))
            yield len(table)


def export(target: Path, capture: Capture | Selection, names: Sequence[str] = (), *, form: str) -> Iterator[int]:
    """Write columns of a capture to a file, which has its name only when all is in it; as `export_to`.

    Raises
    ------
    OSError : it cannot be written
    """
    partial = target.with_name(f".{target.name}.part")
    try:
        with _opened(partial, target) as file:
            note = _note(capture, names)
            yield from export_to(file, capture, names, form=form, streams=False, note=note)
        partial.replace(target)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _opened(partial: Path, target: Path) -> BinaryIO:
    """Open the file that `target` is written to; what the system says against it, it says of `target`."""
    try:
        return partial.open("wb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def is_exported(target: Path, capture: Capture | Selection, names: Sequence[str] = (), *, form: str) -> bool:
    """Tell whether `target` holds these columns of this capture, which has not changed since."""
    return target.is_file() and note_of(target, form) == _note(capture, names)


def _note(capture: Capture | Selection, names: Sequence[str]) -> dict[str, Any]:
    """Return what an exported file keeps of where it comes from."""
    columns = [one.name for one in wanted(names, capture.protocols)]
    about: dict[str, Any] = {"source": Path(capture.name).name, "columns": columns}
    if isinstance(capture, Selection):
        about["filter"] = str(capture.filter)
    with suppress(OSError):
        status = Path(capture.name).stat()
        about |= {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    return about
